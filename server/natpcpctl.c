/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natpcpctl: the operator's tool, a client of the control socket. */
#include "server/natpcpctl.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/natpcpctl_ask.h"
#include "server/natpcpctl_command.h"
#include "server/version.h"

static int run(struct tool *t, int n, char **argument)
{
	const char *socket = given_get(&t->given, 's');
	int end;

	t->ask = ask_new(socket ? socket : NATPCPD_SOCKET);
	if (!t->ask) {
		fputs("natpcpctl: out of memory\n", stderr);
		return CTL_FAILED;
	}
	end = t->command->run(t, n, argument);
	ask_free(t->ask);
	if (fflush(stdout) == EOF || ferror(stdout)) {
		fputs("natpcpctl: the output cannot be written\n", stderr);
		return CTL_FAILED;
	}
	return end;
}

int main(int argc, char **argv)
{
	struct tool t = {0};
	char **argument;
	int n, end;

	signal(SIGPIPE, SIG_DFL);	/* whose reader goes away ends, whatever its parent thinks of that */
	setlocale(LC_CTYPE, "C.UTF-8"); /* how wide characters are */
	end = given_read(&t.given, &t.command, &n, &argument, argc, argv);
	if (end >= 0)
		return end;
	t.json = given_has(&t.given, 'j');
	if (!look_at(&t.look, STDOUT_FILENO, given_get(&t.given, 'C')))
		return given_bad(t.command, "--color takes auto, always or never");
	return run(&t, n, argument);
}
