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
	assert_false(r->wildcard);

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
	assert_int_equal(c->backend.forward.n, 1);
	assert_string_equal(c->backend.forward.v[0].family, "inet");
	assert_string_equal(c->backend.forward.v[0].table, "filter");
	assert_string_equal(c->backend.forward.v[0].chain, "forward");
	assert_true(conf_chains_have(&c->backend.forward, "inet", "filter", "forward"));
	assert_false(conf_chains_have(&c->backend.forward, "ip", "filter", "forward"));
	assert_false(conf_chains_have(&c->backend.forward, "inet", "filters", "forward"));
	assert_false(conf_chains_have(&c->backend.forward, "inet", "filter", "FORWARD"));
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
	assert_int_equal(c->backend.forward.n, 0);
	assert_false(conf_chains_have(&c->backend.forward, "inet", "filter", "forward"));
	assert_int_equal(c->backend.mark, 0x10000000);
	assert_int_equal(c->backend.hairpin_mark, 0x20000000);
	assert_int_equal(c->backend.on_exit, CONF_EXIT_KEEP);
	assert_int_equal(c->backend.expired_flows, CONF_FLOWS_KEEP);
	assert_true(c->backend.reset_flows);
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

static void test_prefixes(void **state)
{
	static const struct {
		const char *prefix;
		unsigned length;
		const char *address;
		bool has;
	} cases[] = {
	    {"192.0.2.0", 120, "192.0.2.0", true},
	    {"192.0.2.0", 120, "192.0.2.255", true},
	    {"192.0.2.0", 120, "192.0.3.0", false},
	    {"192.0.2.128", 121, "192.0.2.127", false},
	    {"192.0.2.128", 121, "192.0.2.128", true},
	    {"192.0.2.1", 128, "192.0.2.1", true},
	    {"192.0.2.1", 128, "192.0.2.0", false},
	    {"0.0.0.0", 96, "203.0.113.9", true},
	    {"0.0.0.0", 96, "2001:db8::1", false},
	    {"2001:db8::", 33, "2001:db8:7fff::1", true},
	    {"2001:db8::", 33, "2001:db8:8000::1", false},
	    {"2001:db8::1", 128, "2001:db8::1", true},
	    {"::", 0, "2001:db8::1", true},
	    {"::", 0, "192.0.2.1", false}, /* IPv4 only looks as if it were in there */
	    {"::", 64, "192.0.2.1", false},
	};
	struct conf_prefixes all = {0};
	struct in6_addr other = address("203.0.113.9"), inside = address("2001:db8:1::7");
	struct conf *c = parse(example);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf_prefix p = {.address = address(cases[i].prefix), .length = (uint8_t)cases[i].length};
		struct in6_addr a = address(cases[i].address);

		if (conf_prefix_has(&p, &a) != cases[i].has)
			fail_msg("%s/%u %s", cases[i].prefix, cases[i].length, cases[i].address);
	}
	assert_true(conf_prefixes_have(&c->rules[1].clients, &inside));
	assert_false(conf_prefixes_have(&c->rules[1].clients, &other));
	assert_false(conf_prefixes_have(&all, &other));
	conf_free(c);
}

static void test_ranges(void **state)
{
	struct conf_range v[] = {{1, 1}, {3, 5}, {6, 6}, {100, 200}, {65535, 65535}};
	struct conf_ranges r = {.v = v, .n = sizeof(v) / sizeof(v[0])}, none = {0};
	static const uint16_t in[] = {1, 3, 4, 5, 6, 100, 150, 200, 65535}, out[] = {0, 2, 7, 99, 201, 65534};

	(void)state;
	for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++)
		assert_true(conf_ranges_have(&r, in[i]));
	for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++)
		assert_false(conf_ranges_have(&r, out[i]));
	assert_false(conf_ranges_have(&none, 1));
}

static void test_protocols(void **state)
{
	struct conf *c = parse("external wan { interface = wan0 }\nlisten lan { interfaces = { lan0 } }\n"
			       "rule a { action = allow protocols = { 1, 64, udplite, 255 } }");

	(void)state;
	for (unsigned p = 0; p < 256; p++)
		assert_int_equal(conf_protocols_have(&c->rules[0].protocols, (uint8_t)p),
				 p == 1 || p == 64 || p == 136 || p == 255);
	conf_free(c);
}

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define __SANITIZE_ADDRESS__ 1 /* as gcc says it */
#endif
#endif
#if !defined(__SANITIZE_ADDRESS__) && !defined(FAILMALLOC)
/* Allocations that succeed until the next one fails; SIZE_MAX = all. */
static size_t allocations = SIZE_MAX;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static bool allocate(void)
{
	if (allocations == SIZE_MAX)
		return true;
	if (!allocations)
		return false;
	allocations--;
	return true;
}

void *malloc(size_t size)
{
	return allocate() ? __libc_malloc(size) : NULL;
}

void *calloc(size_t n, size_t size)
{
	return allocate() ? __libc_calloc(n, size) : NULL;
}

void *realloc(void *p, size_t size)
{
	return allocate() ? __libc_realloc(p, size) : NULL;
}

/* Whichever allocation fails, and all after it: the reason is said, and nothing is left behind. */
static size_t starve(const char *text)
{
	struct conf *c = NULL;
	size_t n;

	for (n = 0; !c; n++) {
		char why[CONF_LOCATION_MAX] = "";
		size_t end;

		allocations = n;
		c = conf_parse(text, strlen(text), "f", why);
		allocations = SIZE_MAX;
		end = strlen(why);
		if (!c && (strncmp(why, "f:", 2) || end < 15 || strcmp(why + end - 15, ": out of memory")))
			fail_msg("%zu: %s", n, why);
	}
	conf_free(c);
	return n;
}

static void test_no_memory(void **state)
{
	struct in6_addr listen = address("127.0.0.1");
	struct conf *c = NULL;
	size_t n;

	(void)state;
	assert_in_range(starve(example), 40, 200);
	assert_in_range(starve(shortest), 20, 100);
	assert_in_range(
	    starve("external wan { interface = wan0 ports = { 1, 2, 3 } }\nlisten lan { interfaces = lan0 }\n"
		   "rule a { action = deny macs = { 00:00:5e:00:53:01, 00:00:5e:00:53:02 } }"),
	    20, 100);
	for (n = 0; !c; n++) {
		allocations = n;
		c = conf_loopback(&listen, NULL);
		allocations = SIZE_MAX;
	}
	assert_in_range(n, 20, 100);
	conf_free(c);
}
#else
static void test_no_memory(void **state)
{
	(void)state;
	skip();
}
#endif

/* Two processes that read the same file tell by it whether they did. */
static void test_sum(void **state)
{
	static const char *const texts[] = {
	    "external \"wan\" { addresses = { 198.51.100.1 } }\nlisten \"l\" { interfaces = { a } }\n",
	    "external \"wan\" { addresses = { 198.51.100.1 } }\nlisten \"l\" { interfaces = { b } }\n",
	    "external \"wan\" { addresses = { 198.51.100.1 } }\nlisten \"l\" { interfaces = { a } }\n",
	};
	char why[CONF_LOCATION_MAX];
	uint64_t sums[3];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct conf *conf = conf_parse(texts[i], strlen(texts[i]), "f", why);

		assert_non_null(conf);
		sums[i] = conf->sum;
		conf_free(conf);
	}
	assert_true(sums[0] == sums[2]);
	assert_true(sums[0] != sums[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sum),	      cmocka_unit_test(test_example),	cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_loopback),  cmocka_unit_test(test_prefixes),	cmocka_unit_test(test_ranges),
	    cmocka_unit_test(test_protocols), cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
