/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natpcpctl help */
#include "server/natpcpctl.h"
#include "server/natpcpctl_command.h"

int natpcpctl_help(struct tool *t, int n, char **argument)
{
	const struct command *c = n ? command_find(argument[0]) : NULL;

	(void)t;
	if (n && !c)
		return given_bad(NULL, "there is no command %s", argument[0]);
	if (c)
		command_help(stdout, c);
	else
		command_list(stdout);
	return CTL_DONE;
}
