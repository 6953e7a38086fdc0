/* SPDX-License-Identifier: MIT */
/* What came of an operation. */
#include "codec/natpcpc_result.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/natpcpc_out.h"

static const struct in6_addr *inside(const struct app *a, const struct session *s)
{
	return a->o.third ? &a->o.third_party : &s->own;
}

/* map, peer, unmap, unmap-all */
static bool tells_mapping(const char *operation)
{
	return strstr(operation, "map") || strcmp(operation, "peer") == 0;
}

static bool maps(const char *operation)
{
	return strcmp(operation, "map") == 0 || strcmp(operation, "peer") == 0;
}

/* What is granted, or what was asked for. */
static void internal_ports(const struct app *a, const struct client_op *op, uint16_t *first, uint16_t *count)
{
	bool granted = op->result.state == CLIENT_GRANTED && op->result.port_set_size > 1;

	*first = granted ? op->result.first_internal_port : op->request.internal_port;
	*count = op->result.state == CLIENT_GRANTED ? op->result.port_set_size : a->ports;
}

static bool answered(const struct client_result *r)
{
	return r->state == CLIENT_GRANTED || r->state == CLIENT_REFUSED || r->state == CLIENT_DELETED;
}

static const char *status_of(const struct session *s, const char *operation)
{
	const struct client_result *r = &s->op.result;

	if (s->error)
		return "failed";
	if (s->mapped && maps(operation) && r->state != CLIENT_GRANTED && r->expires_ms == 0)
		return "lost";
	switch (r->state) {
	case CLIENT_GRANTED:
		return maps(operation) ? "mapped" : "ok";
	case CLIENT_DELETED:
		return "unmapped";
	case CLIENT_REFUSED:
		return "refused";
	case CLIENT_NO_ANSWER:
	case CLIENT_ASKING:
	case CLIENT_IDLE:
		break;
	}
	return "no answer";
}

static void json_mapping(const struct app *a, const struct session *s, struct line *l)
{
	const struct client_request *q = &s->op.request;
	uint16_t first, count;

	internal_ports(a, &s->op, &first, &count);
	out_protocol(l, "protocol", q->protocol);
	out_address(l, "internal_address", inside(a, s));
	out_number(l, "internal_port", first);
	out_number(l, "ports", count);
	out_hex(l, "nonce", q->nonce.octets, sizeof(q->nonce.octets));
	if (q->remote_port) {
		out_address(l, "remote_address", &q->remote_address);
		out_number(l, "remote_port", q->remote_port);
	}
}

static void json_result(const struct app *a, const struct session *s, const char *operation, const char *status)
{
	const struct client_result *r = &s->op.result;
	struct line l = {.json = true};
	bool mapping = tells_mapping(operation);
	char t[OUT_TIME];

	out_number(&l, "schema", OUT_SCHEMA);
	out_text(&l, "operation", operation);
	out_text(&l, "status", status);
	if (a->o.keep)
		out_text(&l, "time", out_time(true, t));
	out_address(&l, "server", &s->server.address);
	if (mapping)
		json_mapping(a, s, &l);
	if (r->state == CLIENT_GRANTED && strcmp(operation, "announce") != 0)
		out_address(&l, "external_address", &r->external_address);
	if (r->state == CLIENT_GRANTED && mapping)
		out_number(&l, "external_port", r->external_port);
	if (r->state == CLIENT_GRANTED && mapping && a->o.description)
		out_bool(&l, "description_taken", r->description_taken);
	if (answered(r)) {
		out_text(&l, "version", out_version(r->protocol));
		out_text(&l, "result", client_code_name(r));
		out_number(&l, "code", r->code);
		out_text(&l, "meaning", out_meaning(r->protocol, r->code));
		out_number(&l, "lifetime_s", r->lifetime_s);
		out_number(&l, "epoch_s", r->epoch_s);
	} else {
		out_text(&l, "reason", s->error ? strerror(-s->error) : s->unreachable ? "unreachable" : "silence");
	}
	out_end(&l);
}

static void plain_outside(const struct app *a, const struct session *s, uint16_t count)
{
	const struct client_result *r = &s->op.result;
	char to[OUT_HOST_PORT];

	(void)a;
	printf(" -> %s for ", out_host_port(&r->external_address, r->external_port, count, to));
	if (r->lifetime_s == CODEC_LIFETIME_FOREVER)
		printf("ever");
	else
		printf("%" PRIu32 " s", r->lifetime_s);
}

static void plain_refusal(const struct session *s, uint64_t now_ms)
{
	const struct client_result *r = &s->op.result;

	printf(": %s (%u)", client_code_name(r), r->code);
	if (r->lifetime_s)
		printf(" for %" PRIu32 " s", r->lifetime_s);
	printf(": %s", out_meaning(r->protocol, r->code));
	if (r->expires_ms > now_ms)
		printf("; what was mapped ends in %" PRIu64 " s", (r->expires_ms - now_ms) / 1000);
}

static void plain_result(const struct app *a, const struct session *s, const char *operation, const char *status)
{
	const struct client_request *q = &s->op.request;
	const struct client_result *r = &s->op.result;
	char p[8], t[CODEC_ADDRESS_TEXT], from[OUT_HOST_PORT], when[OUT_TIME];
	uint16_t first, count;

	internal_ports(a, &s->op, &first, &count);
	if (a->o.keep)
		printf("%s ", out_time(false, when));
	printf("%s", r->state == CLIENT_GRANTED && !maps(operation) ? operation : status);
	if (strcmp(status, "refused") == 0)
		printf(" %s", operation);
	if (tells_mapping(operation))
		printf(" %s %s", q->protocol ? out_who(q->protocol, p) : "all",
		       out_host_port(inside(a, s), first, count, from));
	if (q->remote_port)
		printf(" with %s", out_host_port(&q->remote_address, q->remote_port, 1, from));
	if (r->state == CLIENT_GRANTED && maps(operation))
		plain_outside(a, s, count);
	if (r->state == CLIENT_GRANTED && strcmp(operation, "address") == 0)
		printf(" %s", codec_address_text(&r->external_address, t));
	if (r->state == CLIENT_GRANTED && strcmp(operation, "announce") == 0)
		printf(" answered by %s", codec_address_text(&s->server.address, t));
	if (r->state == CLIENT_REFUSED)
		plain_refusal(s, session_now());
	/* RFC 6887 15: no sooner than its traffic would let it */
	if (r->state == CLIENT_DELETED && r->lifetime_s)
		printf(", which the gateway keeps for %" PRIu32 " s", r->lifetime_s);
	if (answered(r)) {
		printf(" (%s", out_version(r->protocol));
		if (a->count > 1)
			printf(" of %s", codec_address_text(&s->server.address, t));
		printf(", epoch %" PRIu32 ")", r->epoch_s);
	}
	putchar('\n');
	fflush(stdout);
}

/* Why there is no answer, for people. */
static void plain_silence(const struct app *a, const struct session *s)
{
	char t[CODEC_ADDRESS_TEXT];

	codec_address_text(&s->server.address, t);
	if (s->error)
		fprintf(stderr, "natpcpc: no way to %s: %s\n", t, strerror(-s->error));
	else if (s->unreachable)
		fprintf(stderr, "natpcpc: no answer from %s: nobody listens on port %u there\n", t, s->server.port);
	else
		fprintf(stderr, "natpcpc: no answer from %s%s\n", t,
			a->o.mode == CLIENT_AUTO  ? ""
			: a->o.mode == CLIENT_PCP ? " to PCP"
						  : " to NAT-PMP");
}

static void warn_of_fewer(const struct app *a, const struct session *s, const char *operation)
{
	const struct client_result *r = &s->op.result;

	if (r->state == CLIENT_GRANTED && strcmp(operation, "map") == 0 && r->port_set_size < a->ports)
		fprintf(stderr, "natpcpc: only %u of %u ports, which may be all that the gateway does at a time\n",
			r->port_set_size, a->ports);
}

int result_show(const struct app *a, const struct session *s, const char *operation)
{
	const struct client_result *r = &s->op.result;
	const char *status = status_of(s, operation);
	bool silent = s->error || (!answered(r) && !s->mapped);

	if (a->o.json)
		json_result(a, s, operation, status);
	if (silent)
		plain_silence(a, s);
	else if (!a->o.json)
		plain_result(a, s, operation, status);
	if (!silent)
		warn_of_fewer(a, s, operation);
	if (r->state == CLIENT_REFUSED && !s->error)
		return EXIT_REFUSED;
	return !s->error && answered(r) ? EXIT_DONE : EXIT_SILENCE;
}
