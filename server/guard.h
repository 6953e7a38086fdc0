/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sees to it that what others do to the ruleset is noticed, looked at soon but not all the time, and mended. */
#ifndef SERVER_GUARD_H
#define SERVER_GUARD_H

#include <stdint.h>

#include "backends/backend.h"
#include "server/io/loop.h"

struct guard;

/* Called when the mappings are gone from the packet filter, which works again. */
typedef void guard_lost_fn(void *context);

/* Borrows loop and backend. 0 or -ENOMEM. */
int guard_open(struct guard **g, struct loop *loop, struct backend *backend, guard_lost_fn *lost, void *context);
/* NULL is allowed. */
void guard_close(struct guard *g);

/* The packet filter failed: the ruleset is looked at again after a while, unasked. NULL is allowed. */
void guard_later(struct guard *g);
/* How often the ruleset was looked at. */
uint64_t guard_looks(const struct guard *g);

#endif
