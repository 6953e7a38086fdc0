/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What a value function said: text is empty if it was content. */
struct verdict {
	char buffer[CONF_LOCATION_MAX];
	struct text why;
};

static struct text *begin(struct verdict *v)
{
	text_init(&v->why, v->buffer, sizeof(v->buffer));
	return &v->why;
}

static void assert_verdict(const struct verdict *v, const char *input, bool good, const char *expected)
{
	if (good != !*expected || strcmp(v->buffer, expected))
		fail_msg("\"%s\": %s, \"%s\" instead of \"%s\"", input, good ? "taken" : "refused", v->buffer,
			 expected);
}

static void test_bool(void **state)
{
	static const struct {
		const char *text;
		bool value;
		const char *why;
	} cases[] = {
	    {"true", true, ""},
	    {"yes", true, ""},
	    {"on", true, ""},
	    {"false", false, ""},
	    {"no", false, ""},
	    {"off", false, ""},
	    {"True", false, "not true or false"},
	    {"1", false, "not true or false"},
	    {"", false, "not true or false"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct verdict v;
		bool value = false;
		bool good = value_bool(cases[i].text, &value, begin(&v));

		assert_verdict(&v, cases[i].text, good, cases[i].why);
		assert_int_equal(value, cases[i].value);
	}
}

static void test_number(void **state)
{
	static const struct {
		const char *text;
		uint32_t min, max, value;
		const char *why;
	} cases[] = {
	    {"0", 0, 10, 0, ""},
	    {"10", 1, 10, 10, ""},
	    {"0x10", 1, 100, 16, ""},
	    {"0XfF", 1, 255, 255, ""},
	    {"4294967295", 0, UINT32_MAX, UINT32_MAX, ""},
	    {"4294967296", 0, UINT32_MAX, 0, "not between 0 and 4294967295"},
	    {"99999999999999999999999999", 0, 7, 0, "not between 0 and 7"},
	    {"0", 1, 10, 0, "not between 1 and 10"},
	    {"11", 1, 10, 0, "not between 1 and 10"},
	    {"-1", 1, 10, 0, "not between 1 and 10"},
	    {"-", 1, 10, 0, "not a number"},
	    {"+1", 1, 10, 0, "not a number"},
	    {"1.5", 1, 10, 0, "not a number"},
	    {"ten", 1, 10, 0, "not a number"},
	    {"0x", 1, 10, 0, "not a number"},
	    {"0xg", 1, 10, 0, "not a number"},
	    {"1a", 1, 10, 0, "not a number"},
	    {" 1", 1, 10, 0, "not a number"},
	    {"", 1, 10, 0, "not a number"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct verdict v;
		uint32_t value = 0;
		bool good = value_number(cases[i].text, cases[i].min, cases[i].max, &value, begin(&v));

		assert_verdict(&v, cases[i].text, good, cases[i].why);
		if (good)
			assert_int_equal(value, cases[i].value);
	}
}

static void test_duration(void **state)
{
	static const char syntax[] = "not a number of seconds, nor one with s, m, h or d behind it";
	static const char range[] = "not between 1 and 86400 seconds";
	static const struct {
		const char *text;
		uint32_t value;
		const char *why;
	} cases[] = {
	    {"1", 1, ""},
	    {"120", 120, ""},
	    {"90s", 90, ""},
	    {"2m", 120, ""},
	    {"2h", 7200, ""},
	    {"1d", 86400, ""},
	    {"0", 0, range},
	    {"2d", 0, range},
	    {"86401", 0, range},
	    {"49711d", 0, range}, /* 2^32 seconds and some */
	    {"99999999999", 0, range},
	    {"1w", 0, syntax},
	    {"h", 0, syntax},
	    {"1hh", 0, syntax},
	    {"1h30m", 0, syntax},
	    {"-1", 0, syntax},
	    {"", 0, syntax},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct verdict v;
		uint32_t value = 0;
		bool good = value_duration(cases[i].text, 1, 86400, &value, begin(&v));

		assert_verdict(&v, cases[i].text, good, cases[i].why);
		if (good)
			assert_int_equal(value, cases[i].value);
	}
}

static void test_mark(void **state)
{
	static const struct {
		const char *text;
		uint32_t value;
		const char *why;
	} cases[] = {
	    {"1", 1, ""},
	    {"0x80000000", 0x80000000, ""},
	    {"65536", 65536, ""},
	    {"0", 0, "not between 1 and 4294967295"},
	    {"0x100000000", 0, "not between 1 and 4294967295"},
	    {"3", 0, "not a single bit, like 0x10000000"},
	    {"0x30000000", 0, "not a single bit, like 0x10000000"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct verdict v;
		uint32_t value = 0;
		bool good = value_mark(cases[i].text, &value, begin(&v));

		assert_verdict(&v, cases[i].text, good, cases[i].why);
		if (good)
			assert_int_equal(value, cases[i].value);
	}
}

static void test_range(void **state)
{
	static const struct {
		const char *text;
		uint16_t first, last;
		const char *why;
	} cases[] = {
	    {"1", 1, 1, ""},
	    {"65535", 65535, 65535, ""},
	    {"1-65535", 1, 65535, ""},
	    {"80-80", 80, 80, ""},
	    {"0", 0, 0, "not a port (1-65535)"},
	    {"65536", 0, 0, "not a port (1-65535)"},
	    {"70000", 0, 0, "not a port (1-65535)"},
	    {"http", 0, 0, "not a port (1-65535)"},
	    {"", 0, 0, "not a port (1-65535)"},
	    {"0-5", 0, 0, "not a range of ports (1-65535)"},
	    {"1-65536", 0, 0, "not a range of ports (1-65535)"},
	    {"1-", 0, 0, "not a range of ports (1-65535)"},
	    {"-5", 0, 0, "not a range of ports (1-65535)"},
	    {"-", 0, 0, "not a range of ports (1-65535)"},
	    {"1-2-3", 0, 0, "not a range of ports (1-65535)"},
	    {"1 - 2", 0, 0, "not a range of ports (1-65535)"},
	    {"1:2", 0, 0, "not a port (1-65535)"},
	    {"2000-1000", 0, 0, "reversed range, did you mean \"1000-2000\"?"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct verdict v;
		struct conf_range value = {0};
		bool good = value_range(cases[i].text, &value, begin(&v));

		assert_verdict(&v, cases[i].text, good, cases[i].why);
		if (good) {
			assert_int_equal(value.first, cases[i].first);
			assert_int_equal(value.last, cases[i].last);
		}
	}
}

static void test_prefix(void **state)
{
	static const struct {
		const char *text, *address;
		unsigned length;
		const char *why;
	} cases[] = {
	    {"192.0.2.0/24", "192.0.2.0", 120, ""},
	    {"192.0.2.1", "192.0.2.1", 128, ""},
	    {"192.0.2.1/32", "192.0.2.1", 128, ""},
	    {"0.0.0.0/0", "0.0.0.0", 96, ""},
	    {"198.18.0.0/15", "198.18.0.0", 111, ""},
	    {"2001:db8::/32", "2001:db8::", 32, ""},
	    {"2001:db8::1", "2001:db8::1", 128, ""},
	    {"::/0", "::", 0, ""},
	    {"::ffff:192.0.2.0/120", "192.0.2.0", 120, ""},
	    {"192.0.2.1/24", NULL, 0, "has bits set behind the prefix, did you mean \"192.0.2.0/24\"?"},
	    {"192.0.2.255/25", NULL, 0, "has bits set behind the prefix, did you mean \"192.0.2.128/25\"?"},
	    {"2001:db8::1/64", NULL, 0, "has bits set behind the prefix, did you mean \"2001:db8::/64\"?"},
	    {"192.0.2.0/33", NULL, 0, "not a prefix length (0-32)"},
	    {"192.0.2.0/", NULL, 0, "not a prefix length (0-32)"},
	    {"192.0.2.0/-1", NULL, 0, "not a prefix length (0-32)"},
	    {"192.0.2.0/255.255.255.0", NULL, 0, "not a prefix length (0-32)"},
	    {"2001:db8::/129", NULL, 0, "not a prefix length (0-128)"},
	    {"192.0.2/24", NULL, 0, "not a network (ADDRESS/LENGTH)"},
	    {"/24", NULL, 0, "not a network (ADDRESS/LENGTH)"},
	    {"192.0.2.256", NULL, 0, "not an address or network (ADDRESS/LENGTH)"},
	    {"host", NULL, 0, "not an address or network (ADDRESS/LENGTH)"},
	    {"", NULL, 0, "not an address or network (ADDRESS/LENGTH)"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct verdict v;
		struct conf_prefix value = {0};
		char shown[CODEC_ADDRESS_TEXT];
		bool good = value_prefix(cases[i].text, &value, begin(&v));

		assert_verdict(&v, cases[i].text, good, cases[i].why);
		if (good) {
			assert_string_equal(codec_address_text(&value.address, shown), cases[i].address);
			assert_int_equal(value.length, cases[i].length);
		}
	}
}

static void test_endpoint(void **state)
{
	static const struct {
		const char *text, *address;
		uint16_t port;
		const char *why;
	} cases[] = {
	    {"192.0.2.10:443", "192.0.2.10", 443, ""},
	    {"[2001:db8::1]:443", "2001:db8::1", 443, ""},
	    {"192.0.2.10", NULL, 0, "the port is missing (\"ADDRESS:PORT\")"},
	    {"2001:db8::1", NULL, 0, "the port is missing (\"[ADDRESS]:PORT\")"},
	    {"2001:db8::1:65536", NULL, 0, "an IPv6 address needs brackets (\"[ADDRESS]:PORT\")"},
	    {"[2001:db8::1]", NULL, 0, "not [ADDRESS]:PORT"},
	    {"[192.0.2.10]:443", NULL, 0, "not [ADDRESS]:PORT"},
	    {"[]:443", NULL, 0, "not ADDRESS:PORT"},
	    {":443", NULL, 0, "not ADDRESS:PORT"},
	    {":", NULL, 0, "not ADDRESS:PORT"},
	    {"[", NULL, 0, "not ADDRESS:PORT"},
	    {"", NULL, 0, "not ADDRESS:PORT"},
	    {"web:443", NULL, 0, "not ADDRESS:PORT"},
	    {"192.0.2.10:0", NULL, 0, "not a port (1-65535)"},
	    {"192.0.2.10:65536", NULL, 0, "not a port (1-65535)"},
	    {"192.0.2.10:", NULL, 0, "not a port (1-65535)"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct verdict v;
		struct in6_addr address;
		uint16_t port = 0;
		char shown[CODEC_ADDRESS_TEXT];
		bool good = value_endpoint(cases[i].text, &address, &port, begin(&v));

		assert_verdict(&v, cases[i].text, good, cases[i].why);
		if (good) {
			assert_string_equal(codec_address_text(&address, shown), cases[i].address);
			assert_int_equal(port, cases[i].port);
		}
	}
}

/* Functions that only judge a text. */
static bool mac(const char *s, struct text *why)
{
	struct conf_mac m;

	return value_mac(s, &m, why);
}

static bool protocol(const char *s, struct text *why)
{
	uint8_t p;

	return value_protocol(s, &p, why);
}

static bool address(const char *s, struct text *why)
{
	struct in6_addr a;

	return value_address(s, &a, why);
}

static bool identifier(const char *s, struct text *why)
{
	return value_identifier(s, strlen(s), why);
}

static void test_judged(void **state)
{
	static const char no_mac[] = "not a hardware address (xx:xx:xx:xx:xx:xx)";
	static const char no_protocol[] = "not a protocol (tcp, udp, sctp, dccp, udplite or 1-255)";
	static const char no_loopback[] = "not on loopback (127.0.0.1:PORT or [::1]:PORT)";
	static const char no_interface[] = "not the name of an interface";
	static const char no_identifier[] =
	    "a name is a letter, then letters, digits, \"_\", \"-\" and \".\", 63 at most";
	static const struct {
		bool (*judge)(const char *s, struct text *why);
		const char *text, *why;
	} cases[] = {
	    {mac, "00:11:22:aA:Bb:ff", ""},
	    {mac, "00-11-22-aa-bb-ff", ""},
	    {mac, "00:11:22-aa:bb:ff", no_mac},
	    {mac, "00:11:22:aa:bb", no_mac},
	    {mac, "00:11:22:aa:bb:gg", no_mac},
	    {mac, "00:11:22:aa:bb:ff:00", no_mac},
	    {mac, "0011.22aa.bbff.00", no_mac},
	    {mac, "", no_mac},
	    {protocol, "tcp", ""},
	    {protocol, "udplite", ""},
	    {protocol, "1", ""},
	    {protocol, "255", ""},
	    {protocol, "0", no_protocol},
	    {protocol, "256", no_protocol},
	    {protocol, "TCP", no_protocol},
	    {protocol, "icmp", no_protocol},
	    {protocol, "", no_protocol},
	    {address, "192.0.2.1", ""},
	    {address, "2001:db8::1", ""},
	    {address, "192.0.2.1/32", "an address is needed here, not a network"},
	    {address, "host", "not an address"},
	    {value_loopback, "127.0.0.1:5380", ""},
	    {value_loopback, "127.8.9.10:1", ""},
	    {value_loopback, "[::1]:5380", ""},
	    {value_loopback, "0.0.0.0:5380", no_loopback},
	    {value_loopback, "[::]:5380", no_loopback},
	    {value_loopback, "192.0.2.1:5380", no_loopback},
	    {value_loopback, "127.0.0.1", "the port is missing (\"ADDRESS:PORT\")"},
	    {value_loopback, "localhost:80", "not ADDRESS:PORT"},
	    {value_interface, "wan0", ""},
	    {value_interface, "ppp-wan.7@if3", ""},
	    {value_interface, "123456789012345", ""},
	    {value_interface, "1234567890123456", "too long for the name of an interface (15 octets)"},
	    {value_interface, "", "an interface has a name"},
	    {value_interface, ".", no_interface},
	    {value_interface, "..", no_interface},
	    {value_interface, "a/b", no_interface},
	    {value_interface, "a b", no_interface},
	    {value_interface, "eth0:1", no_interface},
	    {value_interface, "br-*", no_interface},
	    {identifier, "natpcpd", ""},
	    {identifier, "filter_FORWARD-2.x", ""},
	    {identifier, "azAZ09", ""},
	    {identifier, "2x", no_identifier},
	    {identifier, "a b", no_identifier},
	    {identifier, "a;b", no_identifier},
	    {identifier, "", no_identifier},
	    {identifier, "a23456789012345678901234567890123456789012345678901234567890123", ""},
	    {identifier, "a234567890123456789012345678901234567890123456789012345678901234", no_identifier},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct verdict v;
		bool good = cases[i].judge(cases[i].text, begin(&v));

		assert_verdict(&v, cases[i].text, good, cases[i].why);
	}
}

static void test_numbers_of_names(void **state)
{
	static const uint8_t octets[6] = {0x00, 0x11, 0x22, 0xaa, 0xbb, 0xff};
	static const struct {
		const char *name;
		uint8_t number;
	} names[] = {{"tcp", 6}, {"udp", 17}, {"dccp", 33}, {"sctp", 132}, {"udplite", 136}, {"47", 47}};
	struct conf_mac m;
	struct verdict v;
	uint8_t p;

	(void)state;
	assert_true(value_mac("00:11:22:aA:Bb:ff", &m, begin(&v)));
	assert_memory_equal(m.octets, octets, sizeof(octets));
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_true(value_protocol(names[i].name, &p, begin(&v)));
		assert_int_equal(p, names[i].number);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bool),     cmocka_unit_test(test_number), cmocka_unit_test(test_duration),
	    cmocka_unit_test(test_mark),     cmocka_unit_test(test_range),  cmocka_unit_test(test_prefix),
	    cmocka_unit_test(test_endpoint), cmocka_unit_test(test_judged), cmocka_unit_test(test_numbers_of_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
