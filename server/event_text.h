/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens, as one line of JSON. */
#ifndef SERVER_EVENT_TEXT_H
#define SERVER_EVENT_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "server/core/round.h"

#define EVENT_TEXT_MAX 1152 /* octets: room for every event of a round */

enum event_kind {
	/* as enum round_event_kind */
	EVENT_MADE = ROUND_MADE,
	EVENT_RENEWED = ROUND_RENEWED,
	EVENT_REFUSED = ROUND_REFUSED,
	EVENT_ENDED = ROUND_ENDED,
	EVENT_MOVED = ROUND_MOVED,
	EVENT_ADOPTED = ROUND_ADOPTED,
	EVENT_EXTERNAL,
	EVENT_RELOAD,
	EVENT_BACKEND,
	EVENT_STATS,
	EVENT_LOST,
	EVENT_KINDS,
};

const char *event_name(enum event_kind kind);
/* EVENT_KINDS: there is none of that name (length octets). */
enum event_kind event_named(const char *name, size_t length);

/* An outside address came or went. */
struct event_external {
	const char *name, *interface, *state, *why;
	const struct in6_addr *v;
	size_t n;
	const struct in6_addr *refused; /* NULL: none was */
};

/* What a second was like. */
struct event_stats {
	uint64_t requests, replies, refused, dropped; /* since the start */
	uint64_t leases, clients;
	uint64_t request_p50_us, request_p99_us; /* in that second; 0 if there was none */
};

/* All: at_ms since 1970; the length, 0 if it did not fit into room octets. */
size_t event_text_round(char *out, size_t room, const struct round_event *e, uint64_t at_ms);
size_t event_text_external(char *out, size_t room, const struct event_external *e, uint64_t at_ms);
/* ok: the configuration was taken over; else why not. */
size_t event_text_reload(char *out, size_t room, bool ok, const char *why, uint64_t at_ms);
/* state: "failed", "ok" or "reinstalled" */
size_t event_text_backend(char *out, size_t room, const char *state, const char *why, uint64_t at_ms);
size_t event_text_stats(char *out, size_t room, const struct event_stats *s, uint64_t at_ms);
size_t event_text_lost(char *out, size_t room, uint64_t count, uint64_t at_ms);

#endif
