/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GET /v1/rules, /v1/refusals, /v1/events, /metrics */
#include <errno.h>
#include <stdlib.h>

#include "server/api_list.h"
#include "server/events.h"
#include "server/grown.h"
#include "server/metrics.h"

struct rules {
	struct api_list list;
	struct server *s;
	size_t i;
};

static enum api_list_step rule_item(struct api_list *list, json_t **one)
{
	struct rules *l = (struct rules *)list;
	const struct conf *conf = server_conf(l->s);
	const struct tally *t = engine_tally(server_engine(l->s));
	const struct conf_rule *r;

	/* a reload in between may have left fewer */
	if (l->i >= conf->rules_n || l->i >= t->rules)
		return API_LIST_END;
	r = &conf->rules[l->i];
	*one = json_pack("{s:s, s:i, s:s, s:I, s:I, s:I}", "name", r->name, "line", (int)r->line, "action",
			 r->action == CONF_ALLOW ? "allow" : "deny", "hits", (json_int_t)t->v[l->i].hits, "refused",
			 (json_int_t)t->v[l->i].refused, "mappings", (json_int_t)tally_mappings(&t->v[l->i]));
	l->i++;
	return API_LIST_ITEM;
}

static int rule_tail(struct api_list *list, json_t *members)
{
	const struct tally *t = engine_tally(server_engine(((struct rules *)list)->s));

	return json_object_set_new(members, "unmatched", json_integer((json_int_t)tally_of(t, UINT16_MAX)->hits));
}

void api_rules(struct server *s, struct control_request *q)
{
	struct rules *l = calloc(1, sizeof(*l));

	if (!l) {
		api_json(q, 500, NULL);
		return;
	}
	*l = (struct rules){.list = {.name = "rules", .item = rule_item, .tail = rule_tail}, .s = s};
	api_list_reply(q, &l->list);
}

void api_refusals(struct server *s, struct control_request *q)
{
	struct grown t = {0};
	char one[EVENT_TEXT_MAX];
	size_t n;

	grown_format(&t, "{\"schema\":%d,\"refusals\":[\n", API_SCHEMA);
	for (size_t i = 0; (n = events_refusal(server_events_of(s), i, one)) != 0; i++) {
		if (i)
			grown_string(&t, ",\n");
		grown_put(one, n, &t);
	}
	grown_string(&t, "\n]}\n");
	if (t.failed)
		api_json(q, 500, NULL);
	else
		control_reply(q, 200, CONTROL_JSON, t.v, t.n);
	free(t.v);
}

void api_events(struct server *s, struct control_request *q)
{
	switch (events_serve(server_events_of(s), q, control_parameter(q, "types"))) {
	case 0:
		break;
	case -EINVAL:
		api_error(q, 400, "types are names of events with commas between them");
		break;
	case -EUSERS:
		control_add_header(q, "Retry-After", "30");
		api_error(q, 503, "as many read along as there may be");
		break;
	default:
		api_json(q, 500, NULL);
		break;
	}
}

void api_metrics(struct server *s, struct control_request *q)
{
	struct grown t = {0};

	metrics_write(s, &t);
	if (t.failed)
		api_json(q, 500, NULL);
	else
		control_reply(q, 200, CONTROL_METRICS, t.v, t.n);
	free(t.v);
}
