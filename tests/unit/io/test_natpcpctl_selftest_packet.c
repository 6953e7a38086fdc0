/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets of the self-test. */
#include "server/natpcpctl_selftest_packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

/* 203.0.113.77:1000 to 192.0.2.1:5351, with sums as another program makes them */
static const uint8_t udp[] = {
    0x45, 0, 0, 31, 0,	  0,	0,    0,    64, 17, 0x7c, 0x7f, 203, 0,	  113, 77,
    192,  0, 2, 1,  0x03, 0xe8, 0x14, 0xe7, 0,	11, 0x24, 0x57, 'a', 'b', 'c',
};
static const uint8_t syn[] = {
    0x45, 0,	0, 40, 0, 0, 0, 0, 64, 6, 0x7c, 0x81, 203,  0, 113,  77,   192,	 0,    2, 1,
    0x03, 0xe8, 0, 80, 0, 0, 0, 0, 0,  0, 0,	0,    0x50, 2, 0xff, 0xff, 0xad, 0x5b, 0, 0,
};

/* 2001:db8::77 to 2001:db8:1::11 */
static const uint8_t udp6[] = {
    0x60, 0x00, 0x00, 0x00, 0x00, 0x0b, 0x11, 0x40, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x77, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x11, 0x03, 0xe8, 0x14, 0xe7, 0x00, 0x0b, 0xc6, 0xab, 0x61, 0x62, 0x63,
};

static const struct packet question = {
    .source = {{{[10] = 0xff, 0xff, 203, 0, 113, 77}}},
    .destination = {{{[10] = 0xff, 0xff, 192, 0, 2, 1}}},
    .protocol = IPPROTO_UDP,
    .source_port = 1000,
    .destination_port = 5351,
    .payload = (const uint8_t *)"abc",
    .payload_length = 3,
};

static void test_written(void **state)
{
	struct packet p = question;
	uint8_t out[64];

	(void)state;
	assert_int_equal(packet_write(&p, out, sizeof(out)), sizeof(udp));
	assert_memory_equal(out, udp, sizeof(udp));
	assert_int_equal(packet_write(&p, out, sizeof(udp) - 1), 0);
	p.protocol = IPPROTO_TCP;
	p.destination_port = 80;
	p.payload_length = 0;
	assert_int_equal(packet_write(&p, out, sizeof(out)), sizeof(syn));
	assert_memory_equal(out, syn, sizeof(syn));
}

static void test_ipv6(void **state)
{
	struct packet p = question, q;
	uint8_t b[sizeof(udp6)];

	(void)state;
	memcpy(&p.source, udp6 + 8, 16);
	memcpy(&p.destination, udp6 + 24, 16);
	assert_int_equal(packet_write(&p, b, sizeof(b) - 1), 0);
	assert_int_equal(packet_write(&p, b, sizeof(b)), sizeof(b));
	assert_memory_equal(b, udp6, sizeof(b));
	assert_true(packet_read(&q, udp6, sizeof(udp6)));
	assert_memory_equal(&q.source, &p.source, 16);
	assert_memory_equal(&q.destination, &p.destination, 16);
	assert_int_equal(q.destination_port, 5351);
	assert_int_equal(q.payload_length, 3);
	for (size_t n = 0; n < sizeof(udp6); n++)
		assert_false(packet_read(&q, udp6, n));
	b[6] = 44; /* a fragment */
	assert_false(packet_read(&q, b, sizeof(b)));
}

/* What was written is read; a piece of it, a fragment, another version or protocol is not. */
static void test_read(void **state)
{
	uint8_t b[sizeof(syn)];
	struct packet p;

	(void)state;
	assert_true(packet_read(&p, udp, sizeof(udp)));
	assert_memory_equal(&p.source, &question.source, 16);
	assert_memory_equal(&p.destination, &question.destination, 16);
	assert_int_equal(p.source_port, 1000);
	assert_int_equal(p.destination_port, 5351);
	assert_int_equal(p.payload_length, 3);
	assert_memory_equal(p.payload, "abc", 3);
	assert_true(packet_read(&p, syn, sizeof(syn)));
	assert_int_equal(p.protocol, IPPROTO_TCP);
	assert_int_equal(p.destination_port, 80);
	assert_int_equal(p.payload_length, 0);
	for (size_t n = 0; n < sizeof(udp); n++)
		assert_false(packet_read(&p, udp, n));
	for (size_t n = 0; n < sizeof(syn); n++)
		assert_false(packet_read(&p, syn, n));
	/* version, header length, total length, fragment, protocol, TCP header length */
	static const uint8_t bad[][2] = {{0, 0x65}, {0, 0x44}, {0, 0x4f}, {3, 41},    {3, 39},	 {3, 19},
					 {6, 0x20}, {7, 1},    {9, 1},	  {32, 0x60}, {32, 0x10}};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(b, syn, sizeof(b));
		b[bad[i][0]] = bad[i][1];
		assert_false(packet_read(&p, b, sizeof(b)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_written), cmocka_unit_test(test_ipv6),
					   cmocka_unit_test(test_read)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
