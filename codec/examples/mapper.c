/* SPDX-License-Identifier: MIT */
/* mapper PORT [SERVER]   asks for a TCP port for two hours, waits for the answer, says what it is: 0, or 1 if refused. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <natpcp/conn.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	struct client_endpoint server = {.port = CODEC_SERVER_PORT}, peer;
	uint8_t data[CODEC_MESSAGE_MAX + 1];
	struct client_request request;
	struct codec_nonce nonce;
	unsigned int interface = 0;
	struct in6_addr own;
	struct client client;
	struct client_op op;
	struct conn conn;
	uint64_t deadline, now;
	size_t n;
	long port = argc > 1 ? strtol(argv[1], NULL, 10) : 0; /* 0 would be all ports */

	if (port < 1 || port > 65535 || getrandom(&nonce, sizeof(nonce), 0) != sizeof(nonce))
		return fputs("usage: mapper PORT [SERVER]\n", stderr), 2;
	if ((argc > 2 ? !codec_address_parse(argv[2], strlen(argv[2]), &server.address)
		      : conn_default_gateway(AF_INET, &interface, &server) < 0) ||
	    conn_source(&server, interface, &own) < 0 || conn_open(&conn, &server, &own, interface) < 0)
		return fputs("no way to a gateway\n", stderr), 2;
	client_init(&client, CLIENT_AUTO, &server, &own, now_ms());
	client.schedule.mrd_ms = 5000; /* PCP alone would ask for ever */
	client_request_init(&request, IPPROTO_TCP, (uint16_t)port, &nonce);
	request.keep = false;
	client_map(&client, &op, &request, now_ms());
	for (;;) {
		while ((n = client_next(&client, data, sizeof(data), &peer, &deadline, now = now_ms())) > 0)
			conn_send(&conn, data, n, &peer);
		if (op.result.state != CLIENT_ASKING)
			break;
		poll(&(struct pollfd){conn.fd, POLLIN, 0}, 1, deadline > now ? (int)(deadline - now) : 0);
		int rc = conn_receive(&conn, data, sizeof(data), &n, &peer);
		if (rc == 0)
			client_deliver(&client, data, n, &peer, now_ms());
		else if (rc == -ECONNREFUSED)
			client_unreachable(&client, now_ms());
	}
	conn_close(&conn);
	if (op.result.state == CLIENT_GRANTED)
		printf("reachable as port %u for %u s\n", op.result.external_port, op.result.lifetime_s);
	else
		puts(op.result.state == CLIENT_REFUSED ? client_code_name(&op.result) : "no answer");
	return op.result.state != CLIENT_GRANTED;
}
