/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the operator sees of the engine, and what he ends by hand. */
#include <string.h>

#include "server/core/choice.h"
#include "server/core/mapper.h"
#include "server/core/pcp.h"
#include "server/core/wildcard.h"

/* In force and in the packet filter; one that is to be removed is, too, until it is gone. */
static bool is_shown(const struct engine *e, const struct lease *l)
{
	return (l->state == LEASE_ACTIVE || l->state == LEASE_REMOVING) && !portset_follows(l) && !engine_lost(e, l);
}

static void show(const struct engine *e, const struct lease *l, uint64_t now_ms, struct engine_lease *v)
{
	*v = (struct engine_lease){.mapping = engine_mapping(l),
				   .origin = l->origin,
				   .rule = engine_rule_name(e, l),
				   .lifetime_s = l->lifetime_s,
				   .asker = extra_parts(l->extra)->asker,
				   .description = extra_parts(l->extra)->description,
				   .description_length = extra_parts(l->extra)->description_length};
	if (l->state == LEASE_REMOVING)
		v->expires_in_ms = 1;
	else if (l->expires_ms != UINT64_MAX)
		v->expires_in_ms = l->expires_ms > now_ms ? l->expires_ms - now_ms : 1;
}

bool engine_lease_next(const struct engine *e, uint32_t *cursor, uint64_t now_ms, struct engine_lease *l)
{
	uint32_t i = *cursor;

	while ((i = lease_walk(e->leases, i)) != LEASE_NONE && !is_shown(e, lease_peek(e->leases, i)))
		i++;
	if (i == LEASE_NONE)
		return false;
	show(e, lease_peek(e->leases, i), now_ms, l);
	*cursor = i + 1;
	return true;
}

void engine_stats(const struct engine *e, uint64_t now_ms, struct engine_stats *s)
{
	*s = e->stats;
	s->leases = lease_count(e->leases);
	s->clients = lease_clients(e->leases);
	s->epoch_natpmp_s = epoch_seconds(&e->epoch_natpmp, now_ms);
	s->epoch_pcp_s = epoch_seconds(&e->epoch_pcp, now_ms);
}

const struct tally *engine_tally(const struct engine *e)
{
	return &e->tally;
}

static bool matches(const struct lease *l, const struct in6_addr *client, uint8_t protocol, uint16_t external_port)
{
	return l->state == LEASE_ACTIVE && l->origin != ENGINE_ORIGIN_STATIC && !portset_follows(l) &&
	       (!client || engine_same_address(client, &l->internal_address)) &&
	       (protocol == 0 || protocol == l->protocol) &&
	       (external_port == 0 ||
		(external_port >= l->external_port && external_port - l->external_port <= portset_more(l)));
}

static bool revoke_one(struct engine *e, uint32_t i, uint64_t now_ms, struct round *r)
{
	if (r->changes_n < ROUND_CHANGES_MAX)
		return mapper_end_own(e, i, ROUND_REVOKED, r);
	/* more than a round should hold: they come due, and go in the ticks that follow */
	lease_at(e->leases, i)->cause = ROUND_REVOKED;
	portset_state(e, i, LEASE_REMOVING);
	lease_due(e->leases, i, now_ms);
	return true;
}

size_t engine_revoke(struct engine *e, const struct in6_addr *client, uint8_t protocol, uint16_t external_port,
		     uint64_t now_ms, struct round *r)
{
	const struct lease_client *c = client ? lease_client(e->leases, client) : NULL;
	size_t n = 0;

	if (client) {
		for (uint32_t i = c ? c->first : LEASE_NONE; i != LEASE_NONE; i = lease_peek(e->leases, i)->client_next)
			n += matches(lease_peek(e->leases, i), client, protocol, external_port) &&
			     revoke_one(e, i, now_ms, r);
		return n;
	}
	for (uint32_t i = 0; (i = lease_walk(e->leases, i)) != LEASE_NONE; i++)
		n += matches(lease_peek(e->leases, i), NULL, protocol, external_port) && revoke_one(e, i, now_ms, r);
	return n;
}

size_t engine_revoke_mapping(struct engine *e, const struct mapping *m, uint64_t now_ms, struct round *r)
{
	uint32_t i = m->remote_port
			 ? lease_find_peer(e->leases, m->protocol, &m->internal_address, m->internal_port,
					   &m->remote_address, m->remote_port)
			 : lease_find_internal(e->leases, m->protocol, &m->internal_address, m->internal_port);

	return i != LEASE_NONE && matches(lease_peek(e->leases, i), &m->internal_address, m->protocol, 0) &&
	       revoke_one(e, i, now_ms, r);
}

/* The section that a request over the interface would come to. */
static uint16_t section_of(const struct conf *conf, const char *interface)
{
	for (size_t i = 0; i < conf->listens_n; i++)
		for (size_t j = 0; j < conf->listens[i].interfaces.n; j++)
			if (strcmp(conf->listens[i].interfaces.v[j], interface) == 0)
				return (uint16_t)i;
	return 0;
}

static void explain_protocol(struct engine_explanation *x, uint8_t result, const char *why)
{
	x->result = result;
	x->why = why;
}

/* False if no rule could allow it. */
static bool explain_possible(const struct engine *e, const struct engine_question *q, size_t external,
			     struct engine_explanation *x)
{
	const char *all = wildcard_impossible(e, external, &q->client, q->protocol);

	if (q->protocol == 0 && q->internal_port != 0)
		explain_protocol(x, PCP_MALFORMED_REQUEST, "all protocols, but one port");
	else if (q->internal_port == 0 && all)
		explain_protocol(x, PCP_UNSUPP_PROTOCOL, all);
	else if (q->internal_port != 0 && !engine_maps(e, q->protocol))
		explain_protocol(x, PCP_UNSUPP_PROTOCOL,
				 all ? "one port of a protocol with ports can be mapped, nothing else"
				     : "a protocol without ports can be mapped as a whole alone, with port 0");
	return !x->why;
}

/* The operator's own mappings are no matter of rules, and do not end. */
static void explain_static(const struct engine *e, const struct lease *l, struct engine_explanation *x)
{
	x->rule_line = l->rule < e->conf->statics_n ? e->conf->statics[l->rule].line : 0;
	x->lifetime_max_s = CODEC_LIFETIME_FOREVER;
}

/* The rules that leave the decision to those after them. */
static void explain_passed(const struct engine *e, const struct mapper_want *w, const struct mapper_plan *p,
			   struct engine_explanation *x)
{
	struct policy_request q = mapper_asks(w);

	for (size_t i = 0; i < e->conf->rules_n && i != p->policy.rule && x->passed_n < ENGINE_PASSED_MAX; i++) {
		const struct conf_rule *r = &e->conf->rules[i];

		x->passed[x->passed_n++] = (struct engine_passed){r->name, policy_passes(r, &q), r->line};
	}
}

void engine_explain(const struct engine *e, const struct engine_question *q, uint64_t now_ms,
		    struct engine_explanation *x)
{
	uint32_t i = portset_head(e, lease_find_internal(e->leases, q->protocol, &q->client, q->internal_port));
	const struct lease_client *client = lease_client(e->leases, &q->client);
	struct mapper_want w = {.pcp = true,
				.protocol = q->protocol,
				.internal_port = q->internal_port,
				.suggested_port = q->external_port,
				.internal_address = q->client,
				.lifetime_s = CODEC_LIFETIME_FOREVER,
				.interface = q->interface ? q->interface : "",
				.mac_known = q->mac_known,
				.mac = q->mac,
				.listen = section_of(e->conf, q->interface ? q->interface : "")};
	struct mapper_plan p;

	*x = (struct engine_explanation){.client_mappings = client ? client->active : 0,
					 .client_mappings_max = e->conf->limits.mappings_per_client};
	if (i != LEASE_NONE) {
		const struct lease *l = lease_peek(e->leases, i);

		x->exists = true;
		show(e, l, now_ms, &x->lease);
		/* asked as by the one who has it */
		w.pcp = l->origin == ENGINE_ORIGIN_PCP || l->origin == ENGINE_ORIGIN_STATIC;
		w.nonce = l->nonce;
	}
	if (!explain_possible(e, q, e->conf->listens[w.listen].external, x))
		return;
	mapper_plan(e, &w, now_ms, &p);
	x->allowed = p.verdict.result == MAPPER_OK;
	explain_protocol(x, pcp_result_of(p.verdict.result), x->allowed ? "allowed" : p.verdict.why);
	x->rule = p.verdict.rule;
	x->external_port = x->allowed ? p.verdict.external_port : 0;
	if (x->allowed && x->exists && x->lease.mapping.more_ports)
		x->external_port =
		    (uint16_t)(x->lease.mapping.external_port + (q->internal_port - x->lease.mapping.internal_port));
	if (p.policy.mappings_max)
		x->client_mappings_max = p.policy.mappings_max;
	if (x->exists && x->lease.origin == ENGINE_ORIGIN_STATIC)
		explain_static(e, lease_peek(e->leases, i), x);
	else if (p.policy.given && p.policy.rule != UINT16_MAX)
		x->rule_line = e->conf->rules[p.policy.rule].line;
	if (p.policy.given)
		explain_passed(e, &w, &p, x);
	if (p.policy.allowed)
		x->lifetime_max_s = p.policy.lifetime_max_s;
}
