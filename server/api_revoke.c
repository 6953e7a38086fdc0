/* SPDX-License-Identifier: GPL-2.0-or-later */
/* POST /v1/revoke */
#include <stdlib.h>
#include <string.h>

#include "server/api_self.h"

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
		json_t *o = json_pack("{s:i, s:I}", "schema", API_SCHEMA, "revoked", (json_int_t)r->ended);

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
	if (client && !api_address(client, &r->client))
		return "client is not an address";
	if (external && !api_address(external, &r->external_address))
		return "external_address is not an address";
	r->wildcard = ext_port && !strcmp(ext_port, "all");
	/* a 0 would be any, and end more than was meant */
	if (proto && (!api_protocol_or_all(proto, &r->protocol) || (!r->protocol && strcmp(proto, "all") != 0)))
		return "protocol is neither a name nor a number";
	if (ext_port && (!api_port_or_all(ext_port, &r->external_port) || (!r->external_port && !r->wildcard)))
		return "external_port is not a port";
	if (r->wildcard ? !proto : proto && !r->protocol)
		return "all ports are those of a protocol, and all protocols go with all ports";
	/* a typing mistake must not end everything */
	if (!client && !external && !proto && !ext_port && !r->rule && !control_parameter(q, "all"))
		return "say which: client, rule, protocol with external_address and external_port, or all";
	return NULL;
}

void api_revoke(struct server *s, struct control_request *q)
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
		api_json(q, 500, NULL);
		return;
	}
	if (wrong) {
		free(r);
		api_error(q, 400, wrong);
		return;
	}
	r->s = s;
	api_stream(q, revoking_next, revoking_done, r);
}
