/* SPDX-License-Identifier: MIT */
/* One operation of a client: inside of the library, shared by client.c (what is sent, and when), client_answer.c (what
 * comes back) and client_path.c (where it goes). */
#ifndef NATPCP_CLIENT_OP_H
#define NATPCP_CLIENT_OP_H

#include "codec/client.h"

#include <string.h>

#define CLIENT_OP_SPACING_MS 4000 /* between renewals, RFC 6887 11.2.1 */

enum client_op_kind { CLIENT_OP_MAP, CLIENT_OP_ADDRESS, CLIENT_OP_ANNOUNCE };

enum client_op_phase {
	CLIENT_OP_REST,	    /* nothing to be sent */
	CLIENT_OP_EXCHANGE, /* sent again until answered */
	CLIENT_OP_RENEW,    /* granted; one request at each renewal time */
	CLIENT_OP_HOLD,	    /* an error is not to be repeated before due_ms */
};

static inline uint64_t client_op_later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint64_t client_op_earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline bool client_op_same_address(const struct in6_addr *a, const struct in6_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool client_op_server_is_v4(const struct client *c)
{
	return codec_is_v4(&client_path_now(c)->server.address);
}

/* A number in 0..limit, uniform enough for limits far below 2^64; jitter needs no more (RFC 6887 8.1.1). */
uint64_t client_op_random(struct client *c, uint64_t limit);

/* True if the mode, the path in use and the request allow NAT-PMP. */
bool client_op_may_use_natpmp(const struct client *c, const struct client_op *op);
/* True if the last datagram of that protocol has no answer yet. */
bool client_op_is_waiting(const struct client_op *op, bool natpmp);

void client_op_set_state(struct client_op *op, enum client_state s);
void client_op_rest(struct client_op *op);
/* A new series of datagrams, the first at at_ms. */
void client_op_begin(struct client_op *op, uint64_t at_ms);
/* A mapping that is to be kept. */
bool client_op_is_renewable(const struct client_op *op);
/*
 * The next after now_ms of 1/2..5/8, 3/4..13/16, 7/8..29/32 ... of the lifetime (RFC 6887 11.2.1). With NAT-PMP the first is 1/2
 * (RFC 6886 3.3). When none is left before the mapping ends, its end starts a new exchange.
 */
void client_op_schedule_renewal(struct client *c, struct client_op *op, uint64_t now_ms);
/* The series has failed: a mapping that still lives waits for its next renewal time, the rest has no answer. */
void client_op_give_up(struct client *c, struct client_op *op, uint64_t now_ms);
/* Asks anew for all mappings that are kept and live, but not for fresh: each at at_ms or when the spacing allows. */
void client_op_renew_all(struct client *c, const struct client_op *fresh, uint64_t now_ms, uint64_t at_ms);

/* The path in use does not answer, or hard: the network says that it cannot. The next is tried, if there is one. */
void client_path_failed(struct client *c, bool hard, uint64_t now_ms);
/* Goes over to a path; what is unanswered begins anew there. */
void client_path_use(struct client *c, uint8_t path, uint64_t now_ms);
/* All have been tried; the next time the first is the first again. */
void client_paths_spent(struct client *c);
/* Transmissions of one PCP request on one path; 0 = no limit. */
static inline uint32_t client_path_tries(const struct client *c)
{
	return c->schedule.mrc ? c->schedule.mrc : c->paths_count > 1 ? 4 : 0; /* RFC 7488 section 3, 3. */
}

#endif
