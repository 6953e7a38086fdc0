/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/codec/support.h"

#include "codec/codec.h"

#include <arpa/inet.h>
#include <stdio.h>

/* 6886-3.5-01, 6886-6-01, 6887-7.4-03, 6887-11-05, 6887-12-03, 6887-14.1-04, 6887-19.1-01 */
static void numbers_are_those_of_the_rfcs(void **state)
{
	(void)state;
	static const struct {
		int value, number;
	} cases[] = {
	    {CODEC_SERVER_PORT, 5351},
	    {CODEC_ANNOUNCE_PORT, 5350},
	    {NATPMP_ADDRESS, 0},
	    {NATPMP_MAP_UDP, 1},
	    {NATPMP_MAP_TCP, 2},
	    {NATPMP_SUCCESS, 0},
	    {NATPMP_UNSUPP_VERSION, 1},
	    {NATPMP_NOT_AUTHORIZED, 2},
	    {NATPMP_NETWORK_FAILURE, 3},
	    {NATPMP_NO_RESOURCES, 4},
	    {NATPMP_UNSUPP_OPCODE, 5},
	    {PCP_ANNOUNCE, 0},
	    {PCP_MAP, 1},
	    {PCP_PEER, 2},
	    {PCP_SUCCESS, 0},
	    {PCP_UNSUPP_VERSION, 1},
	    {PCP_NOT_AUTHORIZED, 2},
	    {PCP_MALFORMED_REQUEST, 3},
	    {PCP_UNSUPP_OPCODE, 4},
	    {PCP_UNSUPP_OPTION, 5},
	    {PCP_MALFORMED_OPTION, 6},
	    {PCP_NETWORK_FAILURE, 7},
	    {PCP_NO_RESOURCES, 8},
	    {PCP_UNSUPP_PROTOCOL, 9},
	    {PCP_USER_EX_QUOTA, 10},
	    {PCP_CANNOT_PROVIDE_EXTERNAL, 11},
	    {PCP_ADDRESS_MISMATCH, 12},
	    {PCP_EXCESSIVE_REMOTE_PEERS, 13},
	    {PCP_OPTION_THIRD_PARTY, 1},
	    {PCP_OPTION_PREFER_FAILURE, 2},
	    {PCP_OPTION_FILTER, 3},
	    {PCP_OPTION_DESCRIPTION, 128},
	    {PCP_OPTION_PORT_SET, 130},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(cases[i].value, cases[i].number);
}

/* 6887-19.2-01, 6887-19.3-01, 6887-19.4-01: what has no name is not an error */
static void every_value_has_a_name_or_a_mark(void **state)
{
	(void)state;
	unsigned named[5] = {0};

	for (unsigned v = 0; v < 256; v++) {
		const char *names[5] = {natpmp_opcode_name((uint8_t)v), natpmp_result_name((uint16_t)v),
					pcp_opcode_name((uint8_t)v), pcp_result_name((uint8_t)v),
					pcp_option_name((uint8_t)v)};
		for (size_t k = 0; k < COUNT(names); k++) {
			assert_non_null(names[k]);
			named[k] += strcmp(names[k], "?") != 0;
		}
	}
	assert_int_equal(named[0], 3);
	assert_int_equal(named[1], 6);
	assert_int_equal(named[2], 3);
	assert_int_equal(named[3], 14);
	assert_int_equal(named[4], 5);
	assert_string_equal(natpmp_result_name(0x0101), "?");
	assert_string_equal(natpmp_result_name(4), "NO_RESOURCES");
	assert_string_equal(pcp_result_name(13), "EXCESSIVE_REMOTE_PEERS");
	assert_string_equal(pcp_result_name(200), "?");
	assert_string_equal(pcp_opcode_name(2), "PEER");
	assert_string_equal(natpmp_opcode_name(1), "MAP_UDP");
	assert_string_equal(pcp_option_name(130), "PORT_SET");
}

static void protocols(void **state)
{
	(void)state;
	assert_string_equal(codec_protocol_name(6), "tcp");
	assert_string_equal(codec_protocol_name(17), "udp");
	assert_string_equal(codec_protocol_name(33), "dccp");
	assert_string_equal(codec_protocol_name(132), "sctp");
	assert_string_equal(codec_protocol_name(136), "udplite");
	assert_null(codec_protocol_name(0));
	assert_null(codec_protocol_name(47));
}

static struct in6_addr address(const char *text)
{
	struct in6_addr a;
	if (!codec_address_parse(text, strlen(text), &a))
		fail_msg("%s is not read", text);
	return a;
}

/* 6887-5-02, 6887-5-03, 6887-5-04, 6887-5-05 */
static void families(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool v4, unspecified;
	} cases[] = {
	    {"192.0.2.1", true, false},
	    {"::ffff:c000:201", true, false},
	    {"0.0.0.0", true, true},
	    {"::ffff:0:0", true, true},
	    {"::", false, true},
	    {"::1", false, false},
	    {"2001:db8::ffff:c000:201", false, false},
	    {"0:0:0:0:1:ffff:c000:201", false, false},
	    {"8000::ffff:192.0.2.1", false, false},
	    {"::192.0.2.1", false, false},
	    {"::fffe:c000:201", false, false},
	    {"::ffff:0:1", true, false},
	    {"1::", false, false},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct in6_addr a = address(cases[i].text);
		assert_int_equal(codec_is_v4(&a), cases[i].v4);
		assert_int_equal(codec_is_unspecified(&a), cases[i].unspecified);
	}
	/* any one bit of the 96 makes it IPv6 */
	for (unsigned bit = 0; bit < 96; bit++) {
		struct in6_addr a = codec_from_v4(0xc0000201);
		a.s6_addr[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(codec_is_v4(&a));
	}
	struct in6_addr a = codec_from_v4(0xc0000201);
	assert_memory_equal(&a, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1", 16);
	assert_int_equal(codec_to_v4(&a), 0xc0000201);
	a.s6_addr[0] = 0x20;
	assert_int_equal(codec_to_v4(&a), 0xc0000201);
}

/* RFC 5952 section 4, and IPv4 for the mapped ones */
static void addresses_are_written(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} cases[] = {
	    {"192.0.2.1", "192.0.2.1"},
	    {"::ffff:c000:201", "192.0.2.1"},
	    {"0.0.0.0", "0.0.0.0"},
	    {"255.255.255.255", "255.255.255.255"},
	    {"9.10.99.100", "9.10.99.100"},
	    {"::", "::"},
	    {"::1", "::1"},
	    {"1::", "1::"},
	    {"2001:DB8::0001", "2001:db8::1"},
	    {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
	    {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
	    {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
	    {"0:0:1:0:0:0:0:0", "0:0:1::"},
	    {"0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"},
	    {"0:0:2:3:4:5:6:7", "::2:3:4:5:6:7"},
	    {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
	    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	    {"::1.2.3.4", "::102:304"},
	    {"64:ff9b::192.0.2.1", "64:ff9b::c000:201"},
	    {"fe80::10:200", "fe80::10:200"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct in6_addr a = address(cases[i].in);
		char *out = malloc(CODEC_ADDRESS_TEXT);
		assert_non_null(out);
		assert_ptr_equal(codec_address_text(&a, out), out);
		assert_string_equal(out, cases[i].out);
		free(out);
	}
}

/* Against the C library, which mixes notations only where all groups before the last two are zero. */
static void random_addresses_come_back(void **state)
{
	(void)state;
	uint64_t seed = 5952;

	for (int i = 0; i < 50000; i++) {
		struct in6_addr a, back;
		char out[CODEC_ADDRESS_TEXT], theirs[INET6_ADDRSTRLEN];

		random_fill(&seed, &a, sizeof(a));
		uint32_t zeros = (uint32_t)random_next(&seed);
		for (int g = 0; g < 8; g++) {
			if (zeros >> g & 1)
				a.s6_addr[2 * g] = a.s6_addr[2 * g + 1] = 0;
		}
		a.s6_addr[1] |= 1;
		codec_address_text(&a, out);
		assert_true(codec_address_parse(out, strlen(out), &back));
		assert_memory_equal(&a, &back, sizeof(a));
		assert_string_equal(out, inet_ntop(AF_INET6, &a, theirs, sizeof(theirs)));
	}
}

static void what_is_no_address_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
	    "",
	    " 192.0.2.1",
	    "192.0.2.1 ",
	    "192.0.2",
	    "192.0.2.256",
	    "192.0.2.1.1",
	    "192.0.2.01",
	    "192.0.2.-1",
	    "0xc0.0.2.1",
	    "example",
	    ":",
	    ":::",
	    "1::2::3",
	    "12345::",
	    "1:2:3:4:5:6:7",
	    "1:2:3:4:5:6:7:8:9",
	    "fe80::1%lo",
	    "[::1]",
	    "192.0.2.1/24",
	    "1111:2222:3333:4444:5555:6666:255.255.255.2555",
	    "0000000000000000000000000000000000000000000000000001",
	};
	struct in6_addr a;

	for (size_t i = 0; i < COUNT(bad); i++) {
		if (codec_address_parse(bad[i], strlen(bad[i]), &a))
			fail_msg("%s is read", bad[i]);
	}
	assert_false(codec_address_parse("192.0.2.1\0", 10, &a));
	assert_false(codec_address_parse("::1\0::2", 7, &a));
}

/* The text need not end with a NUL. */
static void address_length_counts(void **state)
{
	(void)state;
	struct in6_addr a;
	uint8_t *text = exact_copy((const uint8_t *)"192.0.2.12", 10);

	assert_true(codec_address_parse((const char *)text, 10, &a));
	assert_int_equal(codec_to_v4(&a), 0xc000020c);
	assert_true(codec_address_parse((const char *)text, 9, &a));
	assert_int_equal(codec_to_v4(&a), 0xc0000201);
	free(text);
	assert_true(codec_address_parse("1111:2222:3333:4444:5555:6666:255.255.255.255", 45, &a));
}

/* RFC 3629, 7220-2-06, 7220-2-08 */
static void utf8(void **state)
{
	(void)state;
	static const struct {
		const char *octets;
		size_t length, valid;
	} cases[] = {
	    {"", 0, 0},
	    {"abc", 3, 3},
	    {"a\0b", 3, 3},
	    {"\x7f", 1, 1},
	    {"\x80", 1, 0},
	    {"\xc2\x80", 2, 2},
	    {"\xc1\xbf", 2, 0},
	    {"\xc0\x80", 2, 0},
	    {"\xdf\xbf", 2, 2},
	    {"\xc3\x28", 2, 0},
	    {"a\xc3", 2, 1},
	    {"\xe0\xa0\x80", 3, 3},
	    {"\xe0\x9f\xbf", 3, 0},
	    {"\xe1\x80\x80", 3, 3},
	    {"\xe1\x80\x28", 3, 0},
	    {"\xe1\x80\xc0", 3, 0},
	    {"\xed\x9f\xbf", 3, 3},
	    {"\xed\xa0\x80", 3, 0},
	    {"\xed\xbf\xbf", 3, 0},
	    {"\xee\x80\x80", 3, 3},
	    {"\xef\xbf\xbf", 3, 3},
	    {"\xf0\x90\x80\x80", 4, 4},
	    {"\xf0\x8f\xbf\xbf", 4, 0},
	    {"\xf4\x8f\xbf\xbf", 4, 4},
	    {"\xf4\x90\x80\x80", 4, 0},
	    {"\xf1\x80\x80\x80", 4, 4},
	    {"\xf1\x80\x80", 3, 0},
	    {"\xf1\x80\x80\x41", 4, 0},
	    {"\xf5\x80\x80\x80", 4, 0},
	    {"\xff", 1, 0},
	    {"ok\xf0\x9f\x98\x80!", 7, 7},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t *copy = exact_copy((const uint8_t *)cases[i].octets, cases[i].length);
		if (codec_utf8_valid(copy, cases[i].length) != (cases[i].valid == cases[i].length))
			fail_msg("case %zu", i);
		assert_int_equal(codec_utf8_cut(copy, cases[i].length, SIZE_MAX), cases[i].valid);
		free(copy);
	}
}

/* 7220-3-06: the cut is at a code point */
static void utf8_is_cut_at_a_code_point(void **state)
{
	(void)state;
	static const uint8_t text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
	static const uint8_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};

	for (size_t limit = 0; limit < COUNT(expected); limit++) {
		size_t n = codec_utf8_cut(text, 11, limit);
		assert_int_equal(n, expected[limit]);
		assert_true(codec_utf8_valid(text, n));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_are_those_of_the_rfcs),
	    cmocka_unit_test(every_value_has_a_name_or_a_mark),
	    cmocka_unit_test(protocols),
	    cmocka_unit_test(families),
	    cmocka_unit_test(addresses_are_written),
	    cmocka_unit_test(random_addresses_come_back),
	    cmocka_unit_test(what_is_no_address_is_refused),
	    cmocka_unit_test(address_length_counts),
	    cmocka_unit_test(utf8),
	    cmocka_unit_test(utf8_is_cut_at_a_code_point),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
