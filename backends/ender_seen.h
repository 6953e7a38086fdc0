/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which outside ports have connections of mappings: a note of a whole search in a few octets. It may say yes for a port
 * that has none, and never no for one that has. Pure. */
#ifndef BACKENDS_ENDER_SEEN_H
#define BACKENDS_ENDER_SEEN_H

#include <stdbool.h>
#include <stdint.h>

#include "backends/ender_msg.h"
#include "backends/mapping.h"

enum { ENDER_SEEN_BITS = 65536 };

/* Zero: there are none. */
struct ender_seen {
	uint64_t bits[ENDER_SEEN_BITS / 64];
};

void ender_seen_add(struct ender_seen *s, const struct ender_flow *f);
/* False: certainly none of the mapping's ports has a connection. */
bool ender_seen_has(const struct ender_seen *s, const struct mapping *m);

#endif
