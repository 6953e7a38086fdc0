/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client on a host: what it takes from routes and sockets. On the loopback interface only. */
#include "codec/conn.h"
#include "tests/unit/codec/bed.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

/* 6886-3-09, 6887-8.1-01: all requests go to the default router, IPv4's to that of IPv4, IPv6's to that of IPv6. */
static void default_router(void **state)
{
	const struct {
		int family;
		const char *line, *router, *own;
	} cases[] = {
	    /* the kernel shows octets of an IPv4 address as a number of its own */
	    {AF_INET,
	     htons(1) == 1 ? "br-lan\t00000000\tC0000201\t0003\t0\t0\t100\t00000000\t0\t0\t0"
			   : "br-lan\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0",
	     "192.0.2.1", "192.0.2.11"},
	    {AF_INET6,
	     "00000000000000000000000000000000 00 00000000000000000000000000000000 00 20010db8000000000000000000000001 "
	     "00000400 00000001 00000000 00000003   br-lan",
	     "2001:db8::1", "2001:db8::11"},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct client_endpoint server = {.port = CODEC_SERVER_PORT};
		struct client_request r = tcp_8080();
		struct in6_addr router, own;
		struct conn_route route;
		struct client_op op;
		uint64_t now = 0;
		struct bed b;

		assert_true(conn_route_line(cases[i].family, cases[i].line, &route));
		assert_true(codec_address_parse(cases[i].router, strlen(cases[i].router), &router));
		assert_true(codec_address_parse(cases[i].own, strlen(cases[i].own), &own));
		assert_memory_equal(&route.gateway, &router, 16);
		server.address = route.gateway;
		memset(&b, 0, sizeof(b));
		b.server = server;
		client_init(&b.c, CLIENT_AUTO, &server, &own, 1);
		map(&b, &op, &r, 0);
		/* next() looks at where each goes */
		for (int sent = 0; sent < 5; now = b.deadline)
			sent += next(&b, now);
		answer(&b, 3600, 7, now);
		assert_true(next(&b, now + 2250000));
		client_delete(&b.c, &op, now + 2260000);
		assert_true(next(&b, now + 2260000));
	}
}

/* 6887-16.4-01, 6887-8.1-03, 6887-8.1-02: the address is that of the connected socket, and so is each datagram's source; its port
 * is the kernel's random choice, another one for each client */
static void source(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct client_endpoint server = {codec_from_v4(INADDR_LOOPBACK), 0, 0};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint16_t ports[8];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	server.port = ntohs(a.sin_port);
	struct conn c[LENGTH(ports)];
	for (size_t i = 0; i < LENGTH(ports); i++) {
		struct client_request r = tcp_8080();
		struct sockaddr_in peer;
		struct in6_addr own;
		struct client_op op;
		struct bed b = {.server = server};
		uint8_t data[CODEC_MESSAGE_MAX];
		struct in6_addr seen;

		assert_int_equal(conn_source(&server, 0, &own), 0);
		assert_int_equal(conn_open(&c[i], &server, &own, 0), 0);
		client_init(&b.c, CLIENT_PCP, &server, &own, i);
		map(&b, &op, &r, 0);
		expect_pcp(&b, 0);
		assert_int_equal(conn_send(&c[i], b.out, b.length, &server), 0);
		n = sizeof(peer);
		assert_int_equal(recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&peer, &n), 60);
		seen = codec_from_v4(ntohl(peer.sin_addr.s_addr));
		assert_memory_equal(data + 8, &seen, 16);
		ports[i] = ntohs(peer.sin_port);
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(ports[i], ports[k]);
	}
	for (size_t i = 0; i < LENGTH(ports); i++)
		conn_close(&c[i]);
	close(fd);
}

/* 6886-3.3-05: the internal port is the one that the application listens on, as the socket tells it. */
static void listening_port(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct client_request r;
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct client_op op;
	struct bed b;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	client_request_init(&r, TCP, ntohs(a.sin_port), &NONCE(1));
	start_asking(&b, CLIENT_NATPMP, &op, &r);
	assert_memory_equal(b.out + 4, &a.sin_port, 2);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(default_router), cmocka_unit_test(source),
					   cmocka_unit_test(listening_port)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
