/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/server_self.h"

#include <string.h>

#include "backends/backend.h"
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
