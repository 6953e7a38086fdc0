/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Searches the kernel's connections for those of mappings. The kernel has no index of connections by mapping, so its
 * whole table is looked through; that is done once for all that is wanted by then. The kernel hands over only
 * connections with our marks; where those are few it walks the table in one go. Measured on Linux 6.18 with 200,000 other
 * connections in a table of 262,144 buckets: 75 ms; 10 ms if the table is empty.
 */
#ifndef BACKENDS_ENDER_H
#define BACKENDS_ENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "backends/ender_list.h"
#include "backends/ender_seen.h"

/* How long the ruleset resets a connection: what either end sends within a round trip, and what is sent again where that is
 * lost. So long the same two ends cannot have a new one between the same ports. */
enum { ENDER_RESET_S = 5 };

struct ender;

/* mark, hairpin_mark: the bits of the connection mark as in conf.backend. 0 or -errno. */
int ender_open(struct ender **e, uint32_t mark, uint32_t hairpin_mark);
/* False: there is no privilege to send what makes idle ends answer. They learn of the end of a connection if they send
 * something within ENDER_RESET_S seconds. */
bool ender_elicits(const struct ender *e);
/* NULL is allowed. */
void ender_close(struct ender *e);

/*
 * One search, which blocks: not for a loop. Sorts the list, ends the connections that are to be ended and fills in what
 * is asked. *seen gets all connections of mappings, whether in the list or not, *ended how many were ended. 0 or -errno:
 * then only some were looked at.
 */
int ender_search(struct ender *e, struct ender_list *l, struct ender_seen *seen, uint64_t *ended);

#endif
