/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands on natpcpctl's command line. */
#ifndef SERVER_NATPCPCTL_GIVEN_H
#define SERVER_NATPCPCTL_GIVEN_H

#include <limits.h>
#include <stdbool.h>

struct command;

/* By letter (command_options): NULL if the option is not there, "" if it takes no argument. */
struct given {
	const char *v[CHAR_MAX + 1];
};

/*
 * Reads them; argument[0..n) are the command's own arguments, in argv. Returns an exit code if all is said and done, or
 * -1: *c is to be run.
 */
int given_read(struct given *o, const struct command **c, int *n, char ***argument, int argc, char **argv);

/* The value of an option, or NULL. */
const char *given_get(const struct given *o, char letter);
bool given_has(const struct given *o, char letter);

/* Says on stderr what is wrong with the command line, and how the command is written (c NULL: which there are). Returns
 * the exit code. */
int given_bad(const struct command *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
