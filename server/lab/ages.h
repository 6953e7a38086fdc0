/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The epochs that clients of the lab are told: the engine's, as those of a box that was there long before, and as faults
 * make them. Pure.
 */
#ifndef SERVER_LAB_AGES_H
#define SERVER_LAB_AGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/lab/sight.h"

struct ages {
	struct age {
		bool seen;
		uint32_t engine_s; /* what the engine said last */
		uint64_t at_ms;	   /* and when */
		int64_t shift_s;
		bool frozen;
		uint32_t frozen_s;
	} v[2]; /* by enum sight_protocol */
};

/* older_s: for how long the box seems to have been there before it started. */
void ages_init(struct ages *a, uint32_t older_s);
/* What a client is told now. Until the engine has said anything, as if it had begun just now. */
uint32_t ages_now(const struct ages *a, enum sight_protocol protocol, uint64_t now_ms);
/*
 * Puts it into a message of the engine, if there is an epoch in it. If the engine's own went back, it has restarted: then
 * that is what is told, without a shift. True if so.
 */
bool ages_put(struct ages *a, uint8_t *data, size_t length, uint64_t now_ms);

/* The engine has restarted, though that does not show yet. */
void ages_restart(struct ages *a, enum sight_protocol protocol);

void ages_shift(struct ages *a, enum sight_protocol protocol, int64_t seconds);
void ages_set(struct ages *a, enum sight_protocol protocol, uint32_t epoch_s, uint64_t now_ms);
void ages_freeze(struct ages *a, enum sight_protocol protocol, bool frozen, uint64_t now_ms);

#endif
