/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the lease table is made of, for the files that are the table. */
#ifndef SERVER_CORE_LEASE_SELF_H
#define SERVER_CORE_LEASE_SELF_H

#include <string.h>

#include "server/core/hash.h"
#include "server/core/index.h"
#include "server/core/lease.h"
#include "server/core/network.h"
#include "server/core/slab.h"
#include "server/core/wheel.h"

/*
 * A lease is in the external index and in its client's list all its life, in the internal index while it is ACTIVE or
 * REMOVING, and on the wheel while it is due at some time. Leases for one peer are in both
 * indices under hashes of their own, so that however many there are nobody who looks for others meets them.
 */
struct lease_table {
	struct hash_key key;
	struct hash_memo *memo; /* apart, since looking changes it */
	struct slab leases;
	struct slab clients;
	struct index by_internal; /* protocol, address, port, and the peer's address and port if there is one */
	struct index by_external; /* address, port: one hash for all protocols */
	struct index by_peers;	  /* protocol, internal address, port: those for one peer, while in force */
	struct index by_client;	  /* address, of clients */
	struct wheel wheel;
	size_t filters;	   /* of those in force */
	uint32_t *by_rule; /* how many of them each rule allowed; the last: nobody knows which */
	struct networks networks;
	const struct tally *tally;
};

/* Beyond protocol and port in the number that is hashed with an address. */
enum { LEASE_PEER_SALT = 1 << 24 };

static inline bool lease_same_address(const struct in6_addr *a, const struct in6_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool lease_has_external(const struct lease *l, const struct in6_addr *address, uint16_t port)
{
	return l->external_port == port && lease_same_address(&l->external_address, address);
}

static inline bool lease_has_internal(const struct lease *l, uint8_t protocol, const struct in6_addr *address,
				      uint16_t port)
{
	return l->internal_port == port && l->protocol == protocol && lease_same_address(&l->internal_address, address);
}

/* Most tables have none for single peers in force, and are asked for them with each request. */
static inline bool lease_has_peers(const struct lease_table *t)
{
	return t->by_peers.entries > 0;
}

/* Sides that leases for one peer have in common. */
enum lease_side { LEASE_INSIDE, LEASE_OUTSIDE };

/* A lease for one peer comes to those that have the side, in the index of that side, and leaves them. Room must have been
 * reserved. */
void lease_peers_join(struct lease_table *t, uint32_t i, enum lease_side side);
void lease_peers_leave(struct lease_table *t, uint32_t i, enum lease_side side);

#endif
