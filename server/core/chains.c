/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/chains.h"

#include <assert.h>
#include <stdlib.h>

bool chains_init(struct chains *c, chains_hash_fn *hash, chains_next_fn *next, void *context)
{
	*c = (struct chains){.full = UINT32_C(1) << CHAINS_BASE_BITS, .hash = hash, .next = next, .context = context};
	c->segments[0] = malloc(c->full * sizeof(uint32_t));
	if (!c->segments[0])
		return false;
	for (uint32_t i = 0; i < c->full; i++)
		c->segments[0][i] = CHAINS_NONE;
	return true;
}

void chains_clear(struct chains *c)
{
	for (size_t i = 0; i < CHAINS_SEGMENTS; i++)
		free(c->segments[i]);
	*c = (struct chains){0};
}

static uint32_t *bucket_for(const struct chains *c, uint32_t hash)
{
	uint32_t b = hash & (2 * c->full - 1);
	return chains_bucket(c, b < c->full + c->split ? b : b - c->full);
}

/* Splits the chain that is next in turn into its own bucket and a new one. */
static void grow(struct chains *c)
{
	if (c->split == 0) {
		unsigned segment = 32 - (unsigned)__builtin_clz(c->full) - CHAINS_BASE_BITS;
		if (segment >= CHAINS_SEGMENTS)
			return;
		c->segments[segment] = malloc(c->full * sizeof(uint32_t));
		if (!c->segments[segment])
			return;
	}
	uint32_t *tails[2] = {chains_bucket(c, c->split), chains_bucket(c, c->full + c->split)};
	uint32_t i = *tails[0];
	while (i != CHAINS_NONE) {
		uint32_t **tail = &tails[(c->hash(c->context, i) & c->full) != 0];
		**tail = i;
		*tail = c->next(c->context, i);
		i = **tail;
	}
	*tails[0] = CHAINS_NONE;
	*tails[1] = CHAINS_NONE;
	if (++c->split == c->full) {
		c->full *= 2;
		c->split = 0;
	}
}

void chains_add(struct chains *c, uint32_t hash, uint32_t i)
{
	if (c->entries >= c->full + c->split)
		grow(c);
	uint32_t *head = bucket_for(c, hash);
	*c->next(c->context, i) = *head;
	*head = i;
	c->entries++;
}

void chains_remove(struct chains *c, uint32_t hash, uint32_t i)
{
	uint32_t *p = bucket_for(c, hash);
	while (*p != i) {
		assert(*p != CHAINS_NONE);
		p = c->next(c->context, *p);
	}
	*p = *c->next(c->context, i);
	c->entries--;
}
