/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/server_self.h"

#include <string.h>

#include "backends/backend.h"
#include "codec/codec.h"
#include "server/external.h"
#include "server/flows.h"
#include "server/guard.h"
#include "server/history.h"
#include "server/io/listen.h"
#include "server/io/loop.h"
#include "server/io/neighbour.h"
#include "server/io/route.h"
#include "server/io/wan.h"
#include "server/waiting.h"

#define REVOKE_LOOK 4096 /* leases looked at in one step of a revocation */
#define REVOKE_END  64	 /* leases ended in one step */

uint64_t server_now_ms(const struct server *s)
{
	return loop_now_ms(s->loop);
}

const struct engine *server_engine(const struct server *s)
{
	return s->engine;
}

const struct conf *server_conf(const struct server *s)
{
	return s->conf;
}

void server_status(const struct server *s, struct server_status *status)
{
	*status = s->status;
	status->up_s = (loop_now_ms(s->loop) - s->start_ms) / 1000;
	status->backend = s->backend->ops->name;
	status->drop_full = waiting_dropped(s->waiting);
	status->replies = s->replies.sent;
	status->send_failures = s->replies.failed;
	status->flow_searches = flows_searches(s->flows);
	status->ruleset_looks = guard_looks(s->guard);
	status->reload_error = s->reload_error;
}

void server_health(const struct server *s, struct server_health *health)
{
	*health = s->health;
	health->last_failure_s = (loop_now_ms(s->loop) - s->failed_ms) / 1000;
}

const struct meter *server_meter(const struct server *s)
{
	return &s->meter;
}

const struct confine *server_confine(const struct server *s)
{
	return &s->confine;
}

struct events *server_events_of(struct server *s)
{
	return s->events;
}

const struct hooks *server_hooks(const struct server *s)
{
	return s->hooks;
}

static uint64_t sum(const uint64_t *v, size_t n)
{
	uint64_t all = 0;

	for (size_t i = 0; i < n; i++)
		all += v[i];
	return all;
}

#define SUM(v) sum(v, sizeof(v) / sizeof((v)[0]))

void server_second(void *context, struct event_stats *stats)
{
	struct server *s = context;
	struct server_status now;
	struct engine_stats e;

	server_status(s, &now);
	engine_stats(s->engine, loop_now_ms(s->loop), &e);
	*stats = (struct event_stats){
	    .requests = SUM(e.requests_natpmp) + SUM(e.requests_pcp),
	    .replies = now.replies,
	    .refused = SUM(e.results_natpmp) - e.results_natpmp[NATPMP_SUCCESS] + SUM(e.results_pcp) -
		       e.results_pcp[PCP_SUCCESS],
	    .dropped = SUM(e.drops) + now.drop_address + now.drop_source + now.drop_full,
	    .leases = e.leases,
	    .clients = e.clients,
	    .request_p50_us = histogram_quantile(&s->meter.request_us, &s->second, 500),
	    .request_p99_us = histogram_quantile(&s->meter.request_us, &s->second, 990),
	};
	s->second = s->meter.request_us;
}

void server_tell_external(struct server *s, size_t external)
{
	const struct external *o = &s->externals[external];
	struct event_external x = {.name = s->conf->externals[external].name,
				   .interface = s->conf->externals[external].interface,
				   .v = o->v,
				   .n = o->n,
				   .refused = o->refused ? &o->refused_address : NULL};

	x.state = external_state(o, &x.why);
	events_external(s->events, &x);
}

bool server_journal(const struct server *s, struct journal_stats *stats)
{
	return history_stats(s->history, stats);
}

size_t server_external(const struct server *s, size_t external, const struct in6_addr **v)
{
	if (external >= s->externals_n)
		return 0;
	*v = s->externals[external].v;
	return s->externals[external].n;
}

const struct external *server_external_state(const struct server *s, size_t external, uint64_t *since_s)
{
	if (external >= s->externals_n)
		return NULL;
	*since_s = (loop_now_ms(s->loop) - s->externals[external].since_ms) / 1000;
	return &s->externals[external];
}

size_t server_interface(const struct server *s, const char *name, struct in6_addr *v, size_t n)
{
	return wan_addresses(s->wan, wan_ifindex(s->wan, name), v, n);
}

void server_locate(struct server *s, struct engine_question *q)
{
	uint32_t ifindex = *q->interface ? wan_ifindex(s->wan, q->interface) : wan_interface_of(s->wan, &q->client);

	if (!ifindex)
		ifindex = route_interface(s->route, &q->client);
	if (!*q->interface)
		q->interface = wan_interface(s->wan, ifindex);
	q->mac_known = ifindex && neighbour_mac(ifindex, &q->client, &q->mac) == 0;
}

size_t server_sockets(const struct server *s, size_t listen)
{
	size_t n = 0;

	for (size_t i = 0; i < listeners_count(s->listeners); i++)
		n += listeners_at(s->listeners, i)->listen == listen;
	return n;
}

static bool revocable(const struct server_revocation *r, const struct engine_lease *l)
{
	const struct mapping *m = &l->mapping;

	if (r->wildcard && (m->internal_port != 0 || m->protocol != r->protocol))
		return false;
	return l->origin != ENGINE_ORIGIN_STATIC && (!r->protocol || r->protocol == m->protocol) &&
	       (!r->external_port ||
		(r->external_port >= m->external_port && r->external_port - m->external_port <= m->more_ports)) &&
	       (!r->client_set || !memcmp(&r->client, &m->internal_address, sizeof(r->client))) &&
	       (!r->external_set || !memcmp(&r->external_address, &m->external_address, sizeof(r->external_address))) &&
	       (!r->rule || (l->rule && !strcmp(r->rule, l->rule)));
}

bool server_revoke(struct server *s, struct server_revocation *r, size_t *ended)
{
	uint64_t now_ms = loop_now_ms(s->loop);
	struct engine_lease l;
	size_t before = *ended;
	bool more = true;

	for (unsigned i = 0; more && i < REVOKE_LOOK && *ended - before < REVOKE_END; i++) {
		more = engine_lease_next(s->engine, &r->cursor, now_ms, &l);
		if (more && revocable(r, &l))
			*ended += engine_revoke_mapping(s->engine, &l.mapping, now_ms, s->round);
	}
	server_round(s);
	return more;
}
