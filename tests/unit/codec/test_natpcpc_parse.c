/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "codec/natpcpc_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static struct in6_addr address(const char *text)
{
	struct in6_addr a;

	assert_true(codec_address_parse(text, strlen(text), &a));
	return a;
}

static void numbers(void **state)
{
	static const char *const bad[] = {
	    "", "-1", "+1", " 1", "1 ", "65536", "0x10", "1.0", "99999999999999999999999"};
	uint16_t port;

	(void)state;
	assert_true(parse_port("0", &port) && port == 0);
	assert_true(parse_port("65535", &port) && port == 65535);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(parse_port(bad[i], &port));
}

static void ports(void **state)
{
	static const struct {
		const char *text;
		bool fine;
		uint16_t first, count;
	} cases[] = {{"8080", true, 8080, 1},	  {"all", true, 0, 1},	    {"4000-4007", true, 4000, 8},
		     {"1-65535", true, 1, 65535}, {"9-9", true, 9, 1},	    {"0-1", false, 0, 0},
		     {"2-1", false, 0, 0},	  {"1-", false, 0, 0},	    {"-1", false, 0, 0},
		     {"1-2-3", false, 0, 0},	  {"1-65536", false, 0, 0}, {"000000000000001-2", false, 0, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint16_t first, count;

		assert_int_equal(parse_ports(cases[i].text, &first, &count), cases[i].fine);
		if (cases[i].fine) {
			assert_int_equal(first, cases[i].first);
			assert_int_equal(count, cases[i].count);
		}
	}
}

static void protocols(void **state)
{
	uint8_t p;

	(void)state;
	assert_true(parse_protocol("tcp", &p) && p == IPPROTO_TCP);
	assert_true(parse_protocol("sctp", &p) && p == IPPROTO_SCTP);
	assert_true(parse_protocol("all", &p) && p == 0);
	assert_true(parse_protocol("255", &p) && p == 255);
	assert_false(parse_protocol("256", &p));
	assert_false(parse_protocol("TCP", &p));
	assert_false(parse_protocol("", &p));
}

static void times(void **state)
{
	static const struct {
		const char *text;
		bool fine;
		uint32_t seconds;
	} cases[] = {{"0", true, 0},
		     {"90", true, 90},
		     {"90s", true, 90},
		     {"30m", true, 1800},
		     {"2h", true, 7200},
		     {"1d", true, 86400},
		     {"forever", true, UINT32_MAX},
		     {"4294967295", true, UINT32_MAX},
		     {"4294967296", false, 0},
		     {"49711d", false, 0},
		     {"2x", false, 0},
		     {"2hh", false, 0},
		     {"", false, 0},
		     {"-1", false, 0},
		     {"h", false, 0}};
	uint64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t seconds = 1;

		assert_int_equal(parse_lifetime(cases[i].text, &seconds), cases[i].fine);
		if (cases[i].fine)
			assert_int_equal(seconds, cases[i].seconds);
	}
	assert_true(parse_timeout("0.5", &ms) && ms == 500);
	assert_true(parse_timeout("0.0001", &ms) && ms == 1);
	assert_false(parse_timeout("0", &ms));
	assert_false(parse_timeout("-1", &ms));
	assert_false(parse_timeout("nan", &ms));
	assert_false(parse_timeout("inf", &ms));
	assert_false(parse_timeout("1s", &ms));
}

static void filters(void **state)
{
	static const struct {
		const char *text, *address;
		uint8_t length;
		uint16_t port;
	} cases[] = {{"203.0.113.5", "203.0.113.5", 128, 0},	    {"203.0.113.0/24", "203.0.113.0", 120, 0},
		     {"203.0.113.0/24:99", "203.0.113.0", 120, 99}, {"0.0.0.0/0", "0.0.0.0", 96, 0},
		     {"2001:db8::/32", "2001:db8::", 32, 0},	    {"2001:db8::5", "2001:db8::5", 128, 0},
		     {"[2001:db8::/32]:99", "2001:db8::", 32, 99},  {"[2001:db8::5]", "2001:db8::5", 128, 0}};
	static const char *const bad[] = {
	    "203.0.113.0/33",
	    "2001:db8::/129",
	    "203.0.113.0/",
	    "203.0.113.0/24:",
	    "[2001:db8::5",
	    "[2001:db8::5]99",
	    "host",
	    "",
	    "203.0.113.0:65536",
	    "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:1"};
	struct pcp_option f;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct in6_addr a = address(cases[i].address);

		assert_true(parse_filter(cases[i].text, &f));
		assert_int_equal(f.code, PCP_OPTION_FILTER);
		assert_int_equal(f.filter.prefix_length, cases[i].length);
		assert_int_equal(f.filter.remote_port, cases[i].port);
		assert_memory_equal(&f.filter.remote_address, &a, sizeof(a));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(parse_filter(bad[i], &f));
}

static void places(void **state)
{
	struct in6_addr a, v4 = address("203.0.113.5"), v6 = address("2001:db8::5");
	uint16_t port;

	(void)state;
	assert_true(parse_place("203.0.113.5:53", &a, &port) && port == 53);
	assert_memory_equal(&a, &v4, sizeof(a));
	assert_true(parse_place("[2001:db8::5]:53", &a, &port) && port == 53);
	assert_memory_equal(&a, &v6, sizeof(a));
	assert_false(parse_place("203.0.113.5", &a, &port));
	assert_false(parse_place("203.0.113.5:0", &a, &port));
	assert_false(parse_place("203.0.113.5/32:1", &a, &port));
	assert_false(parse_place("2001:db8::5", &a, &port));
}

static void outside(void **state)
{
	struct in6_addr a = {0}, none = {0}, v4 = address("198.51.100.1"), v6 = address("2001:db8::1");
	uint16_t port = 7;
	bool has = false;

	(void)state;
	assert_true(parse_outside("198.51.100.1", &a, &port, &has));
	assert_false(has);
	assert_int_equal(port, 7);
	assert_memory_equal(&a, &v4, sizeof(a));
	a = none;
	assert_true(parse_outside("80", &a, &port, &has) && has && port == 80);
	assert_memory_equal(&a, &none, sizeof(a));
	assert_true(parse_outside("any", &a, &port, &has) && port == 0);
	assert_true(parse_outside("198.51.100.1:81", &a, &port, &has) && port == 81);
	assert_memory_equal(&a, &v4, sizeof(a));
	assert_true(parse_outside("[2001:db8::1]:82", &a, &port, &has) && port == 82);
	assert_memory_equal(&a, &v6, sizeof(a));
	assert_true(parse_outside("2001:db8::1", &a, &port, &has) && port == 82);
	assert_false(parse_outside("65536", &a, &port, &has));
	assert_false(parse_outside("here", &a, &port, &has));
	assert_false(parse_outside("198.51.100.1:x", &a, &port, &has));
	assert_false(parse_outside("198.51.100.0/24", &a, &port, &has));
}

static void octets(void **state)
{
	uint8_t out[3];
	struct codec_nonce nonce;
	size_t n;

	(void)state;
	assert_true(parse_hex("00ffAb", out, sizeof(out), &n) && n == 3);
	assert_memory_equal(out, "\x00\xff\xab", 3);
	assert_true(parse_hex("", out, sizeof(out), &n) && n == 0);
	assert_false(parse_hex("0", out, sizeof(out), &n));
	assert_false(parse_hex("0g", out, sizeof(out), &n));
	assert_false(parse_hex("00000000", out, sizeof(out), &n));
	assert_true(parse_nonce("00112233445566778899aabb", &nonce));
	assert_false(parse_nonce("00112233445566778899aa", &nonce));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers), cmocka_unit_test(ports),	 cmocka_unit_test(protocols), cmocka_unit_test(times),
	    cmocka_unit_test(filters), cmocka_unit_test(places), cmocka_unit_test(outside),   cmocka_unit_test(octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
