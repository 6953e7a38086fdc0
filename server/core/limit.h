/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Request rate limits: a token bucket for each client address (IPv6: each /64) in a fixed amount of memory. */
#ifndef SERVER_CORE_LIMIT_H
#define SERVER_CORE_LIMIT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct limit;

/* seed: 16 octets. per_second 0 = no limit. The table has a fixed number of buckets; when a set of it is full, the
 * bucket that is nearest to full (the quietest client) is given to the newcomer. NULL if out of memory. */
struct limit *limit_new(const uint8_t seed[16], uint32_t per_second, uint32_t burst);
void limit_free(struct limit *l);
/* True if there is a token to be taken. */
bool limit_has(const struct limit *l, const struct in6_addr *client, uint64_t now_ms);
/* Takes a token; false if there is none. */
bool limit_take(struct limit *l, const struct in6_addr *client, uint64_t now_ms);
/* Other rates from now on; what clients have used stays counted. */
void limit_rate(struct limit *l, uint32_t per_second, uint32_t burst);

#endif
