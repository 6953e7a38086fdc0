/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/index.h"

#include <assert.h>
#include <stdlib.h>

enum {
	FIRST_SIZE = 256,
	STEP = 16, /* slots that are moved with each change: done long before the new table is full */
};

bool index_init(struct index *x)
{
	*x = (struct index){.mask = FIRST_SIZE - 1};
	x->slots = calloc(FIRST_SIZE, sizeof(*x->slots));
	return x->slots != NULL;
}

void index_clear(struct index *x)
{
	free(x->slots);
	free(x->old);
	*x = (struct index){0};
}

static void put(struct index *x, struct index_slot entry)
{
	uint32_t at = entry.hash & x->mask;
	while (x->slots[at].item)
		at = (at + 1) & x->mask;
	x->slots[at] = entry;
}

static void move_some(struct index *x)
{
	if (!x->old)
		return;
	for (int i = 0; i < STEP; i++) {
		struct index_slot *s = &x->old[x->moved++];
		if (s->item && s->item != INDEX_GONE) {
			put(x, *s);
			s->item = INDEX_GONE;
		}
	}
	if (x->moved > x->old_mask) {
		free(x->old);
		x->old = NULL;
	}
}

bool index_reserve(struct index *x, uint32_t n)
{
	/* beyond two thirds the searches get long; one slot at least has to stay empty to end them */
	if (n <= (uint64_t)(x->mask + 1) * 2 / 3)
		return true;
	struct index_slot *slots = NULL;
	if (!x->old && x->mask < UINT32_MAX / 2)
		slots = calloc((size_t)(x->mask + 1) * 2, sizeof(*slots));
	if (!slots)
		return n <= x->mask;
	x->old = x->slots;
	x->old_mask = x->mask;
	x->moved = 0;
	x->slots = slots;
	x->mask = 2 * x->mask + 1;
	return true;
}

void index_add(struct index *x, uint32_t hash, uint32_t item)
{
	assert(x->entries < x->mask);
	move_some(x);
	put(x, (struct index_slot){hash, item + 1});
	x->entries++;
}

/* Empties a slot and closes the gap: later entries of the run move up unless that put them before their own place. */
static void close_gap(struct index *x, uint32_t gap)
{
	for (uint32_t at = (gap + 1) & x->mask; x->slots[at].item; at = (at + 1) & x->mask) {
		uint32_t home = x->slots[at].hash & x->mask;
		if (((at - home) & x->mask) >= ((at - gap) & x->mask)) {
			x->slots[gap] = x->slots[at];
			gap = at;
		}
	}
	x->slots[gap] = (struct index_slot){0};
}

void index_remove(struct index *x, uint32_t hash, uint32_t item)
{
	move_some(x);
	x->entries--;
	for (uint32_t at = hash & x->mask; x->slots[at].item; at = (at + 1) & x->mask) {
		if (x->slots[at].item == item + 1 && x->slots[at].hash == hash) {
			close_gap(x, at);
			return;
		}
	}
	assert(x->old);
	for (uint32_t at = hash & x->old_mask;; at = (at + 1) & x->old_mask) {
		assert(x->old[at].item);
		if (x->old[at].item == item + 1 && x->old[at].hash == hash) {
			x->old[at].item = INDEX_GONE;
			return;
		}
	}
}
