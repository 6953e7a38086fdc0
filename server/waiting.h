/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests whose answer depends on how long connections go on (RFC 6887 15) wait here, apart from all rounds, until that
 * is found out; and behind them those about the same host, so that what was asked for first happens first.
 */
#ifndef SERVER_WAITING_H
#define SERVER_WAITING_H

#include <stdbool.h>
#include <stdint.h>

#include "server/core/engine.h"
#include "server/io/udp.h"

struct flows;
struct loop;
struct waiting;

/* A datagram goes on: it is to be given to waiting_takes() again. */
typedef void waiting_again_fn(void *context, const struct udp_datagram *u);
/* So many went on that it is time to finish the round. */
typedef void waiting_finish_fn(void *context);

/* Both are called in the loop. 0 or -errno. */
int waiting_open(struct waiting **w, struct loop *loop, waiting_again_fn *again, waiting_finish_fn *finish,
		 void *context);
/* Drops those who wait; flows must be closed. NULL is allowed. */
void waiting_close(struct waiting *w);

/* To be asked right before engine_request(): true if the datagram waits, or is dropped, and is not to be requested now.
 * Else d->flows_left_s is set. */
bool waiting_takes(struct waiting *w, struct flows *f, const struct engine *e, const struct udp_datagram *u,
		   struct engine_datagram *d, uint64_t now_ms);

/* What flows_open() calls; context: a struct waiting. */
void waiting_answered(void *context, void *ask, uint32_t left_s);

/* How many were dropped for want of room. */
uint64_t waiting_dropped(const struct waiting *w);

#endif
