/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/mapper.h"

#include <string.h>

#include "server/core/choice.h"
#include "server/core/floor.h"
#include "server/core/mapper_filters.h"
#include "server/core/mapper_self.h"
#include "server/core/mapper_set.h"
#include "server/core/peer.h"
#include "server/core/wildcard.h"

enum { FEW = 8 }; /* mappings of a client that the reserve is for */

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
		refuse(p, MAPPER_NETWORK_FAILURE, outside_none(e, p->external));
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

struct policy_request mapper_asks(const struct mapper_want *w)
{
	return (struct policy_request){.client = w->internal_address,
				       .interface = w->interface,
				       .mac_known = w->mac_known,
				       .mac = w->mac,
				       .protocol = w->protocol,
				       .internal_port = w->internal_port};
}

bool mapper_judge(const struct engine *e, const struct mapper_want *w, struct mapper_plan *p)
{
	struct policy_request q = mapper_asks(w);
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
bool mapper_choose(const struct engine *e, const struct mapper_want *w, const struct choice *c, struct mapper_plan *p)
{
	if (p->kind == MAPPING_PINHOLE) {
		p->verdict.external_address = w->internal_address;
		p->verdict.external_port = w->internal_port;
		if (w->internal_port && c->ports.n && !conf_ranges_have(&c->ports, w->internal_port))
			refuse(p, MAPPER_NOT_AUTHORIZED,
			       "nothing is translated here, and the rule gives other outside ports");
		else if (w->prefer_failure && (w->suggested_port != w->internal_port ||
					       (!codec_is_unspecified(&w->suggested_address) &&
						!engine_same_address(&w->suggested_address, &w->internal_address))))
			mapper_refuse(p, MAPPER_CANNOT_PROVIDE, "nothing is translated here", 1800);
		return p->verdict.result == MAPPER_OK;
	}
	switch (choice_find(e, c, &p->verdict.external_address, &p->verdict.external_port)) {
	case CHOICE_NO_ADDRESS:
		refuse(p, MAPPER_NETWORK_FAILURE, outside_none(e, p->external));
		break;
	case CHOICE_REFUSED:
		refuse(p, MAPPER_CANNOT_PROVIDE, "the external port cannot be had");
		break;
	default:
		break;
	}
	return p->verdict.result == MAPPER_OK;
}

bool mapper_many(const struct engine *e, const struct mapper_want *w)
{
	const struct lease_client *client = lease_client(e->leases, &w->internal_address);

	return (client ? client->active : 0) + (w->ports > 1 ? w->ports : 1) > FEW;
}

struct choice mapper_choice(const struct engine *e, const struct mapper_want *w, struct mapper_plan *p)
{
	return (struct choice){.external = p->external,
			       .protocol = w->protocol,
			       .pcp = w->pcp,
			       .exact = w->prefer_failure,
			       .client = w->internal_address,
			       .internal_port = w->internal_port,
			       .wish_address = w->suggested_address,
			       .wish_port = w->suggested_port,
			       .many = p->action == MAPPER_MAKE && mapper_many(e, w),
			       .ports = policy_ports(&p->policy)};
}

/* A lease that goes back into the packet filter keeps its external side if it can. */
static struct choice choice_for(const struct engine *e, const struct lease *l, const struct mapper_want *w,
				struct mapper_plan *p)
{
	struct choice c = mapper_choice(e, w, p);

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
	struct choice c = choice_for(e, l, w, p);

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
		mapper_choose(e, w, &c, p);
	mapper_filters_plan(e, w, l, p);
	floor_renew(w, l, now_ms, p);
}

/* What is left of a share of which some is used. */
static uint32_t left_of(uint32_t most, size_t used)
{
	return used < most ? (uint32_t)(most - used) : 0;
}

static uint32_t reserve_of(const struct engine *e)
{
	return (uint32_t)((uint64_t)e->conf->limits.mappings * e->conf->limits.reserve / 100);
}

uint32_t mapper_left(const struct engine *e, const struct mapper_want *w, const struct mapper_plan *p,
		     enum mapper_result *result, const char **why)
{
	const struct lease_client *client = lease_client(e->leases, &w->internal_address);
	const struct conf_rule *rule = p->policy.rule < e->conf->rules_n ? &e->conf->rules[p->policy.rule] : NULL;
	const struct {
		uint32_t left;
		enum mapper_result result;
		const char *why;
	} shares[] = {
	    {left_of(mapper_most(e, p), client ? client->active : 0), MAPPER_QUOTA,
	     "the client has as many mappings as it may"},
	    {codec_is_v4(&w->internal_address)
		 ? UINT32_MAX
		 : left_of(e->conf->limits.mappings_per_network, lease_network_active(e->leases, &w->internal_address)),
	     MAPPER_QUOTA, "the hosts of the client's network have as many mappings as they may"},
	    {rule && rule->mappings_total ? left_of(rule->mappings_total, lease_rule_active(e->leases, p->policy.rule))
					  : UINT32_MAX,
	     MAPPER_QUOTA, "the clients of the rule have as many mappings as they may"},
	    {left_of(e->conf->limits.mappings - (mapper_many(e, w) ? reserve_of(e) : 0), lease_count(e->leases)),
	     MAPPER_NO_RESOURCES, "there are as many mappings as there may be"},
	};
	uint32_t left = UINT32_MAX;

	for (size_t i = 0; i < sizeof(shares) / sizeof(*shares); i++)
		if (shares[i].left < left) {
			left = shares[i].left;
			*result = shares[i].result;
			*why = shares[i].why;
		}
	return left;
}

void mapper_room(const struct engine *e, const struct mapper_want *w, struct mapper_plan *p)
{
	enum mapper_result result = MAPPER_OK;
	const char *why = NULL;

	if (mapper_left(e, w, p, &result, &why) == 0)
		refuse(p, result, why);
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
	struct choice c;

	p->action = MAPPER_MAKE;
	c = mapper_choice(e, w, p);
	if (!mapper_set_plan(e, w, &c, p)) {
		if (!follow_peers(e, w, &c, p) || !mapper_choose(e, w, &c, p))
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
		refuse(p, MAPPER_NETWORK_FAILURE, outside_none(e, p->external));
	else if (l)
		plan_renewal(e, w, i, now_ms, p);
	else
		plan_new(e, w, p);
}
