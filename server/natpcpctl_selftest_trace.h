/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which chain drops a packet: a table of our own, for as long as the test takes, marks the packets of two source
 * addresses for tracing, and the kernel tells what each chain does with them.
 */
#ifndef SERVER_NATPCPCTL_SELFTEST_TRACE_H
#define SERVER_NATPCPCTL_SELFTEST_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/natpcpctl_selftest_event.h"

/* What became of the packets of one source address. */
struct trace_seen {
	bool any, dropped, queued;
	struct event_place place; /* that of the drop, else the last one */
};

struct trace;

/* Begins to trace what the two addresses send, IPv4 ones v4-mapped. 0 or -errno; the trace is to be closed. */
int trace_open(struct trace **t, const struct in6_addr *a, const struct in6_addr *b);
/* NULL is allowed. */
void trace_close(struct trace *t);
/* Forgets what was seen, and reads on for packets of source. */
void trace_begin(struct trace *t, const struct in6_addr *source);
/* Reads what the kernel has told until now. */
const struct trace_seen *trace_look(struct trace *t);
/*
 * The name of the chain of that table that is at the forward hook, the first of them; false if there is none or it
 * cannot be read.
 */
bool trace_forward_chain(const struct event_place *p, char chain[EVENT_NAME]);
#endif
