/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/upkeep.h"

#include <errno.h>

#include "server/core/reconcile.h"
#include "server/core/update.h"

static bool is_full(const struct engine *e, const struct round *r)
{
	return r->changes_n >= (e->started ? ROUND_UPKEEP_MAX : ROUND_CHANGES_MAX);
}

bool upkeep_due(struct engine *e, uint64_t now_ms, struct round *r)
{
	for (unsigned n = 0; n < ENGINE_WALK_LEASES && !is_full(e, r); n++) {
		uint32_t i = lease_next_due(e->leases, now_ms);
		struct lease l;

		if (i == LEASE_NONE)
			return true;
		l = *lease_peek(e->leases, i);
		if (l.state == LEASE_HELD) {
			lease_free(e->leases, i);
			engine_refresh(e, &l);
		} else if (!mapper_end_own(e, i, l.state == LEASE_REMOVING ? ROUND_RETRIED : ROUND_EXPIRED, r)) {
			return false;
		}
	}
	return true;
}

/* Asks the rules about a lease as if its client asked again over an interface of its section. Nobody knows its MAC
 * address now: the benefit of the doubt is given, it had to have one of the rule's when it was let in. */
static bool judge_over(const struct engine *e, struct policy_request *q, uint32_t n, struct policy_verdict *v)
{
	q->mac_known = false;
	policy_judge(e->conf, q, v);
	if (v->allowed)
		return n == 1 || portset_allowed(e->conf, q, n, false) == n;
	for (size_t i = 0; i < e->conf->rules_n; i++) {
		if (e->conf->rules[i].macs.n == 0)
			continue;
		q->mac_known = true;
		q->mac = e->conf->rules[i].macs.v[0];
		policy_judge(e->conf, q, v);
		if (v->allowed && v->rule == i)
			return n == 1 || portset_allowed(e->conf, q, n, false) == n;
	}
	return false;
}

static bool judge_in_section(const struct engine *e, const struct conf_listen *section, struct policy_request *q,
			     uint32_t n, struct policy_verdict *v)
{
	for (size_t i = 0; i < section->interfaces.n; i++) {
		q->interface = section->interfaces.v[i];
		if (judge_over(e, q, n, v))
			return true;
	}
	q->interface = "";
	return judge_over(e, q, n, v);
}

/* A lease whose section is not known is let stay if it could have come through any. */
static bool judge_lease(const struct engine *e, const struct lease *l, struct policy_verdict *v)
{
	struct policy_request q = {
	    .client = l->internal_address, .protocol = l->protocol, .internal_port = l->internal_port};
	uint32_t n = portset_more(l) + 1u;

	if (l->listen < e->conf->listens_n)
		return judge_in_section(e, &e->conf->listens[l->listen], &q, n, v);
	for (size_t i = 0; i < e->conf->listens_n; i++)
		if (judge_in_section(e, &e->conf->listens[i], &q, n, v))
			return true;
	return false;
}

/* True if the section of a lease still serves the protocol that it was asked for with. */
static bool still_served(const struct engine *e, const struct lease *l)
{
	const struct conf_listen *section;

	if (l->listen >= e->conf->listens_n)
		return true;
	section = &e->conf->listens[l->listen];
	return l->origin == ENGINE_ORIGIN_NATPMP ? section->natpmp
	       : l->origin == ENGINE_ORIGIN_PCP	 ? section->pcp && (lease_is_peer(l) ? section->peer : section->map)
						 : true;
}

static bool is_static_port(const struct engine *e, const struct lease *l, size_t external, uint16_t port)
{
	for (size_t i = 0; i < e->conf->statics_n; i++)
		if (e->conf->statics[i].external == external && e->conf->statics[i].protocol == l->protocol &&
		    e->conf->statics[i].external_port == port &&
		    !(lease_is_peer(l) && e->conf->statics[i].to_port == l->internal_port &&
		      engine_same_address(&e->conf->statics[i].to_address, &l->internal_address)))
			return true;
	return false;
}

static bool port_allowed(const struct engine *e, const struct lease *l, size_t external,
			 const struct conf_ranges *ports, uint16_t port)
{
	const struct conf_external *c = &e->conf->externals[external];

	return (c->ports.n == 0 || conf_ranges_have(&c->ports, port)) &&
	       (ports->n == 0 || conf_ranges_have(ports, port)) && !policy_reserved(e->conf, l->protocol, port) &&
	       !is_static_port(e, l, external, port);
}

/* True if the external side of a lease may still be given away by that external. */
static bool side_allowed(const struct engine *e, const struct lease *l, size_t external, struct policy_verdict *v)
{
	struct conf_ranges ports = policy_ports(v);

	if (l->kind == MAPPING_PINHOLE) {
		for (uint32_t i = 0; !lease_is_peer(l) && l->internal_port && ports.n && i <= portset_more(l); i++)
			if (!conf_ranges_have(&ports, (uint16_t)(l->internal_port + i)))
				return false;
		if (!codec_is_v4(&l->internal_address))
			return true;
		/* a journal may say so: what is open there is the gateway's, and others' who are translated */
		if (outside_owner(e, &l->internal_address) != SIZE_MAX)
			return false;
		if (l->listen >= e->conf->listens_n)
			return true;
		return !e->conf->externals[e->conf->listens[l->listen].external].nat;
	}
	if (external >= e->conf->externals_n || !e->conf->externals[external].nat)
		return false;
	/* a flow of its host's own may be on any port of its rule, but not at somebody else's place */
	if (lease_is_peer(l))
		return !policy_reserved(e->conf, l->protocol, l->external_port) &&
		       !is_static_port(e, l, external, l->external_port);
	for (uint32_t i = 0; i <= portset_more(l); i++)
		if (!port_allowed(e, l, external, &ports, (uint16_t)(l->external_port + i)))
			return false;
	return true;
}

/* Brings one lease to what it should be now. False if out of memory. */
static bool visit(struct engine *e, uint32_t i, uint64_t now_ms, struct round *r)
{
	static const struct conf_ranges any = {0};
	struct policy_verdict v = {.given = &any};
	struct lease *l = lease_at(e->leases, i);
	size_t owner = l->kind == MAPPING_NAT ? outside_owner(e, &l->external_address) : SIZE_MAX;
	enum round_cause cause;

	/* of one that is installed the packet filter has to be told */
	if (l->state == LEASE_HELD && owner != SIZE_MAX)
		l->external = (uint8_t)owner;
	engine_refresh(e, l);
	if (l->state == LEASE_HELD) {
		if (owner == SIZE_MAX)
			lease_free(e->leases, i);
		return true;
	}
	/* what becomes of a set is looked at with its first port */
	if (l->state != LEASE_ACTIVE || portset_follows(l))
		return true;
	if (l->origin != ENGINE_ORIGIN_STATIC) {
		if (!still_served(e, l) || !judge_lease(e, l, &v) || !side_allowed(e, l, engine_home(e, l), &v))
			return mapper_end_own(e, i, ROUND_FORBIDDEN, r);
		portset_judged(e, i, l->origin, v.rule);
	}
	if (!engine_lost(e, l) && !engine_stranded(e, l))
		return true;
	e->moved = e->moved || (!e->started && engine_stranded(e, l));
	/* what was to be this external side or none is none now: RFC 6887 14.2 */
	if (engine_stranded(e, l) && l->flags & LEASE_PREFER_FAILURE &&
	    !outside_has(e, engine_home(e, l), &l->external_address)) {
		if (!mapper_end_own(e, i, ROUND_HOMELESS, r))
			return false;
		update_failed(e, i, now_ms);
		return true;
	}
	if (mapper_again(e, i, &v, now_ms, r, &cause))
		return true;
	return cause == ROUND_HOMELESS && mapper_end_own(e, i, cause, r);
}

bool upkeep_walk(struct engine *e, uint64_t now_ms, struct round *r)
{
	if (e->walk_again.at_ms <= now_ms) {
		e->walk_again.at_ms = ENGINE_NEVER;
		e->walk = 0;
	}
	for (unsigned n = 0; e->walk != LEASE_NONE && n < ENGINE_WALK_LEASES && !is_full(e, r); n++) {
		uint32_t i = lease_walk(e->leases, e->walk);

		e->walk = i;
		if (i != LEASE_NONE && !visit(e, i, now_ms, r))
			return false;
		e->walk = i == LEASE_NONE ? LEASE_NONE : i + 1;
	}
	return true;
}

static uint8_t static_kind(const struct engine *e, const struct conf_static *s)
{
	return codec_is_v4(&s->to_address) && e->conf->externals[s->external].nat ? MAPPING_NAT : MAPPING_PINHOLE;
}

static void refuse_static(const struct conf_static *s, const struct mapping *m, const char *why, struct round *r)
{
	round_event(r, &(struct round_event){.kind = ROUND_REFUSED,
					     .pcp = true,
					     .permanent = true,
					     .opcode = PCP_MAP,
					     .result = PCP_NO_RESOURCES,
					     .mapping = *m,
					     .client = s->to_address,
					     .rule = s->name,
					     .why = why});
}

/* Ends the lease that stands where a static mapping belongs. Returns false: the static one cannot come yet. */
static bool make_way(struct engine *e, uint32_t i, struct round *r)
{
	if (i == LEASE_NONE || lease_peek(e->leases, i)->state == LEASE_HELD)
		return true;
	if (lease_peek(e->leases, i)->state == LEASE_ACTIVE)
		mapper_end_own(e, i, ROUND_CLASHED, r);
	return false;
}

/* Installs one static mapping if it is not there and can be. False if it has to be tried again soon. */
static bool install_static(struct engine *e, uint16_t index, struct round *r)
{
	const struct conf_static *s = &e->conf->statics[index];
	uint32_t i = lease_find_internal(e->leases, s->protocol, &s->to_address, s->to_port);
	struct lease init = {.internal_address = s->to_address,
			     .external_address = s->to_address,
			     .expires_ms = UINT64_MAX,
			     .internal_port = s->to_port,
			     .external_port = s->external_port,
			     .protocol = s->protocol,
			     .kind = static_kind(e, s),
			     .origin = ENGINE_ORIGIN_STATIC,
			     .external = (uint8_t)s->external,
			     .rule = index,
			     .listen = UINT16_MAX};
	struct mapping m = engine_mapping(&init);

	if (init.kind == MAPPING_NAT && !outside_at(e, s->external, 0, &init.external_address))
		return true; /* when there is an address, all are looked at again */
	if (init.kind == MAPPING_PINHOLE && s->external_port != s->to_port) {
		refuse_static(s, &m, "nothing is translated here: both ports must be the same", r);
		return true;
	}
	if (!engine_maps(e, s->protocol)) {
		refuse_static(s, &m, "this kernel cannot tell apart the ports of the protocol", r);
		return true;
	}
	if (i != LEASE_NONE && lease_peek(e->leases, i)->origin == ENGINE_ORIGIN_STATIC &&
	    lease_peek(e->leases, i)->state == LEASE_ACTIVE)
		return true;
	if (!make_way(e, i, r))
		return false;
	i = lease_find_external(e->leases, init.protocol, &init.external_address, init.external_port);
	if (!make_way(e, i, r))
		return false;
	return mapper_make_own(e, &init, false, r) != LEASE_NONE;
}

void upkeep_statics(struct engine *e, uint64_t now_ms, struct round *r)
{
	bool done = true;

	if (e->statics.at_ms > now_ms)
		return;
	for (size_t i = 0; i < e->conf->statics_n; i++)
		done = install_static(e, (uint16_t)i, r) && done;
	e->statics.at_ms = done ? ENGINE_NEVER : engine_retry_at(&e->statics, now_ms);
}

static bool same_static(const struct engine *e, const struct lease *l, const struct conf_static *s)
{
	return s->protocol == l->protocol && s->external_port == l->external_port && s->to_port == l->internal_port &&
	       s->external == l->external && static_kind(e, s) == l->kind &&
	       engine_same_address(&s->to_address, &l->internal_address);
}

bool upkeep_leave_statics(struct engine *e, const struct conf *old_conf, struct round *r)
{
	for (size_t i = 0; i < old_conf->statics_n; i++) {
		const struct conf_static *s = &old_conf->statics[i];
		uint32_t at = lease_find_internal(e->leases, s->protocol, &s->to_address, s->to_port);
		struct lease *l = at == LEASE_NONE ? NULL : lease_at(e->leases, at);
		size_t j = 0;

		if (!l || l->origin != ENGINE_ORIGIN_STATIC || l->state != LEASE_ACTIVE)
			continue;
		while (j < e->conf->statics_n && !same_static(e, l, &e->conf->statics[j]))
			j++;
		if (j < e->conf->statics_n)
			lease_judged(e->leases, at, l->origin, (uint16_t)j);
		else if (!mapper_end_own(e, at, ROUND_FORBIDDEN, r))
			return false;
	}
	return true;
}

static bool is_of_interface(const struct conf_external *c)
{
	return c->nat && c->addresses.n == 0;
}

size_t upkeep_guess_external(const struct engine *e, const struct mapping *m)
{
	size_t owner = m->kind == MAPPING_NAT ? outside_owner(e, &m->external_address) : 0;

	for (size_t i = 0; owner == SIZE_MAX && i < e->conf->externals_n; i++)
		if (e->conf->externals[i].nat &&
		    conf_prefixes_have(&e->conf->externals[i].addresses, &m->external_address))
			owner = i;
	/* the packet filter knows which, if it is still there */
	if (owner == SIZE_MAX && m->external < e->conf->externals_n &&
	    is_of_interface(&e->conf->externals[m->external]))
		owner = m->external;
	for (size_t i = 0; owner == SIZE_MAX && i < e->conf->externals_n; i++)
		if (is_of_interface(&e->conf->externals[i]))
			owner = i;
	return owner;
}

static struct extra_parts found_parts(const struct mapping *m)
{
	return (struct extra_parts){.remote_address = m->remote_address,
				    .remote_port = m->remote_port,
				    .more_ports = m->more_ports,
				    .first_port = m->internal_port,
				    .filters_n = m->filters_n,
				    .filters = m->filters};
}

/* A mapping that is ours by the packet filter, but cannot be a lease. */
static int remove_stray(const struct mapping *m, struct round *r)
{
	struct extra_parts parts = found_parts(m);
	struct round_step s = {.lease = LEASE_NONE, .answer = ROUND_NONE, .flags = ROUND_STEP_OWN};
	struct mapping kept = *m;

	if (!round_reserve(r, 1) || !extra_new(&parts, &s.extra))
		return -ENOMEM;
	kept.filters = extra_parts(s.extra)->filters;
	round_group(r);
	round_change(r, CHANGE_REMOVE, &kept, 0, &s);
	extra_drop(s.extra);
	return 0;
}

/* The lease that a found mapping would be. */
static struct lease found_lease(const struct engine *e, const struct mapping *m, uint64_t remaining_ms, uint64_t now_ms)
{
	struct lease l = {.internal_address = m->internal_address,
			  .external_address = m->external_address,
			  .expires_ms = now_ms + (remaining_ms > ENGINE_GRACE_MS ? remaining_ms - ENGINE_GRACE_MS : 0),
			  .internal_port = m->internal_port,
			  .external_port = m->external_port,
			  .protocol = m->protocol,
			  .kind = m->kind,
			  /* NAT-PMP has neither filters nor peers nor sets of ports, nor all of them */
			  .origin = m->filters_n || m->remote_port || m->more_ports || !m->internal_port
					? ENGINE_ORIGIN_PCP
					: ENGINE_ORIGIN_ADOPTED,
			  .flags = LEASE_NONCE_OPEN,
			  .external = (uint8_t)upkeep_guess_external(e, m),
			  .rule = UINT16_MAX,
			  .listen = UINT16_MAX};

	for (size_t i = 0; i < e->conf->statics_n; i++)
		if (m->remote_port == 0 && same_static(e, &l, &e->conf->statics[i])) {
			l.origin = ENGINE_ORIGIN_STATIC;
			l.flags = 0;
			l.rule = (uint16_t)i;
			l.expires_ms = UINT64_MAX;
		}
	return l;
}

static void keep_for_ever(struct engine *e, uint32_t i, struct round *r)
{
	struct mapping m = engine_mapping(lease_peek(e->leases, i));
	struct round_step s = {
	    .lease = i, .answer = ROUND_NONE, .flags = ROUND_STEP_OWN, .before = *lease_peek(e->leases, i)};

	s.extra = s.before.extra;

	round_group(r);
	round_change(r, CHANGE_RENEW, &m, 0, &s);
}

static bool in_force(const struct engine *e, uint32_t i)
{
	return i != LEASE_NONE && lease_peek(e->leases, i)->state != LEASE_HELD;
}

/* True if there is a lease where the mapping would have one, or if it is like none of ours. */
static bool is_stray(const struct engine *e, const struct mapping *m)
{
	/* all ports are open as they are */
	if (m->internal_port == 0 && (m->kind == MAPPING_NAT || m->external_port || m->remote_port || m->more_ports))
		return true;
	if (m->internal_port != 0 && m->external_port == 0)
		return true;
	if (m->remote_port)
		return lease_find_peer(e->leases, m->protocol, &m->internal_address, m->internal_port,
				       &m->remote_address, m->remote_port) != LEASE_NONE;
	for (uint32_t i = 0; i <= m->more_ports; i++)
		if (lease_find_internal(e->leases, m->protocol, &m->internal_address,
					(uint16_t)(m->internal_port + i)) != LEASE_NONE ||
		    in_force(e, lease_find_external(e->leases, m->protocol, &m->external_address,
						    (uint16_t)(m->external_port + i))))
			return true;
	return m->internal_port > UINT16_MAX - m->more_ports || (m->more_ports && m->internal_port != m->external_port);
}

int upkeep_adopt(struct engine *e, const struct mapping *m, uint64_t remaining_ms, uint64_t now_ms, struct round *r)
{
	struct policy_verdict v;
	struct lease l = found_lease(e, m, remaining_ms, now_ms);
	struct extra_parts parts = found_parts(m);
	bool fixed = l.origin == ENGINE_ORIGIN_STATIC;
	uint32_t i;

	switch (reconcile_match(e, m, remaining_ms, now_ms, r)) {
	case RECONCILE_MATCHED:
		return 0;
	case RECONCILE_STRAY:
		return remove_stray(m, r);
	case RECONCILE_NOMEM:
		return -ENOMEM;
	default:
		/* nobody was told of it */
		if (e->past.whole && !fixed)
			return remove_stray(m, r);
	}
	if (upkeep_guess_external(e, m) == SIZE_MAX || (remaining_ms == 0 && !fixed) ||
	    (fixed && (m->filters_n || m->more_ports)) || is_stray(e, m))
		return remove_stray(m, r);
	if (!round_reserve(r, 2) || !extra_new(&parts, &l.extra))
		return -ENOMEM;
	i = mapper_make_own(e, &l, true, r);
	extra_drop(l.extra);
	if (i == LEASE_NONE)
		return -ENOMEM;
	if (!fixed && (!judge_lease(e, &l, &v) || !side_allowed(e, &l, l.external, &v)))
		return mapper_end_own(e, i, ROUND_FORBIDDEN, r) ? 0 : -ENOMEM;
	if (fixed && remaining_ms != 0)
		keep_for_ever(e, i, r);
	if (!fixed)
		portset_judged(e, i, l.origin, v.rule);
	round_event(r, &(struct round_event){.kind = ROUND_ADOPTED,
					     .mapping = engine_mapping(lease_peek(e->leases, i)),
					     .client = m->internal_address,
					     .lifetime_s = fixed ? 0 : engine_remaining_s(&l, now_ms),
					     .rule = engine_rule_name(e, lease_peek(e->leases, i))});
	return 0;
}
