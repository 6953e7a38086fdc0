/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A miniupnpd.conf, read and written as a natpcpd.conf that the parser takes, whatever was in it. */
#include "server/natpcpctl_import_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "server/natpcpctl_import_table.h"
#include "server/natpcpctl_import_write.h"
#include "tests/unit/io/import_interfaces.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The caller's to free. */
static char *imported(const char *text, size_t length)
{
	struct import x;
	char *out;
	size_t n;
	FILE *f = open_memstream(&out, &n);

	assert_true(import_read(&x, text, length, find));
	import_write(f, &x, "miniupnpd.conf");
	fclose(f);
	import_clear(&x);
	return out;
}

static struct conf *parsed(const char *text)
{
	char why[CONF_LOCATION_MAX];
	struct conf *c = conf_parse(text, strlen(text), "out", why);

	if (!c)
		print_error("%s\n%s\n", why, text);
	assert_non_null(c);
	return c;
}

static void test_home(void **state)
{
	static const char text[] = "# as many routers have it\n"
				   "ext_ifname=ppp0\n"
				   "ext_ifname6 = ppp0\n"
				   "listening_ip=192.0.2.1/24\n"
				   "listening_ip=br-guest wlan1\n"
				   "listening_ip=ppp0\n"
				   "enable_pcp_pmp=yes\n"
				   "enable_upnp=yes\n"
				   "min_lifetime=300\n"
				   "max_lifetime=3600\n"
				   "pcp_allow_thirdparty=yes\n"
				   "lease_file=/var/lib/misc/upnp.leases\r\n"
				   "ext_ip=\"203.0.113.5\"\n"
				   "deny 0-65535 192.0.2.66 0-65535\n"
				   "allow 1024-65535 192.0.2.0/24 1024-65535\n";
	char *out = imported(text, strlen(text));
	struct conf *c = parsed(out);

	(void)state;
	assert_int_equal(c->externals_n, 1);
	assert_string_equal(c->externals[0].interface, "ppp0");
	assert_int_equal(c->externals[0].addresses.n, 1);
	assert_int_equal(c->externals[0].private_address, CONF_PRIVATE_AUTO);
	assert_int_equal(c->listens_n, 1);
	assert_int_equal(c->listens[0].interfaces.n, 3);
	assert_string_equal(c->listens[0].interfaces.v[0], "br-lan");
	assert_string_equal(c->listens[0].interfaces.v[2], "wlan1");
	assert_int_equal(c->lifetime.min_s, 300);
	assert_int_equal(c->lifetime.max_s, 3600);
	assert_int_equal(c->third_party.clients.n, 1);
	assert_int_equal(c->third_party.clients.v[0].length, 120);
	assert_int_equal(c->rules_n, 3);
	assert_int_equal(c->rules[0].action, CONF_DENY);
	assert_int_equal(c->rules[0].external_ports.n, 0);
	assert_int_equal(c->rules[1].external_ports.v[0].first, 1024);
	/* what no rule matches, miniupnpd allows */
	assert_string_equal(c->rules[2].name, "no rule matched");
	assert_int_equal(c->rules[2].action, CONF_ALLOW);
	assert_non_null(strstr(out, "# miniupnpd allows what no rule matches, natpcpd refuses it."));
	assert_non_null(strstr(out, "\n# line 12: lease_file=/var/lib/misc/upnp.leases\n#\t"));
	assert_non_null(strstr(out, "\n# line 8: enable_upnp=yes\n#\tUPnP stays with miniupnpd"));
	assert_non_null(strstr(out, "# listening_ip ppp0: is the external interface"));
	assert_null(strstr(out, "# line 3:"));
	conf_free(c);
	free(out);
}

static void test_denied_at_last(void **state)
{
	static const char text[] = "listening_ip=198.51.100.1/255.255.255.0\n"
				   "ext_ip=192.0.2.200\n"
				   "ipv6_disable=yes\n"
				   "upnp_forward_chain=upnp\n"
				   "upnp_table_name=fw4\n"
				   "min_lifetime=100000\n"
				   "allow 80 192.0.2.7 80 \"web\"\n"
				   "deny 0-65535 0.0.0.0/0 0-65535\n"
				   "allow 80 192.0.2.7 80\n";
	char *out = imported(text, strlen(text));
	struct conf *c = parsed(out);

	(void)state;
	assert_int_equal(c->externals[0].private_address, CONF_PRIVATE_ALLOW);
	assert_int_equal(c->listens[0].addresses.n, 1);
	assert_int_equal(c->listens[0].interfaces.n, 0);
	assert_int_equal(c->lifetime.min_s, 100000);
	assert_int_equal(c->rules_n, 2);
	assert_string_equal(c->rules[0].name, "no IPv6");
	assert_string_equal(c->rules[1].name, "line 8");
	assert_int_equal(c->rules[1].clients.n, 0);
	assert_non_null(strstr(out, "#forward-chain = \"inet fw4 forward\""));
	assert_non_null(strstr(out, "# line 7: allow 80"));
	assert_non_null(strstr(out, "# line 2: ext_ip=192.0.2.200\n"));
	assert_non_null(strstr(out, "miniupnpd did not answer NAT-PMP"));
	conf_free(c);
	free(out);
}

/* No line is left out in silence: it is an option that is taken over, or there is a note with its number. */
static void test_every_option(void **state)
{
	static const char *const others[] = {"ext_perform_stun",
					     "ext_stun_host",
					     "http_port",
					     "uuid",
					     "packet_log",
					     "anchor",
					     "clean_ruleset_interval",
					     "secure_mode",
					     "lease_file6",
					     "upnp_nat_chain",
					     "ipv6_listening_ip",
					     "no_such_option"};

	(void)state;
	for (size_t i = 0; i < COUNT(others); i++) {
		char text[128], wanted[160];
		char *out;

		assert_int_equal(import_table_why(others[i]) == NULL, i == COUNT(others) - 1);
		snprintf(text, sizeof(text), "\n%s=yes", others[i]);
		snprintf(wanted, sizeof(wanted), "\n# line 2: %s=yes\n#\t", others[i]);
		out = imported(text, strlen(text));
		assert_non_null(strstr(out, wanted));
		free(out);
	}
}

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Files made of words that mean something, at random, with octets that do not. */
static void test_anything(void **state)
{
	static const char *const words[] = {"ext_ifname=",
					    "listening_ip=",
					    "ext_ip=",
					    "allow ",
					    "deny ",
					    "min_lifetime=",
					    "max_lifetime=",
					    "upnp_table_name=",
					    "upnp_forward_chain=",
					    "pcp_allow_thirdparty=yes",
					    "ipv6_disable=yes",
					    "ext_perform_stun=yes",
					    "enable_natpmp=",
					    "eth0",
					    "wan0",
					    "br-lan",
					    "192.0.2.1",
					    "192.0.2.1/24",
					    "192.0.2.77/255.255.0.0",
					    "0.0.0.0/0",
					    "127.0.0.1",
					    "255.255.255.255",
					    "224.0.0.1/4",
					    "203.0.113.5",
					    "0.0.0.0",
					    "1024-65535",
					    "0-65535",
					    "0",
					    "80",
					    "-1",
					    "4294967296",
					    "31536001",
					    "120",
					    "natpcpd",
					    "\"",
					    "'",
					    "#",
					    "=",
					    " ",
					    "\t",
					    "\\",
					    "{",
					    "}",
					    "\xff",
					    "\xe2\x80",
					    "*",
					    "/*",
					    "..",
					    "x y",
					    "no",
					    "\r",
					    "uuid=",
					    "1",
					    "a.b-c_d"};
	uint32_t seed = 7;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		char text[4096], *out;
		size_t n = 0;

		for (uint32_t i = next(&seed) % 60; i > 0; i--) {
			const char *w = words[next(&seed) % COUNT(words)];
			uint32_t end = next(&seed) % 4;

			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", w,
					      end == 0	 ? "\n"
					      : end == 1 ? " "
							 : "");
			if (next(&seed) % 50 == 0)
				text[n++] = (char)next(&seed);
		}
		out = imported(text, n);
		conf_free(parsed(out));
		free(out);
	}
}

/* Very long lines and very many. */
static void test_much(void **state)
{
	size_t n = 400000;
	char *text = malloc(n), *out;

	(void)state;
	memset(text, 'a', n);
	out = imported(text, n);
	conf_free(parsed(out));
	free(out);
	for (size_t i = 0; i + 40 < n; i += 40)
		memcpy(text + i, "allow 1024-65535 192.0.2.0/24 1024-2048\n", 40);
	out = imported(text, n);
	conf_free(parsed(out));
	free(out);
	for (size_t i = 0, k = 0; i + 40 < n; i += 40, k++) {
		char line[64];

		snprintf(line, sizeof(line), "listening_ip=eth%-23zu\n", k);
		memcpy(text + i, line, 40);
	}
	out = imported(text, n);
	conf_free(parsed(out));
	free(out);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_home),     cmocka_unit_test(test_denied_at_last), cmocka_unit_test(test_every_option),
	    cmocka_unit_test(test_anything), cmocka_unit_test(test_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
