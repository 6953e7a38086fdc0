/* SPDX-License-Identifier: MIT */
/* address, announce and raw. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codec/natpcpc.h"
#include "codec/natpcpc_out.h"
#include "codec/natpcpc_parse.h"
#include "codec/natpcpc_result.h"

static int ask_all(struct app *a, const char *operation, bool address)
{
	struct codec_nonce nonce;
	uint64_t until_ms;
	int code = gateway_find(a);

	if (code)
		return code;
	nonce_random(&nonce);
	for (size_t i = 0; i < a->count; i++) {
		struct session *s = &a->sessions[i];
		bool possible;

		if (!s->error)
			s->error = session_open(s, a->o.mode);
		if (s->error)
			continue;
		possible = address ? client_address(&s->client, &s->op, &nonce, session_now())
				   : client_announce(&s->client, &s->op, session_now());
		if (!possible)
			return options_wrong("NAT-PMP has no IPv6");
	}
	until_ms = app_deadline(a, TIMEOUT_MS);
	for (size_t i = 0; i < a->count; i++) {
		struct session *s = &a->sessions[i];

		session_await(a->sessions, a->count, s, &s->op, until_ms);
		code = app_worse(code, result_show(a, s, operation));
	}
	return code;
}

int natpcpc_address(struct app *a, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return ask_all(a, "address", true);
}

int natpcpc_announce(struct app *a, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return ask_all(a, "announce", false);
}

static int receive(const struct session *s, uint8_t *data, size_t *length, uint64_t until_ms)
{
	const struct conn *conns[] = {&s->conn};
	struct client_endpoint from;
	int rc;

	while ((rc = conn_receive(&s->conn, data, DATAGRAM_MAX, length, &from)) == -EAGAIN && session_now() < until_ms)
		session_poll(conns, 1, until_ms);
	return rc;
}

int natpcpc_raw(struct app *a, int argc, char **argv)
{
	struct session *s = &a->sessions[0];
	uint8_t data[DATAGRAM_MAX];
	struct codec_message m;
	struct line l = {.json = a->o.json};
	size_t n;
	int rc;

	(void)argc;
	if (!parse_hex(argv[0], data, sizeof(data), &n))
		return options_wrong("raw: not hex, or too long: %s", argv[0]);
	rc = gateway_find(a);
	if (rc)
		return rc;
	if (!s->error)
		s->error = session_open(s, a->o.mode);
	if (!s->error)
		s->error = conn_send(&s->conn, data, n, &s->server);
	if (!s->error)
		rc = receive(s, data, &n, app_deadline(a, TIMEOUT_MS));
	s->unreachable = rc == -ECONNREFUSED || rc == -EHOSTUNREACH;
	if (s->error || rc)
		return result_show(a, s, "raw");
	if (l.json) {
		out_number(&l, "schema", OUT_SCHEMA);
		out_text(&l, "operation", "raw");
	}
	out_hex(&l, "received", data, n);
	if (codec_parse(data, n, &m, NULL) == CODEC_OK)
		out_message(&l, &m);
	out_end(&l);
	return EXIT_DONE;
}
