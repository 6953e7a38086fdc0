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
	struct bucket buckets[SETS][WAYS];
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

bool limit_take(struct limit *l, const struct in6_addr *client, uint64_t now_ms)
{
	if (l->per_second == 0)
		return true;
	struct in6_addr who = *client;
	if (!codec_is_v4(&who))
		memset(&who.s6_addr[8], 0, 8);
	uint64_t hash = hash_address(&l->key, &who, 0);
	struct bucket *set = l->buckets[hash % SETS];
	struct bucket *mine = NULL;
	uint64_t least = UINT64_MAX;
	for (int i = 0; i < WAYS; i++) {
		uint64_t spent = spent_at(l, &set[i], now_ms);
		if (set[i].client == hash) {
			mine = &set[i];
			least = spent;
			break;
		}
		if (spent < least) {
			mine = &set[i];
			least = spent;
		}
	}
	if (mine->client != hash) {
		mine->client = hash;
		least = 0;
	}
	uint64_t most = (uint64_t)l->burst * TOKEN;
	if (least > most)
		least = most;
	bool taken = least + TOKEN <= most;
	mine->spent = taken ? least + TOKEN : least;
	mine->seen_ms = now_ms;
	return taken;
}
