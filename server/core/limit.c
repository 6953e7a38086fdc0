/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/limit.h"

#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "server/core/hash.h"

enum { SETS = 4096, WAYS = 8, TOKEN = 1000 };

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

/* Which bucket is a client's, and what is missing from it; or which it would be given, of which nothing is. */
static size_t find(const struct limit *l, const struct in6_addr *client, uint64_t now_ms, uint64_t *hash,
		   uint64_t *missing)
{
	struct in6_addr who = *client;
	uint64_t most = (uint64_t)l->burst * TOKEN, least = UINT64_MAX;
	size_t set, mine = 0;

	if (!codec_is_v4(&who))
		memset(&who.s6_addr[8], 0, 8);
	*hash = hash_address(&l->key, &who, 0);
	set = *hash % SETS * WAYS;
	for (size_t i = set; i < set + WAYS; i++) {
		uint64_t spent = spent_at(l, &l->buckets[i], now_ms);

		if (l->buckets[i].client == *hash) {
			*missing = spent < most ? spent : most;
			return i;
		}
		if (spent < least) {
			mine = i;
			least = spent;
		}
	}
	*missing = 0;
	return mine;
}

bool limit_has(const struct limit *l, const struct in6_addr *client, uint64_t now_ms)
{
	uint64_t hash, missing;

	if (l->per_second == 0)
		return true;
	find(l, client, now_ms, &hash, &missing);
	return missing + TOKEN <= (uint64_t)l->burst * TOKEN;
}

bool limit_take(struct limit *l, const struct in6_addr *client, uint64_t now_ms)
{
	uint64_t hash, missing;
	size_t mine;
	bool taken;

	if (l->per_second == 0)
		return true;
	mine = find(l, client, now_ms, &hash, &missing);
	taken = missing + TOKEN <= (uint64_t)l->burst * TOKEN;
	l->buckets[mine] =
	    (struct bucket){.client = hash, .seen_ms = now_ms, .spent = taken ? missing + TOKEN : missing};
	return taken;
}
