/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The floor under what a request makes of a lease's time: RFC 6887 15. A PCP client may ask for an earlier end, but not
 * for one before its connections would have ended by themselves. How long that is comes in with the datagram.
 */
#ifndef SERVER_CORE_FLOOR_H
#define SERVER_CORE_FLOOR_H

#include "server/core/mapper.h"

/* A plan to end a lease becomes one to shorten it, where connections go on. */
void floor_end(const struct engine *e, const struct mapper_want *w, uint32_t lease, uint64_t now_ms,
	       struct mapper_plan *p);
/* A plan to renew or replace a lease gets a longer lifetime, if it would be shorter than that of its connections. */
void floor_renew(const struct mapper_want *w, const struct lease *l, uint64_t now_ms, struct mapper_plan *p);
/* Carries out MAPPER_SHORTEN; there is room for the changes. */
void floor_do(struct engine *e, const struct mapper_want *w, uint64_t now_ms, struct round *r,
	      const struct mapper_plan *p);
/* The lease whose time the request would cut if it had no connections, LEASE_NONE = there is none. */
uint32_t floor_concerns(const struct engine *e, const struct mapper_want *w, uint64_t now_ms);

#endif
