/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"

#define HEAD                                                                                                           \
	"external \"wan\" { addresses = { 198.51.100.1 } }\n"                                                          \
	"listen \"lan\" { interfaces = { lan0, lan1 } }\n"                                                             \
	"backend { type = memory }\n"                                                                                  \
	"lifetime { min = 120 max = 86400 }\n"                                                                         \
	"limits { mappings-per-client = 256 }\n"

static struct conf *parse(const char *rules)
{
	char text[4096], why[CONF_LOCATION_MAX];
	assert_true(strlen(HEAD) + strlen(rules) < sizeof(text));
	strcpy(text, HEAD);
	strcat(text, rules);
	struct conf *conf = conf_parse(text, strlen(text), "test.conf", why);
	if (!conf)
		fail_msg("%s", why);
	return conf;
}

static struct in6_addr address(const char *text)
{
	struct in6_addr a;
	assert_true(codec_address_parse(text, strlen(text), &a));
	return a;
}

/* What is asked, and which rule is to decide: -1 = none. */
struct question {
	const char *client;
	const char *interface;
	int mac; /* last octet of 02:00:00:00:00:xx, negative = not known */
	uint8_t protocol;
	uint16_t internal_port;
	int rule;
	bool allowed;
};

static void ask(const struct conf *conf, const struct question *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct policy_request q = {.client = address(cases[i].client),
					   .interface = cases[i].interface,
					   .mac_known = cases[i].mac >= 0,
					   .protocol = cases[i].protocol,
					   .internal_port = cases[i].internal_port};
		q.mac = (struct conf_mac){{2, 0, 0, 0, 0, (uint8_t)cases[i].mac}};
		struct policy_verdict v;
		memset(&v, 0xff, sizeof(v));
		policy_judge(conf, &q, &v);
		uint16_t rule = cases[i].rule < 0 ? UINT16_MAX : (uint16_t)cases[i].rule;
		if (v.rule != rule || v.allowed != cases[i].allowed)
			fail_msg("case %zu: rule %u, %s", i, v.rule, v.why);
		assert_non_null(v.given);
		assert_string_equal(rule == UINT16_MAX ? cases[i].internal_port
							     ? "no rule matches"
							     : "no rule allows it with wildcard = true"
				    : v.allowed	       ? "allowed by rule"
						       : "denied by rule",
				    v.why);
	}
}

static void test_no_rule(void **state)
{
	(void)state;
	struct conf *conf = parse("");
	static const struct question cases[] = {{"192.0.2.1", "lan0", -1, 6, 80, -1, false}};
	ask(conf, cases, 1);
	conf_free(conf);
}

static void test_conditions(void **state)
{
	(void)state;
	struct conf *conf = parse("rule \"guests\" { action = deny clients = { 192.0.2.192/26, 2001:db8:9::/48 } }\n"
				  "rule \"box\" { action = allow macs = { 02:00:00:00:00:07 } }\n"
				  "rule \"one\" { action = allow interfaces = { lan1 } protocols = { udp } }\n"
				  "rule \"high\" { action = allow clients = { 192.0.2.0/24, 2001:db8:1::/64 }\n"
				  "  protocols = { tcp, 132 } internal-ports = { 1024-65535, 80 } }\n");
	static const struct question cases[] = {
	    {"192.0.2.193", "lan0", -1, 6, 8000, 0, false},
	    {"2001:db8:9:1::1", "lan0", 7, 6, 8000, 0, false}, /* the first that matches */
	    {"198.51.100.7", "lan0", 7, 33, 1, 1, true},
	    {"198.51.100.7", "lan0", 8, 33, 1, -1, false},
	    {"198.51.100.7", "lan0", 7 - 256, 33, 1, -1, false},
	    {"198.51.100.7", "lan1", -1, 17, 1, 2, true},
	    {"198.51.100.7", "lan1", -1, 6, 1, -1, false},
	    {"198.51.100.7", "lan10", -1, 17, 1, -1, false},
	    {"198.51.100.7", "", -1, 17, 1, -1, false},
	    {"192.0.2.1", "lan0", -1, 6, 1023, -1, false},
	    {"192.0.2.1", "lan0", -1, 6, 1024, 3, true},
	    {"192.0.2.1", "lan0", -1, 132, 65535, 3, true},
	    {"192.0.2.1", "lan0", -1, 6, 80, 3, true},
	    {"192.0.2.1", "lan0", -1, 17, 80, -1, false},
	    {"2001:db8:1::5", "", -1, 6, 80, 3, true},
	    {"2001:db8:1:1::5", "", -1, 6, 80, -1, false},
	    {"192.0.3.1", "lan0", -1, 6, 80, -1, false},
	};
	ask(conf, cases, sizeof(cases) / sizeof(*cases));
	conf_free(conf);
}

/* A rule that rejects ports denies them to its hosts, whatever it and those below list. */
/* For which of its keys a rule does not decide. */
static void test_passes(void **state)
{
	static char lan0[] = "lan0", *names[] = {lan0};
	static struct conf_mac macs[] = {{{2, 0, 0, 0, 0, 1}}};
	static struct conf_range low = {1, 1023}, most = {2, 65535};
	static struct conf_prefix net;
	const struct conf_rule rows[] = {
	    {.action = CONF_ALLOW, .clients = {&net, 1}, .interfaces = {names, 1}},
	    {.action = CONF_ALLOW, .interfaces = {names, 1}, .macs = {macs, 1}},
	    {.action = CONF_ALLOW, .macs = {macs, 1}, .protocols_set = true},
	    {.action = CONF_ALLOW, .protocols_set = true, .internal_ports = {&low, 1}},
	    {.action = CONF_ALLOW, .internal_ports = {&low, 1}, .external_ports = {&low, 1}},
	    {.action = CONF_ALLOW, .external_ports = {&low, 1}},
	    {.action = CONF_DENY, .external_ports = {&low, 1}},
	    {.action = CONF_DENY},
	    {.action = CONF_ALLOW, .wildcard = true, .internal_ports = {&most, 1}, .external_ports = {&most, 1}},
	    {.action = CONF_ALLOW, .wildcard = true, .external_ports = {&most, 1}},
	    {.action = CONF_ALLOW, .wildcard = true},
	};
	static const char *const one[] = {"clients", "interfaces",     "macs", "protocols", "internal-ports",
					  NULL,	     "external-ports", NULL,   NULL,	    NULL,
					  NULL},
				 *const all[] = {"clients",	   "interfaces",     "macs", "wildcard",
						 "wildcard",	   "wildcard",	     NULL,   NULL,
						 "internal-ports", "external-ports", NULL};
	struct policy_request q = {
	    .client = codec_from_v4(0xc000020b), .interface = "lan1", .protocol = 6, .internal_port = 1024};

	(void)state;
	net = (struct conf_prefix){codec_from_v4(0xc6336400), 120};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *got[2];

		q.internal_port = i == 8 ? 2 : 1024;
		got[0] = policy_passes(&rows[i], &q);
		q.internal_port = 0;
		got[1] = policy_passes(&rows[i], &q);
		for (int j = 0; j < 2; j++) {
			const char *expected = j ? all[i] : one[i];

			if (expected)
				assert_string_equal(got[j], expected);
			else
				assert_null(got[j]);
		}
	}
}

static void test_rejected(void **state)
{
	static const struct {
		struct policy_request q;
		int rule;
		bool allowed;
		const char *why;
	} cases[] = {
	    {{.protocol = 6, .internal_port = 2000}, 0, true, "allowed by rule"},
	    {{.protocol = 6, .internal_port = 445}, 0, false, "a port that the rule rejects"}, /* outside the list */
	    {{.protocol = 6, .internal_port = 3389}, 0, false, "a port that the rule rejects"},
	    {{.protocol = 17, .internal_port = 445}, 1, true, "allowed by rule"},
	    {{.protocol = 6, .internal_port = 0}, 0, false, "a port that the rule rejects"},
	    {{.protocol = 17, .internal_port = 0}, 1, true, "allowed by rule"},
	    {{.protocol = 47, .internal_port = 0}, 1, true, "allowed by rule"},
	    {{.protocol = 0, .internal_port = 0}, 0, false, "a port that the rule rejects"},
	};
	struct conf *conf = parse("rule \"a\" { action = allow clients = { 192.0.2.0/24 } protocols = { tcp }\n"
				  "  internal-ports = { 1024-65535 } reject-ports = { 445, 3389 } }\n"
				  "rule \"b\" { action = allow wildcard = true }\n");
	struct policy_verdict v;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct policy_request q = cases[i].q;

		q.interface = "lan0";
		q.client = address("192.0.2.1");
		policy_judge(conf, &q, &v);
		if (v.rule != cases[i].rule || v.allowed != cases[i].allowed || strcmp(v.why, cases[i].why))
			fail_msg("case %zu: rule %u, %s", i, v.rule, v.why);
		/* another host is not concerned */
		q.client = address("198.51.100.1");
		policy_judge(conf, &q, &v);
		assert_true(v.allowed && v.rule == 1);
	}
	conf_free(conf);
}

/* decision-25: all ports of a protocol, and all there is (0 and 0), only where a rule says so, allows all of
 * it, and no earlier one denies a part */
static void test_wildcards(void **state)
{
	static const struct {
		const char *rules;
		struct question cases[5];
	} rows[] = {
	    /* a rule that does not say so, whatever it lists */
	    {"rule \"a\" { action = allow }",
	     {{"192.0.2.1", "", -1, 17, 0, -1, false}, {"192.0.2.1", "", -1, 0, 0, -1, false}}},
	    {"rule \"a\" { action = allow wildcard = true }",
	     {{"192.0.2.1", "", -1, 17, 0, 0, true},
	      {"192.0.2.1", "", -1, 47, 0, 0, true},
	      {"192.0.2.1", "", -1, 0, 0, 0, true}}},
	    /* a rule that leaves something out is skipped */
	    {"rule \"a\" { action = allow wildcard = true internal-ports = { 1024-65535 } }\n"
	     "rule \"b\" { action = allow wildcard = true external-ports = { 1-1000, 1002-65535 } }\n"
	     "rule \"c\" { action = allow wildcard = true internal-ports = { 1-65534 } }\n"
	     "rule \"d\" { action = allow wildcard = true protocols = { tcp, 47 } }\n",
	     {{"192.0.2.1", "", -1, 6, 0, 3, true},
	      {"192.0.2.1", "", -1, 47, 0, 3, true},
	      {"192.0.2.1", "", -1, 17, 0, -1, false},
	      {"192.0.2.1", "", -1, 0, 0, -1, false}}},
	    /* in pieces, all the same */
	    {"rule \"a\" { action = allow wildcard = true internal-ports = { 1024-65535, 1-1023 } external-ports = { "
	     "1-65535 } }",
	     {{"192.0.2.1", "", -1, 6, 0, 0, true}, {"192.0.2.1", "", -1, 50, 0, 0, true}}},
	    /* what is denied of it, inside or outside, spoils all of it; a protocol without ports has none of these */
	    {"rule \"no\" { action = deny internal-ports = { 22 } }\nrule \"a\" { action = allow wildcard = true }",
	     {{"192.0.2.1", "", -1, 6, 0, 0, false},
	      {"192.0.2.1", "", -1, 47, 0, 1, true},
	      {"192.0.2.1", "", -1, 0, 0, 0, false}}},
	    {"rule \"no\" { action = deny external-ports = { 22 } protocols = { tcp } }\n"
	     "rule \"a\" { action = allow wildcard = true }",
	     {{"192.0.2.1", "", -1, 6, 0, 0, false},
	      {"192.0.2.1", "", -1, 17, 0, 1, true},
	      {"192.0.2.1", "", -1, 0, 0, 0, false},
	      {"192.0.2.1", "", -1, 6, 80, 1, true}}},
	    {"rule \"no\" { action = deny protocols = { 47 } }\nrule \"a\" { action = allow wildcard = true }",
	     {{"192.0.2.1", "", -1, 47, 0, 0, false},
	      {"192.0.2.1", "", -1, 6, 0, 1, true},
	      {"192.0.2.1", "", -1, 0, 0, 0, false}}},
	    /* of other hosts it is no matter */
	    {"rule \"no\" { action = deny clients = { 192.0.2.9 } }\n"
	     "rule \"a\" { action = allow wildcard = true clients = { 192.0.2.0/28 } }",
	     {{"192.0.2.1", "", -1, 0, 0, 1, true},
	      {"192.0.2.9", "", -1, 0, 0, 0, false},
	      {"192.0.2.17", "", -1, 0, 0, -1, false}}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *conf = parse(rows[i].rules);
		size_t n = 0;

		while (n < 5 && rows[i].cases[n].client)
			n++;
		print_message("%s\n", rows[i].rules);
		ask(conf, rows[i].cases, n);
		conf_free(conf);
	}
}

struct ports_case {
	const char *rules;
	const char *left; /* "-" = denied, "" = all of the external's */
	int rule;
};

static void ports_text(const struct conf_ranges *r, char out[256])
{
	size_t at = 0;
	out[0] = '\0';
	for (size_t i = 0; i < r->n; i++)
		at += (size_t)snprintf(out + at, 256 - at, "%s%u-%u", i ? " " : "", r->v[i].first, r->v[i].last);
}

/* 6886-3.3-07, 6887-11.3-28: a rule that denies outside ports takes them away from the rules behind it */
static void test_external_ports(void **state)
{
	(void)state;
	static const struct ports_case cases[] = {
	    {"rule a { action = allow }", "", 0},
	    {"rule a { action = allow external-ports = { 2000-2999 } }", "2000-2999", 0},
	    {"rule d { action = deny external-ports = { 22 } } rule a { action = allow }", "1-21 23-65535", 1},
	    {"rule d { action = deny external-ports = { 1-1023, 3389 } } rule a { action = allow }",
	     "1024-3388 3390-65535", 1},
	    {"rule d { action = deny external-ports = { 1, 65535 } } rule a { action = allow }", "2-65534", 1},
	    {"rule d { action = deny external-ports = { 2500 } } rule a { action = allow external-ports = { 2000-2999, "
	     "5000 } }",
	     "2000-2499 2501-2999 5000-5000", 1},
	    {"rule d { action = deny external-ports = { 2000-2100 } } rule e { action = deny external-ports = { "
	     "2900-4000 } "
	     "} rule a { action = allow external-ports = { 2000-2999 } }",
	     "2101-2899", 2},
	    {"rule d { action = deny external-ports = { 1900-3000 } } rule a { action = allow external-ports = { "
	     "2000-2999 "
	     "} } rule b { action = allow }",
	     "-", 0},
	    {"rule d { action = deny external-ports = { 22 } }", "-", -1},
	    {"rule a { action = allow } rule d { action = deny external-ports = { 22 } }", "", 0},
	    {"rule d { action = deny external-ports = { 22 } clients = { 192.0.2.9 } } rule a { action = allow }", "",
	     1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct conf *conf = parse(cases[i].rules);
		struct policy_request q = {
		    .client = address("192.0.2.1"), .interface = "", .protocol = 6, .internal_port = 1000};
		struct policy_verdict v;
		char text[256] = "-";

		policy_judge(conf, &q, &v);
		if (v.allowed) {
			struct conf_ranges r = policy_ports(&v);
			ports_text(&r, text);
		}
		if (strcmp(text, cases[i].left) != 0 ||
		    v.rule != (cases[i].rule < 0 ? UINT16_MAX : (uint16_t)cases[i].rule))
			fail_msg("case %zu: rule %u, %s", i, v.rule, text);
		conf_free(conf);
	}
}

/* 6886-3.3-31, 6886-3.3-32, 6887-15-01, 6887-15-02, 6887-11.3-35; a minimum raises PCP alone. */
static void test_lifetimes_and_limits(void **state)
{
	(void)state;
	struct conf *conf = parse("rule \"plain\" { action = allow clients = { 192.0.2.1 } }\n"
				  "rule \"less\" { action = allow clients = { 192.0.2.2 } lifetime-max = 200\n"
				  "  mappings-max = 3 }\n"
				  "rule \"more\" { action = allow clients = { 192.0.2.3 } lifetime-max = 90000\n"
				  "  mappings-max = 300 }\n");
	static const struct {
		const char *client;
		uint32_t mappings, asked_s, natpmp_s, pcp_s;
	} cases[] = {
	    {"192.0.2.1", 256, 1, 1, 120},
	    {"192.0.2.1", 256, 119, 119, 120},
	    {"192.0.2.1", 256, 121, 121, 121},
	    {"192.0.2.1", 256, 86400, 86400, 86400},
	    {"192.0.2.1", 256, 86401, 86400, 86400},
	    {"192.0.2.1", 256, UINT32_MAX, 86400, 86400},
	    {"192.0.2.2", 3, 1, 1, 120},
	    {"192.0.2.2", 3, 7200, 200, 200},
	    {"192.0.2.3", 300, 90000, 86400, 86400},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct policy_request q = {
		    .client = address(cases[i].client), .interface = "", .protocol = 6, .internal_port = 1000};
		struct policy_verdict v;
		policy_judge(conf, &q, &v);
		assert_true(v.allowed);
		assert_int_equal(cases[i].mappings, v.mappings_max);
		assert_int_equal(cases[i].natpmp_s, policy_lifetime(conf, &v, false, cases[i].asked_s));
		assert_int_equal(cases[i].pcp_s, policy_lifetime(conf, &v, true, cases[i].asked_s));
	}
	assert_int_equal(policy_lifetime_uncut(conf), 200);
	conf_free(conf);
	conf = parse("");
	assert_int_equal(policy_lifetime_uncut(conf), 86400);
	conf_free(conf);
}

/* 6887-11.3-27 */
static void test_reserved(void **state)
{
	(void)state;
	struct conf *conf = parse("reserved-ports { tcp = { 22, 8000-8009 } udp = { 51820 } sctp = { 9 }\n"
				  "  dccp = { 10 } udplite = { 11 } }\n");
	static const struct {
		uint8_t protocol;
		uint16_t port;
		bool reserved;
	} cases[] = {
	    {6, 22, true},    {6, 21, false},	 {6, 8000, true},   {6, 8009, true},	{6, 8010, false},
	    {17, 22, false},  {17, 51820, true}, {6, 51820, false}, {17, 5349, false},	{17, 5350, true},
	    {17, 5351, true}, {17, 5352, false}, {6, 5350, false},  {6, 5351, false},	{132, 9, true},
	    {33, 10, true},   {136, 11, true},	 {50, 22, false},   {132, 5351, false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(cases[i].reserved, policy_reserved(conf, cases[i].protocol, cases[i].port));
	conf_free(conf);
}

/* Of interfaces and MAC addresses nothing is known: what they decide may be either way. */
static void test_could(void **state)
{
	(void)state;
	struct conf *conf =
	    parse("rule \"guests\" { action = deny clients = { 192.0.2.192/26 } }\n"
		  "rule \"box\" { action = deny interfaces = { lan1 } protocols = { sctp } }\n"
		  "rule \"low\" { action = deny external-ports = { 1-1023 } }\n"
		  "rule \"mac\" { action = allow macs = { 02:00:00:00:00:07 } internal-ports = { 80-81 }\n"
		  "  external-ports = { 2000-2009 } }\n"
		  "rule \"rest\" { action = allow protocols = { udp, sctp } reject-ports = { 53 }\n"
		  "  external-ports = { 5000-5009, 5010-5019 } }\n"
		  "rule \"behind\" { action = allow }\n");
	static const struct {
		const char *client;
		uint8_t protocol;
		uint16_t internal_port, first, last;
		bool could;
	} cases[] = {
	    {"192.0.2.200", 17, 80, 5000, 5000, false}, /* denied, whatever else */
	    {"192.0.2.1", 6, 80, 2000, 2000, true},	/* it may have that MAC */
	    {"192.0.2.1", 6, 80, 1023, 1023, false},
	    {"192.0.2.1", 6, 80, 1020, 1030, false}, /* one of them is denied */
	    {"192.0.2.1", 6, 80, 1024, 1024, true},
	    {"192.0.2.1", 17, 90, 5000, 5000, true},
	    {"192.0.2.1", 17, 90, 5009, 5010, true},
	    {"192.0.2.1", 17, 90, 4999, 5000, false},
	    {"192.0.2.1", 17, 90, 5020, 5020, false}, /* the first rule that matches decides */
	    {"192.0.2.1", 17, 90, 0, 0, true},
	    {"192.0.2.1", 17, 53, 5000, 5000, false},
	    {"192.0.2.1", 6, 53, 1024, 1024, true},
	    {"192.0.2.1", 132, 90, 5000, 5000, true}, /* it may be on another interface */
	    {"192.0.2.1", 6, 0, 0, 0, false},	      /* none says wildcard */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct policy_request q = {.client = address(cases[i].client),
					   .anywhere = true,
					   .protocol = cases[i].protocol,
					   .internal_port = cases[i].internal_port};
		if (policy_could(conf, &q, cases[i].first, cases[i].last) != cases[i].could)
			fail_msg("case %zu", i);
	}
	conf_free(conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_rule),	   cmocka_unit_test(test_conditions),
	    cmocka_unit_test(test_external_ports), cmocka_unit_test(test_lifetimes_and_limits),
	    cmocka_unit_test(test_reserved),	   cmocka_unit_test(test_passes),
	    cmocka_unit_test(test_rejected),	   cmocka_unit_test(test_wildcards),
	    cmocka_unit_test(test_could),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
