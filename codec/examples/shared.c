/* SPDX-License-Identifier: MIT */
/*
 * shared PORT [SERVER]   one UDP socket for two protocols: whatever comes to PORT is sent back to where it came from, and
 * the same socket asks the gateway for PORT, for as long as the program runs. Also other programs' answers, a STUN
 * request and WireGuard's messages are echoed: only what the client takes is not for the echo.
 */
#define _DEFAULT_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <natpcp/conn.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* True if the datagram was an answer of the gateway. The probe is what costs every other datagram a few nanoseconds. */
static bool take(struct client *client, const uint8_t *data, size_t length, const struct sockaddr *from, socklen_t n)
{
	enum codec_kind kind = codec_probe(data, length);
	struct client_endpoint peer;

	if (kind != CODEC_KIND_NATPMP_RESPONSE && kind != CODEC_KIND_PCP_RESPONSE)
		return false;
	return conn_endpoint(from, n, &peer) && client_deliver(client, data, length, &peer, now_ms());
}

static void tell(struct client *client)
{
	struct client_op *op;

	while ((op = client_changed(client)) != NULL) {
		if (op->result.state == CLIENT_GRANTED)
			printf("echo is reachable as port %u\n", op->result.external_port);
		else
			printf("echo is not reachable from outside: %s\n", client_code_name(&op->result));
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	struct client_request request = {.protocol = IPPROTO_UDP, .lifetime_s = CLIENT_LIFETIME, .keep = true};
	struct client_endpoint server = {.port = CODEC_SERVER_PORT}, to;
	struct sockaddr_in here = {.sin_family = AF_INET};
	uint8_t data[65536];
	unsigned int interface = 0;
	struct in6_addr own;
	struct client client;
	struct client_op op;
	struct conn conn;
	uint64_t deadline;
	long port = argc > 1 ? strtol(argv[1], NULL, 10) : 0; /* 0 would be all ports */
	size_t n;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (port < 1 || port > 65535 ||
	    (argc > 2 ? !codec_address_parse(argv[2], strlen(argv[2]), &server.address)
		      : conn_default_gateway(AF_INET, &interface, &server) < 0) ||
	    conn_source(&server, interface, &own) < 0 ||
	    getrandom(&request.nonce, sizeof(request.nonce), 0) != sizeof(request.nonce)) {
		fputs("usage: shared PORT [SERVER]; there may be no way to a gateway\n", stderr);
		return 2;
	}
	request.internal_port = request.external_port = (uint16_t)port;
	here.sin_port = htons(request.internal_port);
	if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof(here)) || conn_use(&conn, fd) < 0) {
		perror("shared");
		return 1;
	}
	client_init(&client, CLIENT_AUTO, &server, &own, now_ms());
	client_map(&client, &op, &request, now_ms());
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		struct sockaddr_storage from;
		socklen_t from_length = sizeof(from);
		uint64_t now;
		ssize_t got;

		while ((n = client_next(&client, data, sizeof(data), &to, &deadline, now_ms())) > 0)
			conn_send(&conn, data, n, &to);
		tell(&client);
		now = now_ms();
		if (poll(&p, 1, deadline > now + 60000 ? 60000 : deadline > now ? (int)(deadline - now) : 0) <= 0)
			continue;
		got = recvfrom(fd, data, sizeof(data), MSG_DONTWAIT, (struct sockaddr *)&from, &from_length);
		if (got >= 0 && !take(&client, data, (size_t)got, (struct sockaddr *)&from, from_length))
			sendto(fd, data, (size_t)got, 0, (struct sockaddr *)&from, from_length);
	}
}
