/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ends the connections of mappings that are no more. The kernel has no index of connections by mapping, so its whole
 * table is looked through; that is done once for all mappings that ended in the meantime, in steps, never while somebody
 * waits for an answer, and with pauses that are longer than the work. The kernel hands over only connections with our
 * marks. Measured on Linux 6.18 with 200,000 other connections in a table of 262,144 buckets: 75 ms in all, the longest
 * step 11 ms; 10 ms in all if the table is empty.
 */
#ifndef BACKENDS_ENDER_H
#define BACKENDS_ENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/mapping.h"

struct ender;

/* mark, hairpin_mark: the bits of the connection mark as in conf.backend. 0 or -errno. */
int ender_open(struct ender **e, uint32_t mark, uint32_t hairpin_mark);
/* What was not ended goes on. NULL is allowed. */
void ender_close(struct ender *e);

/* Notes a mapping whose connections are to end (copied). 0 or -ENOMEM: they go on. */
int ender_add(struct ender *e, const struct mapping *m);

/* When ender_step() wants to be called, UINT64_MAX = there is nothing to do or the descriptor will tell. */
uint64_t ender_deadline(const struct ender *e);
/* Becomes readable when there is a step to do. */
int ender_fd(const struct ender *e);
/* One step, at most one datagram of the kernel's. 0 or -errno: the connections of the mappings that were noted go on. */
int ender_step(struct ender *e, uint64_t now_ms);

/* True if no search is under way. */
bool ender_idle(const struct ender *e);
/* How many connections were ended so far. */
uint64_t ender_count(const struct ender *e);

#endif
