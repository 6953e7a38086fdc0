/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/event_text.h"

#include <string.h>

#include "codec/codec.h"
#include "server/json_text.h"

enum {
	RULE_MAX = 64, /* a section's title has no more */
	WHY_MAX = 96,
	REASON_MAX = 120,
	ADDRESSES_MAX = 8
}; /* so that each fits, whatever has to be escaped */

static const char *const names[EVENT_KINDS] = {
    [EVENT_MADE] = "made",	 [EVENT_RENEWED] = "renewed", [EVENT_REFUSED] = "refused",   [EVENT_ENDED] = "ended",
    [EVENT_MOVED] = "moved",	 [EVENT_ADOPTED] = "adopted", [EVENT_EXTERNAL] = "external", [EVENT_RELOAD] = "reload",
    [EVENT_BACKEND] = "backend", [EVENT_STATS] = "stats",     [EVENT_LOST] = "lost",
};

const char *event_name(enum event_kind kind)
{
	return names[kind];
}

enum event_kind event_named(const char *name, size_t length)
{
	unsigned i = 0;

	while (i < EVENT_KINDS && (strlen(names[i]) != length || memcmp(names[i], name, length) != 0))
		i++;
	return i;
}

static void begin(struct json_text *t, char *out, size_t room, enum event_kind kind, uint64_t at_ms)
{
	json_text_begin(t, out, room);
	json_text_number(t, "schema", 1);
	json_text_seconds(t, "at", at_ms);
	json_text_string(t, "event", names[kind], SIZE_MAX);
}

static void opcode(struct json_text *t, const struct round_event *e)
{
	const char *name = e->pcp ? pcp_opcode_name(e->opcode) : natpmp_opcode_name(e->opcode);

	if (*name == '?')
		json_text_number(t, "opcode", e->opcode);
	else
		json_text_string(t, "opcode", name, SIZE_MAX);
}

size_t event_text_round(char *out, size_t room, const struct round_event *e, uint64_t at_ms)
{
	const struct mapping *m = &e->mapping;
	struct json_text t;
	/* a refusal may come before a mapping is known */
	bool inside = e->kind != ROUND_REFUSED || m->protocol || m->internal_port,
	     outside = !codec_is_unspecified(&m->external_address) || m->external_port;

	begin(&t, out, room, (enum event_kind)e->kind, at_ms);
	if (e->kind != ROUND_ADOPTED)
		json_text_string(&t, "by", e->permanent ? "static" : e->pcp ? "pcp" : "nat-pmp", SIZE_MAX);
	if (!e->permanent)
		json_text_address(&t, "client", &e->client);
	/* what nobody asked for has none, and then it is 0 */
	if (!e->permanent && (e->kind == ROUND_REFUSED || e->opcode))
		opcode(&t, e);
	if (e->kind == ROUND_REFUSED && !e->permanent)
		json_text_string(&t, "result", e->pcp ? pcp_result_name(e->result) : natpmp_result_name(e->result),
				 SIZE_MAX);
	if (inside) {
		json_text_protocol(&t, "protocol", m->protocol);
		json_text_address(&t, "internal_address", &m->internal_address);
		json_text_number(&t, "internal_port", m->internal_port);
	}
	if (outside) {
		json_text_address(&t, "external_address", &m->external_address);
		json_text_number(&t, "external_port", m->external_port);
	}
	if (m->more_ports)
		json_text_number(&t, "ports", m->more_ports + 1u);
	if (m->remote_port)
		json_text_endpoint(&t, "peer", &m->remote_address, m->remote_port);
	if (!e->permanent && (e->kind == ROUND_MADE || e->kind == ROUND_RENEWED || e->kind == ROUND_MOVED))
		json_text_number(&t, "lifetime_s", e->lifetime_s);
	json_text_string(&t, "rule", e->rule, RULE_MAX);
	json_text_string(&t, "why", e->why, WHY_MAX);
	return json_text_end(&t);
}

size_t event_text_external(char *out, size_t room, const struct event_external *e, uint64_t at_ms)
{
	struct json_text t;

	begin(&t, out, room, EVENT_EXTERNAL, at_ms);
	json_text_string(&t, "name", e->name, RULE_MAX);
	json_text_string(&t, "interface", e->interface, SIZE_MAX);
	json_text_addresses(&t, "addresses", e->v, e->n < ADDRESSES_MAX ? e->n : ADDRESSES_MAX);
	json_text_string(&t, "state", e->state, SIZE_MAX);
	if (e->refused)
		json_text_address(&t, "refused_address", e->refused);
	json_text_string(&t, "why", e->why, WHY_MAX);
	return json_text_end(&t);
}

size_t event_text_reload(char *out, size_t room, bool ok, const char *why, uint64_t at_ms)
{
	struct json_text t;

	begin(&t, out, room, EVENT_RELOAD, at_ms);
	json_text_bool(&t, "ok", ok);
	json_text_string(&t, "why", why, REASON_MAX);
	return json_text_end(&t);
}

size_t event_text_backend(char *out, size_t room, const char *state, const char *why, uint64_t at_ms)
{
	struct json_text t;

	begin(&t, out, room, EVENT_BACKEND, at_ms);
	json_text_string(&t, "state", state, SIZE_MAX);
	json_text_string(&t, "why", why, WHY_MAX);
	return json_text_end(&t);
}

size_t event_text_stats(char *out, size_t room, const struct event_stats *s, uint64_t at_ms)
{
	struct json_text t;

	begin(&t, out, room, EVENT_STATS, at_ms);
	json_text_number(&t, "requests", s->requests);
	json_text_number(&t, "replies", s->replies);
	json_text_number(&t, "refused", s->refused);
	json_text_number(&t, "dropped", s->dropped);
	json_text_number(&t, "leases", s->leases);
	json_text_number(&t, "clients", s->clients);
	json_text_number(&t, "request_p50_us", s->request_p50_us);
	json_text_number(&t, "request_p99_us", s->request_p99_us);
	return json_text_end(&t);
}

size_t event_text_lost(char *out, size_t room, uint64_t count, uint64_t at_ms)
{
	struct json_text t;

	begin(&t, out, room, EVENT_LOST, at_ms);
	json_text_number(&t, "count", count);
	return json_text_end(&t);
}
