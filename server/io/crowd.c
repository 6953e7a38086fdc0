/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/crowd.h"

bool crowd_is(struct crowd *c, size_t n, size_t most, uint64_t now_ms)
{
	bool full;

	c->was = c->was && now_ms - c->last_ms < CROWD_AFTER_MS;
	full = n >= (c->was ? most / 4 : most);
	if (full && !c->full)
		c->since_ms = now_ms;
	c->full = full;
	if (!full || !(c->was || now_ms - c->since_ms >= CROWD_MS))
		return false;
	c->was = true;
	c->last_ms = now_ms;
	return true;
}
