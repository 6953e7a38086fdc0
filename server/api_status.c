/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GET /v1/status */
#include <stdlib.h>
#include <string.h>

#include "server/api_self.h"
#include "server/confine.h"
#include "server/events.h"
#include "server/external.h"
#include "server/grown.h"
#include "server/hooks.h"
#include "server/io/wall.h"
#include "server/meter.h"
#include "server/version.h"
#include "server/views.h"

enum { ADDRESSES_MAX = 64 }; /* shown of each interface of a listen section */

/* "1-65535", "1024-2047,4096" */
static json_t *ranges(const struct conf_ranges *r)
{
	struct grown t = {0};
	json_t *value;

	for (size_t i = 0; i < r->n; i++) {
		grown_format(&t, "%s%u", i ? "," : "", r->v[i].first);
		if (r->v[i].last != r->v[i].first)
			grown_format(&t, "-%u", r->v[i].last);
	}
	value = t.failed ? NULL : json_stringn(t.n ? t.v : "", t.n);
	free(t.v);
	return value;
}

static json_t *external(const struct server *s, const struct conf_external *c, size_t i)
{
	const struct in6_addr *v = NULL;
	size_t n = server_external(s, i, &v);
	uint64_t since_s = 0;
	const struct external *x = server_external_state(s, i, &since_s);
	const char *why = "", *state = x ? external_state(x, &why) : "no-address";
	json_t *o = json_pack("{s:s, s:s, s:o, s:I, s:s, s:s, s:b, s:o}", "name", c->name, "interface", c->interface,
			      "addresses", views_addresses(v, n), "since_s", (json_int_t)since_s, "state", state, "why",
			      why, "nat", c->nat, "ports", ranges(&c->ports));

	if (x && x->refused && !strcmp(state, "private"))
		json_object_set_new(o, "refused_address", views_address(&x->refused_address));
	return o;
}

static json_t *externals(const struct server *s)
{
	const struct conf *conf = server_conf(s);
	json_t *list = json_array();

	for (size_t i = 0; i < conf->externals_n; i++)
		json_array_append_new(list, external(s, &conf->externals[i], i));
	return list;
}

static json_t *interfaces(const struct server *s, const struct conf_listen *l)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->interfaces.n; i++) {
		struct in6_addr v[ADDRESSES_MAX];
		size_t n = server_interface(s, l->interfaces.v[i], v, ADDRESSES_MAX);

		json_array_append_new(
		    list, json_pack("{s:s, s:o}", "name", l->interfaces.v[i], "addresses", views_addresses(v, n)));
	}
	/* bound to addresses, whatever interface has them */
	for (size_t i = 0; i < l->addresses.n; i++)
		json_array_append_new(list, json_pack("{s:s, s:o}", "name", "", "addresses",
						      views_addresses(&l->addresses.v[i].address, 1)));
	return list;
}

static json_t *listens(const struct server *s)
{
	const struct conf *conf = server_conf(s);
	json_t *list = json_array();

	for (size_t i = 0; i < conf->listens_n; i++) {
		const struct conf_listen *l = &conf->listens[i];

		json_array_append_new(list, json_pack("{s:s, s:o, s:b, s:b, s:i}", "name", l->name, "interfaces",
						      interfaces(s, l), "nat_pmp", l->natpmp, "pcp", l->pcp, "sockets",
						      (int)server_sockets(s, i)));
	}
	return list;
}

/* NULL: there is none. */
static json_t *journal(const struct server *s)
{
	struct journal_stats j;

	if (!server_journal(s, &j))
		return NULL;
	return json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "file", j.path, "behind", j.behind, "records",
			 (json_int_t)j.records, "octets", (json_int_t)j.octets, "appended", (json_int_t)j.appended,
			 "rewritten", (json_int_t)j.rewritten, "syncs", (json_int_t)j.syncs, "failures",
			 (json_int_t)j.failures, "error", j.error ? strerror(-j.error) : "");
}

static json_t *health(const struct server *s)
{
	struct server_health h;
	uint64_t failures;
	struct server_status now;
	json_t *ago;

	server_health(s, &h);
	server_status(s, &now);
	failures = now.backend_failures;
	ago = h.last_error ? json_integer((json_int_t)h.last_failure_s) : json_null();
	return json_pack("{s:b, s:I, s:s, s:o, s:I}", "ok", h.ok, "failures", (json_int_t)failures, "last_error",
			 h.last_error ? strerror(-h.last_error) : "", "last_failure_s", ago, "reinstalls",
			 (json_int_t)h.reinstalls);
}

static json_t *latency(const struct histogram *h)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "p50", (json_int_t)histogram_quantile(h, NULL, 500), "p90",
			 (json_int_t)histogram_quantile(h, NULL, 900), "p99",
			 (json_int_t)histogram_quantile(h, NULL, 990), "count", (json_int_t)h->count);
}

static json_t *hooks(const struct server *s)
{
	struct hooks_stats h;

	hooks_stats(server_hooks(s), &h);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "runs", (json_int_t)h.runs, "failures",
			 (json_int_t)h.failures, "merged", (json_int_t)h.merged, "limited", (json_int_t)h.limited,
			 "dropped", (json_int_t)h.dropped, "waiting", (json_int_t)h.waiting, "running",
			 (json_int_t)h.running);
}

static json_t *sandbox(const struct server *s)
{
	const struct confine *c = server_confine(s);

	return json_pack("{s:b, s:s, s:I, s:b, s:i, s:b, s:s}", "on", c->state.on, "user", c->user, "uid",
			 (json_int_t)c->uid, "seccomp", c->state.filter, "landlock", c->state.landlock,
			 "no_writable_code", c->state.no_code, "missing", c->missing);
}

/* What an answer has gained since the first version; each is left out if there is no memory for it. */
static void more(struct server *s, json_t *o, uint64_t up_s)
{
	const struct meter *m = server_meter(s);
	uint64_t now_s = wall_now_ms() / 1000;

	json_object_set_new(o, "now", json_integer((json_int_t)now_s));
	json_object_set_new(o, "started_at", json_integer((json_int_t)(now_s - up_s)));
	json_object_set_new(o, "backend_health", health(s));
	json_object_set_new(
	    o, "latency_us",
	    json_pack("{s:o, s:o}", "request", latency(&m->request_us), "commit", latency(&m->commit_us)));
	json_object_set_new(o, "hooks", hooks(s));
	json_object_set_new(o, "sandbox", sandbox(s));
	json_object_set_new(o, "rounds", json_integer((json_int_t)m->rounds));
	json_object_set_new(o, "events_readers", json_integer(events_readers(server_events_of(s))));
}

void api_status(struct server *s, struct control_request *q)
{
	struct server_status now;
	struct engine_stats stats;
	json_t *o;

	server_status(s, &now);
	engine_stats(server_engine(s), server_now_ms(s), &stats);
	o = json_pack("{s:s, s:I, s:s, s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "version",
		      NATPCPD_VERSION, "up_s", (json_int_t)now.up_s, "backend", now.backend, "backend_failures",
		      (json_int_t)now.backend_failures, "externals", externals(s), "listens", listens(s), "datagrams",
		      (json_int_t)now.datagrams, "dropped_address", (json_int_t)now.drop_address, "dropped_source",
		      (json_int_t)now.drop_source, "dropped_full", (json_int_t)now.drop_full, "replies",
		      (json_int_t)now.replies, "send_failures", (json_int_t)now.send_failures, "flow_searches",
		      (json_int_t)now.flow_searches, "ruleset_looks", (json_int_t)now.ruleset_looks, "reloads",
		      (json_int_t)now.reloads, "reload_error", now.reload_error);
	if (o) {
		json_object_update_new(o, views_stats(&stats));
		json_object_set_new(o, "journal", journal(s)); /* takes NULL, and sets nothing */
		more(s, o, now.up_s);
	}
	api_json(q, 200, o);
}
