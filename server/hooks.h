/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operator's programs, which are told what happens. Events wait in a queue of fixed size; of one mapping, one is
 * told at a time, in the order in which they happened. Whatever a program does, nobody waits for it.
 */
#ifndef SERVER_HOOKS_H
#define SERVER_HOOKS_H

#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "server/core/round.h"
#include "server/external.h"

enum {
	HOOKS_WAITING_MAX = 1024,   /* events that wait; what comes when there are so many is dropped */
	HOOKS_OF_CLIENT_MAX = 256,  /* of those, of one client: of one IPv6 /64 */
	HOOKS_REFUSED_CLIENTS = 64, /* clients whose refusals are told in */
	HOOKS_REFUSED_MS = 10000,   /* this time, and one of each */
};

struct hooks;
struct loop;

/* Nothing is run before hooks_start(). Borrows conf until hooks_use(). fd: a socket to a process that runs the programs, which
 * is taken over if this succeeds; -1: this one does. 0 or -ENOMEM. */
int hooks_open(struct hooks **h, struct loop *loop, const struct conf *conf, int fd);
/* From now on: privileges are given up. */
void hooks_start(struct hooks *h);
/* Another configuration, and an event for it. What waits for a hook that is gone is dropped. */
void hooks_use(struct hooks *h, const struct conf *conf);
/* What waits is dropped; what runs is ended, after a moment. NULL is allowed. */
void hooks_close(struct hooks *h);

/* The events of a round. Does nothing unless a hook wants some of them. */
void hooks_round(struct hooks *h, const struct round_event *v, size_t n);
/* Other outside addresses. */
void hooks_external(struct hooks *h, const struct conf_external *x, const struct external *o);

struct hooks_stats {
	uint64_t runs;
	uint64_t failures; /* could not be run, ended with another code than 0, by a signal, or for its time limit */
	uint64_t merged;   /* told with a later one of the same kind */
	uint64_t limited;  /* refusals that were not told, for their number */
	uint64_t dropped;  /* for the queue's length */
	size_t waiting, running;
};
void hooks_stats(const struct hooks *h, struct hooks_stats *s);

#endif
