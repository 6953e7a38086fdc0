/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Request rate limits: token buckets, for each client address and for each IPv6 network of 64 bits, in a fixed amount of
 * memory.
 *
 * A host may take as many addresses of its IPv6 network as it likes, so that the network has a bucket, too: as large as
 * those of LIMIT_HOSTS addresses. Whoever has mappings already needs none of its tokens: made-up neighbours cannot keep
 * him from renewing. Link-local networks are told apart by their interface.
 */
#ifndef SERVER_CORE_LIMIT_H
#define SERVER_CORE_LIMIT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LIMIT_HOSTS = 16 };

struct limit;

/* seed: 16 octets. per_second 0 = no limit. The table has a fixed number of buckets; when a set of it is full, the
 * bucket that is nearest to full (the quietest client) is given to the newcomer. NULL if out of memory. */
struct limit *limit_new(const uint8_t seed[16], uint32_t per_second, uint32_t burst);
void limit_free(struct limit *l);
struct limit_client {
	struct in6_addr address;
	uint32_t ifindex; /* where it came in; counts for link-local addresses alone */
	bool known;	  /* it has mappings */
};
/* Takes a token; false if there is none. */
bool limit_take(struct limit *l, const struct limit_client *c, uint64_t now_ms);
/*
 * To be asked when there was none: true for some at random, of all clients together as many as one client may ask. So
 * whoever sends in the name of another cannot silence him altogether.
 */
bool limit_leak(struct limit *l, uint64_t now_ms);
/* Other rates from now on; what clients have used stays counted. */
void limit_rate(struct limit *l, uint32_t per_second, uint32_t burst);

#endif
