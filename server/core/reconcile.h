/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was remembered is put together with what the packet filter has: the start of an engine that goes on from another. */
#ifndef SERVER_CORE_RECONCILE_H
#define SERVER_CORE_RECONCILE_H

#include "server/core/mapper.h"

enum reconcile_match {
	RECONCILE_MATCHED,  /* it is a lease's; what differs is put right by the round */
	RECONCILE_STRANGER, /* no lease is for it */
	RECONCILE_STRAY,    /* it is in the way of a lease, or there twice */
	RECONCILE_NOMEM,
};

/* Looks for the restored lease of a mapping that the packet filter has. remaining_ms 0 = it has no timeout. */
enum reconcile_match reconcile_match(struct engine *e, const struct mapping *m, uint64_t remaining_ms, uint64_t now_ms,
				     struct round *r);

#endif
