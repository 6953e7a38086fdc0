/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/mapper.h"

#include <string.h>

#include "server/core/choice.h"
#include "server/core/floor.h"
#include "server/core/mapper_filters.h"
#include "server/core/mapper_set.h"
#include "server/core/peer.h"
#include "server/core/wildcard.h"

void mapper_refuse(struct mapper_plan *p, enum mapper_result result, const char *why, uint32_t error_s)
{
	p->action = MAPPER_TELL;
	p->verdict.result = result;
	p->verdict.why = why;
	p->verdict.error_s = error_s;
	p->verdict.lease = LEASE_NONE;
}

static void refuse(struct mapper_plan *p, enum mapper_result result, const char *why)
{
	mapper_refuse(p, result, why, 0);
}

bool mapper_has_address(const struct engine *e, const struct mapper_plan *p)
{
	struct in6_addr first;

	return p->kind != MAPPING_NAT || outside_at(e, p->external, 0, &first);
}

bool mapper_stale(const struct engine *e, const struct lease *l)
{
	return engine_lost(e, l) || engine_stranded(e, l);
}

static bool wish_differs(const struct mapper_want *w, const struct lease *l)
{
	uint16_t port = (uint16_t)(l->external_port + (w->internal_port - l->internal_port));

	return w->suggested_port != port || (!codec_is_unspecified(&w->suggested_address) &&
					     !engine_same_address(&w->suggested_address, &l->external_address));
}

void mapper_tell(const struct engine *e, const struct lease *l, uint32_t i, uint32_t lifetime_s, struct mapper_plan *p)
{
	if (!mapper_has_address(e, p)) {
		refuse(p, MAPPER_NETWORK_FAILURE, "there is no external address");
		return;
	}
	if (mapper_stale(e, l)) {
		refuse(p, MAPPER_NO_RESOURCES, "the mapping is not installed at the moment");
		return;
	}
	p->action = MAPPER_TELL;
	p->verdict.lease = i;
	p->verdict.external_address = l->external_address;
	p->verdict.external_port = l->external_port;
	p->verdict.lifetime_s = lifetime_s;
	p->verdict.rule = engine_rule_name(e, l);
}

/* True if a NAT-PMP client would be told of a port on an address that it does not know: the protocol has a word for the
 * first of its external alone (RFC 6886 3.2). */
static bool is_unsaid(const struct engine *e, const struct mapper_want *w, const struct lease *l,
		      const struct mapper_plan *p)
{
	struct in6_addr first;

	return !w->pcp && l->kind == MAPPING_NAT && outside_at(e, p->external, 0, &first) &&
	       !engine_same_address(&first, &l->external_address);
}

/* RFC 6887 11.3 and 15.1, RFC 6886 3.4: the operator's own mappings are shown, and never touched. */
static void plan_static(const struct engine *e, const struct mapper_want *w, uint32_t i, struct mapper_plan *p)
{
	const struct lease *l = lease_peek(e->leases, i);

	if (w->lifetime_s == 0)
		refuse(p, MAPPER_NOT_AUTHORIZED, "the mapping is static");
	else if (w->nonsense)
		refuse(p, MAPPER_NONSENSE, "an option makes no sense for the request");
	else if (w->prefer_failure && wish_differs(w, l))
		mapper_refuse(p, MAPPER_CANNOT_PROVIDE, "a static mapping has another external side", 1800);
	else if (w->terms && w->terms->filters_n)
		refuse(p, MAPPER_FILTERS, "a static mapping has no filters");
	else if (is_unsaid(e, w, l, p))
		refuse(p, MAPPER_NO_RESOURCES, "the mapping is on another address than NAT-PMP knows of");
	else
		mapper_tell(e, l, i, w->pcp ? CODEC_LIFETIME_FOREVER : w->lifetime_s, p);
}

/* NAT-PMP has no nonce, so it never changes what PCP made; it learns of it. */
static void plan_natpmp_on_pcp(const struct engine *e, const struct mapper_want *w, uint32_t i, uint64_t now_ms,
			       struct mapper_plan *p)
{
	const struct lease *l = lease_peek(e->leases, i);
	uint32_t remaining_s = engine_remaining_s(l, now_ms);

	if (w->lifetime_s == 0) {
		refuse(p, MAPPER_NOT_AUTHORIZED, "the mapping was made by PCP");
		return;
	}
	if (is_unsaid(e, w, l, p)) {
		refuse(p, MAPPER_NO_RESOURCES, "the mapping is on another address than NAT-PMP knows of");
		return;
	}
	mapper_tell(e, l, i, w->lifetime_s < remaining_s ? w->lifetime_s : remaining_s, p);
	if (p->verdict.lease == LEASE_NONE)
		return;
	/* of a set, the one port that was asked for */
	p->verdict.lease = portset_at(e, i, (uint16_t)(w->internal_port - l->internal_port));
	p->verdict.external_port = lease_peek(e->leases, p->verdict.lease)->external_port;
}

bool mapper_may_touch(const struct engine *e, const struct mapper_want *w, const struct lease *l)
{
	/* a mapping of NAT-PMP has no nonce yet, an adopted one none that we know: the host itself sets it */
	if (l->origin == ENGINE_ORIGIN_NATPMP || l->flags & LEASE_NONCE_OPEN)
		return !w->third_party;
	if (memcmp(&l->nonce, &w->nonce, sizeof(l->nonce)) == 0)
		return true;
	switch (e->conf->listens[w->listen].nonce_check) {
	case CONF_NONCE_OFF:
		return true;
	case CONF_NONCE_SAME_ADDRESS:
		return !w->third_party;
	default:
		return false;
	}
}

bool mapper_judge(const struct engine *e, const struct mapper_want *w, struct mapper_plan *p)
{
	struct policy_request q = {.client = w->internal_address,
				   .interface = w->interface,
				   .mac_known = w->mac_known,
				   .mac = w->mac,
				   .protocol = w->protocol,
				   .internal_port = w->internal_port};
	const char *unreachable = outside_unreachable(e, p->external, &w->internal_address);

	policy_judge(e->conf, &q, &p->policy);
	if (p->policy.rule != UINT16_MAX)
		p->verdict.rule = e->conf->rules[p->policy.rule].name;
	if (!p->policy.allowed)
		refuse(p, MAPPER_NOT_AUTHORIZED, p->policy.why);
	else if (unreachable)
		refuse(p, MAPPER_NOT_AUTHORIZED, unreachable);
	else
		p->verdict.lifetime_s = policy_lifetime(e->conf, &p->policy, w->pcp, w->lifetime_s);
	return p->verdict.result == MAPPER_OK;
}

/* Fills in the external side that a lease gets, the wish being what it has or what the client suggests. False if it
 * cannot have any. */
static bool choose(const struct engine *e, const struct mapper_want *w, const struct choice *c, struct mapper_plan *p)
{
	if (p->kind == MAPPING_PINHOLE) {
		p->verdict.external_address = w->internal_address;
		p->verdict.external_port = w->internal_port;
		if (w->prefer_failure && (w->suggested_port != w->internal_port ||
					  (!codec_is_unspecified(&w->suggested_address) &&
					   !engine_same_address(&w->suggested_address, &w->internal_address))))
			mapper_refuse(p, MAPPER_CANNOT_PROVIDE, "nothing is translated here", 1800);
		return p->verdict.result == MAPPER_OK;
	}
	switch (choice_find(e, c, &p->verdict.external_address, &p->verdict.external_port)) {
	case CHOICE_NO_ADDRESS:
		refuse(p, MAPPER_NETWORK_FAILURE, "there is no external address");
		break;
	case CHOICE_REFUSED:
		refuse(p, MAPPER_CANNOT_PROVIDE, "the external port cannot be had");
		break;
	default:
		break;
	}
	return p->verdict.result == MAPPER_OK;
}

static struct choice choice_of(const struct mapper_want *w, struct mapper_plan *p)
{
	return (struct choice){.external = p->external,
			       .protocol = w->protocol,
			       .pcp = w->pcp,
			       .exact = w->prefer_failure,
			       .client = w->internal_address,
			       .internal_port = w->internal_port,
			       .wish_address = w->suggested_address,
			       .wish_port = w->suggested_port,
			       .ports = policy_ports(&p->policy)};
}

/* A lease that goes back into the packet filter keeps its external side if it can. */
static struct choice choice_for(const struct lease *l, const struct mapper_want *w, struct mapper_plan *p)
{
	struct choice c = choice_of(w, p);

	if (!c.exact) {
		c.wish_address = l->external_address;
		c.wish_port = l->external_port;
	}
	return c;
}

static void plan_renewal(const struct engine *e, const struct mapper_want *w, uint32_t i, uint64_t now_ms,
			 struct mapper_plan *p)
{
	const struct lease *l = lease_peek(e->leases, i);
	bool here = l->kind == p->kind && !is_unsaid(e, w, l, p) &&
		    !(l->kind == MAPPING_NAT && (l->external != p->external || engine_stranded(e, l)));
	struct choice c = choice_for(l, w, p);

	if (l->kind != p->kind) {
		refuse(p, MAPPER_NO_RESOURCES, "the mapping is being taken down");
		return;
	}
	if (here && w->prefer_failure && wish_differs(w, l)) {
		mapper_refuse(p, MAPPER_CANNOT_PROVIDE, "the mapping has another external side",
			      l->state == LEASE_ACTIVE ? engine_remaining_s(l, now_ms) : 0);
		return;
	}
	if (portset_more(l) &&
	    (!w->pcp || (!here && w->prefer_failure) || (l->state != LEASE_ACTIVE && !mapper_set_asked(w, l)))) {
		refuse(p, MAPPER_NO_RESOURCES, "the set of ports is being taken down or moved");
		return;
	}
	p->verdict.lease = i;
	p->verdict.external_address = l->external_address;
	p->verdict.external_port = l->external_port;
	p->action = l->state == LEASE_ACTIVE && here && !engine_lost(e, l) ? MAPPER_RENEW : MAPPER_REPLACE;
	mapper_set_tell(p, l);
	if (!here && portset_more(l))
		p->verdict.external_port = 0;
	else if (!here)
		choose(e, w, &c, p);
	mapper_filters_plan(e, w, l, p);
	floor_renew(w, l, now_ms, p);
}

void mapper_room(const struct engine *e, const struct mapper_want *w, struct mapper_plan *p)
{
	const struct lease_client *client = lease_client(e->leases, &w->internal_address);
	uint32_t most = p->policy.mappings_max ? p->policy.mappings_max : e->conf->limits.mappings_per_client;

	if (client && client->active >= most)
		refuse(p, MAPPER_QUOTA, "the client has as many mappings as it may");
	else if (lease_count(e->leases) >= e->conf->limits.mappings)
		refuse(p, MAPPER_NO_RESOURCES, "there are as many mappings as there may be");
}

/* RFC 6887 11.3, RFC 6886 3.3: a host that is seen at a port for some peer gets the same one for everybody. False if it
 * wants another or nothing. */
static bool follow_peers(const struct engine *e, const struct mapper_want *w, struct choice *c, struct mapper_plan *p)
{
	struct in6_addr address;
	uint16_t port;

	/* there is no MAP yet, so that a side could only be a PEER's, and mostly there is none */
	if (p->kind != MAPPING_NAT || !peer_has_any(e, w) ||
	    !peer_side(e, w->protocol, &w->internal_address, w->internal_port, LEASE_NONE, &address, &port))
		return true;
	if (w->prefer_failure &&
	    (w->suggested_port != port ||
	     (!codec_is_unspecified(&w->suggested_address) && !engine_same_address(&w->suggested_address, &address)))) {
		refuse(p, MAPPER_CANNOT_PROVIDE, "the host is seen at another port, by PEER");
		return false;
	}
	c->wish_address = address;
	c->wish_port = port;
	return true;
}

static void plan_new(const struct engine *e, const struct mapper_want *w, struct mapper_plan *p)
{
	struct choice c = choice_of(w, p);

	p->action = MAPPER_MAKE;
	if (!mapper_set_plan(e, w, &c, p)) {
		if (!follow_peers(e, w, &c, p) || !choose(e, w, &c, p))
			return;
		mapper_room(e, w, p);
	}
	mapper_filters_plan(e, w, NULL, p);
}

/* In the order of RFC 6887 11.3, from the nonce on: what comes before it is in pcp.c. */
void mapper_plan(const struct engine *e, const struct mapper_want *w, uint64_t now_ms, struct mapper_plan *p)
{
	size_t external = e->conf->listens[w->listen].external;
	uint32_t i =
	    portset_head(e, lease_find_internal(e->leases, w->protocol, &w->internal_address, w->internal_port));
	const struct lease *l = i == LEASE_NONE ? NULL : lease_peek(e->leases, i);
	bool active = l && l->state == LEASE_ACTIVE;

	memset(p, 0, offsetof(struct mapper_plan, policy.left));
	p->action = MAPPER_TELL;
	p->external = external;
	p->verdict.lease = LEASE_NONE;
	p->kind = wildcard_kind(e, external, &w->internal_address);
	if (w->remote_port) {
		peer_plan(e, w, now_ms, p);
		return;
	}
	if (active && l->origin == ENGINE_ORIGIN_STATIC) {
		plan_static(e, w, i, p);
		return;
	}
	if (active && !w->pcp && l->origin == ENGINE_ORIGIN_PCP) {
		plan_natpmp_on_pcp(e, w, i, now_ms, p);
		return;
	}
	if (active && w->pcp && !mapper_may_touch(e, w, l)) {
		mapper_refuse(p, MAPPER_NONCE, "the mapping has another nonce", engine_remaining_s(l, now_ms));
		return;
	}
	if (w->nonsense) {
		refuse(p, MAPPER_NONSENSE, "an option makes no sense for the request");
		return;
	}
	if (w->lifetime_s == 0 && !l && w->pcp && peer_has_any(e, w)) {
		refuse(p, MAPPER_NOT_AUTHORIZED, "the mapping was made by PEER"); /* RFC 6887 15.1 */
		return;
	}
	if (w->lifetime_s == 0) {
		p->action = l ? MAPPER_END : MAPPER_TELL;
		p->verdict.lease = i;
		if (l) {
			mapper_set_tell(p, l);
			floor_end(e, w, i, now_ms, p);
		}
		return;
	}
	if (!mapper_judge(e, w, p))
		return;
	if (l && !mapper_set_allowed(e, w, l))
		refuse(p, MAPPER_NOT_AUTHORIZED, "not all ports of the set are allowed");
	else if (!mapper_has_address(e, p))
		refuse(p, MAPPER_NETWORK_FAILURE, "there is no external address");
	else if (l)
		plan_renewal(e, w, i, now_ms, p);
	else
		plan_new(e, w, p);
}

static uint64_t timeout_of(uint64_t lifetime_ms)
{
	return lifetime_ms + ENGINE_GRACE_MS;
}

/* The request's terms become the lease's. */
static void take_terms(struct engine *e, uint32_t i, const struct mapper_want *w, const struct mapper_plan *p,
		       uint64_t now_ms)
{
	struct lease *l = lease_at(e->leases, i);
	uint8_t origin = w->pcp ? ENGINE_ORIGIN_PCP : ENGINE_ORIGIN_NATPMP;
	bool other = l->origin != origin;

	lease_judged(e->leases, i, origin, p->policy.rule);
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
	portset_change(r, CHANGE_RENEW, &s.before, timeout_of((uint64_t)p->verdict.lifetime_s * 1000), &s);
}

/* In one group the old place is cleared and the new one taken, so that there is no gap and no half of it. */
static void replace(struct engine *e, uint32_t i, const struct in6_addr *address, uint16_t port, uint64_t timeout_ms,
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
static void refresh_left(struct engine *e, uint32_t i, const struct lease *before)
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
	replace(e, i, &p->verdict.external_address, p->verdict.external_port,
		timeout_of((uint64_t)p->verdict.lifetime_s * 1000), true, &s, r);
	refresh_left(e, i, &s.before);
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
	uint32_t most = p->policy.mappings_max ? p->policy.mappings_max : e->conf->limits.mappings_per_client;
	uint32_t i, n = mapper_set_size(p);
	struct round_step s;

	if (!round_reserve(r, n)) {
		refuse(p, MAPPER_NO_RESOURCES, "out of memory");
		return;
	}
	portset_trim_held(e, &w->internal_address, most - (n - 1));
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
	portset_change(r, CHANGE_ADD, lease_peek(e->leases, i), timeout_of((uint64_t)p->verdict.lifetime_s * 1000), &s);
}

/* Settles on a port where any will do. */
static bool pick(struct engine *e, const struct mapper_want *w, struct mapper_plan *p)
{
	struct choice c = choice_of(w, p);
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
		if (p->set.n == 1 && !choose(e, w, &c, p))
			return false;
		if (p->verdict.external_port != 0)
			return true;
	}
	if (choice_pick(e, &c, &p->verdict.external_address, &p->verdict.external_port))
		return true;
	refuse(p, MAPPER_NO_RESOURCES, "no external port is free");
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

static void end(struct engine *e, uint32_t i, enum round_cause cause, uint32_t answer, uint8_t flags, struct round *r)
{
	struct lease *l = lease_at(e->leases, i);
	struct round_step s = {.lease = i,
			       .answer = answer,
			       .flags = (uint8_t)(ROUND_STEP_END | ROUND_STEP_EVENT | flags),
			       .event = ROUND_ENDED,
			       .cause = (uint8_t)cause,
			       .extra = l->extra};

	if (cause != ROUND_RETRIED)
		l->cause = (uint8_t)cause;
	s.before = *l;
	round_group(r);
	portset_change(r, CHANGE_REMOVE, l, 0, &s);
	/* it is in the round's hands now: settling frees it or makes it due again */
	portset_state(e, i, LEASE_REMOVING);
	lease_due(e->leases, i, UINT64_MAX);
}

void mapper_end(struct engine *e, uint32_t lease, enum round_cause cause, uint32_t answer, struct round *r)
{
	end(e, lease, cause, answer, 0, r);
}

bool mapper_end_own(struct engine *e, uint32_t lease, enum round_cause cause, struct round *r)
{
	lease = portset_head(e, lease);
	if (!round_reserve(r, portset_changes(lease_peek(e->leases, lease))))
		return false;
	end(e, lease, cause, ROUND_NONE, ROUND_STEP_OWN, r);
	return true;
}

bool mapper_again(struct engine *e, uint32_t lease, struct policy_verdict *policy, uint64_t now_ms, struct round *r,
		  enum round_cause *cause)
{
	const struct lease *l = lease_peek(e->leases, lease);
	size_t home = engine_home(e, l);
	bool lost = engine_lost(e, l), stranded = engine_stranded(e, l);
	bool moves = stranded && !outside_has(e, home, &l->external_address);
	struct in6_addr address = l->external_address;
	uint16_t port = l->external_port;
	struct choice c = {.external = home,
			   .protocol = l->protocol,
			   .pcp = l->origin != ENGINE_ORIGIN_NATPMP,
			   .client = l->internal_address,
			   .internal_port = l->internal_port,
			   .wish_port = port,
			   .ports = policy_ports(policy)};
	struct round_step s = {.lease = lease,
			       .answer = ROUND_NONE,
			       .flags = (uint8_t)(ROUND_STEP_OWN | (moves ? ROUND_STEP_EVENT : 0)),
			       .event = ROUND_MOVED,
			       .before = *l,
			       .extra = l->extra};
	uint64_t timeout_ms = 0;

	*cause = ROUND_HOMELESS;
	if (moves && l->origin == ENGINE_ORIGIN_STATIC) {
		if (!outside_at(e, home, 0, &address) ||
		    lease_find_external(e->leases, l->protocol, &address, port) != LEASE_NONE)
			return false;
	} else if (moves && portset_more(l)) {
		if (!mapper_set_place(e, l, &c, &address, &port))
			return false;
	} else if (moves) {
		bool beside = peer_side(e, l->protocol, &l->internal_address, l->internal_port, lease, &address, &port);
		enum choice_result found = CHOICE_FOUND;

		/* what one internal side has stays together */
		if (beside && !lease_is_peer(l))
			c.wish_port = port;
		if (!beside || !lease_is_peer(l))
			found = choice_find(e, &c, &address, &port);
		if (found != CHOICE_FOUND && (found != CHOICE_RANDOM || !choice_pick(e, &c, &address, &port)))
			return false;
	}
	*cause = ROUND_RETRIED;
	if (!round_reserve(r, 2 * (portset_more(l) + 1u)))
		return false;
	if (l->expires_ms != UINT64_MAX) {
		s.lifetime_s = engine_remaining_s(l, now_ms);
		timeout_ms = timeout_of(l->expires_ms > now_ms ? l->expires_ms - now_ms : 0);
	}
	if (stranded)
		portset_external(e, lease, (uint8_t)home);
	/* after a clean loss there is nothing to be cleared, unless that was tried and refused */
	replace(e, lease, &address, port, timeout_ms, !lost || e->walk_again.wait_ms != 0, &s, r);
	refresh_left(e, lease, &s.before);
	/* after the epoch has started anew a client may come with a new nonce, once */
	if (lost && e->nonces_open && l->origin == ENGINE_ORIGIN_PCP)
		lease_at(e->leases, lease)->flags |= LEASE_NONCE_OPEN;
	return true;
}

uint32_t mapper_make_own(struct engine *e, const struct lease *init, bool installed, struct round *r)
{
	struct round_step s = {
	    .answer = ROUND_NONE, .flags = ROUND_STEP_NEW | ROUND_STEP_OWN | ROUND_STEP_EVENT, .event = ROUND_MADE};
	uint32_t i;

	if (!round_reserve(r, portset_changes(init)))
		return LEASE_NONE;
	portset_free_held(e, init);
	i = portset_new(e, init);
	if (i == LEASE_NONE)
		return LEASE_NONE;
	engine_set_generation(lease_at(e->leases, i), e->generation);
	portset_refresh(e, i);
	s.lease = i;
	s.before = *lease_peek(e->leases, i);
	s.extra = s.before.extra;
	if (!installed) {
		round_group(r);
		portset_change(r, CHANGE_ADD, &s.before, 0, &s);
	}
	return i;
}
