/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bucket heads of a hash table with chaining by index. It grows by one bucket per entry (linear hashing: each
 * growth splits one chain), so that no insertion ever has to rehash everything. Bucket memory comes in segments, each
 * as large as all before it, and is not touched before it is used.
 */
#ifndef SERVER_CORE_CHAINS_H
#define SERVER_CORE_CHAINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHAINS_NONE UINT32_MAX

enum { CHAINS_BASE_BITS = 8, CHAINS_SEGMENTS = 32 - CHAINS_BASE_BITS };

/* The hash of entry i; where the index of the next entry of its chain is kept. */
typedef uint32_t chains_hash_fn(void *context, uint32_t i);
typedef uint32_t *chains_next_fn(void *context, uint32_t i);

struct chains {
	uint32_t *segments[CHAINS_SEGMENTS];
	uint32_t full;	/* buckets at the last doubling, a power of two */
	uint32_t split; /* those of them that have been split since; full + split buckets are in use */
	uint32_t entries;
	chains_hash_fn *hash;
	chains_next_fn *next;
	void *context;
};

/* False if out of memory. */
bool chains_init(struct chains *c, chains_hash_fn *hash, chains_next_fn *next, void *context);
void chains_clear(struct chains *c);
/* hash must be what the hash function says of i. Without memory to grow the chains get longer, nothing fails. */
void chains_add(struct chains *c, uint32_t hash, uint32_t i);
/* i must be in. */
void chains_remove(struct chains *c, uint32_t hash, uint32_t i);

static inline uint32_t *chains_bucket(const struct chains *c, uint32_t b)
{
	if (b >> CHAINS_BASE_BITS == 0)
		return &c->segments[0][b];
	unsigned top = 31 - (unsigned)__builtin_clz(b);
	return &c->segments[top - CHAINS_BASE_BITS + 1][b - (UINT32_C(1) << top)];
}

/* The first entry of the chain in which an entry with this hash is, or CHAINS_NONE. */
static inline uint32_t chains_first(const struct chains *c, uint32_t hash)
{
	uint32_t b = hash & (2 * c->full - 1);
	return *chains_bucket(c, b < c->full + c->split ? b : b - c->full);
}

#endif
