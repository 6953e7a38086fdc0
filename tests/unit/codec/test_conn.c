/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets, on the loopback interface only. */
#include "codec/conn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_MS 5000

/* Waits until there is something to read or an error. */
static void ready(const struct conn *c)
{
	struct pollfd p = {c->fd, POLLIN, 0};

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
}

/* A UDP socket on the loopback address of the family, port chosen by the kernel. */
static int server_socket(int family, struct client_endpoint *where)
{
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr *a = family == AF_INET ? (struct sockaddr *)&a4 : (struct sockaddr *)&a6;
	socklen_t n = family == AF_INET ? sizeof(a4) : sizeof(a6);
	int fd = socket(family, SOCK_DGRAM, 0);

	assert_true(fd >= 0);
	if (bind(fd, a, n)) {
		close(fd);
		return -1;
	}
	assert_int_equal(getsockname(fd, a, &n), 0);
	memset(where, 0, sizeof(*where));
	where->address = family == AF_INET ? codec_from_v4(INADDR_LOOPBACK) : in6addr_loopback;
	where->port = ntohs(family == AF_INET ? a4.sin_port : a6.sin6_port);
	return fd;
}

static void talks(int family)
{
	struct codec_message m = {.protocol = CODEC_VERSION_NATPMP}, got;
	struct client_endpoint server, from, peer;
	uint8_t data[CODEC_MESSAGE_MAX + 1] = {0};
	struct in6_addr own;
	struct conn s, c;
	size_t n;
	int fd = server_socket(family, &server);

	if (fd < 0)
		skip(); /* no IPv6 here */
	assert_int_equal(conn_use(&s, fd), 0);
	assert_int_equal(s.family, family);
	assert_int_equal(conn_open(&c, &server, &server.address, 0), 0);
	assert_int_equal(conn_source(&server, 0, &own), 0);
	assert_memory_equal(&own, &server.address, sizeof(own));
	assert_int_equal(conn_receive(&c, data, sizeof(data), &n, &from), -EAGAIN);

	assert_int_equal(conn_send_message(&c, &m, &server), 0);
	ready(&s);
	assert_int_equal(conn_receive_message(&s, data, sizeof(data), &got, &peer), 0);
	assert_memory_equal(&peer.address, &server.address, sizeof(own));
	assert_int_equal(got.protocol, CODEC_VERSION_NATPMP);
	assert_false(got.natpmp.response);

	m.natpmp.response = true;
	m.natpmp.epoch_s = 7;
	m.natpmp.external_address = codec_from_v4(0xc6336401);
	assert_int_equal(conn_send_message(&s, &m, &peer), 0);
	ready(&c);
	assert_int_equal(conn_receive(&c, data, sizeof(data), &n, &from), 0);
	assert_int_equal(n, 12);
	assert_int_equal(from.port, server.port);
	assert_memory_equal(&from.address, &server.address, sizeof(own));

	/* longer than a message may be: the length tells */
	assert_int_equal(conn_send(&s, data, sizeof(data), &peer), 0);
	ready(&c);
	assert_int_equal(conn_receive(&c, data, sizeof(data), &n, &from), 0);
	assert_int_equal(n, CODEC_MESSAGE_MAX + 1);
	assert_int_equal(conn_send(&s, data, 1, &peer), 0);
	ready(&c);
	assert_int_equal(conn_receive_message(&c, data, sizeof(data), &got, &from), -EBADMSG);

	conn_close(&s);
	assert_int_not_equal(fcntl(fd, F_GETFD), -1);
	close(fd);
	/* 6886-3.1-06: nobody listens any more */
	assert_int_equal(conn_send(&c, data, 2, &server), 0);
	ready(&c);
	assert_int_equal(conn_receive(&c, data, sizeof(data), &n, &from), -ECONNREFUSED);
	conn_close(&c);
	conn_close(&c);
}

static void talks_v4(void **state)
{
	(void)state;
	talks(AF_INET);
}

static void talks_v6(void **state)
{
	(void)state;
	talks(AF_INET6);
}

/* An IPv6 socket that also carries IPv4 */
static void dual_stack(void **state)
{
	struct client_endpoint server, from;
	struct sockaddr_in6 any = {.sin6_family = AF_INET6};
	uint8_t data[] = {0, 0};
	struct conn s, c;
	int fd = server_socket(AF_INET, &server), both = socket(AF_INET6, SOCK_DGRAM, 0);
	size_t n;

	(void)state;
	if (both < 0 || bind(both, (struct sockaddr *)&any, sizeof(any)))
		skip();
	assert_int_equal(conn_use(&s, fd), 0);
	assert_int_equal(conn_use(&c, both), 0);
	assert_int_equal(conn_send(&c, data, 2, &server), 0);
	ready(&s);
	assert_int_equal(conn_receive(&s, data, sizeof(data), &n, &from), 0);
	assert_int_equal(n, 2);
	assert_int_equal(conn_send(&s, data, 2, &from), 0);
	ready(&c);
	assert_int_equal(conn_receive(&c, data, sizeof(data), &n, &from), 0);
	assert_memory_equal(&from.address, &server.address, 16);
	/* an IPv4 socket has no way to an IPv6 address */
	from.address = in6addr_loopback;
	assert_int_equal(conn_send(&s, data, 2, &from), -EAFNOSUPPORT);
	close(fd);
	close(both);
}

/* The caller reads the socket: what is ours is taken, the rest is the other protocol's */
static void deliver(void **state)
{
	static const uint8_t map[16] = {0, 129, 0, 0, 0, 0, 0, 7, 0, 80, 0, 81, 0, 0, 14, 16};
	static const uint8_t stun[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(5351), .sin_addr.s_addr = htonl(0xc0000201)};
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(5351), .sin6_scope_id = 3};
	struct sockaddr *from4 = (struct sockaddr *)&a4, *from6 = (struct sockaddr *)&a6;
	struct client_endpoint e;
	struct codec_message m;

	(void)state;
	assert_int_equal(conn_deliver(map, sizeof(map), from4, sizeof(a4), &m, &e), 0);
	assert_int_equal(m.natpmp.external_port, 81);
	assert_int_equal(codec_to_v4(&e.address), 0xc0000201);
	assert_true(codec_is_v4(&e.address));
	assert_int_equal(e.port, 5351);
	assert_int_equal(e.scope, 0);
	assert_int_equal(inet_pton(AF_INET6, "fe80::1", &a6.sin6_addr), 1);
	assert_int_equal(conn_deliver(map, sizeof(map), from6, sizeof(a6), &m, &e), 0);
	assert_memory_equal(&e.address, &a6.sin6_addr, 16);
	assert_int_equal(e.scope, 3);

	assert_int_equal(conn_deliver(stun, sizeof(stun), from4, sizeof(a4), &m, &e), -EBADMSG);
	/* the probe lets it through, the parser does not: a MAP whose option runs past the end */
	uint8_t bad[64] = {2, 1, [62] = 1};
	assert_int_equal(conn_deliver(bad, sizeof(bad), from4, sizeof(a4), &m, &e), -EBADMSG);
	assert_int_equal(conn_deliver(map, 0, from4, sizeof(a4), &m, &e), -EBADMSG);

	assert_int_equal(conn_deliver(map, sizeof(map), from6, sizeof(a6) - 1, &m, &e), -EAFNOSUPPORT);
	assert_false(conn_endpoint(from4, sizeof(a4) - 1, &e));
	a4.sin_family = AF_UNIX;
	assert_false(conn_endpoint(from4, sizeof(a4), &e));
}

static void not_udp(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), null = dup(0);
	struct conn c;

	(void)state;
	assert_int_equal(conn_use(&c, fd), -EINVAL);
	assert_true(conn_use(&c, -1) < 0);
	close(fd);
	if (null >= 0)
		close(null);
}

static void bad_interface(void **state)
{
	struct client_endpoint server = {codec_from_v4(INADDR_LOOPBACK), 5351, 0};
	struct in6_addr own;
	struct conn c;

	(void)state;
	assert_true(conn_open(&c, &server, NULL, 999999) < 0);
	assert_int_equal(c.fd, -1);
	/* not ours: 192.0.2.1; not of the family */
	own = codec_from_v4(0xc0000201);
	assert_int_equal(conn_open(&c, &server, &own, 0), -EADDRNOTAVAIL);
	own = in6addr_loopback;
	assert_int_equal(conn_open(&c, &server, &own, 0), -EAFNOSUPPORT);
	assert_int_equal(c.fd, -1);
	assert_int_equal(conn_listen(&c, AF_INET, 0), -ENODEV);
	assert_true(conn_listen(&c, AF_INET, 999999) < 0);
	assert_int_equal(c.fd, -1);
}

/* 6886-3.2.1-14 6887-14.1.3-10: two listeners on one host both hear, and only what came in by their interface */
static void listeners_share(void **state)
{
	unsigned int lo = if_nametoindex("lo");
	struct ip_mreqn by = {.imr_ifindex = (int)lo};
	struct client_endpoint group = {codec_from_v4(0xe0000001), CODEC_ANNOUNCE_PORT, 0}, from;
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(CODEC_ANNOUNCE_PORT)};
	struct conn a, b, wrong, s, theirs;
	uint8_t data[16] = {0, 128};
	size_t n;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), other = server_socket(AF_INET, &from);
	int their_fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1;

	(void)state;
	/* a client of others, which shares the port of every address by SO_REUSEADDR alone */
	assert_int_equal(setsockopt(their_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(their_fd, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(conn_use(&theirs, their_fd), 0);
	assert_int_equal(conn_listen(&a, AF_INET, lo), 0);
	assert_int_equal(conn_listen(&b, AF_INET, lo), 0);
	assert_int_equal(conn_listen(&wrong, AF_INET, lo), 0);
	wrong.ifindex = lo + 1;
	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof(by)), 0);
	assert_int_equal(conn_use(&s, fd), 0);
	assert_int_equal(conn_send(&s, data, 12, &group), 0);
	ready(&a);
	ready(&b);
	ready(&wrong);
	assert_int_equal(conn_receive(&a, data, sizeof(data), &n, &from), 0);
	assert_int_equal(n, 12);
	assert_int_equal(conn_receive(&b, data, sizeof(data), &n, &from), 0);
	assert_int_equal(conn_receive(&wrong, data, sizeof(data), &n, &from), -EAGAIN);
	ready(&theirs);
	assert_int_equal(conn_receive(&theirs, data, sizeof(data), &n, &from), 0);
	/* unicast to the port is for somebody else */
	group.address = codec_from_v4(INADDR_LOOPBACK);
	conn_send(&s, data, 12, &group);
	assert_int_equal(conn_receive(&a, data, sizeof(data), &n, &from), -EAGAIN);
	conn_close(&a);
	conn_close(&b);
	conn_close(&wrong);
	close(fd);
	close(other);
	close(their_fd);
}

static void listener_v6(void **state)
{
	unsigned int lo = if_nametoindex("lo");
	struct client_endpoint group = {.port = CODEC_ANNOUNCE_PORT, .scope = lo}, from;
	struct conn a, b, s;
	uint8_t data[24] = {2, 128};
	size_t n;
	int fd = socket(AF_INET6, SOCK_DGRAM, 0), rc = conn_listen(&a, AF_INET6, lo);

	(void)state;
	if (rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT || fd < 0)
		skip(); /* no IPv6 here */
	assert_int_equal(rc, 0);
	assert_int_equal(conn_listen(&b, AF_INET6, lo), 0);
	inet_pton(AF_INET6, "ff02::1", &group.address);
	assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &lo, sizeof(lo)), 0);
	assert_int_equal(conn_use(&s, fd), 0);
	rc = conn_send(&s, data, sizeof(data), &group);
	if (rc == 0) { /* some kernels have no multicast route on the loopback interface */
		ready(&a);
		ready(&b);
		assert_int_equal(conn_receive(&a, data, sizeof(data), &n, &from), 0);
		assert_int_equal(n, 24);
	}
	conn_close(&a);
	conn_close(&b);
	close(fd);
}

/* The two tables as little-endian and big-endian kernels print them: octets in network order, read as one number. */
static void route_lines(void **state)
{
	static const struct {
		int family;
		const char *line;
		bool ok;
		uint32_t metric;
	} cases[] = {
	    {AF_INET, "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n", false,
	     0},
	    {AF_INET, "eth0\t00000000\t%08X\t0003\t0\t0\t100\t00000000\t0\t0\t0\n", true, 100},
	    {AF_INET, "eth0\t000200C0\t%08X\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0\n", false, 0}, /* a subnet */
	    {AF_INET, "eth0\t00000000\t%08X\t0003\t0\t0\t0\t00000080\t0\t0\t0\n", false, 0}, /* 0.0.0.0/1 */
	    {AF_INET, "ppp0\t00000000\t%08X\t0001\t0\t0\t0\t00000000\t0\t0\t0\n", false, 0}, /* no gateway */
	    {AF_INET, "*\t00000000\t%08X\t0200\t0\t0\t0\t00000000\t0\t0\t0\n", false, 0},
	    {AF_INET, "", false, 0},
	    {AF_INET6,
	     "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
	     "fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n",
	     true, 1024},
	    {AF_INET6,
	     "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
	     "00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n",
	     false, 0},
	    {AF_INET6,
	     "20010db8000000000000000000000000 40 00000000000000000000000000000000 00 "
	     "fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n",
	     false, 0},
	    {AF_INET6, "00 00\n", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conn_route r;
		char line[256], *hole, address[CODEC_ADDRESS_TEXT];

		strcpy(line, cases[i].line);
		hole = strchr(line, '%');
		if (hole) {
			static const char digits[] = "0123456789ABCDEF";
			uint32_t v = htonl(0xc0000201);
			char rest[64];

			strcpy(rest, hole + 4);
			for (int d = 0; d < 8; d++)
				hole[d] = digits[v >> (28 - 4 * d) & 15];
			strcpy(hole + 8, rest);
		}
		assert_int_equal(conn_route_line(cases[i].family, line, &r), cases[i].ok);
		if (!cases[i].ok)
			continue;
		assert_string_equal(r.interface, "eth0");
		assert_int_equal(r.metric, cases[i].metric);
		assert_string_equal(codec_address_text(&r.gateway, address),
				    cases[i].family == AF_INET ? "192.0.2.1" : "fe80::1");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(talks_v4),	       cmocka_unit_test(talks_v6),    cmocka_unit_test(dual_stack),
	    cmocka_unit_test(deliver),	       cmocka_unit_test(not_udp),     cmocka_unit_test(bad_interface),
	    cmocka_unit_test(listeners_share), cmocka_unit_test(listener_v6), cmocka_unit_test(route_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
