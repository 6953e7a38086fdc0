/* SPDX-License-Identifier: MIT */
/* map, peer, unmap and unmap-all. */
#include <stdio.h>
#include <string.h>

#include "codec/natpcpc.h"
#include "codec/natpcpc_parse.h"
#include "codec/natpcpc_result.h"

/* The options of the request, in the order of their codes; client_map() leaves out what a deletion must not have. */
static bool put_options(const struct app *a, struct session *s, struct client_request *r)
{
	const struct options *o = &a->o;
	struct pcp_option prefer = {.code = PCP_OPTION_PREFER_FAILURE};
	struct pcp_option description = {.code = PCP_OPTION_DESCRIPTION};
	struct pcp_option set = {.code = PCP_OPTION_PORT_SET};
	bool fits = true;

	r->options = s->area;
	r->options_length = 0;
	if (o->prefer_failure)
		fits = pcp_option_put(&prefer, s->area, &r->options_length, sizeof(s->area));
	for (size_t i = 0; i < o->filters_count; i++)
		fits = fits && pcp_option_put(&o->filters[i], s->area, &r->options_length, sizeof(s->area));
	if (o->description) {
		description.data = (const uint8_t *)o->description;
		description.length = (uint16_t)strlen(o->description);
		fits = fits && pcp_option_put(&description, s->area, &r->options_length, sizeof(s->area));
	}
	if (a->ports > 1) {
		set.port_set.size = a->ports;
		set.port_set.first_internal_port = r->internal_port;
		set.port_set.parity = o->parity;
		fits = fits && pcp_option_put(&set, s->area, &r->options_length, sizeof(s->area));
	}
	return fits;
}

bool map_start(struct app *a, struct session *s)
{
	struct client_request r = a->request;
	bool fine;

	nonce_choose(&a->o, s, r.protocol, r.internal_port, &r.nonce);
	if (a->o.third)
		r.internal_address = a->o.third_party;
	fine = put_options(a, s, &r);
	if (!fine)
		options_wrong("the options do not fit into one message");
	if (fine && r.remote_port)
		fine = client_peer(&s->client, &s->op, &r, session_now());
	else if (fine)
		fine = client_map(&s->client, &s->op, &r, session_now());
	else
		return false;
	if (!fine)
		options_wrong(s->client.mode == CLIENT_NATPMP ? "NAT-PMP cannot express that"
							      : "the RFCs do not allow that request");
	return fine;
}

void map_learn_address(struct app *a, struct session *s)
{
	const struct client_result *r = &s->op.result;
	struct client_op question;
	struct codec_nonce none = {{0}};

	if (s->error || r->state != CLIENT_GRANTED || r->protocol != CODEC_VERSION_NATPMP ||
	    !codec_is_unspecified(&r->external_address) || !client_address(&s->client, &question, &none, session_now()))
		return;
	session_await(a->sessions, a->count, s, &question, session_now() + GOODBYE_MS);
	client_forget(&s->client, &question);
}

/* Starts the operation at every gateway, waits for all of them and tells what came of each. */
static int ask_all(struct app *a, const char *operation)
{
	uint64_t until_ms;
	int code = EXIT_DONE;

	for (size_t i = 0; i < a->count; i++) {
		struct session *s = &a->sessions[i];

		if (!s->error)
			s->error = session_open(s, a->o.mode);
		if (!s->error && !map_start(a, s))
			return EXIT_USAGE;
	}
	if (a->o.keep)
		return keep_run(a, operation);
	until_ms = app_deadline(a, TIMEOUT_MS);
	for (size_t i = 0; i < a->count; i++) {
		struct session *s = &a->sessions[i];

		session_await(a->sessions, a->count, s, &s->op, until_ms);
		map_learn_address(a, s);
		code = app_worse(code, result_show(a, s, operation));
	}
	return code;
}

static bool read_inside(struct app *a, char **argv)
{
	return parse_protocol(argv[0], &a->request.protocol) &&
	       parse_ports(argv[1], &a->request.internal_port, &a->ports) &&
	       (a->request.protocol || !a->request.internal_port);
}

/* The port outside: the word for it wins over the option. */
static bool read_outside(struct app *a, const char *word, uint16_t otherwise)
{
	bool has_port;

	a->request.external_address = a->o.external;
	a->request.external_port = a->o.has_external_port ? a->o.external_port : otherwise;
	return !word || parse_outside(word, &a->request.external_address, &a->request.external_port, &has_port);
}

/* What only PCP has must not turn into something else by NAT-PMP, where port 0 deletes everything. */
static int find(struct app *a)
{
	if (a->request.internal_port == 0 && a->o.mode == CLIENT_AUTO)
		a->o.mode = CLIENT_PCP;
	if (a->request.internal_port == 0 && a->o.mode == CLIENT_NATPMP)
		return options_wrong("NAT-PMP has no mapping of all ports; to delete all there is unmap-all");
	if (a->ports > 1 && a->o.prefer_failure)
		return options_wrong("--prefer-failure and a range exclude each other (RFC 7753 4.1)");
	if (a->o.prefer_failure && a->request.external_port == 0)
		return options_wrong("--prefer-failure needs a port outside");
	if (a->o.exec && !hook_exists(a->o.exec))
		return options_wrong("--exec: no such program: %s", a->o.exec);
	return gateway_find(a);
}

int natpcpc_map(struct app *a, int argc, char **argv)
{
	int rc;

	a->request = (struct client_request){.lifetime_s = a->o.lifetime_s, .keep = a->o.keep};
	if (!read_inside(a, argv))
		return options_wrong("map: not a protocol and a port: %s %s", argv[0], argv[1]);
	if (!read_outside(a, argc > 2 ? argv[2] : NULL, a->request.internal_port))
		return options_wrong("map: not a port or an address: %s", argv[2]);
	rc = find(a);
	return rc ? rc : ask_all(a, "map");
}

int natpcpc_peer(struct app *a, int argc, char **argv)
{
	int rc;

	a->request = (struct client_request){.lifetime_s = a->o.lifetime_s, .keep = a->o.keep};
	if (!read_inside(a, argv) || a->ports > 1 || !a->request.internal_port)
		return options_wrong("peer: not a protocol and a port: %s %s", argv[0], argv[1]);
	if (!parse_place(argv[2], &a->request.remote_address, &a->request.remote_port))
		return options_wrong("peer: not an address and a port: %s", argv[2]);
	if (!read_outside(a, argc > 3 ? argv[3] : NULL, 0))
		return options_wrong("peer: not a port or an address: %s", argv[3]);
	rc = find(a);
	return rc ? rc : ask_all(a, "peer");
}

int natpcpc_unmap(struct app *a, int argc, char **argv)
{
	int rc;

	(void)argc;
	if (!read_inside(a, argv))
		return options_wrong("unmap: not a protocol and a port: %s %s", argv[0], argv[1]);
	rc = find(a);
	return rc ? rc : ask_all(a, "unmap");
}

int natpcpc_unmap_all(struct app *a, int argc, char **argv)
{
	struct client_request *r = &a->request;
	int rc;

	(void)argc;
	a->ports = 1;
	if (!parse_protocol(argv[0], &r->protocol) || (r->protocol != IPPROTO_TCP && r->protocol != IPPROTO_UDP))
		return options_wrong("unmap-all: tcp or udp, not %s", argv[0]);
	if (a->o.mode == CLIENT_PCP)
		return options_wrong("unmap-all is NAT-PMP's");
	a->o.mode = CLIENT_NATPMP;
	rc = gateway_find(a);
	return rc ? rc : ask_all(a, "unmap-all");
}
