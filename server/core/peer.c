/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/peer.h"

#include "server/core/choice.h"
#include "server/core/mapper_self.h"
#include "server/core/pcp.h"
#include "server/core/portset.h"

bool engine_asks_flow(const struct engine *e, const struct engine_datagram *d, struct engine_flow_key *k)
{
	size_t length = d->length < CODEC_MESSAGE_MAX + 4 ? d->length : CODEC_MESSAGE_MAX + 4;
	const struct conf_listen *section = &e->conf->listens[d->listen];
	struct codec_message m;

	/* the first two octets say for nearly all others that they are no PEER */
	if (length < 2 || d->data[0] != CODEC_VERSION_PCP || d->data[1] != PCP_PEER || !section->pcp ||
	    !section->peer || codec_parse(d->data, length, &m, NULL) != CODEC_OK || m.pcp.mapping.remote_port == 0)
		return false;
	*k = (struct engine_flow_key){.internal_address = d->source,
				      .remote_address = m.pcp.mapping.remote_address,
				      .internal_port = m.pcp.mapping.internal_port,
				      .remote_port = m.pcp.mapping.remote_port,
				      .protocol = m.pcp.mapping.protocol};
	/* whether it may ask for another host is said later */
	pcp_names_host(&m.pcp, &k->internal_address);
	return codec_is_v4(&k->internal_address) == codec_is_v4(&k->remote_address);
}

static bool is_good_side(const struct engine *e, const struct lease *l)
{
	return l->state == LEASE_ACTIVE && l->kind == MAPPING_NAT && !engine_stranded(e, l);
}

bool peer_side(const struct engine *e, uint8_t protocol, const struct in6_addr *internal_address,
	       uint16_t internal_port, uint32_t except, struct in6_addr *address, uint16_t *port)
{
	struct lease_peers peers = {.protocol = protocol, .address = internal_address, .port = internal_port};
	uint32_t i = lease_find_internal(e->leases, protocol, internal_address, internal_port);

	if (i == LEASE_NONE || i == except || !is_good_side(e, lease_peek(e->leases, i)))
		do
			i = lease_next_peer(e->leases, &peers);
		while (i != LEASE_NONE && (i == except || !is_good_side(e, lease_peek(e->leases, i))));
	if (i == LEASE_NONE)
		return false;
	*address = lease_peek(e->leases, i)->external_address;
	*port = lease_peek(e->leases, i)->external_port;
	return true;
}

bool peer_has_any(const struct engine *e, const struct mapper_want *w)
{
	struct lease_peers peers = {.protocol = w->protocol, .address = &w->internal_address, .port = w->internal_port};

	return lease_next_peer(e->leases, &peers) != LEASE_NONE;
}

bool peer_is_alone(const struct engine *e, uint32_t i)
{
	const struct lease *l = lease_peek(e->leases, i);
	struct lease_peers peers = {.protocol = l->protocol, .address = &l->external_address, .port = l->external_port};
	uint32_t other = lease_next_peer_outside(e->leases, &peers);

	if (other == i)
		other = lease_next_peer_outside(e->leases, &peers);
	return other == LEASE_NONE &&
	       lease_find_external(e->leases, l->protocol, &l->external_address, l->external_port) == LEASE_NONE;
}

/* The suggestion counts, as if PREFER_FAILURE were there: RFC 6887 12.1. */
static bool wishes_other(const struct mapper_want *w, const struct in6_addr *address, uint16_t port)
{
	return (w->suggested_port != 0 && w->suggested_port != port) ||
	       (!codec_is_unspecified(&w->suggested_address) && !engine_same_address(&w->suggested_address, address));
}

static void settle_on(const struct mapper_want *w, const struct in6_addr *address, uint16_t port, uint32_t error_s,
		      struct mapper_plan *p)
{
	p->verdict.external_address = *address;
	p->verdict.external_port = port;
	if (wishes_other(w, address, port))
		mapper_refuse(p, MAPPER_CANNOT_PROVIDE, "the host is seen at another place outside", error_s);
}

/* The peer is a host inside, whose own packets show another port than the one that is known of it: then the packet filter
 * cannot tell what is for it. */
static bool is_crooked_hairpin(const struct engine *e, const struct mapper_want *w)
{
	uint32_t i = lease_find_external(e->leases, w->protocol, &w->remote_address, w->remote_port);

	return i != LEASE_NONE && lease_peek(e->leases, i)->state == LEASE_ACTIVE &&
	       lease_peek(e->leases, i)->internal_port != w->remote_port;
}

static void choose(const struct engine *e, const struct mapper_want *w, struct mapper_plan *p)
{
	struct choice c = {.external = p->external,
			   .protocol = w->protocol,
			   .pcp = true,
			   .exact = w->suggested_port != 0,
			   .client = w->internal_address,
			   .internal_port = w->internal_port,
			   .wish_address = w->suggested_address,
			   .wish_port = w->suggested_port,
			   .many = mapper_many(e, w),
			   .ports = policy_ports(&p->policy)};
	struct in6_addr *address = &p->verdict.external_address;

	switch (choice_find(e, &c, address, &p->verdict.external_port)) {
	case CHOICE_NO_ADDRESS:
		mapper_refuse(p, MAPPER_NETWORK_FAILURE, outside_none(e, p->external), 0);
		break;
	case CHOICE_REFUSED:
		mapper_refuse(p, MAPPER_CANNOT_PROVIDE, "the external port cannot be had", 0);
		break;
	default:
		if (!codec_is_unspecified(&c.wish_address) && !engine_same_address(&c.wish_address, address))
			mapper_refuse(p, MAPPER_CANNOT_PROVIDE, "the external address cannot be had", 1800);
		break;
	}
}

/*
 * A flow chooses its source port, and the operator's NAT keeps it if no connection has it: it may well be one that is
 * kept for somebody. The flow may go on there for as long as the kernel lets it, but what a PEER takes from the place's
 * owner is more: all that this peer begins, for as long as the client likes. Places of other flows do no harm, as each
 * is for its own peer.
 */
static bool flow_intrudes(const struct engine *e, const struct mapper_want *w, size_t external)
{
	const struct in6_addr *address = &w->flow->external_address;
	uint16_t port = w->flow->external_port;
	uint32_t i = lease_find_external(e->leases, w->protocol, address, port);

	if (i != LEASE_NONE) {
		const struct lease *l = lease_peek(e->leases, i);

		if (!engine_same_address(&l->internal_address, &w->internal_address))
			return true;
		if (l->state != LEASE_HELD)
			return portset_more(l) == 0 && l->internal_port != w->internal_port;
	}
	return outside_barred(e, external, address, w->protocol, port);
}

/* RFC 6887 12.3: a flow that is there has its place already, and the suggestion does not count. */
static void follow_flow(const struct engine *e, const struct mapper_want *w, struct mapper_plan *p)
{
	if (p->kind == MAPPING_NAT && !outside_has(e, p->external, &w->flow->external_address)) {
		mapper_refuse(p, MAPPER_CANNOT_PROVIDE, "the flow leaves by an address that is not ours", 0);
		return;
	}
	if (p->kind == MAPPING_NAT && w->lifetime_s != 0 && flow_intrudes(e, w, p->external)) {
		mapper_refuse(p, MAPPER_CANNOT_PROVIDE, "the flow is at a place outside that is not its host's", 0);
		return;
	}
	p->verdict.external_address = p->kind == MAPPING_NAT ? w->flow->external_address : w->internal_address;
	p->verdict.external_port = p->kind == MAPPING_NAT ? w->flow->external_port : w->internal_port;
}

static void plan_new(const struct engine *e, const struct mapper_want *w, struct mapper_plan *p)
{
	struct in6_addr address;
	uint16_t port;

	p->action = MAPPER_MAKE;
	if (w->flow->known)
		follow_flow(e, w, p);
	else if (p->kind == MAPPING_PINHOLE)
		settle_on(w, &w->internal_address, w->internal_port, 1800, p);
	else if (is_crooked_hairpin(e, w))
		mapper_refuse(p, MAPPER_NO_RESOURCES, "the peer is a host inside with another port than outside", 0);
	else if (peer_side(e, w->protocol, &w->internal_address, w->internal_port, LEASE_NONE, &address, &port))
		settle_on(w, &address, port, 0, p);
	else
		choose(e, w, p);
	if (p->verdict.result == MAPPER_OK)
		mapper_room(e, w, p);
}

/* True if the flow that is there goes out elsewhere than the lease says. */
static bool flow_differs(const struct engine *e, const struct mapper_want *w, const struct lease *l)
{
	return w->flow->known && l->kind == MAPPING_NAT && outside_has(e, l->external, &w->flow->external_address) &&
	       (w->flow->external_port != l->external_port ||
		!engine_same_address(&w->flow->external_address, &l->external_address));
}

static void plan_renewal(const struct engine *e, const struct mapper_want *w, uint32_t i, uint64_t now_ms,
			 struct mapper_plan *p)
{
	const struct lease *l = lease_peek(e->leases, i);
	uint32_t remaining_s = l->state == LEASE_ACTIVE ? engine_remaining_s(l, now_ms) : 0;

	if (l->kind != p->kind) {
		mapper_refuse(p, MAPPER_NO_RESOURCES, "the mapping is being taken down", 0);
		return;
	}
	if (p->verdict.lifetime_s < remaining_s)
		p->verdict.lifetime_s = remaining_s; /* PEER never shortens: RFC 6887 12.1 */
	p->action = l->state == LEASE_ACTIVE && !mapper_stale(e, l) ? MAPPER_RENEW : MAPPER_REPLACE;
	p->verdict.lease = i;
	p->verdict.external_address = l->external_address;
	p->verdict.external_port = l->external_port;
	if (flow_differs(e, w, l)) {
		p->action = MAPPER_REPLACE;
		follow_flow(e, w, p);
	} else if (engine_stranded(e, l) && !peer_side(e, w->protocol, &w->internal_address, w->internal_port, i,
						       &p->verdict.external_address, &p->verdict.external_port)) {
		choose(e, w, p);
	}
}

/* A question for how long the mapping lives, or a try to end it, which PEER cannot: RFC 6887 12.1, 12.3. */
static void plan_question(const struct engine *e, const struct mapper_want *w, uint32_t i, uint64_t now_ms,
			  struct mapper_plan *p)
{
	if (i != LEASE_NONE && lease_peek(e->leases, i)->state == LEASE_ACTIVE) {
		const struct lease *l = lease_peek(e->leases, i);

		mapper_tell(e, l, i, engine_remaining_s(l, now_ms), p);
	} else if (w->flow->known) {
		follow_flow(e, w, p);
	} else {
		p->verdict.external_address = w->suggested_address;
		p->verdict.external_port = w->suggested_port;
	}
}

/* In the order of RFC 6887 12.3, from the five-tuple on: what comes before it is in pcp_peer.c. */
void peer_plan(const struct engine *e, const struct mapper_want *w, uint64_t now_ms, struct mapper_plan *p)
{
	uint32_t i = lease_find_peer(e->leases, w->protocol, &w->internal_address, w->internal_port, &w->remote_address,
				     w->remote_port);
	const struct lease *l = i == LEASE_NONE ? NULL : lease_peek(e->leases, i);

	if (l && l->state == LEASE_ACTIVE && !mapper_may_touch(e, w, l)) {
		mapper_refuse(p, MAPPER_NONCE, "the mapping has another nonce", engine_remaining_s(l, now_ms));
		return;
	}
	if (!mapper_judge(e, w, p))
		return;
	if (!mapper_has_address(e, p)) {
		mapper_refuse(p, MAPPER_NETWORK_FAILURE, outside_none(e, p->external), 0);
	} else if (w->lifetime_s == 0) {
		p->verdict.lifetime_s = 0;
		plan_question(e, w, i, now_ms, p);
	} else if (l) {
		plan_renewal(e, w, i, now_ms, p);
	} else {
		plan_new(e, w, p);
	}
}
