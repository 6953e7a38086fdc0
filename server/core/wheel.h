/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The timing wheel of the lease table: leases by lease.expires_ms, linked through lease.due_prev and due_next. Levels of
 * 64 slots; a slot of the lowest is one millisecond, of each next one 64 times as long, so that every time has a place
 * and a lease changes its slot at most once per level. A word of bits for each level tells which slots are used: time
 * that nothing is due in costs nothing.
 */
#ifndef SERVER_CORE_WHEEL_H
#define SERVER_CORE_WHEEL_H

#include <stdint.h>

#include "server/core/slab.h"

enum {
	WHEEL_BITS = 6,
	WHEEL_SLOTS = 1 << WHEEL_BITS,
	WHEEL_LEVELS = 11,
	WHEEL_READY = WHEEL_LEVELS * WHEEL_SLOTS, /* the list of what has come due */
	WHEEL_MOVES = 4096, /* leases that change their slot before the caller gets control back */
};

/* Indices from here on are no leases: due_prev of the first of a list is WHEEL_HEADS + its list. */
#define WHEEL_HEADS UINT32_C(0xfffff000)

struct wheel {
	uint64_t now_ms;
	uint64_t used[WHEEL_LEVELS];
	uint32_t heads[WHEEL_READY + 1];
	uint32_t emptying; /* the list whose leases go to lower levels, WHEEL_READY = none */
	uint32_t moves;	   /* left to this turn */
};

void wheel_init(struct wheel *w, uint64_t now_ms);
/* The lease must not be in; a due time of UINT64_MAX is put nowhere. */
void wheel_add(struct wheel *w, const struct slab *leases, uint32_t i);
/* Nothing happens to one that is not in: due_prev is LEASE_NONE. */
void wheel_remove(struct wheel *w, const struct slab *leases, uint32_t i);
/* As lease_next_due(). */
uint32_t wheel_turn(struct wheel *w, const struct slab *leases, uint64_t now_ms);
/* As lease_deadline(). */
uint64_t wheel_deadline(const struct wheel *w);

#endif
