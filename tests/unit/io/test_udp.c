/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/udp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "codec/codec.h"

#define LO4(n) codec_from_v4(0x7f000000 + (n))

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 name = {0};
	socklen_t n = sizeof(name);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &n), 0);
	return ntohs(name.sin6_port); /* where sin_port is, too */
}

static int socket_on(bool ipv6, const struct in6_addr *a)
{
	struct udp_where w = {.ipv6 = ipv6, .address = *a};

	return udp_open(&w);
}

static int receive(struct udp_inbox *in, int fd, const struct udp_datagram **v)
{
	return udp_receive(in, fd, v);
}

/* 6887-8.3-02, 6886-3.2-08: the address that was asked is told, and a reply leaves from it. */
static void exchange(bool ipv6, const struct in6_addr *server, const struct in6_addr *client, uint32_t ifindex)
{
	struct in6_addr any = ipv6 ? in6addr_any : codec_from_v4(0);
	int s = socket_on(ipv6, &any), c = socket_on(ipv6, client);
	struct udp_inbox *in = udp_inbox_new();
	const struct udp_datagram *v;
	uint8_t question[] = {0, 0}, answer[] = {0, 128, 0, 0};
	struct udp_outgoing out = {.data = question, .length = 2, .source = *client, .destination = *server};
	int error = 1;

	assert_true(s >= 0 && c >= 0);
	out.destination_port = port_of(s);
	assert_int_equal(udp_send(c, ipv6, &out, 1, &error), 1);
	assert_int_equal(error, 0);
	assert_int_equal(receive(in, s, &v), 1);
	assert_int_equal(v[0].length, 2);
	assert_memory_equal(v[0].data, question, 2);
	assert_memory_equal(&v[0].source, client, 16);
	assert_memory_equal(&v[0].destination, server, 16);
	assert_int_equal(v[0].source_port, port_of(c));
	assert_int_equal(v[0].ifindex, ifindex);
	out = (struct udp_outgoing){
	    .data = answer,
	    .length = 4,
	    .source = v[0].destination,
	    .destination = v[0].source,
	    .destination_port = v[0].source_port,
	    .ifindex = v[0].ifindex,
	};
	assert_int_equal(udp_send(s, ipv6, &out, 1, NULL), 1);
	assert_int_equal(receive(in, c, &v), 1);
	assert_int_equal(v[0].length, 4);
	assert_memory_equal(&v[0].source, server, 16);
	assert_int_equal(receive(in, c, &v), 0);
	close(s);
	close(c);
	udp_inbox_free(in);
}

static void source_ipv4(void **state)
{
	struct in6_addr server = LO4(7), client = LO4(9);

	(void)state;
	exchange(false, &server, &client, 1);
}

static void source_ipv6(void **state)
{
	struct in6_addr lo = in6addr_loopback;
	int probe = socket_on(true, &lo);

	(void)state;
	if (probe < 0)
		skip();
	close(probe);
	exchange(true, &lo, &lo, 1);
}

/* 6887-8.2-16: a message that is too long is seen in its true length. */
static void length(void **state)
{
	static const size_t sizes[] = {0, 1, 1100, 1104, UDP_CAPTURE, UDP_CAPTURE + 1, 60000};
	struct in6_addr a = LO4(1);
	int s = socket_on(false, &a), c = socket_on(false, &a);
	struct udp_inbox *in = udp_inbox_new();
	static uint8_t data[60000];
	const struct udp_datagram *v;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct udp_outgoing out = {.data = data, .length = sizes[i], .destination = a};

		out.destination_port = port_of(s);
		assert_int_equal(udp_send(c, false, &out, 1, NULL), 1);
		assert_int_equal(receive(in, s, &v), 1);
		assert_int_equal(v[0].length, sizes[i]);
		assert_memory_equal(v[0].data, data, sizes[i] < UDP_CAPTURE ? sizes[i] : UDP_CAPTURE);
	}
	close(s);
	close(c);
	udp_inbox_free(in);
}

/* Batches: 64 leave at once, 256 are taken; what cannot be sent is left out, the others go. */
static void batches(void **state)
{
	enum { N = 300, BAD = 70 };
	struct in6_addr a = LO4(1);
	int s = socket_on(false, &a), c = socket_on(false, &a), error = 0, n, got = 0;
	struct udp_inbox *in = udp_inbox_new();
	struct udp_outgoing out[N];
	uint8_t data[N][2];
	const struct udp_datagram *v;

	(void)state;
	for (int i = 0; i < N; i++) {
		data[i][0] = (uint8_t)i;
		data[i][1] = (uint8_t)(i >> 8);
		out[i] = (struct udp_outgoing){.data = data[i], .length = 2, .destination = a};
		out[i].destination_port = port_of(s);
	}
	out[BAD].destination = codec_from_v4(0xffffffff); /* broadcasting is not allowed to this socket */
	assert_int_equal(udp_send(c, false, out, N, &error), N - 1);
	assert_int_equal(error, -EACCES);
	while ((n = receive(in, s, &v)) > 0) {
		assert_int_equal(n, got == 0 ? UDP_INBOX : N - 1 - UDP_INBOX);
		for (int i = 0; i < n; i++, got++)
			assert_int_equal(v[i].data[0] | v[i].data[1] << 8, got < BAD ? got : got + 1);
	}
	assert_int_equal(n, 0);
	assert_int_equal(got, N - 1);
	close(s);
	close(c);
	udp_inbox_free(in);
}

static void refused(void **state)
{
	struct in6_addr a = LO4(1), foreign = codec_from_v4(0xc6336463);
	int s = socket_on(false, &a);
	struct udp_where taken = {.address = a, .port = port_of(s)};
	struct udp_where absent = {.interface = "no-such-if0"};

	(void)state;
	assert_int_equal(udp_open(&taken), -EADDRINUSE);
	assert_int_equal(socket_on(false, &foreign), -EADDRNOTAVAIL);
	assert_true(udp_open(&absent) < 0);
	close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(source_ipv4), cmocka_unit_test(source_ipv6), cmocka_unit_test(length),
	    cmocka_unit_test(batches),	   cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
