/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One round: what a wake-up's datagrams, or a tick, or any other event wants changed in the packet filter, said to
 * clients, and noted. The engine fills it; the server commits the changes, lets the engine settle it, logs the events,
 * sends the replies and clears it. There is no other way to change the packet filter or to answer.
 */
#ifndef SERVER_CORE_ROUND_H
#define SERVER_CORE_ROUND_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/mapping.h"

enum {
	ROUND_REQUESTS_MAX = 64,  /* datagrams that go into one round */
	ROUND_CHANGES_MAX = 4096, /* changes after which the engine stops adding work of its own (expiry, moves) */
	ROUND_UPKEEP_MAX = 128,	  /* the same in a tick while hosts ask, who wait until the kernel has done it */
};

enum round_reply_kind {
	ROUND_UNICAST,	/* to one client, from the address that was asked */
	ROUND_ANNOUNCE, /* to 224.0.0.1 or ff02::1, port 5350, on every interface of a listen section */
};

/* One datagram to send after the commit. data points into the round and is valid until round_clear(). */
struct round_reply {
	const uint8_t *data;
	size_t length; /* 0: settled to silence, send nothing */
	enum round_reply_kind kind;
	uint16_t listen; /* index into conf.listens */
	bool ipv6;	 /* ROUND_ANNOUNCE: which group */
	/* ROUND_UNICAST: the address that was asked; :: in a Mapping Update: any of the section's */
	struct in6_addr source;
	struct in6_addr destination; /* ROUND_UNICAST */
	uint16_t destination_port;
	uint32_t ifindex; /* ROUND_UNICAST: where the request came from; 0 in a Mapping Update: unknown */
};

enum round_event_kind {
	ROUND_MADE,
	ROUND_RENEWED,
	ROUND_REFUSED, /* a request; result says why */
	ROUND_ENDED,   /* deleted, expired, revoked or no longer allowed: why */
	ROUND_MOVED,   /* has another external address or port now */
	ROUND_ADOPTED, /* found in the packet filter at start */
};

/* Something worth a log line, a counter and, later, a hook. Strings are static or live as long as the conf. */
struct round_event {
	enum round_event_kind kind;
	bool pcp;	/* asked for by PCP, else by NAT-PMP */
	bool permanent; /* a static mapping: nobody asked, and there is no lifetime */
	uint8_t opcode;
	uint8_t result;		/* ROUND_REFUSED: enum pcp_result or natpmp_result as sent */
	struct mapping mapping; /* ports that were not decided are 0 */
	struct in6_addr client; /* who asked */
	uint32_t lifetime_s;	/* granted */
	const char *rule;	/* the rule that decided, NULL if none matched */
	const char *why;	/* in words, for ROUND_REFUSED and ROUND_ENDED */
};

/* What becomes of the connections of a mapping that is no more, or that is elsewhere. */
enum round_flows {
	ROUND_FLOWS_KEEP,  /* they go on until they end by themselves */
	ROUND_FLOWS_END,   /* forgotten: what comes next for them is not translated and not let in */
	ROUND_FLOWS_RESET, /* both ends are told (RFC 6886 3.4) */
};

struct round;

/* A round with room for what ROUND_REQUESTS_MAX ordinary requests need; grows when delete-all or a move needs more.
 * NULL if out of memory. */
struct round *round_new(void);
void round_free(struct round *r);
/* Empties it, keeps its memory. */
void round_clear(struct round *r);

/* The changes in order, for backend_ops.commit, which sets their verdicts. */
struct change *round_changes(struct round *r, size_t *n);
const struct round_reply *round_replies(const struct round *r, size_t *n);
const struct round_event *round_events(const struct round *r, size_t *n);
/* After settling: the next mapping, as it was, whose connections do not go on. *cursor starts at 0. ROUND_FLOWS_KEEP at
 * the end. */
enum round_flows round_flows_next(const struct round *r, size_t *cursor, struct mapping *m);

#endif
