/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was decided is done: requests change leases, and the round says what that takes. */
#include "server/core/choice.h"
#include "server/core/floor.h"
#include "server/core/mapper_self.h"
#include "server/core/mapper_set.h"

static void refuse(struct mapper_plan *p, enum mapper_result result, const char *why)
{
	mapper_refuse(p, result, why, 0);
}

/* The request's terms become the lease's. */
static void take_terms(struct engine *e, uint32_t i, const struct mapper_want *w, const struct mapper_plan *p,
		       uint64_t now_ms)
{
	struct lease *l = lease_at(e->leases, i);
	uint8_t origin = w->pcp ? ENGINE_ORIGIN_PCP : ENGINE_ORIGIN_NATPMP;
	bool other = l->origin != origin;

	portset_judged(e, i, origin, p->policy.rule);
	/* NAT-PMP reserves the companion port, PCP does not */
	if (other)
		engine_refresh(e, l);
	lease_due(e->leases, i, p->due_ms ? p->due_ms : now_ms + (uint64_t)p->verdict.lifetime_s * 1000);
	l->nonce = w->nonce;
	l->flags = (uint8_t)((l->flags & LEASE_GENERATION) | (w->prefer_failure ? LEASE_PREFER_FAILURE : 0) |
			     (w->third_party ? LEASE_THIRD_PARTY : 0));
	l->lifetime_s = p->verdict.lifetime_s;
	l->listen = w->listen;
	l->reply_port = w->reply_port;
}

static struct round_step step_of(const struct engine *e, uint32_t i, const struct mapper_want *w,
				 const struct mapper_plan *p, enum round_event_kind event)
{
	return (struct round_step){.lease = i,
				   .answer = w->answer,
				   .lifetime_s = p->verdict.lifetime_s,
				   .flags = ROUND_STEP_EVENT,
				   .event = (uint8_t)event,
				   .before = *lease_peek(e->leases, i),
				   .extra = lease_peek(e->leases, i)->extra};
}

static void do_renew(struct engine *e, const struct mapper_want *w, uint64_t now_ms, struct round *r,
		     struct mapper_plan *p)
{
	uint32_t i = p->verdict.lease;
	struct round_step s = step_of(e, i, w, p, ROUND_RENEWED);

	portset_extra(e, i, p->extra);
	take_terms(e, i, w, p, now_ms);
	round_group(r);
	portset_change(r, CHANGE_RENEW, &s.before, mapper_timeout((uint64_t)p->verdict.lifetime_s * 1000), &s);
}

/* In one group the old place is cleared and the new one taken, so that there is no gap and no half of it. */
void mapper_replace(struct engine *e, uint32_t i, const struct in6_addr *address, uint16_t port, uint64_t timeout_ms,
		    bool clear, const struct round_step *s, struct round *r)
{
	struct round_step silent = *s, added = *s;
	struct lease *l = lease_at(e->leases, i);

	silent.flags &= (uint8_t)~ROUND_STEP_EVENT;
	round_group(r);
	if (clear)
		portset_change(r, CHANGE_REMOVE, &s->before, 0, &silent);
	if (l->state != LEASE_ACTIVE)
		portset_state(e, i, LEASE_ACTIVE);
	portset_move(e, i, address, port);
	engine_set_generation(l, e->generation);
	added.extra = l->extra;
	portset_change(r, CHANGE_ADD, l, timeout_ms, &added);
	portset_refresh(e, i);
}

/* The ports that a lease had on another external are marked there, and it knows only where it is now. */
void mapper_refresh_left(struct engine *e, uint32_t i, const struct lease *before)
{
	struct lease left = *before;

	if (before->external == lease_peek(e->leases, i)->external)
		return;
	for (uint32_t n = portset_more(before) + 1u; n > 0; n--, left.external_port++)
		engine_refresh(e, &left);
}

static void do_replace(struct engine *e, const struct mapper_want *w, uint64_t now_ms, struct round *r,
		       struct mapper_plan *p)
{
	uint32_t i = p->verdict.lease;
	const struct lease *l = lease_peek(e->leases, i);
	bool moved = l->external_port != p->verdict.external_port ||
		     !engine_same_address(&l->external_address, &p->verdict.external_address);
	struct round_step s = step_of(e, i, w, p,
				      l->state != LEASE_ACTIVE ? ROUND_MADE
				      : moved		       ? ROUND_MOVED
							       : ROUND_RENEWED);

	portset_external(e, i, (uint8_t)p->external);
	portset_extra(e, i, p->extra);
	mapper_replace(e, i, &p->verdict.external_address, p->verdict.external_port,
		       mapper_timeout((uint64_t)p->verdict.lifetime_s * 1000), true, &s, r);
	mapper_refresh_left(e, i, &s.before);
	take_terms(e, i, w, p, now_ms);
}

static void do_make(struct engine *e, const struct mapper_want *w, uint64_t now_ms, struct round *r,
		    struct mapper_plan *p)
{
	struct lease init = {.internal_address = w->internal_address,
			     .external_address = p->verdict.external_address,
			     .expires_ms = now_ms + (uint64_t)p->verdict.lifetime_s * 1000,
			     .internal_port = w->internal_port,
			     .external_port = p->verdict.external_port,
			     .protocol = w->protocol,
			     .kind = p->kind,
			     .origin = w->pcp ? ENGINE_ORIGIN_PCP : ENGINE_ORIGIN_NATPMP,
			     .external = (uint8_t)p->external,
			     .rule = p->policy.rule,
			     .extra = p->extra};
	uint32_t i, n = mapper_set_size(p);
	struct round_step s;

	if (!round_reserve(r, n)) {
		refuse(p, MAPPER_NO_RESOURCES, "out of memory");
		return;
	}
	portset_trim_held(e, &w->internal_address, mapper_most(e, p) - (n - 1));
	portset_free_held(e, &init);
	engine_set_generation(&init, e->generation);
	i = portset_new(e, &init);
	if (i == LEASE_NONE) {
		refuse(p, MAPPER_NO_RESOURCES, "out of memory");
		return;
	}
	s = step_of(e, i, w, p, ROUND_MADE);
	s.flags |= ROUND_STEP_NEW;
	p->verdict.lease = i;
	mapper_set_tell(p, lease_peek(e->leases, i));
	take_terms(e, i, w, p, now_ms);
	portset_refresh(e, i);
	round_group(r);
	portset_change(r, CHANGE_ADD, lease_peek(e->leases, i), mapper_timeout((uint64_t)p->verdict.lifetime_s * 1000),
		       &s);
}

/* Settles on a port where any will do. */
static bool pick(struct engine *e, const struct mapper_want *w, struct mapper_plan *p)
{
	struct choice c = mapper_choice(e, w, p);
	const struct lease *l = p->action == MAPPER_REPLACE ? lease_peek(e->leases, p->verdict.lease) : NULL;

	/* all ports have none, and need none */
	if (p->verdict.external_port != 0 || w->internal_port == 0)
		return true;
	if (l && portset_more(l)) {
		if (mapper_set_place(e, l, &c, &p->verdict.external_address, &p->verdict.external_port))
			return true;
		refuse(p, MAPPER_NO_RESOURCES, "no run of external ports is free");
		return false;
	}
	if (p->set.n > 1) {
		portset_pick(e, &c, &p->set, &p->verdict.external_address);
		p->verdict.external_port = p->set.port;
		/* one port is an ordinary mapping, and chosen as such */
		if (p->set.n == 1 && !mapper_choose(e, w, &c, p))
			return false;
		if (p->verdict.external_port != 0)
			return true;
	}
	if (choice_pick(e, &c, &p->verdict.external_address, &p->verdict.external_port))
		return true;
	refuse(p, MAPPER_NO_RESOURCES,
	       c.many ? "no external port is free that is not kept for hosts with few mappings"
		      : "no external port is free");
	return false;
}

/* Makes what the lease will have beside its keys, for those plans that need it. */
static bool make_extra(const struct engine *e, const struct mapper_want *w, struct mapper_plan *p)
{
	const struct lease *l = p->action == MAPPER_MAKE ? NULL : lease_peek(e->leases, p->verdict.lease);
	struct extra *old = l && l->state == LEASE_ACTIVE ? l->extra : NULL;
	struct mapping_filter filters[TERMS_FILTERS_OF_MAPPING];
	struct extra_parts parts = *extra_parts(old);
	bool terms = w->terms && (w->terms->filter || w->terms->described);
	uint16_t more = l ? portset_more(l) : (uint16_t)(mapper_set_size(p) - 1);

	if (!terms && ((!w->remote_port && !more) || old) && engine_same_address(&parts.asker, &w->asker)) {
		p->extra = extra_hold(old);
		return true;
	}
	parts.asker = w->asker;
	parts.remote_address = w->remote_address;
	parts.remote_port = w->remote_port;
	parts.more_ports = more;
	parts.first_port = more ? (l ? l->internal_port : w->internal_port) : 0;
	if (terms && w->terms->filter) {
		parts.filters_n = (uint16_t)terms_merge(w->terms, &parts, filters);
		parts.filters = filters;
	}
	if (terms && w->terms->described) {
		parts.description = w->terms->description;
		parts.description_length = w->terms->description_length;
	}
	if (!extra_new(&parts, &p->extra))
		refuse(p, MAPPER_NO_RESOURCES, "out of memory");
	return p->verdict.result == MAPPER_OK;
}

/* Changes that a plan may take, but for those of a new set. */
static size_t changes_of(const struct engine *e, const struct mapper_plan *p)
{
	return p->verdict.lease == LEASE_NONE ? 2 : 2 * (portset_more(lease_peek(e->leases, p->verdict.lease)) + 1u);
}

void mapper_do(struct engine *e, const struct mapper_want *w, uint64_t now_ms, struct round *r,
	       struct mapper_verdict *v)
{
	struct mapper_plan p;
	struct extra *had = NULL; /* until the round's steps have it */

	mapper_plan(e, w, now_ms, &p);
	if (p.action != MAPPER_TELL && !round_reserve(r, changes_of(e, &p)))
		refuse(&p, MAPPER_NO_RESOURCES, "out of memory");
	p.verdict.kept = p.action == MAPPER_RENEW || p.action == MAPPER_REPLACE || p.action == MAPPER_MAKE;
	if ((p.action == MAPPER_RENEW || p.action == MAPPER_REPLACE) && make_extra(e, w, &p))
		had = extra_hold(lease_peek(e->leases, p.verdict.lease)->extra);
	switch (p.action) {
	case MAPPER_TELL:
		break;
	case MAPPER_RENEW:
		do_renew(e, w, now_ms, r, &p);
		break;
	case MAPPER_REPLACE:
		if (pick(e, w, &p))
			do_replace(e, w, now_ms, r, &p);
		break;
	case MAPPER_MAKE:
		if (pick(e, w, &p) && make_extra(e, w, &p))
			do_make(e, w, now_ms, r, &p);
		break;
	case MAPPER_END:
		mapper_end(e, p.verdict.lease, ROUND_DELETED, w->answer, r);
		p.verdict.lease = LEASE_NONE;
		break;
	case MAPPER_SHORTEN:
		floor_do(e, w, now_ms, r, &p);
		break;
	}
	extra_drop(p.extra);
	extra_drop(had);
	if (p.policy.why) /* the rules were asked */
		tally_decided(&e->tally, p.policy.rule, p.verdict.result != MAPPER_OK);
	*v = p.verdict;
}
