/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done about the connections of mappings, after the round that wants it and apart from all rounds: those of
 * mappings that are no more end, and it is found out how long others would go on. One search through the kernel's
 * connections, in a thread of its own, serves all that has come together since the one before; pauses between them bound
 * what share of a processor they take.
 */
#ifndef SERVER_FLOWS_H
#define SERVER_FLOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/mapping.h"

struct backend;
struct conf;
struct flows;
struct loop;
struct proxy;
struct round;

/* An answer to flows_ask(): for how many seconds the connections of one mapping go on without another packet, 0 = there
 * are none, UINT32_MAX = nobody knows. Called in the loop, outside of any round. */
typedef void flows_answer_fn(void *context, void *ask, uint32_t left_s);

/* Searches by a proxy, which is borrowed. NULL: without a packet filter there are no connections. 0 or -errno. */
int flows_open(struct flows **f, struct loop *loop, struct proxy *proxy, const struct conf *conf,
	       flows_answer_fn *answer, void *context);
/* Waits for a search that is under way. What was asked is not answered any more. NULL is allowed. */
void flows_close(struct flows *f);
/* The packet filter that says whether anything came about by a mapping; borrowed. Not called: it is not asked. */
void flows_watch(struct flows *f, struct backend *b);

/* No thread of it runs when this returns, until there is something to search for. */
void flows_rest(struct flows *f);

/* Notes what a settled round says of connections. */
void flows_take(struct flows *f, const struct round *r);

/* True if there certainly are no connections of the mapping. */
bool flows_none(struct flows *f, const struct mapping *m);
/* Asks for the connections of n mappings: each is answered, with the same ask. 0, or -ENOMEM: none is. */
int flows_ask(struct flows *f, const struct mapping *v, size_t n, void *ask);

/* How often the kernel's connections were searched. */
uint64_t flows_searches(const struct flows *f);

#endif
