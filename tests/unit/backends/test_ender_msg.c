/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections as Linux 6.18 dumps them, with marks put in, and what is asked and ordered, written by hand. */
#include "backends/ender_msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>

#include "codec/codec.h"
#include "tests/unit/backends/hex.h"

enum { MARK = 0x10000000 };

#define TUPLE(n, a, b, p, q)                                                                                           \
	"34000" n "801400018008000100" a "08000200" b "1c0002800500010011000000060002"                                 \
	"00" p "0000060003"                                                                                            \
	"00" q "0000"
#define LAN    "c000020b"
#define EXT    "c6336401"
#define WAN    "c6336402"
#define P4001  "0fa1"
#define P40001 "9c41"
#define P7000  "1b58"

/* 128 octets of tuples, status, mark, id, use, timeout; 20 of header before them */
#define ENTRY_AS(status, original, reply, mark)                                                                        \
	"a40000000001020009000000fb66000002000000" original reply "08000300" status "08000800" mark "08000c00e3544494" \
	"08000b0000000002080007000000001e"
#define ENTRY(original, reply, mark) ENTRY_AS("0000019a", original, reply, mark)

static const struct {
	const char *name, *entry;
	bool ours;
	uint32_t internal, external, remote;
	uint16_t internal_port, external_port, remote_port;
	uint32_t left_s;
	const char *order; /* to forget it, from the family on */
} rows[] = {
    {"let in", ENTRY(TUPLE("1", WAN, EXT, P7000, P40001), TUPLE("2", LAN, WAN, P4001, P7000), "10000000"), true,
     0xc000020b, 0xc6336401, 0xc6336402, 4001, 40001, 7000, 31,
     "02000000" TUPLE("1", WAN, EXT, P7000, P40001) "08000c00e3544494"},
    {"let in from the LAN", ENTRY(TUPLE("1", LAN, EXT, P7000, P40001), TUPLE("2", LAN, EXT, P4001, P7000), "30000000"),
     true, 0xc000020b, 0xc6336401, 0xc000020b, 4001, 40001, 7000, 31,
     "02000000" TUPLE("1", LAN, EXT, P7000, P40001) "08000c00e3544494"},
    {"never answered",
     ENTRY_AS("00000198", TUPLE("1", WAN, EXT, P7000, P40001), TUPLE("2", LAN, WAN, P4001, P7000), "10000000"), true,
     0xc000020b, 0xc6336401, 0xc6336402, 4001, 40001, 7000, 0,
     "02000000" TUPLE("1", WAN, EXT, P7000, P40001) "08000c00e3544494"},
    {"begun inside",
     ENTRY_AS("00000198", TUPLE("1", LAN, WAN, P4001, P7000), TUPLE("2", WAN, EXT, P7000, P40001), "20000000"), true,
     0xc000020b, 0xc6336401, 0xc6336402, 4001, 40001, 7000, 31,
     "02000000" TUPLE("1", LAN, WAN, P4001, P7000) "08000c00e3544494"},
    {"begun inside, not translated",
     ENTRY(TUPLE("1", LAN, WAN, P4001, P7000), TUPLE("2", WAN, LAN, P7000, P4001), "20000000"), false, 0, 0, 0, 0, 0, 0,
     0, NULL},
};

/* 6887-15-12: what nobody inside ever sent anything for counts for nothing */
static void connections(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		_Alignas(8) uint8_t entry[512], order[ENDER_MSG_MAX] = {0};
		char hex[2 * ENDER_MSG_MAX + 1];
		struct ender_flow f;
		size_t n = from_hex(rows[i].entry, entry);
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)entry;

		assert_int_equal(n, h->nlmsg_len);
		assert_int_equal(ender_msg_read(h, MARK, &f), rows[i].ours);
		if (!rows[i].ours)
			continue;
		assert_int_equal(codec_to_v4(&f.internal_address), rows[i].internal);
		assert_int_equal(codec_to_v4(&f.external_address), rows[i].external);
		assert_int_equal(codec_to_v4(&f.remote_address), rows[i].remote);
		assert_int_equal(f.internal_port, rows[i].internal_port);
		assert_int_equal(f.external_port, rows[i].external_port);
		assert_int_equal(f.remote_port, rows[i].remote_port);
		assert_int_equal(f.protocol, 17);
		assert_int_equal(f.left_s, rows[i].left_s);
		n = ender_msg_forget(order, &f, 7);
		to_hex(order, n, hex);
		assert_memory_equal(hex, "500000000201010007000000", 24);
		assert_string_equal(hex + 32, rows[i].order);
	}
}

/* A TCP connection as Linux 6.18 dumps it: 6886-3.4-14. Between status and mark comes its state: nested, and again. */
#define TCP_TUPLE(n, a, b, p, q)                                                                                       \
	"34000" n "801400018008000100" a "08000200" b "1c0002800500010006000000060002"                                 \
	"00" p "0000060003"                                                                                            \
	"00" q "0000"
/* clang-format off */
#define TCP_ENTRY(status, state)                                                                                       \
	"ac0000000001020009000000fb66000002000000" TCP_TUPLE("1", WAN, EXT, P7000, P40001)                             \
	TCP_TUPLE("2", LAN, WAN, P4001, P7000) "08000300" status                                                       \
	"10000480" "0c000180" "05000100" state "000000"                                                                \
	"0800080010000000" "08000c00e3544494" "080007000000001e"
/* clang-format on */

static void doom(void **state)
{
	static const struct {
		const char *entry;
		bool runs;
		const char *status; /* that is ordered */
	} tcp[] = {
	    {TCP_ENTRY("0000018e", "03"), true, "0000040e"}, /* ESTABLISHED, assured */
	    {TCP_ENTRY("00000188", "02"), true, "0000040e"}, /* SYN_RECV, not assured yet */
	    {TCP_ENTRY("0000018f", "06"), true, "0000040f"}, /* LAST_ACK, expected by a helper */
	    {TCP_ENTRY("0000018e", "00"), false, NULL},	     /* NONE */
	    {TCP_ENTRY("0000018e", "07"), false, NULL},	     /* TIME_WAIT */
	    {TCP_ENTRY("0000018e", "08"), false, NULL},	     /* CLOSE */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(tcp) / sizeof(*tcp); i++) {
		_Alignas(8) uint8_t entry[512], order[ENDER_MSG_MAX] = {0};
		char hex[2 * ENDER_MSG_MAX + 1], expected[2 * ENDER_MSG_MAX + 1];
		struct ender_flow f;
		size_t n = from_hex(tcp[i].entry, entry);
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)entry;

		assert_int_equal(n, h->nlmsg_len);
		assert_true(ender_msg_read(h, MARK, &f));
		assert_int_equal(f.runs, tcp[i].runs);
		assert_int_equal(codec_to_v4(&f.original.destination), 0xc6336401);
		assert_int_equal(f.original.source_port, 7000);
		assert_int_equal(codec_to_v4(&f.reply.source), 0xc000020b);
		assert_int_equal(f.reply.source_port, 4001);
		if (!f.runs)
			continue;
		to_hex(order, ender_msg_doom(order, &f, 5, 7), hex);
		snprintf(expected, sizeof(expected),
			 "60000000000101000700000000000000"
			 "02000000%s08000c00e354449408000300%s0800070000000005",
			 TCP_TUPLE("1", WAN, EXT, P7000, P40001), tcp[i].status);
		assert_string_equal(hex, expected);
	}
}

static void question(void **state)
{
	_Alignas(8) uint8_t out[ENDER_MSG_MAX] = {0};
	char hex[2 * ENDER_MSG_MAX + 1];

	(void)state;
	to_hex(out, ender_msg_ask(out, 0x20000000, 0x30000000, 9), hex);
	assert_string_equal(hex, "240000000101010309000000000000000000000008000800200000000800150030000000");
}

/* Protocol and no more, as the kernel tells of most of those that have no ports. */
static void without_ports(void **state)
{
	static const char entry[] = "740000000001020009000000fb66000002000000"
				    "240001801400018008000100" WAN "08000200" LAN "0c000280"
				    "050001002f000000"
				    "240002801400018008000100" LAN "08000200" WAN "0c000280"
				    "050001002f000000"
				    "0800030000000198"
				    "0800080010000000"
				    "08000c00e3544494";
	_Alignas(8) uint8_t octets[256];
	struct ender_flow f;

	(void)state;
	assert_int_equal(from_hex(entry, octets), 116);
	assert_true(ender_msg_read((const struct nlmsghdr *)(const void *)octets, MARK, &f));
	assert_int_equal(f.protocol, 47);
	assert_int_equal(codec_to_v4(&f.internal_address), 0xc000020b);
	assert_int_equal(f.internal_port, 0);
	assert_int_equal(f.external_port, 0);
	assert_int_equal(f.remote_port, 0);
}

/* Whatever is cut short or of another kind is none of ours, and is not read beyond its end. */
static void nonsense(void **state)
{
	uint8_t entry[512];
	size_t n = from_hex(rows[0].entry, entry);

	(void)state;
	for (size_t length = 20; length < n; length += 4) {
		struct nlmsghdr *h = malloc(length);
		struct ender_flow f;

		assert_non_null(h);
		memcpy(h, entry, length);
		h->nlmsg_len = (uint32_t)length;
		/* the mark is the last that is needed; without a time, as of what a flow table has, there is no knowing */
		assert_int_equal(ender_msg_read(h, MARK, &f), length >= 20 + 52 + 52 + 8 + 8);
		if (length >= 20 + 52 + 52 + 8 + 8)
			assert_int_equal(f.left_s, UINT32_MAX);
		h->nlmsg_type = 0x0102;
		assert_false(ender_msg_read(h, MARK, &f));
		free(h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(connections),   cmocka_unit_test(doom),	 cmocka_unit_test(question),
	    cmocka_unit_test(without_ports), cmocka_unit_test(nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
