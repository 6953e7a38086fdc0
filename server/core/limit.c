/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/limit.h"

#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "server/core/hash.h"

enum {
	SETS = 4096,
	WAYS = 8,
	TOKEN = 1000,
	PART = TOKEN / LIMIT_HOSTS, /* what a request costs a network, whose buckets are like all others */
	LEAKS_OF = 4,		    /* one of so many */
};
#define NETWORK (UINT32_C(1) << 31) /* apart from hosts: no ifindex has this bit */

/* A client is known by its hash alone: two of the same, in 64 bits with a secret key, would just share their tokens. */
struct bucket {
	uint64_t client;
	uint64_t seen_ms;
	uint64_t spent; /* thousandths of tokens that are missing at seen_ms; 0 = full, which is as good as no bucket */
};

struct limit {
	struct hash_key key;
	uint32_t per_second;
	uint32_t burst;
	uint64_t leaks; /* that were thought of */
	uint64_t leaked_ms;
	uint64_t leakable; /* thousandths of tokens that are there for it at leaked_ms; none at first */
	struct bucket buckets[SETS * WAYS];
};

struct limit *limit_new(const uint8_t seed[16], uint32_t per_second, uint32_t burst)
{
	struct limit *l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->key = hash_key_from(seed);
	limit_rate(l, per_second, burst);
	return l;
}

void limit_free(struct limit *l)
{
	free(l);
}

void limit_rate(struct limit *l, uint32_t per_second, uint32_t burst)
{
	l->per_second = per_second;
	l->burst = burst ? burst : 1;
}

/* What is missing from a bucket at now_ms; per_second is thousandths per millisecond. */
static uint64_t spent_at(const struct limit *l, const struct bucket *b, uint64_t now_ms)
{
	uint64_t passed_ms = now_ms > b->seen_ms ? now_ms - b->seen_ms : 0;
	if (passed_ms > b->spent / l->per_second)
		return 0;
	return b->spent - passed_ms * l->per_second;
}

/* A bucket that was looked for. */
struct found {
	uint64_t client;
	size_t at;	  /* where it is, or would be */
	uint64_t missing; /* from it; nothing if it is new */
};

static struct found find(const struct limit *l, const struct in6_addr *address, uint32_t number, uint64_t now_ms)
{
	uint64_t most = (uint64_t)l->burst * TOKEN, least = UINT64_MAX;
	struct found f = {.client = hash_address(&l->key, address, number)};
	size_t set = f.client % SETS * WAYS;

	for (size_t i = set; i < set + WAYS; i++) {
		uint64_t spent = spent_at(l, &l->buckets[i], now_ms);

		if (l->buckets[i].client == f.client) {
			f.missing = spent < most ? spent : most;
			f.at = i;
			return f;
		}
		if (spent < least) {
			f.at = i;
			least = spent;
		}
	}
	return f;
}

static void spend(struct limit *l, const struct found *f, uint64_t cost, uint64_t now_ms)
{
	l->buckets[f->at] = (struct bucket){.client = f->client, .seen_ms = now_ms, .spent = f->missing + cost};
}

/* A bucket that lacks tokens is one that is there already. */
static bool has(struct limit *l, const struct found *f, uint64_t cost, uint64_t now_ms)
{
	if (f->missing + cost <= (uint64_t)l->burst * TOKEN)
		return true;
	spend(l, f, 0, now_ms);
	return false;
}

/* Who is refused is given no bucket: a host that takes one address after the other fills no more places than its network
 * has tokens. */
bool limit_take(struct limit *l, const struct limit_client *c, uint64_t now_ms)
{
	uint32_t link = IN6_IS_ADDR_LINKLOCAL(&c->address) ? c->ifindex & ~NETWORK : 0;
	struct in6_addr network = c->address;
	struct found own, shared;

	if (l->per_second == 0)
		return true;
	own = find(l, &c->address, link, now_ms);
	if (!has(l, &own, TOKEN, now_ms))
		return false;
	if (!codec_is_v4(&c->address) && !c->known) {
		memset(&network.s6_addr[8], 0, 8);
		shared = find(l, &network, NETWORK | link, now_ms);
		if (!has(l, &shared, PART, now_ms))
			return false;
		spend(l, &shared, PART, now_ms);
		/* it may have taken the place that was meant for this one */
		own = find(l, &c->address, link, now_ms);
	}
	spend(l, &own, TOKEN, now_ms);
	return true;
}

bool limit_leak(struct limit *l, uint64_t now_ms)
{
	uint64_t most = (uint64_t)l->per_second * TOKEN, passed_ms;

	if (l->leaked_ms == 0)
		l->leaked_ms = now_ms;
	passed_ms = now_ms > l->leaked_ms ? now_ms - l->leaked_ms : 0;
	l->leakable = passed_ms >= TOKEN ? most : l->leakable + passed_ms * l->per_second;
	if (l->leakable > most)
		l->leakable = most;
	l->leaked_ms = now_ms;
	if (l->leakable < TOKEN || hash_address(&l->key, &in6addr_any, (uint32_t)++l->leaks) % LEAKS_OF != 0)
		return false;
	l->leakable -= TOKEN;
	return true;
}
