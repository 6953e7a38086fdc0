/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/views.h"

#include <string.h>

#include "codec/codec.h"

json_t *views_address(const struct in6_addr *a)
{
	char text[CODEC_ADDRESS_TEXT];

	return json_string(codec_address_text(a, text));
}

json_t *views_addresses(const struct in6_addr *v, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) /* takes NULL, then fails, and says so in the length alone */
		json_array_append_new(list, views_address(&v[i]));
	return list;
}

json_t *views_protocol(uint8_t protocol)
{
	const char *name = codec_protocol_name(protocol);

	return name ? json_string(name) : json_integer(protocol);
}

const char *views_origin_name(enum engine_origin origin)
{
	switch (origin) {
	case ENGINE_ORIGIN_NATPMP:
		return "nat-pmp";
	case ENGINE_ORIGIN_PCP:
		return "pcp";
	case ENGINE_ORIGIN_STATIC:
		return "static";
	case ENGINE_ORIGIN_ADOPTED:
		break;
	}
	return "adopted";
}

bool views_origin(const char *name, enum engine_origin *origin)
{
	for (unsigned i = ENGINE_ORIGIN_NATPMP; i <= ENGINE_ORIGIN_ADOPTED; i++) {
		*origin = (enum engine_origin)i;
		if (!strcmp(views_origin_name(*origin), name))
			return true;
	}
	return false;
}

/* "198.51.100.0/24:443", "[2001:db8::/32]:443", without the port if it is any. */
static json_t *filter(const struct mapping_filter *f)
{
	char address[CODEC_ADDRESS_TEXT];
	bool v4 = codec_is_v4(&f->address);
	unsigned length = f->prefix_length - (v4 ? 96u : 0u);

	codec_address_text(&f->address, address);
	if (f->port == 0)
		return json_sprintf("%s/%u", address, length);
	return json_sprintf(v4 ? "%s/%u:%u" : "[%s/%u]:%u", address, length, f->port);
}

static json_t *filters(const struct mapping *m)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->filters_n; i++)
		json_array_append_new(list, filter(&m->filters[i]));
	return list;
}

/* "198.51.100.2:443", "[2001:db8::2]:443" */
static json_t *peer(const struct mapping *m)
{
	char address[CODEC_ADDRESS_TEXT];

	codec_address_text(&m->remote_address, address);
	return json_sprintf(codec_is_v4(&m->remote_address) ? "%s:%u" : "[%s]:%u", address, m->remote_port);
}

/* The client's text as it is, but for NULs: JSON with one is refused by many readers. */
static json_t *description(const struct engine_lease *l)
{
	static const char replacement[] = "\xef\xbf\xbd";
	char text[3 * CODEC_DESCRIPTION_MAX];
	size_t n = 0;

	for (size_t i = 0; i < l->description_length && i < CODEC_DESCRIPTION_MAX; i++) {
		if (l->description[i]) {
			text[n++] = (char)l->description[i];
		} else {
			memcpy(text + n, replacement, 3);
			n += 3;
		}
	}
	return json_stringn(text, n);
}

json_t *views_lease(const struct engine_lease *l)
{
	const struct mapping *m = &l->mapping;
	/* a lease that ends within the second has one left: 0 would say that it has ended */
	json_t *expires = l->expires_in_ms ? json_integer((json_int_t)((l->expires_in_ms + 999) / 1000)) : json_null();
	json_t *o = json_pack("{s:o, s:o, s:i, s:o, s:i, s:o, s:s, s:s}", "protocol", views_protocol(m->protocol),
			      "internal_address", views_address(&m->internal_address), "internal_port",
			      m->internal_port, "external_address", views_address(&m->external_address),
			      "external_port", m->external_port, "expires_in_s", expires, "origin",
			      views_origin_name(l->origin), "kind", m->kind == MAPPING_NAT ? "nat" : "pinhole");

	if (m->more_ports)
		json_object_set_new(o, "ports", json_integer(m->more_ports + 1));
	if (l->lifetime_s && l->expires_in_ms)
		json_object_set_new(o, "lifetime_s", json_integer(l->lifetime_s));
	if (l->rule)
		json_object_set_new(o, "rule", json_string(l->rule));
	if (!codec_is_unspecified(&l->asker))
		json_object_set_new(o, "requested_by", views_address(&l->asker));
	if (m->remote_port)
		json_object_set_new(o, "peer", peer(m));
	if (m->filters_n)
		json_object_set_new(o, "filters", filters(m));
	if (l->description_length)
		json_object_set_new(o, "description", description(l));
	return o;
}

json_t *views_explanation(const struct engine_question *q, const struct engine_explanation *x)
{
	json_t *passed = json_array(),
	       *o = json_pack("{s:o, s:o, s:i, s:b, s:s, s:s, s:i, s:I, s:I, s:I}", "client", views_address(&q->client),
			      "protocol", views_protocol(q->protocol), "internal_port", q->internal_port, "allowed",
			      x->allowed, "result", pcp_result_name(x->result), "why", x->why ? x->why : "",
			      "external_port", x->external_port, "lifetime_max_s", (json_int_t)x->lifetime_max_s,
			      "client_mappings", (json_int_t)x->client_mappings, "client_mappings_max",
			      (json_int_t)x->client_mappings_max);

	json_object_set_new(o, "rule", x->rule ? json_string(x->rule) : json_null());
	if (x->rule)
		json_object_set_new(o, "rule_line", json_integer(x->rule_line));
	for (size_t i = 0; i < x->passed_n; i++)
		json_array_append_new(passed, json_pack("{s:s, s:i, s:s}", "rule", x->passed[i].rule, "rule_line",
							(int)x->passed[i].line, "key", x->passed[i].key));
	json_object_set_new(o, "passed", passed);
	if (x->exists)
		json_object_set_new(o, "lease", views_lease(&x->lease));
	return o;
}

/* Counters by name; "other" counts what has none. */
static json_t *counters(const uint64_t *v, size_t n, const char *(*name)(size_t))
{
	json_t *o = json_object();

	for (size_t i = 0; i < n; i++) {
		if (name(i))
			json_object_set_new(o, name(i), json_integer((json_int_t)v[i]));
	}
	return o;
}

static const char *natpmp_request(size_t i)
{
	return i < 3 ? natpmp_opcode_name((uint8_t)i) : "other";
}

static const char *pcp_request(size_t i)
{
	return i < 3 ? pcp_opcode_name((uint8_t)i) : "other";
}

static const char *natpmp_answer(size_t i)
{
	return i <= NATPMP_UNSUPP_OPCODE ? natpmp_result_name((uint16_t)i) : NULL;
}

static const char *pcp_answer(size_t i)
{
	return i <= PCP_EXCESSIVE_REMOTE_PEERS ? pcp_result_name((uint8_t)i) : NULL;
}

const char *views_drop_name(enum engine_drop drop)
{
	static const char *const names[ENGINE_DROP_N] = {
	    [ENGINE_DROP_SHORT] = "short", [ENGINE_DROP_RESPONSE] = "response", [ENGINE_DROP_DISABLED] = "disabled",
	    [ENGINE_DROP_RATE] = "rate",   [ENGINE_DROP_SOURCE] = "source",	[ENGINE_DROP_FAMILY] = "family",
	    [ENGINE_DROP_CROWD] = "crowd",
	};

	return names[drop];
}

static const char *drop(size_t i)
{
	return views_drop_name((enum engine_drop)i);
}

#define COUNTERS(v, name) counters(v, sizeof(v) / sizeof((v)[0]), name)

json_t *views_stats(const struct engine_stats *s)
{
	json_t *mappings = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "made", (json_int_t)s->made, "renewed",
				     (json_int_t)s->renewed, "deleted", (json_int_t)s->deleted, "expired",
				     (json_int_t)s->expired, "revoked", (json_int_t)s->revoked, "moved",
				     (json_int_t)s->moved, "refused_changes", (json_int_t)s->refused_changes);

	return json_pack("{s:I, s:I, s:{s:I, s:I}, s:{s:o, s:o}, s:{s:o, s:o}, s:o, s:o, s:I}", "leases",
			 (json_int_t)s->leases, "clients", (json_int_t)s->clients, "epoch_s", "nat_pmp",
			 (json_int_t)s->epoch_natpmp_s, "pcp", (json_int_t)s->epoch_pcp_s, "requests", "nat_pmp",
			 COUNTERS(s->requests_natpmp, natpmp_request), "pcp", COUNTERS(s->requests_pcp, pcp_request),
			 "results", "nat_pmp", COUNTERS(s->results_natpmp, natpmp_answer), "pcp",
			 COUNTERS(s->results_pcp, pcp_answer), "dropped", COUNTERS(s->drops, drop), "mappings",
			 mappings, "announcements", (json_int_t)s->announcements);
}
