/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/api.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "server/page.h"
#include "server/server.h"
#include "server/version.h"
#include "server/views.h"

#define LEASES_PIECE 128 /* leases in one piece of a listing, about a millisecond of work */

static void reply_json(struct control_request *q, int status, json_t *value)
{
	static const char broken[] = "{\"error\": \"out of memory\"}\n";
	char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

	if (text)
		control_reply(q, status, CONTROL_JSON, text, strlen(text));
	else
		control_reply(q, 500, CONTROL_JSON, broken, sizeof(broken) - 1);
	free(text);
	json_decref(value);
}

static void stream(struct control_request *q, control_next_fn *next, control_done_fn *done, void *context)
{
	struct control_stream *s = control_stream(q, CONTROL_JSON, next, done, context);

	if (s)
		control_wake(s);
}

static void reply_error(struct control_request *q, int status, const char *why)
{
	reply_json(q, status, json_pack("{s:s}", "error", why));
}

/* Reads a decimal number of at most max. */
static bool number(const char *text, uint64_t max, uint64_t *value)
{
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return !errno && !*end && *value <= max;
}

static bool port(const char *text, uint16_t *value)
{
	uint64_t n;

	if (!number(text, UINT16_MAX, &n))
		return false;
	*value = (uint16_t)n;
	return true;
}

static bool protocol(const char *text, uint8_t *value)
{
	uint64_t n;

	if (number(text, UINT8_MAX, &n)) {
		*value = (uint8_t)n;
		return true;
	}
	for (unsigned i = 1; text && i <= UINT8_MAX; i++) {
		const char *name = codec_protocol_name((uint8_t)i);

		if (name && !strcmp(name, text)) {
			*value = (uint8_t)i;
			return true;
		}
	}
	return false;
}

/* "all" is 0. */
static bool port_or_all(const char *text, uint16_t *value)
{
	*value = 0;
	return (text && !strcmp(text, "all")) || port(text, value);
}

static bool protocol_or_all(const char *text, uint8_t *value)
{
	*value = 0;
	return (text && !strcmp(text, "all")) || protocol(text, value);
}

static bool address(const char *text, struct in6_addr *a)
{
	return text && codec_address_parse(text, strlen(text), a);
}

/* status */

static json_t *externals(const struct server *s)
{
	const struct conf *conf = server_conf(s);
	json_t *list = json_array();

	for (size_t i = 0; i < conf->externals_n; i++) {
		const struct in6_addr *v = NULL;
		size_t n = server_external(s, i, &v);

		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:o}", "name", conf->externals[i].name, "interface",
						conf->externals[i].interface, "addresses", views_addresses(v, n)));
	}
	return list;
}

static json_t *listens(const struct server *s)
{
	const struct conf *conf = server_conf(s);
	json_t *list = json_array();

	for (size_t i = 0; i < conf->listens_n; i++) {
		const struct conf_listen *l = &conf->listens[i];

		json_array_append_new(list, json_pack("{s:s, s:b, s:b, s:i}", "name", l->name, "nat_pmp", l->natpmp,
						      "pcp", l->pcp, "sockets", (int)server_sockets(s, i)));
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

static void status(struct server *s, struct control_request *q)
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
	}
	reply_json(q, 200, o);
}

/* leases */

struct listing {
	const struct server *s;
	uint32_t cursor;
	uint64_t left;
	enum { LISTING_HEAD, LISTING_BODY, LISTING_END } where;
	bool any;
};

/* A growing text; NULL after memory ran out. */
struct text {
	char *v;
	size_t n, room;
};

static int text_put(const char *piece, size_t size, void *context)
{
	struct text *t = context;

	if (t->room - t->n < size) {
		size_t room = (t->room + size) * 2;
		char *v = realloc(t->v, room);

		if (!v)
			return -1;
		t->v = v;
		t->room = room;
	}
	memcpy(t->v + t->n, piece, size);
	t->n += size;
	return 0;
}

static int text_string(struct text *t, const char *piece)
{
	return text_put(piece, strlen(piece), t);
}

static int listing_body(struct listing *l, struct text *t)
{
	struct engine_lease lease;
	int error = 0;

	for (unsigned i = 0; !error && i < LEASES_PIECE; i++) {
		json_t *one;

		if (!l->left) {
			l->where = LISTING_END;
			break;
		}
		if (!engine_lease_next(server_engine(l->s), &l->cursor, server_now_ms(l->s), &lease)) {
			l->where = LISTING_END;
			l->cursor = 0;
			break;
		}
		l->left--;
		/* in ASCII, since it may be printed on a terminal and clients give it texts */
		one = views_lease(&lease);
		if (l->any)
			error = text_string(t, ",\n");
		l->any = true;
		if (!error)
			error = one ? json_dump_callback(one, text_put, t, JSON_COMPACT | JSON_ENSURE_ASCII) : -1;
		json_decref(one);
	}
	return error;
}

static char *listing_next(void *context, size_t *length)
{
	struct listing *l = context;
	struct text t = {0};
	json_t *next;
	int error = 0;

	if (l->where == LISTING_END)
		return NULL;
	if (l->where == LISTING_HEAD) {
		l->where = LISTING_BODY;
		error = text_string(&t, "{\"leases\":[\n");
	}
	if (!error)
		error = listing_body(l, &t);
	if (!error && l->where == LISTING_END) {
		error = text_string(&t, "\n]");
		next = l->cursor ? json_integer(l->cursor) : NULL;
		if (!error && next)
			error = text_string(&t, ",\"next\":") ||
				json_dump_callback(next, text_put, &t, JSON_COMPACT | JSON_ENCODE_ANY);
		json_decref(next);
		if (!error)
			error = text_string(&t, "}\n");
	}
	if (error) { /* the reader sees an answer that is cut */
		free(t.v);
		return NULL;
	}
	*length = t.n;
	return t.v;
}

static void leases(struct server *s, struct control_request *q)
{
	const char *limit = control_parameter(q, "limit"), *cursor = control_parameter(q, "cursor");
	uint64_t left = UINT64_MAX, from = 0;
	struct listing *l;

	if ((limit && (!number(limit, UINT32_MAX, &left) || !left)) || (cursor && !number(cursor, UINT32_MAX, &from))) {
		reply_error(q, 400, "limit and cursor are numbers");
		return;
	}
	l = calloc(1, sizeof(*l));
	if (!l) {
		reply_json(q, 500, NULL);
		return;
	}
	*l = (struct listing){.s = s, .cursor = (uint32_t)from, .left = left};
	stream(q, listing_next, free, l);
}

/* explain */

static void explain(struct server *s, struct control_request *q)
{
	const char *interface = control_parameter(q, "interface"), *external = control_parameter(q, "external_port");
	struct engine_question question = {.interface = interface ? interface : ""};
	struct engine_explanation x;
	json_t *o;

	if (!address(control_parameter(q, "client"), &question.client)) {
		reply_error(q, 400, "client is not an address");
	} else if (!protocol_or_all(control_parameter(q, "protocol"), &question.protocol)) {
		reply_error(q, 400, "protocol is neither a name nor a number");
	} else if (!port_or_all(control_parameter(q, "internal_port"), &question.internal_port)) {
		reply_error(q, 400, "internal_port is not a port");
	} else if (external && !port(external, &question.external_port)) {
		reply_error(q, 400, "external_port is not a port");
	} else {
		memset(&x, 0, sizeof(x));
		server_locate(s, &question);
		engine_explain(server_engine(s), &question, server_now_ms(s), &x);
		o = views_explanation(&question, &x);
		reply_json(q, 200, o);
	}
}

/* reload, revoke */

static void reload(struct server *s, struct control_request *q)
{
	char why[SERVER_WHY_MAX];

	if (server_reload(s, why, sizeof(why)))
		reply_error(q, 400, why);
	else
		reply_json(q, 200, json_pack("{s:b}", "reloaded", 1));
}

struct revoking {
	struct server *s;
	struct server_revocation what;
	size_t ended;
	char *rule;
	bool finished;
};

/* Blanks before the answer tell that the walk through many leases goes on. */
static char *revoking_next(void *context, size_t *length)
{
	struct revoking *r = context;
	char *text;

	if (r->finished)
		return NULL;
	r->finished = !server_revoke(r->s, &r->what, &r->ended);
	if (r->finished) {
		json_t *o = json_pack("{s:I}", "revoked", (json_int_t)r->ended);

		text = o ? json_dumps(o, JSON_COMPACT) : NULL;
		json_decref(o);
	} else {
		text = strdup(" ");
	}
	*length = text ? strlen(text) : 0;
	return text;
}

static void revoking_done(void *context)
{
	struct revoking *r = context;

	free(r->rule);
	free(r);
}

/* Reads what is to be revoked; NULL, or what is wrong with it. */
static const char *revocation(struct control_request *q, struct server_revocation *r)
{
	const char *client = control_parameter(q, "client"), *external = control_parameter(q, "external_address");
	const char *proto = control_parameter(q, "protocol"), *ext_port = control_parameter(q, "external_port");

	r->rule = control_parameter(q, "rule");
	r->client_set = client != NULL;
	r->external_set = external != NULL;
	if (client && !address(client, &r->client))
		return "client is not an address";
	if (external && !address(external, &r->external_address))
		return "external_address is not an address";
	r->wildcard = ext_port && !strcmp(ext_port, "all");
	/* a 0 would be any, and end more than was meant */
	if (proto && (!protocol_or_all(proto, &r->protocol) || (!r->protocol && strcmp(proto, "all") != 0)))
		return "protocol is neither a name nor a number";
	if (ext_port && (!port_or_all(ext_port, &r->external_port) || (!r->external_port && !r->wildcard)))
		return "external_port is not a port";
	if (r->wildcard ? !proto : proto && !r->protocol)
		return "all ports are those of a protocol, and all protocols go with all ports";
	/* a typing mistake must not end everything */
	if (!client && !external && !proto && !ext_port && !r->rule && !control_parameter(q, "all"))
		return "say which: client, rule, protocol with external_address and external_port, or all";
	return NULL;
}

static void revoke(struct server *s, struct control_request *q)
{
	struct revoking *r = calloc(1, sizeof(*r));
	const char *wrong = NULL;

	if (r)
		wrong = revocation(q, &r->what);
	if (r && !wrong && r->what.rule) {
		r->rule = strdup(r->what.rule);
		r->what.rule = r->rule;
	}
	if (!r || (!wrong && control_parameter(q, "rule") && !r->rule)) {
		free(r);
		reply_json(q, 500, NULL);
		return;
	}
	if (wrong) {
		free(r);
		reply_error(q, 400, wrong);
		return;
	}
	r->s = s;
	stream(q, revoking_next, revoking_done, r);
}

static void page(struct server *s, struct control_request *q)
{
	(void)s;
	control_add_header(q, "Content-Security-Policy", page_csp);
	control_reply(q, 200, CONTROL_HTML, page_html, page_html_n);
}

void api_request(void *context, struct control_request *q)
{
	static const struct {
		const char *path;
		bool post; /* by the unix socket only */
		void (*fn)(struct server *s, struct control_request *q);
	} routes[] = {
	    {"/v1/status", false, status}, {"/v1/leases", false, leases}, {"/v1/explain", false, explain},
	    {"/v1/reload", true, reload},  {"/v1/revoke", true, revoke},  {"/", false, page},
	};

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (strcmp(routes[i].path, control_path(q)) != 0)
			continue;
		if (routes[i].post && control_read_only(q))
			break;
		if (routes[i].post != control_post(q))
			reply_error(q, 405, routes[i].post ? "this path takes POST" : "this path takes GET");
		else
			routes[i].fn(context, q);
		return;
	}
	reply_error(q, 404, "there is no such path");
}
