/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The library on another machine or C library, alone and without a test framework: every golden message in and out, every
 * error answer, the probe, exchanges of the client, and a datagram over loopback. Prints how much, or what is wrong.
 */
#include "codec/client.h"
#include "codec/conn.h"
#include "tests/unit/codec/neighbours.h"
#include "tests/unit/codec/same.h"
#include "tests/unit/codec/vectors.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static unsigned checks;

static void require(bool holds, const char *what, const char *name)
{
	checks++;
	if (holds)
		return;
	printf("%s: %s\n", name, what);
	exit(1);
}

static void check_message(const struct vector *v)
{
	uint8_t area[CODEC_MESSAGE_MAX], out[CODEC_MESSAGE_MAX];
	struct codec_message got, want = v->message;
	size_t area_length = 0, at = 0;
	char line[512];

	for (size_t o = 0; o < v->option_count; o++)
		require(pcp_option_put(&v->options[o], area, &area_length, sizeof(area)), "option not written",
			v->name);
	if (want.protocol == CODEC_VERSION_PCP) {
		want.pcp.options = area;
		want.pcp.options_length = area_length;
	} else if (want.natpmp.response && want.natpmp.opcode == NATPMP_ADDRESS &&
		   want.natpmp.result != NATPMP_SUCCESS) {
		want.natpmp.external_address = codec_from_v4(0);
	}
	require(codec_parse(v->octets, v->length, &got, NULL) == CODEC_OK, "not taken", v->name);
	require(same_message(&got, &want), "parsed wrongly", v->name);
	require(codec_marshal(&want, out, sizeof(out)) == v->length && memcmp(out, v->octets, v->length) == 0,
		"marshalled wrongly", v->name);
	require(codec_format(&got, line, sizeof(line)) == strlen(line) && line[0], "no line", v->name);
	for (size_t o = 0; o < v->option_count; o++) {
		struct pcp_option option;

		require(pcp_option_next(got.pcp.options, got.pcp.options_length, &at, &option, NULL) == CODEC_OK &&
			    option.code == v->options[o].code,
			"option not read", v->name);
	}
}

static void check_answers(void)
{
	uint8_t out[2048];

	for (size_t i = 0; i < COUNT(natpmp_errors); i++) {
		const struct error_vector *v = &natpmp_errors[i];
		size_t n = natpmp_marshal_error(v->request, v->request_length, v->result, v->epoch_s, out, sizeof(out));

		require(n == v->answer_length && memcmp(out, v->answer, n) == 0, "answered wrongly", v->name);
	}
	for (size_t i = 0; i < COUNT(pcp_errors); i++) {
		const struct error_vector *v = &pcp_errors[i];
		size_t n = pcp_marshal_error(v->request, v->request_length, v->parsed, v->result, v->lifetime_s,
					     v->epoch_s, out, sizeof(out));

		require(n == v->answer_length && memcmp(out, v->answer, n) == 0, "answered wrongly", v->name);
	}
}

static size_t next(struct client *c, uint8_t *out, uint64_t now_ms)
{
	struct client_endpoint to;
	uint64_t deadline;

	return client_next(c, out, CODEC_MESSAGE_MAX, &to, &deadline, now_ms);
}

/* A mapping by PCP, renewed and deleted; one by NAT-PMP after version 2 was refused. */
static void check_client(void)
{
	static const uint8_t pcp_head[] = {2, 1, 0, 0, 0, 0, 0x1c, 0x20, 0,   0, 0, 0,
					   0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 9};
	static const uint8_t natpmp_map[] = {0, 2, 0, 0, 0x1f, 0x90, 0, 0, 0, 0, 0x1c, 0x20};
	static const uint8_t refusal[] = {0, 128, 0, 1, 0, 0, 0, 9};
	static const uint8_t granted[] = {0, 130, 0, 0, 0, 0, 0, 9, 0x1f, 0x90, 0x9c, 0x40, 0, 0, 0x0e, 0x10};
	static const uint8_t secret[CLIENT_SECRET] = {1, 2, 3};
	struct client_endpoint server = {.address = codec_from_v4(0xc0000201), .port = CODEC_SERVER_PORT};
	struct in6_addr own = codec_from_v4(0xc0000209);
	uint8_t out[CODEC_MESSAGE_MAX], answer[60];
	struct client_request request;
	struct codec_nonce nonce;
	struct client_op op;
	struct client c;
	uint64_t now_ms = 1000;

	client_nonce(secret, &server.address, IPPROTO_TCP, 8080, &nonce);
	client_request_init(&request, IPPROTO_TCP, 8080, &nonce);
	client_init(&c, CLIENT_AUTO, &server, &own, 7);
	require(client_map(&c, &op, &request, now_ms), "not mapped", "client");
	require(next(&c, out, now_ms) == 60 && memcmp(out, pcp_head, sizeof(pcp_head)) == 0, "another PCP request",
		"client");
	memcpy(answer, out, sizeof(answer));
	memset(answer + 8, 0, 16);
	answer[1] |= 0x80;
	answer[11] = 5; /* epoch */
	answer[42] = 0x9c;
	answer[43] = 0x40;
	memcpy(answer + 44, codec_from_v4(0xc6336401).s6_addr, 16);
	require(client_deliver(&c, answer, sizeof(answer), &server, now_ms + 20), "answer not taken", "client");
	require(op.result.state == CLIENT_GRANTED && op.result.external_port == 40000 && op.result.lifetime_s == 7200 &&
		    codec_to_v4(&op.result.external_address) == 0xc6336401,
		"another result", "client");
	now_ms += 4600 * 1000;
	require(next(&c, out, now_ms) == 60 && memcmp(out + 24, answer + 24, 12) == 0, "not renewed", "client");
	client_delete(&c, &op, now_ms + 5000);
	require(next(&c, out, now_ms + 10000) == 60 && memcmp(out + 4, "\0\0\0", 4) == 0, "not deleted", "client");

	client_init(&c, CLIENT_AUTO, &server, &own, 7);
	require(client_map(&c, &op, &request, now_ms), "not mapped", "client");
	require(next(&c, out, now_ms) == 60, "no request", "client");
	require(client_deliver(&c, refusal, sizeof(refusal), &server, now_ms), "refusal not taken", "client");
	require(next(&c, out, now_ms) == 12 && memcmp(out, natpmp_map, 12) == 0, "another NAT-PMP request", "client");
	require(client_deliver(&c, granted, sizeof(granted), &server, now_ms), "grant not taken", "client");
	require(op.result.state == CLIENT_GRANTED && op.result.external_port == 40000 && op.result.lifetime_s == 3600,
		"another result", "client by NAT-PMP");
}

static void check_socket(void)
{
	struct codec_message m = {.protocol = CODEC_VERSION_NATPMP, .natpmp.opcode = NATPMP_MAP_UDP}, got;
	struct sockaddr_in here = {.sin_family = AF_INET};
	struct client_endpoint server = {.address = codec_from_v4(0x7f000001)}, from;
	socklen_t length = sizeof(here);
	uint8_t data[CODEC_MESSAGE_MAX + 1];
	struct conn_route route;
	struct conn s, c;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	here.sin_addr.s_addr = htonl(0x7f000001);
	require(fd >= 0 && bind(fd, (struct sockaddr *)&here, length) == 0 &&
		    getsockname(fd, (struct sockaddr *)&here, &length) == 0 && conn_use(&s, fd) == 0,
		"no server", "conn");
	server.port = ntohs(here.sin_port);
	m.natpmp.internal_port = 0x1234;
	require(conn_open(&c, &server, NULL, 0) == 0, "no connection", "conn");
	require(conn_send_message(&c, &m, &server) == 0, "not sent", "conn");
	struct pollfd p = {.fd = fd, .events = POLLIN};
	require(poll(&p, 1, 5000) == 1, "nothing came", "conn");
	require(conn_receive_message(&s, data, sizeof(data), &got, &from) == 0 && got.natpmp.internal_port == 0x1234 &&
		    codec_to_v4(&from.address) == 0x7f000001,
		"another message came", "conn");
	require(conn_route_line(AF_INET6,
				"00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
				"fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n",
				&route) &&
		    route.metric == 1024 && route.gateway.s6_addr[15] == 1,
		"another route", "conn");
	conn_close(&c);
	close(fd);
}

int main(void)
{
	for (size_t i = 0; i < COUNT(vectors); i++)
		check_message(&vectors[i]);
	check_answers();
	for (size_t i = 0; i < COUNT(neighbours); i++)
		require(codec_probe(neighbours[i].octets, neighbours[i].length) == neighbours[i].kind, "another kind",
			neighbours[i].what);
	check_client();
	check_socket();
	printf("%u checks, %u octets a pointer\n", checks, (unsigned)sizeof(void *));
	return 0;
}
