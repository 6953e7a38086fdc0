/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes as octets. ADD, DELETE and their attributes are what nft 1.0.6 sends for the command beside them, without
 * the number of the set, which it repeats.
 */
#include "backends/nft_msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>

#include "backends/nft_filter.h"
#include "codec/codec.h"
#include "tests/unit/backends/hex.h"

/* Parts of messages: table "natpcpd" and each set, as attributes. */
#define DNAT4 "0c0001006e617470637064000a000200646e617434000000"
#define SNAT4 "0c0001006e617470637064000e000200736e6174342d77616e000000"
#define PIN4  "0c0001006e617470637064000900020070696e3400000000"
#define PIN6  "0c0001006e617470637064000900020070696e3600000000"
/* The element's two sides: tcp . 198.51.100.1 . 8080 and tcp . 192.0.2.11 . 80. */
#define OUT_KEY	 "140001801000010006000000c63364011f900000"
#define IN_KEY	 "140001801000010006000000c000020b00500000"
#define OUT_DATA "100002800c000100c63364011f900000"
#define IN_DATA	 "100002800c000100c000020b00500000"
#define TEN_S	 "0c0004000000000000002710"

static const struct in6_addr inside4 = {
    .s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = 11}};
static const struct in6_addr outside4 = {
    .s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 51, [14] = 100, [15] = 1}};
static const struct in6_addr remote4 = {
    .s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 203, [13] = 0, [14] = 113, [15] = 5}};
static const struct in6_addr remote6 = {.s6_addr = {0x20, 0x01, 0x0d, 0xb8, 0, 2, [15] = 2}};
static const struct in6_addr inside6 = {.s6_addr = {0x20, 0x01, 0x0d, 0xb8, 0, 1, [15] = 0x11}};

static const struct mapping_filter filters4[] = {
    {.address = {.s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 203, [13] = 0, [14] = 113}},
     .port = 443,
     .prefix_length = 120},
    {.address = {.s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 51, [14] = 100, [15] = 7}},
     .prefix_length = 128}};
static const struct mapping_filter filters6[] = {
    {.address = {.s6_addr = {0x20, 0x01, 0x0d, 0xb8, 0, 2}}, .port = 443, .prefix_length = 48}};

enum what {
	NAT,
	PIN_V4,
	PIN_V6,
	NAT_PEER,
	PIN_V4_PEER,
	PIN_V6_PEER,
	NAT_PORTS,
	PIN_V4_PORTS,
	PIN_V6_PORTS,
	NAT_FILTER,
	PIN_V4_FILTER,
	PIN_V6_FILTER,
	PROTOCOL_V4,
	PROTOCOL_V6,
	HOST_V4,
	HOST_V6,
	PROTOCOL_V4_FILTER,
	PROTOCOL_V6_FILTER,
	HOST_V4_FILTER,
	HOST_V6_FILTER
};

static struct mapping mapping(enum what what)
{
	struct mapping m = {.kind = MAPPING_PINHOLE, .protocol = 17, .internal_port = 5000, .external_port = 5000};

	if (what >= PROTOCOL_V4_FILTER) {
		what -= PROTOCOL_V4_FILTER - PROTOCOL_V4;
		m.filters = what == PROTOCOL_V6 || what == HOST_V6 ? filters6 : filters4;
		m.filters_n = m.filters == filters6 ? 1 : 2;
	}
	if (what >= PROTOCOL_V4) {
		m.protocol = what >= HOST_V4 ? 0 : what == PROTOCOL_V4 ? 47 : 17;
		m.internal_port = m.external_port = 0;
		what = what == PROTOCOL_V4 || what == HOST_V4 ? PIN_V4 : PIN_V6;
	} else if (what >= NAT_FILTER) {
		what -= NAT_FILTER;
		m.filters = what == PIN_V6 ? filters6 : filters4;
		m.filters_n = what == PIN_V6 ? 1 : 2;
	} else if (what >= NAT_PORTS) {
		what -= NAT_PORTS;
		m.more_ports = 31;
	} else if (what >= NAT_PEER) {
		what -= NAT_PEER;
		m.remote_address = what == PIN_V6 ? remote6 : remote4;
		m.remote_port = 53;
	}
	m.internal_address = m.external_address = what == PIN_V6 ? inside6 : inside4;
	if (what == NAT) {
		m.kind = MAPPING_NAT;
		m.protocol = 6;
		m.internal_port = 80;
		m.external_port = 8080;
		m.external_address = outside4;
	}
	if (m.more_ports)
		m.external_port = m.internal_port;
	return m;
}

static char table_name[] = "natpcpd", external_name[] = "wan";
static struct conf_external external = {.name = external_name};
static const struct conf conf = {.externals = &external, .externals_n = 1, .backend.table = table_name};
static const struct nft_msg_kernel old = {.destroy = false, .update = false};
static const struct nft_msg_kernel new = {.destroy = true, .update = true};

static const struct {
	const char *name;
	enum change_op op;
	enum what what;
	const struct nft_msg_kernel *kernel;
	uint64_t timeout_ms;
	unsigned skip;
	const char *hex; /* the messages, numbered from 5 */
} rows[] = {
    {"create element dnat4 { tcp . 198.51.100.1 . 8080 timeout 10s : 192.0.2.11 . 80 }, snat4 its mirror", CHANGE_ADD,
     NAT, &new, 10000, 0,
     "640000000c0a01060700000000000000"
     "01000000" DNAT4 "3800038034000180" TEN_S OUT_KEY IN_DATA "680000000c0a01060800000000000000"
     "01000000" SNAT4 "3800038034000180" TEN_S IN_KEY OUT_DATA},
    {"the same for ever", CHANGE_ADD, NAT, &old, 0, 0,
     "580000000c0a01060700000000000000"
     "01000000" DNAT4 "2c00038028000180" OUT_KEY IN_DATA "5c0000000c0a01060800000000000000"
     "01000000" SNAT4 "2c00038028000180" IN_KEY OUT_DATA},
    {"create element pin6 { udp . 2001:db8:1::11 . 5000 timeout 1h }", CHANGE_ADD, PIN_V6, &new, 3600000, 0,
     "600000000c0a01060700000000000000"
     "01000000" PIN6
     "34000380300001800c000400000000000036ee80200001801c0001001100000020010db800010000000000000000001113880000"},
    {"create element pin4 { udp . 192.0.2.11 . 5000 }", CHANGE_ADD, PIN_V4, &new, 0, 0,
     "480000000c0a01060700000000000000"
     "01000000" PIN4 "1c00038018000180140001801000010011000000c000020b13880000"},
    {"renewal in place: timeout and expiration", CHANGE_RENEW, NAT, &new, 10000, 0,
     "700000000c0a01040700000000000000"
     "01000000" DNAT4 "4400038040000180" TEN_S "0c0005000000000000002710" OUT_KEY IN_DATA
     "740000000c0a01040800000000000000"
     "01000000" SNAT4 "4400038040000180" TEN_S "0c0005000000000000002710" IN_KEY OUT_DATA},
    {"renewal in place, for ever from now", CHANGE_RENEW, PIN_V4, &new, 0, 0,
     "540000000c0a01040700000000000000"
     "01000000" PIN4 "28000380240001800c0004000000000000000000140001801000010011000000c000020b13880000"},
    {"renewal by delete and create", CHANGE_RENEW, NAT, &old, 10000, 0,
     "480000000e0a01000500000000000000"
     "01000000" DNAT4 "1c00038018000180" OUT_KEY "4c0000000e0a01000600000000000000"
     "01000000" SNAT4 "1c00038018000180" IN_KEY "640000000c0a01060700000000000000"
     "01000000" DNAT4 "3800038034000180" TEN_S OUT_KEY IN_DATA "680000000c0a01060800000000000000"
     "01000000" SNAT4 "3800038034000180" TEN_S IN_KEY OUT_DATA},
    {"delete element dnat4 { tcp . 198.51.100.1 . 8080 : 192.0.2.11 . 80 }, snat4 its mirror", CHANGE_REMOVE, NAT, &old,
     10000, 0,
     "480000000e0a01000500000000000000"
     "01000000" DNAT4 "1c00038018000180" OUT_KEY "4c0000000e0a01000600000000000000"
     "01000000" SNAT4 "1c00038018000180" IN_KEY},
    {"the same without one that is gone", CHANGE_REMOVE, NAT, &old, 10000, 1u << NFT_MSG_EXTERNAL,
     "4c0000000e0a01000600000000000000"
     "01000000" SNAT4 "1c00038018000180" IN_KEY},
    {"destroy element pin4", CHANGE_REMOVE, PIN_V4, &new, 0, 0,
     "480000001e0a01000500000000000000"
     "01000000" PIN4 "1c00038018000180140001801000010011000000c000020b13880000"},
    {"create element peer-dnat4 { tcp . 198.51.100.1 . 8080 . 203.0.113.5 . 53 timeout 10s : 192.0.2.11 . 80 }, "
     "peer-snat4 "
     "its mirror",
     CHANGE_ADD, NAT_PEER, &new, 10000, 0,
     "700000000c0a01060700000000000000010000000c0001006e617470637064000f000200706565722d646e6174340000"
     "400003803c0001800c00040000000000000027101c0001801800010006000000c63364011f900000cb00710500350000"
     "100002800c000100c000020b00500000740000000c0a01060800000000000000010000000c0001006e61747063706400"
     "13000200706565722d736e6174342d77616e0000400003803c0001800c00040000000000000027101c0001801800010006000000"
     "c000020b00500000cb00710500350000100002800c000100c63364011f900000"},
    {"renewal for a peer in place", CHANGE_RENEW, PIN_V4_PEER, &new, 10000, 0,
     "6c0000000c0a01040700000000000000010000000c0001006e617470637064000e000200706565722d70696e34000000"
     "3c000380380001800c00040000000000000027100c00050000000000000027101c0001801800010011000000c000020b"
     "13880000cb00710500350000"},
    {"destroy element peer-pin6 { udp . 2001:db8:1::11 . 5000 . 2001:db8:2::2 . 53 }", CHANGE_REMOVE, PIN_V6_PEER, &new,
     0, 0,
     "6c0000001e0a01000500000000000000010000000c0001006e617470637064000e000200706565722d70696e36000000"
     "3c0003803800018034000180300001001100000020010db80001000000000000000000111388000020010db800020000"
     "000000000000000200350000"},
    {"create element ports-dnat4 { tcp . 198.51.100.1 . 80-111 timeout 10s : 192.0.2.11 }, ports-snat4 its mirror",
     CHANGE_ADD, NAT_PORTS, &new, 10000, 0,
     "780000000c0a01060700000000000000010000000c0001006e6174706370640010000200706f7274732d646e61743400"
     "48000380440001800c0004000000000000002710140001801000010006000000c63364010050000014000a8010000100"
     "06000000c6336401006f00000c00028008000100c000020b7c0000000c0a01060800000000000000010000000c000100"
     "6e6174706370640014000200706f7274732d736e6174342d77616e0048000380440001800c0004000000000000002710"
     "140001801000010006000000c000020b0050000014000a801000010006000000c000020b006f00000c00028008000100"
     "c6336401"},
    {"renewal of a set in place", CHANGE_RENEW, NAT_PORTS, &new, 10000, 0,
     "840000000c0a01040700000000000000010000000c0001006e6174706370640010000200706f7274732d646e61743400"
     "54000380500001800c00040000000000000027100c0005000000000000002710140001801000010006000000c6336401"
     "0050000014000a801000010006000000c6336401006f00000c00028008000100c000020b880000000c0a010408000000"
     "00000000010000000c0001006e6174706370640014000200706f7274732d736e6174342d77616e005400038050000180"
     "0c00040000000000000027100c0005000000000000002710140001801000010006000000c000020b0050000014000a80"
     "1000010006000000c000020b006f00000c00028008000100c6336401"},
    {"create element ports-pin4 { udp . 192.0.2.11 . 5000-5031 }", CHANGE_ADD, PIN_V4_PORTS, &new, 0, 0,
     "600000000c0a01060700000000000000010000000c0001006e617470637064000f000200706f7274732d70696e340000"
     "300003802c000180140001801000010011000000c000020b1388000014000a801000010011000000c000020b13a70000"},
    {"destroy element ports-pin6 { udp . 2001:db8:1::11 . 5000-5031 }", CHANGE_REMOVE, PIN_V6_PORTS, &new, 0, 0,
     "780000001e0a01000500000000000000010000000c0001006e617470637064000f000200706f7274732d70696e360000"
     "4800038044000180200001801c0001001100000020010db80001000000000000000000111388000020000a801c000100"
     "1100000020010db800010000000000000000001113a70000"},
    {"create element from4-24 { tcp . 198.51.100.1 . 8080 . 203.0.113.0 . 443 timeout 10s }, from4-32 { ... . "
     "198.51.100.7 "
     ". 0 ... }, filter-dnat4 like dnat4, snat4 its mirror",
     CHANGE_ADD, NAT_FILTER, &new, 10000, 0,
     "600000000c0a01060700000000000000010000000c0001006e617470637064000d00020066726f6d342d323400000000"
     "300003802c0001800c00040000000000000027101c0001801800010006000000c63364011f900000cb00710001bb0000"
     "600000000c0a01060700000000000000010000000c0001006e617470637064000d00020066726f6d342d333200000000"
     "300003802c0001800c00040000000000000027101c0001801800010006000000c63364011f900000c633640700000000"
     "6c0000000c0a01060700000000000000010000000c0001006e617470637064001100020066696c7465722d646e617434"
     "0000000038000380340001800c0004000000000000002710140001801000010006000000c63364011f90000010000280"
     "0c000100c000020b00500000"
     "680000000c0a01060800000000000000"
     "01000000" SNAT4 "3800038034000180" TEN_S IN_KEY OUT_DATA},
    {"renewal in place, with filters", CHANGE_RENEW, NAT_FILTER, &new, 10000, 0,
     "6c0000000c0a01040700000000000000010000000c0001006e617470637064000d00020066726f6d342d323400000000"
     "3c000380380001800c00040000000000000027100c00050000000000000027101c0001801800010006000000c6336401"
     "1f900000cb00710001bb0000"
     "6c0000000c0a01040700000000000000010000000c0001006e617470637064000d00020066726f6d342d333200000000"
     "3c000380380001800c00040000000000000027100c00050000000000000027101c0001801800010006000000c6336401"
     "1f900000c633640700000000"
     "780000000c0a01040700000000000000010000000c0001006e617470637064001100020066696c7465722d646e617434"
     "0000000044000380400001800c00040000000000000027100c0005000000000000002710140001801000010006000000"
     "c63364011f900000100002800c000100c000020b00500000"
     "740000000c0a01040800000000000000"
     "01000000" SNAT4 "4400038040000180" TEN_S "0c0005000000000000002710" IN_KEY OUT_DATA},
    {"delete element from4-24, from4-32, filter-dnat4, snat4", CHANGE_REMOVE, NAT_FILTER, &old, 0, 0,
     "540000000e0a01000500000000000000010000000c0001006e617470637064000d00020066726f6d342d323400000000"
     "24000380200001801c0001801800010006000000c63364011f900000cb00710001bb0000"
     "540000000e0a01000500000000000000010000000c0001006e617470637064000d00020066726f6d342d333200000000"
     "24000380200001801c0001801800010006000000c63364011f900000c633640700000000"
     "500000000e0a01000500000000000000010000000c0001006e617470637064001100020066696c7465722d646e617434"
     "000000001c00038018000180140001801000010006000000c63364011f900000"
     "4c0000000e0a01000600000000000000"
     "01000000" SNAT4 "1c00038018000180" IN_KEY},
    {"destroy element from6-48 { udp . 2001:db8:1::11 . 5000 . 2001:db8:2:: . 443 }, filter-pin6", CHANGE_REMOVE,
     PIN_V6_FILTER, &new, 0, 0,
     "6c0000001e0a01000500000000000000010000000c0001006e617470637064000d00020066726f6d362d343800000000"
     "3c0003803800018034000180300001001100000020010db80001000000000000000000111388000020010db800020000"
     "000000000000000001bb0000"
     "580000001e0a01000500000000000000010000000c0001006e617470637064001000020066696c7465722d70696e3600"
     "2800038024000180200001801c0001001100000020010db800010000000000000000001113880000"},
    {"create element protocol-pin4 { 47 . 192.0.2.11 timeout 10s }", CHANGE_ADD, PROTOCOL_V4, &new, 10000, 0,
     "580000000c0a01060700000000000000010000000c0001006e617470637064001200020070726f746f636f6c2d70696e"
     "3400000024000380200001800c0004000000000000002710100001800c0001002f000000c000020b"},
    {"create element protocol-pin6 { udp . 2001:db8:1::11 timeout 10s }", CHANGE_ADD, PROTOCOL_V6, &new, 10000, 0,
     "640000000c0a01060700000000000000010000000c0001006e617470637064001200020070726f746f636f6c2d70696e"
     "36000000300003802c0001800c00040000000000000027101c000180180001001100000020010db80001000000000000"
     "00000011"},
    {"create element host-pin4 { 192.0.2.11 timeout 10s }", CHANGE_ADD, HOST_V4, &new, 10000, 0,
     "500000000c0a01060700000000000000010000000c0001006e617470637064000e000200686f73742d70696e34000000"
     "200003801c0001800c00040000000000000027100c00018008000100c000020b"},
    {"create element host-pin6 { 2001:db8:1::11 timeout 10s }", CHANGE_ADD, HOST_V6, &new, 10000, 0,
     "5c0000000c0a01060700000000000000010000000c0001006e617470637064000e000200686f73742d70696e36000000"
     "2c000380280001800c0004000000000000002710180001801400010020010db8000100000000000000000011"},
    {"renewal of a protocol in place", CHANGE_RENEW, PROTOCOL_V4, &new, 10000, 0,
     "640000000c0a01040700000000000000010000000c0001006e617470637064001200020070726f746f636f6c2d70696e"
     "34000000300003802c0001800c00040000000000000027100c0005000000000000002710100001800c0001002f000000"
     "c000020b"},
    {"create element from6-48 { udp . 2001:db8:1::11 . 0 . 2001:db8:2:: . 443 timeout 10s }, filter-protocol-pin6",
     CHANGE_ADD, PROTOCOL_V6_FILTER, &new, 10000, 0,
     "780000000c0a01060700000000000000010000000c0001006e617470637064000d00020066726f6d362d343800000000"
     "48000380440001800c000400000000000000271034000180300001001100000020010db8000100000000000000000011"
     "0000000020010db800020000000000000000000001bb0000"
     "6c0000000c0a01060700000000000000010000000c0001006e617470637064001900020066696c7465722d70726f746f"
     "636f6c2d70696e3600000000300003802c0001800c00040000000000000027101c000180180001001100000020010db8"
     "000100000000000000000011"},
    {"destroy element host-pin6", CHANGE_REMOVE, HOST_V6, &new, 0, 0,
     "500000001e0a01000500000000000000010000000c0001006e617470637064000e000200686f73742d70696e36000000"
     "200003801c000180180001801400010020010db8000100000000000000000011"},
};

static void changes(void **state)
{
	static _Alignas(8) uint8_t data[NFT_MSG_CHANGE_MAX];
	char hex[2 * sizeof(data) + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nft_msg_batch b = {.data = data, .capacity = sizeof(data)};
		struct change c = {
		    .mapping = mapping(rows[i].what), .op = (uint8_t)rows[i].op, .timeout_ms = rows[i].timeout_ms};

		memset(data, 0, sizeof(data));
		nft_msg_change(&b, &conf, rows[i].kernel, &c, 5, rows[i].skip);
		to_hex(data, b.length, hex);
		if (strcmp(hex, rows[i].hex) != 0)
			fail_msg("%s:\n%s\nnot\n%s", rows[i].name, hex, rows[i].hex);
	}
}

/* The second TCP mapping of a run, beside mapping(NAT): 192.0.2.11 port 81, 198.51.100.1 port 8081. */
#define OUT_KEY_2  "140001801000010006000000c63364011f910000"
#define IN_KEY_2   "140001801000010006000000c000020b00510000"
#define OUT_DATA_2 "100002800c000100c63364011f910000"
#define IN_DATA_2  "100002800c000100c000020b00510000"

static struct change in_run(enum what what, unsigned i, enum change_op op)
{
	struct change c = {.mapping = mapping(what), .op = (uint8_t)op, .timeout_ms = 10000};

	c.mapping.internal_port += i;
	c.mapping.external_port += i;
	return c;
}

/* Elements that go into one set are in one message; what was refused is in none. */
static void runs(void **state)
{
	static const struct {
		enum change_op op;
		const char *hex;
	} expected[] = {
	    {CHANGE_ADD,
	     "980000000c0a01060500000000000000"
	     "01000000" DNAT4 "6c00038034000180" TEN_S OUT_KEY IN_DATA "34000180" TEN_S OUT_KEY_2 IN_DATA_2
	     "600000000c0a01060600000000000000"
	     "01000000" PIN6 "34000380300001800c0004000000000000002710200001801c0001001100000020010db8000100"
	     "00000000000000001113880000"
	     "9c0000000c0a01060700000000000000"
	     "01000000" SNAT4 "6c00038034000180" TEN_S IN_KEY OUT_DATA "34000180" TEN_S IN_KEY_2 OUT_DATA_2},
	    {CHANGE_REMOVE,
	     "600000001e0a01000500000000000000"
	     "01000000" DNAT4 "3400038018000180" OUT_KEY "18000180" OUT_KEY_2 "540000001e0a01000600000000000000"
	     "01000000" PIN6 "2800038024000180200001801c0001001100000020010db800010000000000000000001113880000"
	     "640000001e0a01000700000000000000"
	     "01000000" SNAT4 "3400038018000180" IN_KEY "18000180" IN_KEY_2},
	};
	static _Alignas(8) uint8_t data[2 * NFT_MSG_CHANGE_MAX];
	char hex[2 * sizeof(data) + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		enum change_op op = expected[i].op;
		const struct change c[] = {in_run(NAT, 0, op), in_run(NAT, 7, op), in_run(NAT, 1, op),
					   in_run(PIN_V6, 0, op)};
		struct change copy[4];
		struct nft_msg_batch b = {.data = data, .capacity = sizeof(data)};

		memcpy(copy, c, sizeof(c));
		copy[1].verdict = -17;
		memset(data, 0, sizeof(data));
		assert_true(nft_msg_run(&b, &conf, copy, 4, 5));
		to_hex(data, b.length, hex);
		assert_string_equal(hex, expected[i].hex);
		b = (struct nft_msg_batch){.data = data, .capacity = 512};
		assert_false(nft_msg_run(&b, &conf, copy, 4, 5));
	}
}

static void gathers(void **state)
{
	const struct nft_msg_kernel middle = {.destroy = true, .update = false};
	const struct change add = in_run(NAT, 0, CHANGE_ADD), renew = in_run(NAT, 0, CHANGE_RENEW);
	const struct change remove = in_run(NAT, 0, CHANGE_REMOVE), filtered = in_run(NAT_FILTER, 0, CHANGE_ADD);

	(void)state;
	assert_true(nft_msg_gathers(&old, &add) && !nft_msg_gathers(&old, &renew) && !nft_msg_gathers(&old, &remove));
	assert_true(nft_msg_gathers(&middle, &remove) && !nft_msg_gathers(&middle, &renew));
	assert_true(nft_msg_gathers(&new, &renew) && !nft_msg_gathers(&new, &filtered));
}

static void longest(void **state)
{
	static _Alignas(8) uint8_t data[NFT_MSG_CHANGE_MAX];
	struct nft_msg_batch b = {.data = data, .capacity = sizeof(data)};
	struct change c = {.mapping = mapping(NAT_PEER), .op = CHANGE_RENEW, .timeout_ms = 1};
	char table[NFT_MSG_TABLE_MAX], name[64];
	struct conf_external long_name = {.name = name};
	const struct conf wide = {.externals = &long_name, .externals_n = 1, .backend.table = table};

	(void)state;
	memset(table, 'x', sizeof(table) - 1);
	table[sizeof(table) - 1] = '\0';
	memset(name, '.', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	nft_msg_change(&b, &wide, &old, &c, 1, 0);
	assert_true(b.length <= NFT_MSG_CHANGE_MAX);
}

struct seen {
	unsigned n;
	unsigned kinds[NFT_MSG_PIECE + 1];
	struct nft_msg_found last;
};

static void see(void *context, const struct nft_msg_found *found)
{
	struct seen *s = context;

	s->n++;
	s->kinds[found->kind]++;
	s->last = *found;
}

/* A list that is longer than an attribute can be is more than one message. */
static void long_run(void **state)
{
	enum { N = 3000, ROOM = 1 << 20 };
	struct change *changes = calloc(N, sizeof(*changes));
	uint8_t *data = calloc(1, ROOM);
	struct nft_msg_batch b = {.data = data, .capacity = ROOM};
	struct seen seen = {0};
	unsigned messages = 0;

	(void)state;
	assert_true(changes && data);
	for (unsigned i = 0; i < N; i++)
		changes[i] = in_run(NAT, i, CHANGE_RENEW);
	assert_true(nft_msg_run(&b, &conf, changes, N, 1));
	for (size_t at = 0; at < b.length; messages++) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)(data + at);

		assert_int_equal(h->nlmsg_seq, 1 + messages);
		nft_msg_elements(h, &conf, see, &seen);
		at += NLMSG_ALIGN(h->nlmsg_len);
	}
	assert_int_equal(seen.n, 2 * N);
	assert_int_equal(messages, 6);
	free(changes);
	free(data);
}

/* A mapping of another external is in another mirror; one of an external that is no more is in none that does harm. */
static void mirrors(void **state)
{
	static _Alignas(8) uint8_t data[NFT_MSG_CHANGE_MAX];
	char one[] = "wan", two[] = "b", table[] = "natpcpd";
	struct conf_external externals[] = {{.name = one}, {.name = two}};
	const struct conf c = {.externals = externals, .externals_n = 2, .backend.table = table};
	static const char *const expected[] = {"snat4-wan", "snat4-b", "snat4-wan"};

	(void)state;
	for (uint8_t i = 0; i < 3; i++) {
		struct nft_msg_batch b = {.data = data, .capacity = sizeof(data)};
		struct change add = {.mapping = mapping(NAT), .op = CHANGE_ADD};
		struct seen seen = {0};

		add.mapping.external = i;
		memset(data, 0, sizeof(data));
		nft_msg_change(&b, &c, &new, &add, 1, 0);
		assert_string_equal((const char *)data + b.last + 16 + 4 + 12 + 4, expected[i]);
		nft_msg_elements((const struct nlmsghdr *)(const void *)(data + b.last), &c, see, &seen);
		assert_int_equal(seen.n, 1);
		assert_int_equal(seen.last.mapping.external, i % 2);
		assert_int_equal(seen.last.mapping.internal_port, add.mapping.internal_port);
		assert_int_equal(seen.last.mapping.external_port, add.mapping.external_port);
		assert_memory_equal(&seen.last.mapping.internal_address, &add.mapping.internal_address, 16);
		assert_memory_equal(&seen.last.mapping.external_address, &add.mapping.external_address, 16);
	}
}

/* Reads every message of a batch. */
static void see_all(const struct nft_msg_batch *b, struct seen *seen)
{
	for (size_t at = 0; at < b->length;) {
		const struct nlmsghdr *h = (const void *)(b->data + at);

		nft_msg_elements(h, &conf, see, seen);
		at += NLMSG_ALIGN(h->nlmsg_len);
	}
}

/* The most elements that filters can make: there is room for their messages, and the kernel can count their octets. */
static void most_filters(void **state)
{
	struct mapping_filter filters[NFT_FILTER_MAX];
	char table[NFT_MSG_TABLE_MAX];
	struct conf named = conf;

	(void)state;
	memset(table, 'x', sizeof(table) - 1);
	table[sizeof(table) - 1] = '\0';
	named.backend.table = table;
	for (enum what what = NAT_FILTER; what <= HOST_V6_FILTER; what++) {
		for (unsigned spread = 0; spread < 2; spread++) {
			struct change c = {.mapping = mapping(what), .op = CHANGE_RENEW, .timeout_ms = 1};
			struct nft_msg_batch b = {0};
			struct seen seen = {0};
			unsigned pieces = 0;

			/* all of the same length, or as many lengths as there are */
			for (unsigned i = 0; i < NFT_FILTER_MAX; i++) {
				bool v4 = what != PIN_V6_FILTER;
				unsigned length = spread ? (v4 ? 97 + i : 1 + 4 * i) : v4 ? 96 : 1;

				filters[i] = (struct mapping_filter){.port = (uint16_t)(i + 1),
								     .prefix_length = (uint8_t)length};
				if (v4)
					filters[i].address.s6_addr[10] = filters[i].address.s6_addr[11] = 0xff;
				pieces += length == 96 ? 16 : 1u << (3 - (length + 3) % 4);
			}
			c.mapping.filters = filters;
			c.mapping.filters_n = NFT_FILTER_MAX;
			b.capacity = nft_msg_room(&c);
			b.data = calloc(1, b.capacity);
			assert_non_null(b.data);
			nft_msg_change(&b, &named, &old, &c, 1, 0);
			assert_true(b.length <= b.capacity);
			for (size_t at = 0; at < b.length;
			     at += NLMSG_ALIGN(((const struct nlmsghdr *)(const void *)(b.data + at))->nlmsg_len))
				assert_true(((const struct nlmsghdr *)(const void *)(b.data + at))->nlmsg_len <
					    UINT16_MAX);
			see_all(&b, &seen);
			/* deleted and made */
			assert_int_equal(seen.kinds[NFT_MSG_PIECE], 2 * pieces);
			free(b.data);
		}
	}
}

static void frame(void **state)
{
	static _Alignas(8) uint8_t data[256];
	struct nft_msg_batch b = {.data = data, .capacity = sizeof(data), .length = 99};
	char hex[2 * sizeof(data) + 1];

	(void)state;
	nft_msg_begin(&b, 0x01020304);
	assert_int_equal(b.length, NFT_MSG_FRAME);
	nft_msg_flush(&b, "natpcpd", "pin6", 0x01020305);
	assert_int_equal(nft_msg_end(&b), 0x01020305);
	to_hex(data, b.length, hex);
	assert_string_equal(hex,
			    "140000001000010004030201000000000000000a"
			    "2c0000000e0a0500050302010000000001000000" PIN6 "140000001100010006030201000000000000000a");
}

static void note_set(void *context, const struct nft_msg_found *found)
{
	*(struct mapping *)context = found->mapping;
}

/* What is written of a set is read as that set; a range that ends before it begins is none of ours. */
static void sets(void **state)
{
	static const enum what whats[] = {NAT_PORTS, PIN_V4_PORTS, PIN_V6_PORTS};
	static _Alignas(8) uint8_t data[NFT_MSG_CHANGE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(whats) / sizeof(whats[0]); i++) {
		struct nft_msg_batch b = {.data = data, .capacity = sizeof(data)};
		struct change c = {.mapping = mapping(whats[i]), .op = CHANGE_ADD, .timeout_ms = 1000};
		struct mapping read = {0};
		uint16_t last;

		memset(data, 0, sizeof(data));
		nft_msg_change(&b, &conf, &new, &c, 5, 0);
		nft_msg_elements((const struct nlmsghdr *)(const void *)data, &conf, note_set, &read);
		assert_memory_equal(&read, &c.mapping, offsetof(struct mapping, filters_n));
		last = (uint16_t)(c.mapping.external_port + c.mapping.more_ports);
		for (size_t at = ((const struct nlmsghdr *)(const void *)data)->nlmsg_len - 1; at > 0; at--)
			if (data[at - 1] == last >> 8 && data[at] == (last & 0xff)) {
				data[at - 1] = 0;
				data[at] = 1;
				break;
			}
		read.protocol = 0;
		nft_msg_elements((const struct nlmsghdr *)(const void *)data, &conf, note_set, &read);
		assert_int_equal(read.protocol, 0);
	}
}

static void question(void **state)
{
	static _Alignas(8) uint8_t data[256];
	struct nft_msg_batch b = {.data = data, .capacity = sizeof(data)};
	const struct mapping m = mapping(PIN_V4);
	char hex[2 * sizeof(data) + 1];

	(void)state;
	nft_msg_get(&b, &conf, &m, 9);
	to_hex(data, b.length, hex);
	assert_string_equal(hex, "480000000d0a05000900000000000000"
				 "01000000" PIN4 "1c00038018000180140001801000010011000000c000020b13880000");
}

/* Asked for among many: no acknowledgement, but of what is not there. */
static void one_of_many(void **state)
{
	static _Alignas(8) uint8_t data[NFT_MSG_CHANGE_MAX];
	struct nft_msg_batch b = {.data = data, .capacity = sizeof(data)};
	const struct mapping m = mapping(NAT);
	char hex[2 * sizeof(data) + 1];

	(void)state;
	nft_msg_ask(&b, &conf, &m, NFT_MSG_EXTERNAL, 9);
	nft_msg_ask(&b, &conf, &m, NFT_MSG_INTERNAL, 10);
	to_hex(data, b.length, hex);
	assert_string_equal(hex, "480000000d0a01000900000000000000"
				 "01000000" DNAT4 "1c00038018000180" OUT_KEY "4c0000000d0a01000a00000000000000"
				 "01000000" SNAT4 "1c00038018000180" IN_KEY);
}

/* What was written is read back; the kernel's answer has the same layout. Truncated at any attribute, nothing is read beyond. */
static void elements(void **state)
{
	static _Alignas(8) uint8_t data[NFT_MSG_CHANGE_MAX];

	(void)state;
	for (enum what what = NAT; what <= HOST_V6_FILTER; what++) {
		struct nft_msg_batch b = {.data = data, .capacity = sizeof(data)};
		struct change c = {.mapping = mapping(what), .op = CHANGE_RENEW, .timeout_ms = 77000};
		struct nlmsghdr *h = (struct nlmsghdr *)(void *)data;
		struct seen seen = {0};
		uint32_t length;

		memset(data, 0, sizeof(data));
		nft_msg_change(&b, &conf, &new, &c, 1, 0);
		see_all(&b, &seen);
		assert_int_equal(seen.kinds[NFT_MSG_PIECE], c.mapping.filters_n);
		assert_int_equal(seen.kinds[NFT_MSG_FILTERED], c.mapping.filters_n != 0);
		/* and its mirror */
		assert_int_equal(seen.kinds[NFT_MSG_WHOLE],
				 (c.mapping.filters_n == 0) + (c.mapping.kind == MAPPING_NAT));
		assert_memory_equal(&seen.last.mapping.internal_address, &c.mapping.internal_address, 16);
		assert_memory_equal(&seen.last.mapping.external_address, &c.mapping.external_address, 16);
		assert_int_equal(seen.last.mapping.internal_port, c.mapping.internal_port);
		assert_int_equal(seen.last.mapping.external_port, c.mapping.external_port);
		assert_int_equal(seen.last.mapping.protocol, c.mapping.protocol);
		assert_int_equal(seen.last.mapping.kind, c.mapping.kind);
		assert_memory_equal(&seen.last.mapping.remote_address, &c.mapping.remote_address, 16);
		assert_int_equal(seen.last.mapping.remote_port, c.mapping.remote_port);
		assert_int_equal(seen.last.remaining_ms, 77000);
		length = h->nlmsg_len;
		for (uint32_t cut = sizeof(*h) + 4; cut < length; cut += 4) {
			uint8_t *copy = malloc(cut);

			assert_non_null(copy);
			memcpy(copy, data, cut);
			((struct nlmsghdr *)(void *)copy)->nlmsg_len = cut;
			nft_msg_elements((const struct nlmsghdr *)(const void *)copy, &conf, see, &seen);
			free(copy);
		}
	}
}

static const struct {
	const char *name, *hex;
	unsigned n;
	uint64_t remaining_ms;
} answers[] = {
    {"for ever",
     "480000000c0a01040700000000000000"
     "01000000" PIN4 "1c00038018000180140001801000010011000000c000020b13880000",
     1, 0},
    {"about to end: a timeout, nothing left of it",
     "540000000c0a01040700000000000000"
     "01000000" PIN4 "2800038024000180" TEN_S "140001801000010011000000c000020b13880000",
     1, 1},
    {"two elements",
     "600000000c0a01040700000000000000"
     "01000000" PIN4 "3400038018000180140001801000010011000000c000020b1388000018000180140001801000010011000000c"
     "000020b13890000",
     2, 0},
    {"a key of another length",
     "440000000c0a01040700000000000000"
     "01000000" PIN4 "1800038014000180100001800c00010011000000c000020b",
     0, 0},
    {"no port in pin4, which would be all of them elsewhere",
     "480000000c0a01040700000000000000"
     "01000000" PIN4 "1c00038018000180140001801000010011000000c000020b00000000",
     0, 0},
    {"no protocol in protocol-pin4, which would be all of them elsewhere",
     "4c0000000c0a01060700000000000000010000000c0001006e617470637064001200020070726f746f636f6c2d70696e34000000"
     "1800038014000180100001800c00010000000000c000020b",
     0, 0},
    {"the mirror map",
     "5c0000000c0a01060800000000000000"
     "01000000" SNAT4 "2c00038028000180" IN_KEY OUT_DATA,
     1, 0},
    {"no data in dnat4",
     "480000000c0a01060700000000000000"
     "01000000" DNAT4 "1c00038018000180" OUT_KEY,
     0, 0},
    {"no elements",
     "2c0000000c0a01060700000000000000"
     "01000000" DNAT4,
     0, 0},
    {"nothing at all", "140000000c0a0106070000000000000001000000", 0, 0},
};

static void odd_answers(void **state)
{
	static _Alignas(8) uint8_t data[512];

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct seen seen = {0};
		size_t n = from_hex(answers[i].hex, data);

		print_message("%s\n", answers[i].name);
		assert_int_equal(n, data[0]);
		nft_msg_elements((const struct nlmsghdr *)(const void *)data, &conf, see, &seen);
		assert_int_equal(seen.n, answers[i].n);
		assert_int_equal(seen.last.remaining_ms, answers[i].remaining_ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(changes),	   cmocka_unit_test(longest),  cmocka_unit_test(most_filters),
	    cmocka_unit_test(frame),	   cmocka_unit_test(question), cmocka_unit_test(sets),
	    cmocka_unit_test(mirrors),	   cmocka_unit_test(elements), cmocka_unit_test(odd_answers),
	    cmocka_unit_test(runs),	   cmocka_unit_test(gathers),  cmocka_unit_test(long_run),
	    cmocka_unit_test(one_of_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
