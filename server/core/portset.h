/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets of consecutive ports (RFC 7753). Each port is a lease, so that ports that are taken, kept and counted are the same
 * for sets as for single ports. The first of them stands for all: it alone is due at some time, has a nonce and is
 * shown. The others follow it; all have the same extra, which says where the set begins and how long it is.
 *
 * All of these take ordinary leases too, as sets of one port.
 */
#ifndef SERVER_CORE_PORTSET_H
#define SERVER_CORE_PORTSET_H

#include "server/core/choice.h"
#include "server/core/policy.h"

/* Ports behind the first. */
static inline uint16_t portset_more(const struct lease *l)
{
	return extra_parts(l->extra)->more_ports;
}

/* True for a lease that follows another. */
static inline bool portset_follows(const struct lease *l)
{
	return portset_more(l) && extra_parts(l->extra)->first_port != l->internal_port;
}

/* True if the packet filter has a mapping for each port: the ports outside are others than inside, or filters are in the
 * way. Else one mapping has them all. */
static inline bool portset_is_split(const struct lease *l)
{
	return portset_more(l) && (l->internal_port != l->external_port || extra_parts(l->extra)->filters_n);
}

/* The first lease of the set that a lease is in: itself, if it is in none. */
uint32_t portset_head(const struct engine *e, uint32_t i);
/* The n-th after a first one, which is in force. */
uint32_t portset_at(const struct engine *e, uint32_t head, uint32_t n);

/* Changes that an operation on the lease takes in the packet filter. */
size_t portset_changes(const struct lease *l);
/* Appends them to the round's group; all rest on the step of the first. */
void portset_change(struct round *r, enum change_op op, const struct lease *l, uint64_t timeout_ms,
		    const struct round_step *s);

/* As the functions of lease.h, for every lease of the set. */
uint32_t portset_new(struct engine *e, const struct lease *init);
void portset_extra(struct engine *e, uint32_t head, struct extra *extra);
void portset_judged(struct engine *e, uint32_t head, uint8_t origin, uint16_t rule);
void portset_state(struct engine *e, uint32_t head, enum lease_state state);
/* They count as on this external, wherever they are. */
void portset_external(struct engine *e, uint32_t head, uint8_t external);
/* Also refreshes the marks of ports that are left and gives up places that are held for the same client. */
void portset_move(struct engine *e, uint32_t head, const struct in6_addr *address, uint16_t port);
/* Also refreshes the marks. */
void portset_free(struct engine *e, uint32_t head);
/* Makes the marks of all its ports what they should be. */
void portset_refresh(struct engine *e, uint32_t head);
/* The places that a lease comes to, which are held for the same client, are given up; one for a peer needs none. */
void portset_free_held(struct engine *e, const struct lease *l);

/* Held ports count against the client's mappings, so that nobody can take all ports by making and deleting: frees some
 * until there are fewer than most in all. */
void portset_trim_held(struct engine *e, const struct in6_addr *address, uint32_t most);

/* What one request's ports have to do with mappings that are there already: RFC 7753 4.4.1. */
enum { PORTSET_TOUCHED_MAX = 16 };
/* First leases of mappings in force that have some of n ports from a first one on, by their internal ports; the first
 * PORTSET_TOUCHED_MAX of them. Returns how many. */
size_t portset_touched(const struct engine *e, uint8_t protocol, const struct in6_addr *internal_address, uint16_t port,
		       uint32_t n, uint32_t out[PORTSET_TOUCHED_MAX]);

/* A new set: how many ports, from where on outside. */
struct portset_choice {
	uint32_t n;	/* wanted, later: given; 1 = an ordinary mapping will do better */
	uint32_t equal; /* so many can be had with the same ports outside */
	uint32_t most;	/* of a set that is split */
	uint16_t port;	/* outside; 0 = still to be chosen */
	bool parity;
};
/* Looks for the wish, and the internal ports. Changes nothing. *address is set if n > 1 remains. */
void portset_choose(const struct engine *e, const struct choice *c, struct portset_choice *s, struct in6_addr *address);
/* When s->port is 0: any free ports, if they are more than those that can be had with the same ports outside. */
void portset_pick(struct engine *e, const struct choice *c, struct portset_choice *s, const struct in6_addr *address);

/* How many of n internal ports from q->internal_port on are allowed; one_rule: in the same words as the first. */
uint32_t portset_allowed(const struct conf *conf, const struct policy_request *q, uint32_t n, bool one_rule);

#endif
