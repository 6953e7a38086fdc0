/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mapping Updates: clients of PCP are told thrice that their mapping moved. RFC 6887 14.2. */
#ifndef SERVER_CORE_UPDATE_H
#define SERVER_CORE_UPDATE_H

#include <stddef.h>
#include <stdint.h>

struct engine;
struct round;

enum { UPDATE_COPIES = 3 };

/* Those that wait for the same copy; the wait is the same for all of them, so that the first comes first. */
struct update_queue {
	struct update_entry *v; /* a ring */
	size_t first, n, capacity;
};

struct updates {
	struct update_queue queues[UPDATE_COPIES];
};

void updates_clear(struct updates *u);
/* The lease moved: its client is told from now on. Does nothing for those who did not ask by PCP themselves. */
void update_begin(struct engine *e, uint32_t lease, uint64_t now_ms);
/* The lease had been asked for with PREFER_FAILURE and cannot keep its external side, so it ends: its client is told. To
 * be called while the lease has what it had. */
void update_failed(struct engine *e, uint32_t lease, uint64_t now_ms);
/* Puts the copies that are due into the round, some hundreds at most. */
void update_tick(struct engine *e, uint64_t now_ms, struct round *r);
/* When update_tick() wants to be called, or ENGINE_NEVER. */
uint64_t update_deadline(const struct updates *u);

#endif
