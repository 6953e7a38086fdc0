/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hash table of numbers: which items may have a key with this hash. The hashes stand in the table, so that neither a
 * failing search nor growing touches the items; the caller compares the keys of the few that are found. It grows into a
 * table of twice the size, some slots with each change, so that no change has to move everything.
 */
#ifndef SERVER_CORE_INDEX_H
#define SERVER_CORE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INDEX_NONE UINT32_MAX

struct index_slot {
	uint32_t hash;
	uint32_t item; /* + 1; 0 = empty, INDEX_GONE = was used, search on */
};

#define INDEX_GONE UINT32_MAX

struct index {
	struct index_slot *slots;
	uint32_t mask; /* slots - 1 */
	uint32_t old_mask;
	struct index_slot *old; /* what is left to move, NULL = nothing */
	uint32_t moved;		/* slots of old that were looked at */
	uint32_t entries;	/* in both */
};

/* False if out of memory. */
bool index_init(struct index *x);
void index_clear(struct index *x);
/* Makes room for n entries in all. False if there is no memory and no room either; nothing has changed then. */
bool index_reserve(struct index *x, uint32_t n);
/* Room must have been reserved; item is below UINT32_MAX - 1. */
void index_add(struct index *x, uint32_t hash, uint32_t item);
/* It must be in. */
void index_remove(struct index *x, uint32_t hash, uint32_t item);

struct index_cursor {
	const struct index_slot *slots;
	uint32_t mask, at, hash;
};

/* The next item with the cursor's hash, or INDEX_NONE. */
static inline uint32_t index_next(const struct index *x, struct index_cursor *c)
{
	for (;;) {
		const struct index_slot *s = &c->slots[c->at];
		c->at = (c->at + 1) & c->mask;
		if (s->hash == c->hash && s->item && s->item != INDEX_GONE)
			return s->item - 1;
		if (s->item)
			continue;
		if (!x->old || c->slots == x->old)
			return INDEX_NONE;
		c->slots = x->old;
		c->mask = x->old_mask;
		c->at = c->hash & c->mask;
	}
}

/* The first of them; no change may be made between this and index_next(). */
static inline uint32_t index_first(const struct index *x, uint32_t hash, struct index_cursor *c)
{
	*c = (struct index_cursor){x->slots, x->mask, hash & x->mask, hash};
	return index_next(x, c);
}

/* Tells the processor that this hash will be added or looked for soon. */
static inline void index_prefetch(const struct index *x, uint32_t hash)
{
	__builtin_prefetch(&x->slots[hash & x->mask], 1);
}

#endif
