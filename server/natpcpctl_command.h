/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of natpcpctl and their options: what is understood, and what is said of it. */
#ifndef SERVER_NATPCPCTL_COMMAND_H
#define SERVER_NATPCPCTL_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

struct tool;

struct command {
	const char *name;
	const char *arguments; /* one form a line; "" if it takes none */
	const char *summary;   /* one line */
	const char *options;   /* the letters of its own, beside those that all have */
	int least, most;       /* arguments */
	int (*run)(struct tool *t, int n, char **argument);
};

/* Ends with a row without a name. */
extern const struct command commands[];

struct command_option {
	char letter;
	bool brief; /* the letter is an option of its own, as -s */
	bool everywhere;
	const char *name, *argument, *text; /* name NULL: there is only the letter; argument NULL: it takes none */
};

/* Ends with a row without a letter. */
extern const struct command_option command_options[];

/* NULL if there is none of that name. */
const struct command *command_find(const char *name);
/* True if the command knows the option of that letter. */
bool command_takes(const struct command *c, char letter);

/* How natpcpctl is called. */
void command_brief(FILE *out);
/* That, and which commands there are. */
void command_list(FILE *out);
/* How the command is written, one line for each form. */
void command_usage(FILE *out, const struct command *c);
/* That, and what it does with which options. */
void command_help(FILE *out, const struct command *c);

#endif
