/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/crowd.h"

bool crowd_is(struct crowd *c, bool full, uint64_t now_ms)
{
	if (full && !c->full)
		c->since_ms = now_ms;
	c->full = full;
	c->was = c->was && now_ms - c->last_ms < CROWD_AFTER_MS;
	if (!full || !(c->was || now_ms - c->since_ms >= CROWD_MS))
		return false;
	c->was = true;
	c->last_ms = now_ms;
	return true;
}
