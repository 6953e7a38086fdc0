/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/icmp.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "codec/codec.h"
#include "tests/unit/io/netns.h"

static void octets(void **state)
{
	static const uint8_t expected[] = {3,	3, 0x08, 0xd3, 0,    0,	   0,	 0,    0x45, 0,	   0, 0x58,
					   0,	0, 0,	 0,    64,   17,   0xf6, 0x88, 192,  0,	   2, 11,
					   192, 0, 2,	 1,    0x9c, 0x40, 0x14, 0xe7, 0,    0x44, 0, 0};
	struct udp_datagram d = {.length = 60,
				 .source = codec_from_v4(0xc000020b),
				 .destination = codec_from_v4(0xc0000201),
				 .source_port = 40000};
	uint8_t out[ICMP_OCTETS];
	uint32_t sum = 0;

	(void)state;
	assert_int_equal(icmp_unreachable(&d, 5351, out), 36);
	/* RFC 1071: over what has the checksum in it, the sum is all ones */
	for (size_t i = 0; i < 36; i += 2)
		sum += (uint32_t)(out[i] << 8 | out[i + 1]);
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	out[2] = expected[2];
	out[3] = expected[3];
	out[18] = expected[18];
	out[19] = expected[19];
	assert_memory_equal(out, expected, 36);
	d.source = in6addr_loopback;
	d.destination = in6addr_loopback;
	assert_int_equal(icmp_unreachable(&d, 5351, out), 56);
	assert_true(out[0] == 1 && out[1] == 4 && out[8] == 0x60 && out[13] == 68 && out[14] == 17);
}

/* A host that waits for an answer hears that nobody is there. */
static void heard(const struct in6_addr *here, bool ipv6)
{
	struct udp_where w = {.ipv6 = ipv6, .address = *here};
	int fd = udp_open(&w), error = 0;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} name = {0}, to = {0};
	socklen_t n = sizeof(name);
	struct udp_datagram d = {.length = 2, .source = *here, .destination = *here};
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_true(fd >= 0);
	assert_int_equal(getsockname(fd, &name.any, &n), 0);
	d.source_port = ntohs(name.in.sin_port);
	to = name;
	to.in.sin_port = htons(5351);
	assert_int_equal(connect(fd, &to.any, n), 0);
	assert_int_equal(icmp_send_unreachable(&d, 5351), 0);
	assert_int_equal(poll(&p, 1, 5000), 1);
	n = sizeof(error);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n), 0);
	assert_int_equal(error, ECONNREFUSED);
	close(fd);
}

static void arrives(void **state)
{
	struct in6_addr v4 = codec_from_v4(0x7f000001);

	(void)state;
	if (!netns_enter())
		skip();
	heard(&v4, false);
	heard(&in6addr_loopback, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(octets), cmocka_unit_test(arrives)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
