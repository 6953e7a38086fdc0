/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/floor.h"

#include "codec/wire.h"
#include "server/core/pcp.h"

enum { MAP_LENGTH = 60 }; /* of a MAP without options */

/* What the lease must keep: as long as its connections go on, and never more than it has. */
static uint32_t floor_s(const struct mapper_want *w, const struct lease *l, uint64_t now_ms)
{
	uint32_t remaining_s = engine_remaining_s(l, now_ms);

	if (l->state != LEASE_ACTIVE)
		return 0;
	return w->flows_left_s < remaining_s ? w->flows_left_s : remaining_s;
}

/* Seconds are rounded up, and the lease must not get longer by being asked again and again. */
static void set(struct mapper_plan *p, const struct lease *l, uint32_t lifetime_s, uint64_t now_ms)
{
	uint64_t at_ms = now_ms + (uint64_t)lifetime_s * 1000;

	p->verdict.lifetime_s = lifetime_s;
	p->due_ms = at_ms < l->expires_ms ? at_ms : l->expires_ms;
}

void floor_end(const struct engine *e, const struct mapper_want *w, uint32_t lease, uint64_t now_ms,
	       struct mapper_plan *p)
{
	const struct lease *l = lease_peek(e->leases, lease);
	uint32_t least_s = floor_s(w, l, now_ms);

	/* where it was there is nothing any more that could go on */
	if (least_s == 0 || engine_stranded(e, l))
		return;
	if (engine_lost(e, l)) {
		mapper_refuse(p, MAPPER_NO_RESOURCES, "the mapping is not installed at the moment", 0);
		return;
	}
	p->action = MAPPER_SHORTEN;
	p->verdict.external_address = l->external_address;
	p->verdict.external_port = l->external_port;
	p->verdict.rule = engine_rule_name(e, l);
	set(p, l, least_s, now_ms);
}

void floor_renew(const struct mapper_want *w, const struct lease *l, uint64_t now_ms, struct mapper_plan *p)
{
	uint32_t least_s = floor_s(w, l, now_ms);

	if (p->verdict.lifetime_s < least_s)
		set(p, l, least_s, now_ms);
}

void floor_do(struct engine *e, const struct mapper_want *w, uint64_t now_ms, struct round *r,
	      const struct mapper_plan *p)
{
	uint32_t i = p->verdict.lease;
	struct round_step s = {.lease = i,
			       .answer = w->answer,
			       .lifetime_s = p->verdict.lifetime_s,
			       .flags = ROUND_STEP_EVENT,
			       .event = ROUND_RENEWED,
			       .before = *lease_peek(e->leases, i),
			       .extra = lease_peek(e->leases, i)->extra};

	lease_due(e->leases, i, p->due_ms);
	round_group(r);
	portset_change(r, CHANGE_RENEW, &s.before, p->due_ms - now_ms + ENGINE_GRACE_MS, &s);
}

uint32_t floor_concerns(const struct engine *e, const struct mapper_want *w, uint64_t now_ms)
{
	struct mapper_want endless = *w;
	struct mapper_plan p;

	endless.flows_left_s = UINT32_MAX;
	mapper_plan(e, &endless, now_ms, &p);
	return p.due_ms && p.verdict.result == MAPPER_OK ? p.verdict.lease : LEASE_NONE;
}

/* Reads a PCP request that can have to do with leases. */
static bool read_request(const struct engine_datagram *d, struct codec_message *m)
{
	size_t length = d->length < CODEC_MESSAGE_MAX + 4 ? d->length : CODEC_MESSAGE_MAX + 4;

	return length >= 2 && d->data[0] == CODEC_VERSION_PCP && (d->data[1] == PCP_MAP || d->data[1] == PCP_PEER) &&
	       codec_parse(d->data, length, m, NULL) == CODEC_OK;
}

/* Most requests are for a new mapping, or for a longer life of one, which the bare octets tell: RFC 6887 7.1, 11.1. */
static bool cannot_cut(const struct engine *e, const struct engine_datagram *d, uint64_t now_ms)
{
	struct wire_reader r = wire_reader_init(d->data, MAP_LENGTH);
	uint32_t lifetime_s, least_s, i;
	uint8_t protocol;

	/* options may name another host, or more ports */
	if (d->length != MAP_LENGTH)
		return false;
	wire_skip(&r, 4);
	lifetime_s = wire_get_u32(&r);
	wire_skip(&r, 16 + CODEC_NONCE_LENGTH); /* the client's address */
	protocol = wire_get_u8(&r);
	wire_skip(&r, 3);
	least_s = lifetime_s < e->lifetime_uncut_s ? lifetime_s : e->lifetime_uncut_s;
	i = lease_find_internal(e->leases, protocol, &d->source, wire_get_u16(&r));
	return i == LEASE_NONE || engine_remaining_s(lease_peek(e->leases, portset_head(e, i)), now_ms) <= least_s;
}

size_t engine_asks_left(const struct engine *e, const struct engine_datagram *d, uint64_t now_ms,
			struct mapping v[ENGINE_ASKS_MAX])
{
	const struct conf_listen *section = &e->conf->listens[d->listen];
	uint32_t leases[ENGINE_ASKS_MAX];
	struct codec_message m;
	size_t n;

	if (!section->pcp || !section->map || d->length < 2 || d->data[0] != CODEC_VERSION_PCP || d->data[1] != PCP_MAP)
		return 0;
	if (cannot_cut(e, d, now_ms) || !read_request(d, &m))
		return 0;
	n = pcp_concerns(e, d, &m.pcp, now_ms, leases);
	for (size_t i = 0; i < n; i++) {
		v[i] = engine_mapping(lease_peek(e->leases, leases[i]));
		v[i].filters_n = 0;
		v[i].filters = NULL;
	}
	return n;
}

bool engine_asks_for(const struct engine_datagram *d, struct in6_addr *host)
{
	struct codec_message m;

	*host = d->source;
	if (d->length >= 2 && d->data[0] == CODEC_VERSION_NATPMP)
		return d->data[1] == NATPMP_MAP_UDP || d->data[1] == NATPMP_MAP_TCP;
	if (!read_request(d, &m))
		return false;
	pcp_names_host(&m.pcp, host);
	return true;
}
