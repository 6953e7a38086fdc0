/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/wheel.h"

#include "server/core/lease.h"

_Static_assert(WHEEL_HEADS + (uint64_t)WHEEL_READY < LEASE_NONE, "list numbers do not fit behind the indices");

static struct lease *at(const struct slab *leases, uint32_t i)
{
	return slab_at(leases, i, sizeof(struct lease));
}

void wheel_init(struct wheel *w, uint64_t now_ms)
{
	*w = (struct wheel){.now_ms = now_ms, .emptying = WHEEL_READY, .moves = WHEEL_MOVES};
	for (uint32_t i = 0; i <= WHEEL_READY; i++)
		w->heads[i] = LEASE_NONE;
}

/* The level is that of the highest digit (base 64) in which the time differs from now, so all slots of a level lie
 * before all of the next one. */
static uint32_t list_for(const struct wheel *w, uint64_t due_ms)
{
	if (due_ms <= w->now_ms)
		return WHEEL_READY;
	uint32_t level = (63 - (uint32_t)__builtin_clzll(due_ms ^ w->now_ms)) / WHEEL_BITS;
	return level * WHEEL_SLOTS + (due_ms >> level * WHEEL_BITS & (WHEEL_SLOTS - 1));
}

void wheel_add(struct wheel *w, const struct slab *leases, uint32_t i)
{
	struct lease *l = at(leases, i);
	if (l->expires_ms == UINT64_MAX) {
		l->due_prev = l->due_next = LEASE_NONE;
		return;
	}
	uint32_t list = list_for(w, l->expires_ms);
	l->due_prev = WHEEL_HEADS + list;
	l->due_next = w->heads[list];
	if (l->due_next != LEASE_NONE)
		at(leases, l->due_next)->due_prev = i;
	w->heads[list] = i;
	if (list != WHEEL_READY)
		w->used[list / WHEEL_SLOTS] |= UINT64_C(1) << list % WHEEL_SLOTS;
}

void wheel_remove(struct wheel *w, const struct slab *leases, uint32_t i)
{
	struct lease *l = at(leases, i);
	if (l->due_prev == LEASE_NONE)
		return;
	if (l->due_next != LEASE_NONE)
		at(leases, l->due_next)->due_prev = l->due_prev;
	if (l->due_prev < WHEEL_HEADS) {
		at(leases, l->due_prev)->due_next = l->due_next;
	} else {
		uint32_t list = l->due_prev - WHEEL_HEADS;
		w->heads[list] = l->due_next;
		if (l->due_next == LEASE_NONE && list != WHEEL_READY)
			w->used[list / WHEEL_SLOTS] &= ~(UINT64_C(1) << list % WHEEL_SLOTS);
	}
	l->due_prev = l->due_next = LEASE_NONE;
}

/* The first slot in time that is used, and when it begins; WHEEL_READY if there is none. */
static uint32_t first_slot(const struct wheel *w, uint64_t *begin_ms)
{
	for (uint32_t level = 0; level < WHEEL_LEVELS; level++) {
		if (!w->used[level])
			continue;
		uint32_t slot = (uint32_t)__builtin_ctzll(w->used[level]);
		uint32_t shift = level * WHEEL_BITS;
		uint64_t higher = level == WHEEL_LEVELS - 1 ? 0 : w->now_ms >> (shift + WHEEL_BITS) << WHEEL_BITS;
		*begin_ms = (higher | slot) << shift;
		return level * WHEEL_SLOTS + slot;
	}
	return WHEEL_READY;
}

uint32_t wheel_turn(struct wheel *w, const struct slab *leases, uint64_t now_ms)
{
	while (w->heads[WHEEL_READY] == LEASE_NONE) {
		uint32_t i = w->emptying == WHEEL_READY ? LEASE_NONE : w->heads[w->emptying];
		if (i != LEASE_NONE) {
			if (w->moves == 0)
				break;
			w->moves--;
			wheel_remove(w, leases, i);
			wheel_add(w, leases, i);
			continue;
		}
		w->emptying = WHEEL_READY;
		uint64_t begin_ms;
		uint32_t list = first_slot(w, &begin_ms);
		if (list == WHEEL_READY || begin_ms > now_ms) {
			if (now_ms > w->now_ms)
				w->now_ms = now_ms;
			break;
		}
		w->now_ms = begin_ms;
		w->used[list / WHEEL_SLOTS] &= ~(UINT64_C(1) << list % WHEEL_SLOTS);
		if (list >= WHEEL_SLOTS) {
			w->emptying = list;
			continue;
		}
		w->heads[WHEEL_READY] = w->heads[list];
		at(leases, w->heads[list])->due_prev = WHEEL_HEADS + WHEEL_READY;
		w->heads[list] = LEASE_NONE;
	}
	if (w->heads[WHEEL_READY] == LEASE_NONE)
		w->moves = WHEEL_MOVES;
	return w->heads[WHEEL_READY];
}

uint64_t wheel_deadline(const struct wheel *w)
{
	if (w->heads[WHEEL_READY] != LEASE_NONE)
		return 0;
	if (w->emptying != WHEEL_READY && w->heads[w->emptying] != LEASE_NONE)
		return w->now_ms;
	uint64_t begin_ms;
	return first_slot(w, &begin_ms) == WHEEL_READY ? UINT64_MAX : begin_ms;
}
