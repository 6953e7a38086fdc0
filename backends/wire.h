/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the process that reads packets says to the one that changes the packet filter, and what that answers: messages of
 * a head and a body over a stream, one question and its answer after the other. Both ends are the same program, so the
 * numbers are as the machine has them; but who reads does not trust who wrote. Pure.
 */
#ifndef BACKENDS_WIRE_H
#define BACKENDS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/backend.h"
#include "backends/conntrack.h"
#include "backends/ender_list.h"
#include "backends/ender_seen.h"

enum wire_what {
	WIRE_OPEN = 1,	    /* answer: a struct wire_open, then why */
	WIRE_COMMIT,	    /* n changes; answer: n verdicts */
	WIRE_LIST,	    /* answer: WIRE_FOUND, as often as there is something; each is answered with */
	WIRE_LIST_FILTERED, /* WIRE_NEXT, before which other questions may come, but no list */
	WIRE_ASK,	    /* n mappings; the same answer */
	WIRE_NEXT,
	WIRE_COUNT,  /* answer: one number */
	WIRE_RELOAD, /* a struct wire_reload; answer: why */
	WIRE_WATCH,  /* answer: why */
	WIRE_FLOWS,  /* answer: three numbers */
	WIRE_TOKEN,  /* answer: one number */
	WIRE_SET_TOKEN,
	WIRE_FIND, /* a struct wire_flow; answer: the same, filled in */
	WIRE_SEARCH, /* on a stream of its own: a struct wire_search and n items; answer: a struct wire_searched, then n times
		      * how long they go on */
	WIRE_CLOSE, /* n: whether to clear */
	WIRE_DONE,  /* an answer: how it went is its result */
	WIRE_FOUND, /* n mappings that were found */
};

enum {
	WIRE_CHANGES_MAX = 1 << 18, /* of one commit */
	WIRE_ITEMS_MAX = 1 << 16,   /* of one search */
	WIRE_MAX = 32 << 20,	    /* octets of a body */
	WIRE_WHY_MAX = 512,	    /* of a text with its NUL */
	WIRE_FILTERS_MAX = 32,	    /* of one mapping */
};

struct wire_head {
	uint32_t length; /* octets of the body */
	uint32_t what;	 /* enum wire_what */
	uint32_t n;	 /* records in it */
	int32_t result;
};

/* No octet of these is padding. */
struct wire_mapping {
	struct in6_addr internal_address, external_address, remote_address;
	uint16_t internal_port, external_port, more_ports, remote_port, filters_n;
	uint8_t protocol, kind, external, none[3];
};
struct wire_change {
	struct wire_mapping mapping;
	uint64_t timeout_ms;
	uint32_t group;
	uint8_t op, none[3];
};
struct wire_found {
	struct wire_mapping mapping;
	uint64_t remaining_ms;
};
struct wire_filter {
	struct in6_addr address;
	uint16_t port;
	uint8_t prefix_length, none;
};
struct wire_open {
	uint8_t maps_dccp, elicits, none[6];
};
struct wire_reload {
	uint64_t sum;	/* of the text that was read: struct conf */
	uint32_t again; /* 1: the configuration before, as the new one could not be taken over */
	uint32_t none;
};
struct wire_flow {
	struct in6_addr internal_address, remote_address, external_address;
	uint16_t internal_port, remote_port, external_port;
	uint8_t protocol, none;
	uint32_t left_s, none_either;
};
struct wire_search {
	uint64_t processors[16]; /* that the search may use: bits; none is set = any */
};
struct wire_item {
	struct in6_addr internal_address, external_address, remote_address;
	uint16_t internal_port, external_port, more_ports, remote_port;
	uint8_t protocol, purpose, none[6];
};
struct wire_searched {
	uint64_t ended, took_ms;
	struct ender_seen seen;
};

/* A message that is written: a head with room for it, then the body. */
struct wire_buffer {
	uint8_t *data;
	size_t length, capacity;
	bool failed; /* out of memory, or larger than WIRE_MAX */
};

/* Starts a message; what is put into it comes behind. */
void wire_begin(struct wire_buffer *b, enum wire_what what);
void wire_put(struct wire_buffer *b, const void *data, size_t length);
/* Writes the head. False if the buffer failed: there is no message. */
bool wire_end(struct wire_buffer *b, size_t n, int result);
/* Frees the memory, or what of it no ordinary message needs. */
void wire_clear(struct wire_buffer *b);
void wire_trim(struct wire_buffer *b);

/* A mapping without its filters. */
struct wire_mapping wire_mapping(const struct mapping *m);
/* The filters of a mapping, behind all records. */
void wire_put_filters(struct wire_buffer *b, const struct mapping *m);
void wire_put_changes(struct wire_buffer *b, const struct change *changes, size_t n);
void wire_put_mappings(struct wire_buffer *b, const struct mapping *v, size_t n);
void wire_put_items(struct wire_buffer *b, const struct ender_item *v, size_t n);
void wire_put_flow(struct wire_buffer *b, const struct conntrack_flow *f);

/* Memory that grows with what is read and is used again. Starts zeroed. */
struct wire_room {
	void *records;
	struct mapping_filter *filters;
	size_t records_size, filters_n;
};
void wire_room_clear(struct wire_room *r);

/*
 * These read a body of length octets with n records. 0; -EBADMSG if it is not exactly that, or has a value that no such
 * record can have; -E2BIG if there are more than may be; -ENOMEM. What they give is in the room, until it is used again.
 */
int wire_get_changes(struct wire_room *r, const uint8_t *body, size_t length, size_t n, struct change **changes);
int wire_get_mappings(struct wire_room *r, const uint8_t *body, size_t length, size_t n, struct mapping **v);
int wire_get_items(struct wire_room *r, const uint8_t *body, size_t length, size_t n, struct ender_item **v);
int wire_get_flow(const uint8_t *body, size_t length, struct conntrack_flow *f);

/* A fixed number of octets and nothing else. False if the body has another length. */
bool wire_get(const uint8_t *body, size_t length, void *out, size_t size);
/* A text: cut to size, and with a NUL. */
void wire_get_text(const uint8_t *body, size_t length, char *out, size_t size);

/* Calls fn for each of n mappings that were found, or for none: 0 or as above. fn may use the room's owner only. */
int wire_get_found(struct wire_room *r, const uint8_t *body, size_t length, size_t n, backend_list_fn *fn,
		   void *context);

#endif
