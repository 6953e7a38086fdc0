/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions and answers as they were on a netlink socket of Linux 6.18: the questions written by hand, the answers the kernel's. */
#include "backends/conntrack_msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>

#include "tests/unit/backends/hex.h"

#define V4(a, b, c, d)                                                                                                 \
	{                                                                                                              \
		.s6_addr = { [10] = 0xff, [11] = 0xff, [12] = a, [13] = b, [14] = c, [15] = d }                        \
	}
#define LAN4 V4(192, 0, 2, 11)
#define EXT4 V4(198, 51, 100, 1)
#define WAN4 V4(198, 51, 100, 2)
#define LAN6                                                                                                           \
	{                                                                                                              \
		.s6_addr = { 0x20, 0x01, 0x0d, 0xb8, 0, 1, [15] = 0x11 }                                               \
	}
#define WAN6                                                                                                           \
	{                                                                                                              \
		.s6_addr = { 0x20, 0x01, 0x0d, 0xb8, 0, 2, [15] = 2 }                                                  \
	}

static const struct {
	const char *name;
	struct conntrack_flow key;
	const char *question, *answer;
	struct in6_addr external_address;
	uint16_t external_port;
	uint32_t left_s;
} rows[] = {
    {"from inside",
     {.internal_address = LAN4, .internal_port = 4000, .remote_address = WAN4, .remote_port = 7000, .protocol = 17},
     "4800000001010100090000000000000002000000340001801400018008000100c000020b08000200c63364021c000280"
     "0500010011000000060002000fa00000060003001b580000",
     "a40000000001020009000000fb66000002000000340001801400018008000100c000020b08000200c63364021c000280"
     "0500010011000000060002000fa00000060003001b580000340002801400018008000100c633640208000200c6336401"
     "1c0002800500010011000000060002001b580000060003000fa000000800030000000198080008000000000008000c00"
     "e354449408000b0000000002080007000000001e",
     EXT4,
     4000,
     30},
    {"from outside",
     {.internal_address = LAN4, .internal_port = 4001, .remote_address = WAN4, .remote_port = 7000, .protocol = 17},
     "4800000001010100090000000000000002000000340001801400018008000100c000020b08000200c63364021c000280"
     "0500010011000000060002000fa10000060003001b580000",
     "a40000000001020009000000fb66000002000000340001801400018008000100c633640208000200c63364011c000280"
     "0500010011000000060002001b580000060003009c410000340002801400018008000100c000020b08000200c6336402"
     "1c0002800500010011000000060002000fa10000060003001b58000008000300000001aa080008000000000008000c00"
     "853e5fd508000b0000000002080007000000001e",
     EXT4,
     40001,
     30},
    {"TCP",
     {.internal_address = LAN4, .internal_port = 4002, .remote_address = WAN4, .remote_port = 7000, .protocol = 6},
     "4800000001010100090000000000000002000000340001801400018008000100c000020b08000200c63364021c000280"
     "0500010006000000060002000fa20000060003001b580000",
     "d40000000001020009000000fb66000002000000340001801400018008000100c000020b08000200c63364021c000280"
     "0500010006000000060002000fa20000060003001b580000340002801400018008000100c633640208000200c6336401"
     "1c0002800500010006000000060002001b580000060003000fa20000080003000000019e080008000000000008000c00"
     "5d1ed91108000b00000000020800070000069780300004802c0001800500010003000000050002000a00000005000300"
     "0a00000006000400230000000600050023000000",
     EXT4,
     4002,
     432000},
    {"IPv6",
     {.internal_address = LAN6, .internal_port = 4000, .remote_address = WAN6, .remote_port = 7000, .protocol = 17},
     "600000000101010009000000000000000a0000004c0001802c0001801400030020010db8000100000000000000000011"
     "1400040020010db80002000000000000000000021c0002800500010011000000060002000fa00000060003001b580000",
     "d40000000001020009000000fb6600000a0000004c0001802c0001801400030020010db8000100000000000000000011"
     "1400040020010db80002000000000000000000021c0002800500010011000000060002000fa00000060003001b580000"
     "4c0002802c0001801400030020010db80002000000000000000000021400040020010db8000100000000000000000011"
     "1c0002800500010011000000060002001b580000060003000fa000000800030000000188080008000000000008000c00"
     "baec999508000b0000000002080007000000001e",
     LAN6,
     4000,
     30},
};

static const char refusal[] =
    "5c0000000200000009000000fb660000feffffff48000000010101000900000000000000020000003400018014000180"
    "08000100c000020b08000200c63364021c0002800500010006000000060002000fa30000060003001b580000";

#define ROWS_N (sizeof(rows) / sizeof(rows[0]))

static void questions(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS_N; i++) {
		_Alignas(8) uint8_t data[CONNTRACK_MSG_MAX] = {0};
		char hex[2 * sizeof(data) + 1];
		const struct nlmsghdr *h = conntrack_msg_get(data, &rows[i].key, 9);

		assert_true(h->nlmsg_len <= sizeof(data));
		to_hex(data, h->nlmsg_len, hex);
		if (strcmp(hex, rows[i].question) != 0)
			fail_msg("%s:\n%s\nnot\n%s", rows[i].name, hex, rows[i].question);
	}
}

/* 6887-12.3-05: the five-tuple of the one side, whoever began the flow */
static void answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS_N; i++) {
		_Alignas(8) uint8_t data[512] = {0};
		struct conntrack_flow f = rows[i].key;
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)data;

		size_t length = from_hex(rows[i].answer, data);

		assert_int_equal(length, h->nlmsg_len);
		assert_true(conntrack_msg_flow(h, &f));
		assert_memory_equal(&f.external_address, &rows[i].external_address, 16);
		assert_int_equal(f.external_port, rows[i].external_port);
		assert_int_equal(f.left_s, rows[i].left_s);
		for (size_t j = 0; j < ROWS_N; j++) {
			struct conntrack_flow other = rows[j].key;

			assert_true(conntrack_msg_flow(h, &other) == (i == j));
		}
	}
}

/* Cut anywhere, nothing is read beyond, and nothing is made of half an answer. */
static void odd_answers(void **state)
{
	_Alignas(8) uint8_t data[512] = {0};
	struct conntrack_flow f = rows[0].key;

	(void)state;
	for (size_t i = 0; i < ROWS_N; i++) {
		size_t length = from_hex(rows[i].answer, data);

		for (size_t cut = 20; cut < length; cut += 4) {
			uint8_t *copy = malloc(cut);

			assert_non_null(copy);
			memcpy(copy, data, cut);
			((struct nlmsghdr *)(void *)copy)->nlmsg_len = (uint32_t)cut;
			f = rows[i].key;
			conntrack_msg_flow((const struct nlmsghdr *)(const void *)copy, &f);
			free(copy);
		}
	}
	from_hex(refusal, data);
	f = rows[0].key;
	assert_false(conntrack_msg_flow((const struct nlmsghdr *)(const void *)data, &f));
	/* no time told: none left */
	from_hex(rows[0].answer, data);
	((struct nlmsghdr *)(void *)data)->nlmsg_len = 20 + 52 + 52;
	assert_true(conntrack_msg_flow((const struct nlmsghdr *)(const void *)data, &f));
	assert_int_equal(f.left_s, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(questions),
	    cmocka_unit_test(answers),
	    cmocka_unit_test(odd_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
