/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GET /v1/leases */
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "server/api_list.h"
#include "server/views.h"

/* Which leases are wanted. */
struct filter {
	bool client_set, protocol_set, origin_set;
	struct conf_prefix client;
	uint16_t port; /* 0: any */
	uint8_t protocol;
	enum engine_origin origin;
	unsigned family;  /* 0: any, 4, 6 */
	const char *rule; /* NULL: any */
};

struct leases {
	struct api_list list;
	struct server *s;
	uint32_t cursor;
	uint64_t left;
	struct filter filter;
	bool more;
	char rule[]; /* of the filter */
};

static bool has_port(const struct mapping *m, uint16_t port)
{
	return (port >= m->internal_port && port - m->internal_port <= m->more_ports) ||
	       (port >= m->external_port && port - m->external_port <= m->more_ports);
}

static bool passes(const struct filter *f, const struct engine_lease *l)
{
	const struct mapping *m = &l->mapping;

	return (!f->client_set || conf_prefix_has(&f->client, &m->internal_address)) &&
	       (!f->port || has_port(m, f->port)) && (!f->protocol_set || f->protocol == m->protocol) &&
	       (!f->origin_set || f->origin == l->origin) &&
	       (!f->family || (f->family == 4) == codec_is_v4(&m->internal_address)) &&
	       (!f->rule || (l->rule && !strcmp(f->rule, l->rule)));
}

static enum api_list_step lease_item(struct api_list *list, json_t **one)
{
	struct leases *l = (struct leases *)list;
	struct engine_lease lease;
	uint32_t at = l->cursor;

	if (!engine_lease_next(server_engine(l->s), &l->cursor, server_now_ms(l->s), &lease))
		return API_LIST_END;
	if (!passes(&l->filter, &lease))
		return API_LIST_SKIP;
	if (!l->left--) {
		l->cursor = at;
		l->more = true;
		return API_LIST_END;
	}
	*one = views_lease(&lease);
	return API_LIST_ITEM;
}

static int lease_tail(struct api_list *list, json_t *members)
{
	struct leases *l = (struct leases *)list;

	return l->more ? json_object_set_new(members, "next", json_integer(l->cursor)) : 0;
}

/* "192.0.2.0/24", "2001:db8::/32", or one address. */
static bool prefix(const char *text, struct conf_prefix *p)
{
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	uint64_t bits;

	if (!codec_address_parse(text, length, &p->address))
		return false;
	bits = codec_is_v4(&p->address) ? 32 : 128;
	if (slash && !api_number(slash + 1, bits, &bits))
		return false;
	p->length = (uint8_t)(codec_is_v4(&p->address) ? bits + 96 : bits);
	return true;
}

/* Reads what is wanted; NULL, or what is wrong with it. */
static const char *filter_read(struct control_request *q, struct filter *f)
{
	const char *client = control_parameter(q, "client"), *port = control_parameter(q, "port");
	const char *protocol = control_parameter(q, "protocol"), *family = control_parameter(q, "family");
	const char *origin = control_parameter(q, "origin");

	f->client_set = client != NULL;
	f->protocol_set = protocol != NULL;
	f->origin_set = origin != NULL;
	if (client && !prefix(client, &f->client))
		return "client is neither an address nor a prefix";
	if (port && (!api_port(port, &f->port) || !f->port))
		return "port is not a port";
	if (protocol && !api_protocol(protocol, &f->protocol))
		return "protocol is neither a name nor a number";
	if (origin && !views_origin(origin, &f->origin))
		return "origin is none of nat-pmp, pcp, static and adopted";
	if (family && strcmp(family, "4") != 0 && strcmp(family, "6") != 0)
		return "family is neither 4 nor 6";
	f->family = family ? (unsigned)(*family - '0') : 0;
	return NULL;
}

void api_leases(struct server *s, struct control_request *q)
{
	const char *limit = control_parameter(q, "limit"), *cursor = control_parameter(q, "cursor"), *wrong;
	const char *rule = control_parameter(q, "rule");
	struct leases *l = calloc(1, sizeof(*l) + (rule ? strlen(rule) + 1 : 0));
	uint64_t from = 0;

	if (!l) {
		api_json(q, 500, NULL);
		return;
	}
	*l = (struct leases){
	    .list = {.name = "leases", .item = lease_item, .tail = lease_tail}, .s = s, .left = UINT64_MAX};
	if (rule)
		l->filter.rule = strcpy(l->rule, rule);
	wrong = (limit && (!api_number(limit, UINT32_MAX, &l->left) || !l->left)) ||
			(cursor && !api_number(cursor, UINT32_MAX, &from))
		    ? "limit and cursor are numbers"
		    : filter_read(q, &l->filter);
	l->cursor = (uint32_t)from;
	if (wrong) {
		free(l);
		api_error(q, 400, wrong);
		return;
	}
	api_list_reply(q, &l->list);
}
