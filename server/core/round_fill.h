/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of a round, for those who fill and settle it. Each change has a step that knows how to take it back; each
 * reply to a request has an answer that knows which changes and which lease it rests on.
 */
#ifndef SERVER_CORE_ROUND_FILL_H
#define SERVER_CORE_ROUND_FILL_H

#include "server/core/lease.h"
#include "server/core/round.h"

#define ROUND_NONE UINT32_MAX

/* Why a lease ends. */
enum round_cause {
	ROUND_DELETED,
	ROUND_EXPIRED,
	ROUND_REVOKED,
	ROUND_FORBIDDEN, /* the configuration no longer allows it */
	ROUND_HOMELESS,	 /* its external address is gone and no port was to be had elsewhere */
	ROUND_RETRIED,	 /* an earlier removal was refused */
	ROUND_CLASHED,	 /* another mapping has a better claim to its place */
};

enum round_step_flag {
	ROUND_STEP_NEW = 1,   /* refused: the lease is forgotten */
	ROUND_STEP_END = 2,   /* accepted: the lease ends */
	ROUND_STEP_OWN = 4,   /* the engine's own work, to be tried again if refused */
	ROUND_STEP_EVENT = 8, /* accepted: event tells of it */
};

struct round_step {
	uint32_t lease;	 /* LEASE_NONE: none is concerned */
	uint32_t answer; /* index of the answer that rests on it, ROUND_NONE = none */
	uint32_t lifetime_s;
	uint8_t flags; /* enum round_step_flag */
	uint8_t event; /* enum round_event_kind */
	uint8_t cause; /* enum round_cause */
	uint8_t flows; /* enum round_flows, of the mapping that the lease was before; settling says */
	struct lease before;
	struct extra *extra; /* what the change's mapping points into */
};

/* All that is needed to answer a request, in its round or later. data is borrowed as in struct engine_datagram. */
struct round_request {
	const uint8_t *data;
	size_t length;
	struct in6_addr source;
	struct in6_addr destination;
	uint32_t ifindex;
	uint16_t source_port;
	uint16_t listen;
	bool pcp;
};

struct round_answer {
	struct round_request request;
	uint8_t *buffer; /* of the reply; NULL: an announcement or an update, not an answer */
	size_t capacity;
	size_t first, n; /* the changes it rests on */
	uint32_t lease;	 /* must be in force, with this external side, for the answer to be true; LEASE_NONE = none */
	uint16_t external_port;
	uint8_t opcode;
	bool refused;		/* it is an error already */
	struct mapping mapping; /* asked for, for events */
	const char *rule;
};

struct round_block;

struct round {
	struct change *changes;
	struct round_step *steps; /* as many as changes */
	size_t changes_n, changes_capacity;
	struct round_reply *replies;
	struct round_answer *answers; /* as many as replies */
	size_t replies_n, replies_capacity;
	struct round_event *events;
	size_t events_n, events_capacity;
	struct round_block *blocks, *block; /* memory of replies: all, the one in use */
	uint32_t group;
};

/* Makes room for so many more changes, with an event each and one to spare. False if out of memory. */
bool round_reserve(struct round *r, size_t changes);
/* Opens a new group for the changes that follow. */
void round_group(struct round *r);
/* Appends a change to the group; there must be room. The step's extras stay until the round is cleared. */
void round_change(struct round *r, enum change_op op, const struct mapping *m, uint64_t timeout_ms,
		  const struct round_step *s);
/* Appends an event, if there is memory for it. */
void round_event(struct round *r, const struct round_event *e);

/* Appends the reply to a request, empty, with room for capacity octets. Its index, or ROUND_NONE if out of memory. */
uint32_t round_answer(struct round *r, const struct round_request *q, size_t capacity);
/* Appends a reply to nobody's request; data is copied. False if out of memory. */
bool round_say(struct round *r, const struct round_reply *form, const uint8_t *data, size_t length);

#endif
