/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens, told to those who read along (GET /v1/events, server-sent events), and the last refusals, for those who
 * look later. While nobody reads, events are numbered and that is all. While somebody does, the last EVENTS_KEPT are
 * kept as text, once for all; a reader for whom that is too fast is told how many it has missed. Nobody waits for a reader.
 */
#ifndef SERVER_EVENTS_H
#define SERVER_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/event_text.h"
#include "server/io/control.h"

enum {
	EVENTS_KEPT = 1024,
	EVENTS_READERS = 32,	 /* at a time */
	EVENTS_REFUSALS = 64,	 /* the last ones */
	EVENTS_GATHER_MS = 20,	 /* what happens within so long goes out together */
	EVENTS_QUIET_MS = 15000, /* a reader to whom nothing was said for so long gets a comment */
};

struct events;

/* Fills in what the second was like; called once a second while anybody reads. */
typedef void events_stats_fn(void *context, struct event_stats *stats);

/* NULL if out of memory. loop must outlive it. */
struct events *events_new(struct loop *loop, events_stats_fn *stats, void *context);
/* Readers must have been ended before, by control_close(). NULL is allowed. */
void events_free(struct events *e);

/* What rounds tell; texts are copied. */
void events_round(struct events *e, const struct round_event *v, size_t n, uint64_t now_ms);
void events_external(struct events *e, const struct event_external *x);
void events_reload(struct events *e, bool ok, const char *why);
void events_backend(struct events *e, const char *state, const char *why);

/*
 * Answers a request with events from now on, or from behind its Last-Event-ID. types: the names of those that are
 * wanted, with commas; NULL: all. 0; -EINVAL: a type is unknown; -EUSERS: there are EVENTS_READERS already; -ENOMEM: not
 * answered.
 */
int events_serve(struct events *e, struct control_request *q, const char *types);
unsigned events_readers(const struct events *e);

/* The i-th last refusal as JSON text; its length, 0: there are no more. */
size_t events_refusal(const struct events *e, size_t i, char out[EVENT_TEXT_MAX]);

#endif
