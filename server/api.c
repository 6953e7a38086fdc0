/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/api.h"

#include <string.h>

#include "server/api_self.h"
#include "server/page.h"
#include "server/views.h"

static void explain(struct server *s, struct control_request *q)
{
	const char *interface = control_parameter(q, "interface"), *external = control_parameter(q, "external_port");
	struct engine_question question = {.interface = interface ? interface : ""};
	struct engine_explanation x;
	json_t *o;

	if (!api_address(control_parameter(q, "client"), &question.client)) {
		api_error(q, 400, "client is not an address");
	} else if (!api_protocol_or_all(control_parameter(q, "protocol"), &question.protocol)) {
		api_error(q, 400, "protocol is neither a name nor a number");
	} else if (!api_port_or_all(control_parameter(q, "internal_port"), &question.internal_port)) {
		api_error(q, 400, "internal_port is not a port");
	} else if (external && !api_port(external, &question.external_port)) {
		api_error(q, 400, "external_port is not a port");
	} else {
		memset(&x, 0, sizeof(x));
		server_locate(s, &question);
		engine_explain(server_engine(s), &question, server_now_ms(s), &x);
		o = views_explanation(&question, &x);
		api_json(q, 200, o);
	}
}

static void reload(struct server *s, struct control_request *q)
{
	char why[SERVER_WHY_MAX];

	if (server_reload(s, why, sizeof(why)))
		api_error(q, 400, why);
	else
		api_json(q, 200, json_pack("{s:b}", "reloaded", 1));
}

static void page(struct server *s, struct control_request *q)
{
	(void)s;
	control_add_header(q, "Content-Security-Policy", page_csp);
	control_reply(q, 200, CONTROL_HTML, page_html, page_html_n);
}

enum door { EVERYBODY, SOCKET }; /* who may: also those who only look, or those at the unix socket */

void api_request(void *context, struct control_request *q)
{
	static const struct {
		const char *path;
		enum door door;
		bool post;
		void (*fn)(struct server *s, struct control_request *q);
	} routes[] = {
	    {"/v1/status", EVERYBODY, false, api_status},
	    {"/v1/leases", EVERYBODY, false, api_leases},
	    {"/v1/rules", EVERYBODY, false, api_rules},
	    {"/v1/refusals", EVERYBODY, false, api_refusals},
	    {"/v1/events", EVERYBODY, false, api_events},
	    {"/metrics", EVERYBODY, false, api_metrics},
	    {"/", EVERYBODY, false, page},
	    {"/v1/explain", SOCKET, false, explain},
	    {"/v1/reload", SOCKET, true, reload},
	    {"/v1/revoke", SOCKET, true, api_revoke},
	};

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (strcmp(routes[i].path, control_path(q)) != 0)
			continue;
		if (routes[i].door == SOCKET && control_read_only(q))
			break;
		if (routes[i].post != control_post(q))
			api_error(q, 405, routes[i].post ? "this path takes POST" : "this path takes GET");
		else
			routes[i].fn(context, q);
		return;
	}
	api_error(q, 404, "there is no such path");
}
