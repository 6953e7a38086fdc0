/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must hold of an engine that is driven, after each round and at the end: see drive.h. */
#ifndef TESTS_SCENARIO_DRIVE_CHECK_H
#define TESTS_SCENARIO_DRIVE_CHECK_H

#include "server/core/state.h"
#include "tests/scenario/drive_requests.h"

enum { RULES_MAX = 8 }; /* of the configurations that are driven */

static inline void drive_find(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	struct world_compare *c = context;

	(void)remaining_ms;
	if (c->v->protocol == m->protocol && c->v->internal_port >= m->internal_port &&
	    c->v->internal_port - m->internal_port <= m->more_ports && c->v->remote_port == m->remote_port &&
	    memcmp(&c->v->remote_address, &m->remote_address, 16) == 0 &&
	    c->v->external_port - m->external_port == c->v->internal_port - m->internal_port &&
	    memcmp(&c->v->internal_address, &m->internal_address, 16) == 0)
		c->n++;
}

/* The only request of a round was granted: is it so? */
static inline void drive_check_grant(struct drive *d, const struct round_reply *reply, const struct codec_message *m)
{
	struct mapping want = {.internal_address = reply->destination};
	struct world_compare c = {.v = &want};
	size_t at = 0, ports = 1;
	struct pcp_option o;

	if (m->protocol == CODEC_VERSION_NATPMP) {
		if (m->natpmp.opcode == NATPMP_ADDRESS || m->natpmp.result || !m->natpmp.lifetime_s)
			return;
		want.protocol = m->natpmp.opcode == NATPMP_MAP_TCP ? 6 : 17;
		want.internal_port = m->natpmp.internal_port;
		want.external_port = m->natpmp.external_port;
	} else {
		if ((m->pcp.opcode != PCP_MAP && m->pcp.opcode != PCP_PEER) || m->pcp.result || !m->pcp.lifetime_s)
			return;
		/* a PEER for no time is a question */
		if (m->pcp.opcode == PCP_PEER && memcmp(d->packets[0] + 4, "\0\0\0", 4) == 0)
			return;
		want.remote_port = m->pcp.mapping.remote_port;
		want.remote_address = m->pcp.mapping.remote_address;
		want.protocol = m->pcp.mapping.protocol;
		want.internal_port = m->pcp.mapping.internal_port;
		want.external_port = m->pcp.mapping.external_port;
		while (pcp_option_next(m->pcp.options, m->pcp.options_length, &at, &o, NULL) == CODEC_OK)
			if (o.code == PCP_OPTION_THIRD_PARTY)
				want.internal_address = o.third_party;
			else if (o.code == PCP_OPTION_PORT_SET) {
				ports = o.port_set.size;
				want.internal_port = o.port_set.first_internal_port;
			}
	}
	for (size_t i = 0; i < ports; i++) {
		d->w.backend->ops->list(d->w.backend, drive_find, &c);
		want.internal_port++;
		want.external_port++;
	}
	want.external_port = (uint16_t)(want.external_port - ports);
	if (c.n != ports)
		drive_complain(d, "a success was told that is not in the packet filter");
	if (want.protocol == 17 && want.remote_port == 0 &&
	    (want.external_port == 5350 || want.external_port == 5351) && codec_is_v4(&want.internal_address) &&
	    d->w.conf->externals[d->w.conf->externals_n - 1].nat)
		drive_complain(d, "a port was given that nobody may have");
}

/* Counts that are kept beside the leases must be what counting them gives: a quota lives by them. */
static inline void drive_check_counts(struct drive *d)
{
	const struct engine *e = d->w.engine;
	size_t rules = e->tally.rules, in_force = 0, filters = 0;
	size_t ports[RULES_MAX + 1] = {0}, mappings[RULES_MAX + 2] = {0};

	if (rules > RULES_MAX)
		return;
	for (uint32_t i = 0; (i = lease_walk(e->leases, i)) != LEASE_NONE; i++) {
		const struct lease *l = lease_peek(e->leases, i);
		const struct extra_parts *x = extra_parts(l->extra);
		size_t rule = l->rule < rules ? l->rule : rules;

		if (l->state != LEASE_ACTIVE && l->state != LEASE_REMOVING)
			continue;
		in_force++;
		filters += x->filters_n;
		if (l->origin != ENGINE_ORIGIN_STATIC)
			ports[rule]++;
		else
			rule = rules + 1;
		mappings[rule] += !x->more_ports || x->first_port == l->internal_port;
	}
	if (in_force != lease_count(e->leases) || filters != lease_filters(e->leases))
		drive_complain(d, "leases or filters are not as many as were counted");
	for (size_t i = 0; i < rules + 2; i++)
		if (mappings[i] != tally_mappings(&e->tally.v[i]))
			drive_complain(d, "a rule's mappings are not as many as were counted");
	for (size_t i = 0; i <= rules; i++)
		if (ports[i] != lease_rule_active(e->leases, (uint16_t)(i < rules ? i : UINT16_MAX)))
			drive_complain(d, "a rule's ports are not as many as were counted");
}

static inline void drive_check(struct drive *d, bool failing)
{
	size_t n;
	const struct round_reply *replies = round_replies(d->w.round, &n);

	for (size_t i = 0; i < n; i++) {
		unsigned request = replies[i].destination_port - 40000u;
		struct codec_message m;

		if (replies[i].length == 0)
			continue; /* settled to silence */
		if (codec_parse(replies[i].data, replies[i].length, &m, NULL) != CODEC_OK) {
			/* the answer to an opcode or version that nobody knows may have any form */
			if (replies[i].length < 4 || !(replies[i].data[1] & 0x80))
				drive_complain(d, "a reply cannot be read");
			continue;
		}
		if (replies[i].kind == ROUND_ANNOUNCE)
			continue;
		if (request < d->packets_n && d->lengths[request] >= 2 &&
		    (replies[i].data[1] & 0x7f) != (d->packets[request][1] & 0x7f))
			drive_complain(d, "a reply has another opcode than its request");
		if (d->packets_n == 1 && n == 1 && !failing)
			drive_check_grant(d, &replies[i], &m);
	}
	if (!failing && !world_agrees(&d->w))
		drive_complain(d, "the engine's leases are not what the packet filter has");
	drive_check_counts(d);
}

/* To make the marks of a port what they should be changes nothing: a mark too many is a port that nobody gets, ever. */
static inline void drive_check_marks(struct drive *d, const struct outside_place *p, size_t external, uint8_t protocol)
{
	static const struct conf_range ranges[] = {{990, 1045}, {5340, 5360}};

	if (!(p->prepared >> (outside_mappable(protocol) - 1) & 1))
		return;
	for (uint32_t r = 0; r < 2; r++)
		for (uint16_t port = ranges[r].first; port <= ranges[r].last; port++) {
			bool was = ports_taken(p->ports, protocol, port);

			outside_refresh(d->w.engine, external, &p->address, protocol, port);
			if (was != ports_taken(p->ports, protocol, port))
				drive_complain(d, was ? "a free port is marked as taken"
						      : "a port that is taken is not marked");
		}
}

static inline void drive_marks(struct drive *d)
{
	static const uint8_t protocols[] = {6, 17, 132, 33};
	struct engine *e = d->w.engine;

	/* marks lag while a walk is under way */
	if (e->walk != LEASE_NONE || e->walk_again.at_ms != ENGINE_NEVER)
		return;
	for (size_t i = 0; i < e->conf->externals_n; i++)
		for (size_t k = 0; k < e->outsides[i].places_n; k++)
			for (size_t n = 0; n < sizeof(protocols); n++)
				drive_check_marks(d, &e->outsides[i].places[k], i, protocols[n]);
}

#endif
