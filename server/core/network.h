/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much the hosts of each IPv6 network of 64 bits have together. A host may take as many addresses of its network as
 * it likes, so that a share for each address is none: the network is the least that nobody chooses.
 */
#ifndef SERVER_CORE_NETWORK_H
#define SERVER_CORE_NETWORK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/core/hash.h"
#include "server/core/index.h"
#include "server/core/slab.h"

#define NETWORK_NONE UINT32_MAX

struct networks {
	struct slab slab;
	struct index index;
};

/* False if out of memory. */
bool network_init(struct networks *t);
void network_clear(struct networks *t);
/* One more client in its network, which is made if it has to be. NETWORK_NONE for IPv4, which has none, and if out of
 * memory: *good is false then. */
uint32_t network_join(struct networks *t, const struct hash_key *k, const struct in6_addr *client, bool *good);
/* One less; the network goes with its last. NETWORK_NONE is allowed. */
void network_leave(struct networks *t, const struct hash_key *k, uint32_t i);
/* Leases in force, more or less of them; NETWORK_NONE is allowed. */
void network_count(struct networks *t, uint32_t i, int more);
/* Leases in force of all clients in the network of an address; 0 for IPv4. */
uint32_t network_active(const struct networks *t, const struct hash_key *k, const struct in6_addr *client);

#endif
