/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process that runs the programs of hooks, so that the one that reads packets can start none. It has no capability,
 * and starts only what the configuration names, with an environment that no client can choose the names of.
 */
#ifndef SERVER_RUNNER_H
#define SERVER_RUNNER_H

#include <sys/types.h>

#include "server/io/privileges.h"
#include "server/settings.h"

struct runner {
	int fd; /* for hooks_open(); -1: it has it, or there is no such process */
	pid_t pid;
};

/* Starts it; it ends when fd is closed. As warden_start(), and before that. 0 or -errno. */
int runner_start(struct runner *r, const struct settings *settings, struct conf *conf, const struct privileges *p);
/* Closes fd, and waits for its end. */
void runner_wait(struct runner *r);

#endif
