/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole configurations: the documented example, defaults, the loopback one, what lies in what, memory that ends. */
#include "conf/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"

static const char example[] =
    "# natpcpd.conf\n"
    "external \"wan\" { interface = \"wan0\" }                 # or addresses = { \"198.51.100.8/29\" }\n"
    "listen   \"lan\" { interfaces = { \"br-lan\" }  external = \"wan\"  nat-pmp = true  pcp = true }\n"
    "rule \"guests get nothing\" { action = deny  clients = { \"192.0.2.192/26\" } }\n"
    "rule \"hosts\" {                                        # first match wins; no match is a refusal\n"
    "    action = allow\n"
    "    clients = { \"192.0.2.0/24\", \"2001:db8:1::/64\" }   # also: interfaces = { ... }, macs = { ... }\n"
    "    protocols = { \"tcp\", \"udp\" }\n"
    "    internal-ports = { \"1024-65535\" }\n"
    "    external-ports = { \"1024-65535\" }                 # a wish outside these is answered inside them\n"
    "    lifetime-max = 86400\n"
    "    mappings-max = 128                                # per client address\n"
    "}\n"
    "static \"web\" { protocol = \"tcp\"  external-port = 443  to = \"192.0.2.10:443\" }\n"
    "reserved-ports { tcp = { \"22\" }  udp = { \"51820\" } } # outside ports never handed out\n"
    "third-party { clients = { \"192.0.2.5\" } }            # hosts that may map for others; nobody by default\n"
    "lifetime { min = 120  max = 86400 }\n"
    "limits   { mappings-per-client = 256  requests-per-second = 100  burst = 200 }\n"
    "backend  { type = \"nftables\"  table = \"inet natpcpd\"  forward-chain = \"inet filter forward\" }\n"
    "journal  { path = \"/var/lib/natpcpd/leases.journal\" } # \"\" keeps leases in memory only\n"
    "control  { socket = \"/run/natpcpd/control.sock\"  http = \"\" }   # http = \"127.0.0.1:5380\"\n"
    "process  { user = \"natpcpd\" }                         # \"\" keeps root\n"
    "log      { level = \"info\"  target = \"stderr\" }\n";

static const char shortest[] = "external wan { interface = wan0 }\nlisten lan { interfaces = { lan0 } }\n";

static struct in6_addr address(const char *text)
{
	struct in6_addr a;

	assert_true(codec_address_parse(text, strlen(text), &a));
	return a;
}

static struct conf *parse(const char *text)
{
	char why[CONF_LOCATION_MAX];
	struct conf *c = conf_parse(text, strlen(text), "f", why);

	if (!c)
		fail_msg("%s", why);
	return c;
}

static void assert_address(const struct in6_addr *a, const char *text)
{
	char shown[CODEC_ADDRESS_TEXT];

	assert_string_equal(codec_address_text(a, shown), text);
}

static void test_example(void **state)
{
	struct conf *c = parse(example);
	const struct conf_rule *r = &c->rules[1];

	(void)state;
	assert_int_equal(c->externals_n, 1);
	assert_string_equal(c->externals[0].name, "wan");
	assert_int_equal(c->externals[0].line, 2);
	assert_string_equal(c->externals[0].interface, "wan0");
	assert_int_equal(c->externals[0].addresses.n, 0);
	assert_int_equal(c->externals[0].ports.n, 1);
	assert_int_equal(c->externals[0].ports.v[0].first, 1);
	assert_int_equal(c->externals[0].ports.v[0].last, 65535);
	assert_int_equal(c->externals[0].private_address, CONF_PRIVATE_AUTO);
	assert_true(c->externals[0].nat);

	assert_int_equal(c->listens_n, 1);
	assert_string_equal(c->listens[0].name, "lan");
	assert_int_equal(c->listens[0].line, 3);
	assert_int_equal(c->listens[0].interfaces.n, 1);
	assert_string_equal(c->listens[0].interfaces.v[0], "br-lan");
	assert_int_equal(c->listens[0].external, 0);
	assert_true(c->listens[0].natpmp && c->listens[0].pcp);
	assert_int_equal(c->listens[0].nonce_check, CONF_NONCE_STRICT);

	assert_int_equal(c->rules_n, 2);
	assert_string_equal(c->rules[0].name, "guests get nothing");
	assert_int_equal(c->rules[0].line, 4);
	assert_int_equal(c->rules[0].action, CONF_DENY);
	assert_int_equal(c->rules[0].clients.v[0].length, 96 + 26);
	assert_address(&c->rules[0].clients.v[0].address, "192.0.2.192");
	assert_false(c->rules[0].protocols_set);
	assert_int_equal(c->rules[0].lifetime_max_s, 0);
	assert_int_equal(c->rules[0].mappings_max, 0);

	assert_int_equal(r->line, 5);
	assert_int_equal(r->action, CONF_ALLOW);
	assert_int_equal(r->clients.n, 2);
	assert_int_equal(r->clients.v[1].length, 64);
	assert_address(&r->clients.v[1].address, "2001:db8:1::");
	assert_true(r->protocols_set);
	assert_true(conf_protocols_have(&r->protocols, 6) && conf_protocols_have(&r->protocols, 17));
	assert_false(conf_protocols_have(&r->protocols, 132));
	assert_int_equal(r->internal_ports.v[0].first, 1024);
	assert_int_equal(r->external_ports.v[0].last, 65535);
	assert_int_equal(r->lifetime_max_s, 86400);
	assert_int_equal(r->mappings_max, 128);

	assert_int_equal(c->statics_n, 1);
	assert_string_equal(c->statics[0].name, "web");
	assert_int_equal(c->statics[0].line, 14);
	assert_int_equal(c->statics[0].protocol, 6);
	assert_int_equal(c->statics[0].external_port, 443);
	assert_address(&c->statics[0].to_address, "192.0.2.10");
	assert_int_equal(c->statics[0].to_port, 443);

	assert_true(conf_ranges_have(&c->reserved.tcp, 22));
	assert_true(conf_ranges_have(&c->reserved.udp, 51820));
	assert_int_equal(c->third_party.clients.n, 1);
	assert_int_equal(c->third_party.clients.v[0].length, 128);
	assert_int_equal(c->lifetime.min_s, 120);
	assert_int_equal(c->lifetime.max_s, 86400);
	assert_int_equal(c->limits.burst, 200);
	assert_string_equal(c->backend.table, "natpcpd");
	assert_string_equal(c->backend.forward_family, "inet");
	assert_string_equal(c->backend.forward_table, "filter");
	assert_string_equal(c->backend.forward_chain, "forward");
	assert_int_equal(c->backend.forward_line, 19);
	assert_true(c->process.user_set);
	conf_free(c);
}

static void test_defaults(void **state)
{
	struct conf *c = parse(shortest);

	(void)state;
	assert_int_equal(c->rules_n, 0);
	assert_int_equal(c->lifetime.min_s, 120);
	assert_int_equal(c->lifetime.max_s, 86400);
	assert_int_equal(c->lifetime.hold_s, 120);
	assert_int_equal(c->limits.mappings_per_client, 256);
	assert_int_equal(c->limits.mappings, 1000000);
	assert_int_equal(c->limits.requests_per_second, 100);
	assert_int_equal(c->limits.burst, 200);
	assert_int_equal(c->backend.type, CONF_BACKEND_NFTABLES);
	assert_string_equal(c->backend.table, "natpcpd");
	assert_string_equal(c->backend.forward_family, "");
	assert_string_equal(c->backend.forward_table, "");
	assert_string_equal(c->backend.forward_chain, "");
	assert_int_equal(c->backend.mark, 0x10000000);
	assert_int_equal(c->backend.hairpin_mark, 0x20000000);
	assert_int_equal(c->backend.on_exit, CONF_EXIT_KEEP);
	assert_string_equal(c->journal.path, "/var/lib/natpcpd/leases.journal");
	assert_int_equal(c->journal.sync, CONF_SYNC_INTERVAL);
	assert_string_equal(c->control.socket, "/run/natpcpd/control.sock");
	assert_string_equal(c->control.http, "");
	assert_string_equal(c->process.user, "natpcpd");
	assert_false(c->process.user_set);
	assert_int_equal(c->log.level, CONF_LOG_INFO);
	assert_int_equal(c->log.target, CONF_LOG_STDERR);
	assert_int_equal(c->listens[0].external, 0);
	conf_free(c);
}

static void test_loopback(void **state)
{
	struct in6_addr four = address("127.0.0.1"), six = address("::1"), outside = address("2001:db8::7");
	struct conf *c = conf_loopback(&four, NULL);

	(void)state;
	assert_non_null(c);
	assert_int_equal(c->listens_n, 1);
	assert_int_equal(c->listens[0].addresses.n, 1);
	assert_address(&c->listens[0].addresses.v[0].address, "127.0.0.1");
	assert_int_equal(c->listens[0].addresses.v[0].length, 128);
	assert_int_equal(c->listens[0].nonce_check, CONF_NONCE_STRICT);
	assert_int_equal(c->externals_n, 1);
	assert_string_equal(c->externals[0].name, "wan");
	assert_string_equal(c->externals[0].interface, "");
	assert_address(&c->externals[0].addresses.v[0].address, "198.51.100.1");
	assert_int_equal(c->externals[0].addresses.v[0].length, 128);
	assert_int_equal(c->rules_n, 1);
	assert_string_equal(c->rules[0].name, "everybody");
	assert_int_equal(c->rules[0].action, CONF_ALLOW);
	assert_false(c->rules[0].protocols_set);
	assert_int_equal(c->backend.type, CONF_BACKEND_MEMORY);
	assert_string_equal(c->journal.path, "");
	assert_string_equal(c->control.socket, "");
	assert_string_equal(c->process.user, "");
	conf_free(c);

	c = conf_loopback(&six, &outside);
	assert_non_null(c);
	assert_address(&c->listens[0].addresses.v[0].address, "::1");
	assert_address(&c->externals[0].addresses.v[0].address, "2001:db8::7");
	conf_free(c);
	conf_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_example),
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
