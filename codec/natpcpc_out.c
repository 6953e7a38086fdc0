/* SPDX-License-Identifier: MIT */
#include "codec/natpcpc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int out_usage(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fputs("natpcpc: ", stderr);
	vfprintf(stderr, format, ap);
	fputs(" (see natpcpc --help)\n", stderr);
	va_end(ap);
	return EXIT_USAGE;
}

static void key(struct line *l, const char *name)
{
	fputs(l->begun ? (l->json ? ", " : " ") : (l->json ? "{" : ""), stdout);
	printf(l->json ? "\"%s\": " : "%s=", name);
	l->begun = true;
}

void out_text(struct line *l, const char *name, const char *value)
{
	key(l, name);
	printf(l->json ? "\"%s\"" : "%s", value);
}

void out_number(struct line *l, const char *name, uint64_t value)
{
	key(l, name);
	printf("%" PRIu64, value);
}

void out_address(struct line *l, const char *name, const struct in6_addr *a)
{
	char t[CODEC_ADDRESS_TEXT];

	out_text(l, name, codec_address_text(a, t));
}

void out_hex(struct line *l, const char *name, const uint8_t *data, size_t length)
{
	char t[2 * DATAGRAM_MAX + 1] = "";

	for (size_t i = 0; i < length; i++)
		snprintf(t + 2 * i, 3, "%02x", data[i]);
	out_text(l, name, t);
}

static void protocol(struct line *l, uint8_t value)
{
	if (codec_protocol_name(value))
		out_text(l, "protocol", codec_protocol_name(value));
	else
		out_number(l, "protocol", value);
}

void out_end(struct line *l)
{
	puts(l->json ? "}" : "");
	fflush(stdout);
}

static const char *version_name(enum codec_version v)
{
	return v == CODEC_VERSION_PCP ? "pcp" : "nat-pmp";
}

/* "192.0.2.1:80", "[2001:db8::1]:80" */
static const char *host_port(const struct in6_addr *a, uint16_t port, char out[CODEC_ADDRESS_TEXT + 8])
{
	char t[CODEC_ADDRESS_TEXT];

	snprintf(out, CODEC_ADDRESS_TEXT + 8, codec_is_v4(a) ? "%s:%u" : "[%s]:%u", codec_address_text(a, t), port);
	return out;
}

static const char *who(uint8_t number, char out[8])
{
	if (codec_protocol_name(number))
		return codec_protocol_name(number);
	snprintf(out, 8, "%u", number);
	return out;
}

static const struct in6_addr *inside(const struct app *a)
{
	return a->o.third ? &a->o.third_party : &a->own;
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

static void json_result(const struct app *a, const char *operation, const char *status)
{
	const struct client_request *q = &a->op.request;
	const struct client_result *r = &a->op.result;
	struct line l = {.json = true};
	bool mapping = tells_mapping(operation);

	out_text(&l, "operation", operation);
	out_text(&l, "status", status);
	out_address(&l, "server", &a->server.address);
	if (mapping) {
		protocol(&l, q->protocol);
		out_address(&l, "internal_address", inside(a));
		out_number(&l, "internal_port", q->internal_port);
		out_hex(&l, "nonce", q->nonce.octets, sizeof(q->nonce.octets));
	}
	if (q->remote_port) {
		out_address(&l, "remote_address", &q->remote_address);
		out_number(&l, "remote_port", q->remote_port);
	}
	if (r->state == CLIENT_GRANTED && strcmp(operation, "announce") != 0)
		out_address(&l, "external_address", &r->external_address);
	if (r->state == CLIENT_GRANTED && mapping)
		out_number(&l, "external_port", r->external_port);
	if (r->state != CLIENT_NO_ANSWER && r->state != CLIENT_ASKING) {
		out_text(&l, "version", version_name(r->protocol));
		out_text(&l, "result", client_code_name(r));
		out_number(&l, "code", r->code);
		out_number(&l, "lifetime_s", r->lifetime_s);
		out_number(&l, "epoch_s", r->epoch_s);
	}
	out_end(&l);
}

static const char *status_of(const struct client_result *r, const char *operation)
{
	switch (r->state) {
	case CLIENT_GRANTED:
		return maps(operation) ? "mapped" : "ok";
	case CLIENT_DELETED:
		return "unmapped";
	case CLIENT_REFUSED:
		return "refused";
	case CLIENT_NO_ANSWER:
		return "no answer";
	case CLIENT_ASKING:
	case CLIENT_IDLE:
		break;
	}
	return "lost";
}

static void plain_result(const struct app *a, const char *operation, const char *status)
{
	const struct client_request *q = &a->op.request;
	const struct client_result *r = &a->op.result;
	char p[8], from[CODEC_ADDRESS_TEXT + 8], to[CODEC_ADDRESS_TEXT + 8], t[CODEC_ADDRESS_TEXT];
	bool known = !codec_is_unspecified(&r->external_address);

	if (r->state == CLIENT_NO_ANSWER) {
		fprintf(stderr, "natpcpc: no answer from %s\n", codec_address_text(&a->server.address, t));
		return;
	}
	printf("%s", r->state == CLIENT_GRANTED && !maps(operation) ? operation : status);
	if (r->state == CLIENT_REFUSED)
		printf(" %s", operation);
	if (tells_mapping(operation)) {
		host_port(inside(a), q->internal_port, from);
		if (q->internal_port == 0)
			snprintf(from, sizeof(from), "%s", codec_address_text(inside(a), t));
		printf(" %s %s", who(q->protocol, p), from);
	}
	if (q->remote_port)
		printf(" with %s", host_port(&q->remote_address, q->remote_port, to));
	if (r->state == CLIENT_GRANTED && maps(operation))
		printf(" -> %s for %" PRIu32 " s",
		       known ? host_port(&r->external_address, r->external_port, to)
			     : (snprintf(to, sizeof(to), "?:%u", r->external_port), to),
		       r->lifetime_s);
	if (r->state == CLIENT_GRANTED && strcmp(operation, "address") == 0)
		printf(" %s", codec_address_text(&r->external_address, t));
	if (r->state == CLIENT_GRANTED && strcmp(operation, "announce") == 0)
		printf(" answered by %s", codec_address_text(&a->server.address, t));
	if (r->state == CLIENT_REFUSED)
		printf(": %s (%u)", client_code_name(r), r->code);
	if (r->state == CLIENT_REFUSED && r->lifetime_s)
		printf(" for %" PRIu32 " s", r->lifetime_s);
	if (r->state != CLIENT_ASKING)
		printf(" (%s, epoch %" PRIu32 ")", version_name(r->protocol), r->epoch_s);
	putchar('\n');
	fflush(stdout);
}

int out_result(const struct app *a, const char *operation)
{
	const struct client_result *r = &a->op.result;

	(a->o.json ? json_result : plain_result)(a, operation, status_of(r, operation));
	return r->state == CLIENT_GRANTED || r->state == CLIENT_DELETED ? EXIT_DONE : EXIT_REFUSED;
}

int out_failure(const struct app *a, const char *operation, int rc)
{
	char t[CODEC_ADDRESS_TEXT];

	if (a->o.json)
		json_result(a, operation, rc == -ETIMEDOUT ? "no answer" : "failed");
	if (rc == -ETIMEDOUT)
		fprintf(stderr, "natpcpc: no answer from %s\n", codec_address_text(&a->server.address, t));
	else
		fprintf(stderr, "natpcpc: %s: %s\n", codec_address_text(&a->server.address, t), strerror(-rc));
	return EXIT_REFUSED;
}

static void out_natpmp(struct line *l, const struct natpmp_message *m)
{
	out_text(l, "opcode", natpmp_opcode_name(m->opcode));
	if (m->response) {
		out_text(l, "result", natpmp_result_name(m->result));
		out_number(l, "epoch_s", m->epoch_s);
	}
	if (m->opcode == NATPMP_ADDRESS && m->response)
		out_address(l, "external_address", &m->external_address);
	if (m->opcode == NATPMP_MAP_UDP || m->opcode == NATPMP_MAP_TCP) {
		out_number(l, "internal_port", m->internal_port);
		out_number(l, "external_port", m->external_port);
		out_number(l, "lifetime_s", m->lifetime_s);
	}
}

static void out_pcp(struct line *l, const struct pcp_message *m)
{
	const struct pcp_mapping *p = &m->mapping;
	struct pcp_option o;
	size_t offset = 0;

	out_text(l, "opcode", pcp_opcode_name(m->opcode));
	if (m->response) {
		out_text(l, "result", pcp_result_name(m->result));
		out_number(l, "epoch_s", m->epoch_s);
	}
	out_number(l, "lifetime_s", m->lifetime_s);
	if (m->opcode == PCP_MAP || m->opcode == PCP_PEER) {
		out_hex(l, "nonce", p->nonce.octets, sizeof(p->nonce.octets));
		protocol(l, p->protocol);
		out_number(l, "internal_port", p->internal_port);
		out_number(l, "external_port", p->external_port);
		out_address(l, "external_address", &p->external_address);
	}
	if (m->opcode == PCP_PEER) {
		out_number(l, "remote_port", p->remote_port);
		out_address(l, "remote_address", &p->remote_address);
	}
	while (pcp_option_next(m->options, m->options_length, &offset, &o, NULL) == CODEC_OK) {
		char name[32];

		snprintf(name, sizeof(name), "option_%u", o.code);
		out_hex(l, name, o.data, o.length);
	}
}

void out_message(struct line *l, const struct codec_message *m)
{
	bool response = m->protocol == CODEC_VERSION_PCP ? m->pcp.response : m->natpmp.response;

	out_text(l, "version", version_name(m->protocol));
	out_text(l, "kind", response ? "response" : "request");
	if (m->protocol == CODEC_VERSION_PCP)
		out_pcp(l, &m->pcp);
	else
		out_natpmp(l, &m->natpmp);
}
