/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the commands of natpcpctl share. */
#ifndef SERVER_NATPCPCTL_H
#define SERVER_NATPCPCTL_H

#include "server/natpcpctl_given.h"
#include "server/natpcpctl_look.h"

struct ask;
struct command;

/* Exit codes. */
enum { CTL_DONE = 0, CTL_FAILED = 1, CTL_USAGE = 2 };

/* The number of every object that natpcpctl prints; it rises when a key goes or changes its meaning. */
enum { CTL_SCHEMA = 1 };

struct tool {
	struct given given;
	const struct command *command;
	struct look look; /* of stdout */
	struct ask *ask;
	bool json;
};

/* The commands: each takes its arguments, whose number fits its row of commands[], and returns an exit code. */
int natpcpctl_status(struct tool *t, int n, char **argument);
int natpcpctl_leases(struct tool *t, int n, char **argument);
int natpcpctl_explain(struct tool *t, int n, char **argument);
int natpcpctl_rules(struct tool *t, int n, char **argument);
int natpcpctl_refusals(struct tool *t, int n, char **argument);
int natpcpctl_watch(struct tool *t, int n, char **argument);
int natpcpctl_revoke(struct tool *t, int n, char **argument);
int natpcpctl_reload(struct tool *t, int n, char **argument);
int natpcpctl_check(struct tool *t, int n, char **argument);
int natpcpctl_metrics(struct tool *t, int n, char **argument);
int natpcpctl_journal(struct tool *t, int n, char **argument);
int natpcpctl_selftest(struct tool *t, int n, char **argument);
int natpcpctl_import(struct tool *t, int n, char **argument);
int natpcpctl_help(struct tool *t, int n, char **argument);

#endif
