/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the mapper know of each other: mapper.c decides, mapper_do.c does it, mapper_own.c is for work that
 * nobody asked for. */
#ifndef SERVER_CORE_MAPPER_SELF_H
#define SERVER_CORE_MAPPER_SELF_H

#include "server/core/choice.h"
#include "server/core/mapper.h"

/* After which time the packet filter closes what lives for lifetime_ms by itself. */
static inline uint64_t mapper_timeout(uint64_t lifetime_ms)
{
	return lifetime_ms + ENGINE_GRACE_MS;
}

/* What the request wishes for outside; it points into p. */
struct choice mapper_choice(const struct engine *e, const struct mapper_want *w, struct mapper_plan *p);
/* Fills in the external side that a lease gets, the wish being what it has or what the client suggests. False if it
 * cannot have any. */
bool mapper_choose(const struct engine *e, const struct mapper_want *w, const struct choice *c, struct mapper_plan *p);

/* How many mappings the limits leave the client, and what the nearest of them says if that is none. */
uint32_t mapper_left(const struct engine *e, const struct mapper_want *w, const struct mapper_plan *p,
		     enum mapper_result *result, const char **why);
/* True if a client comes to have more mappings with the request than what is kept for those with few is for. */
bool mapper_many(const struct engine *e, const struct mapper_want *w);
/* Mappings that the client may have in all. */
static inline uint32_t mapper_most(const struct engine *e, const struct mapper_plan *p)
{
	return p->policy.mappings_max ? p->policy.mappings_max : e->conf->limits.mappings_per_client;
}

/* In one group the old place is cleared and the new one taken, so that there is no gap and no half of it. */
void mapper_replace(struct engine *e, uint32_t i, const struct in6_addr *address, uint16_t port, uint64_t timeout_ms,
		    bool clear, const struct round_step *s, struct round *r);
/* The ports that a lease had on another external are marked there, and it knows only where it is now. */
void mapper_refresh_left(struct engine *e, uint32_t i, const struct lease *before);

#endif
