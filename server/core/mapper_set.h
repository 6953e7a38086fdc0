/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the mapper does otherwise for sets of ports: RFC 7753. */
#ifndef SERVER_CORE_MAPPER_SET_H
#define SERVER_CORE_MAPPER_SET_H

#include "server/core/mapper.h"

/* The verdict tells of the set that a lease is; nothing for an ordinary one. */
void mapper_set_tell(struct mapper_plan *p, const struct lease *l);
/* Plans a new set as far as a wish and the same ports outside go. False if an ordinary mapping is all that can be had. */
bool mapper_set_plan(const struct engine *e, const struct mapper_want *w, const struct choice *c,
		     struct mapper_plan *p);
/* False if a rule denies a port of a set that goes on. */
bool mapper_set_allowed(const struct engine *e, const struct mapper_want *w, const struct lease *l);
/* Finds a place for all ports of a set that has to move; c is used up. False if there is none. */
bool mapper_set_place(struct engine *e, const struct lease *l, struct choice *c, struct in6_addr *address,
		      uint16_t *port);
/* True if a request is for every port of a set that has the request's own: RFC 7753 4.2 has others never mapped for it. */
static inline bool mapper_set_asked(const struct mapper_want *w, const struct lease *l)
{
	return w->internal_port == l->internal_port && w->ports > portset_more(l);
}
/* Ports that a new lease takes. */
static inline uint32_t mapper_set_size(const struct mapper_plan *p)
{
	return p->set.n > 1 ? p->set.n : 1;
}

#endif
