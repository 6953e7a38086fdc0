/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/hook_event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"
#include "server/external.h"

#define PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"

static struct in6_addr at(const char *text)
{
	struct in6_addr a;

	assert_true(codec_address_parse(text, strlen(text), &a));
	return a;
}

/* The whole environment, one line for each variable. */
static void expect(const struct hook_event *v, const char *text)
{
	static struct hook_environment env;
	char out[HOOK_TEXT_MAX] = "";

	hook_environment(&env, v, "h");
	for (size_t i = 0; env.variables[i]; i++) {
		assert_true(strlen(out) + strlen(env.variables[i]) + 2 < sizeof(out));
		strcat(strcat(out, env.variables[i]), "\n");
	}
	assert_string_equal(out, text);
}

static struct mapping mapping_of(const char *inside, uint16_t port, const char *outside, uint16_t outside_port)
{
	return (struct mapping){.internal_address = at(inside),
				.internal_port = port,
				.external_address = at(outside),
				.external_port = outside_port,
				.protocol = 17};
}

static void test_mappings(void **state)
{
	struct round_event made = {.kind = ROUND_MADE,
				   .pcp = true,
				   .opcode = PCP_MAP,
				   .mapping = mapping_of("192.0.2.11", 4000, "198.51.100.1", 40000),
				   .client = at("192.0.2.5"),
				   .lifetime_s = 600,
				   .rule = "hosts"};
	struct round_event peer = made, set = made, fixed = made, ended = made, adopted = made, all = made;
	struct mapping_filter filter = {0};
	struct hook_event v;

	(void)state;
	made.mapping.filters = &filter;
	made.mapping.filters_n = 1;
	hook_event_mapping(&v, &made);
	assert_null(v.event.mapping.filters); /* it is the lease's */
	assert_int_equal(v.what, CONF_EVENT_MADE);
	expect(&v, PATH "NATPCPD_HOOK=h\nNATPCPD_EVENT=made\nNATPCPD_BY=pcp\nNATPCPD_CLIENT=192.0.2.5\n"
			"NATPCPD_PROTOCOL=udp\nNATPCPD_INTERNAL_ADDRESS=192.0.2.11\nNATPCPD_INTERNAL_PORT=4000\n"
			"NATPCPD_EXTERNAL_ADDRESS=198.51.100.1\nNATPCPD_EXTERNAL_PORT=40000\nNATPCPD_LIFETIME=600\n"
			"NATPCPD_RULE=hosts\n");
	peer.mapping.remote_address = at("203.0.113.9");
	peer.mapping.remote_port = 53;
	peer.mapping.protocol = 47;
	hook_event_mapping(&v, &peer);
	expect(&v, PATH
	       "NATPCPD_HOOK=h\nNATPCPD_EVENT=made\nNATPCPD_BY=pcp\nNATPCPD_CLIENT=192.0.2.5\n"
	       "NATPCPD_PROTOCOL=47\nNATPCPD_INTERNAL_ADDRESS=192.0.2.11\nNATPCPD_INTERNAL_PORT=4000\n"
	       "NATPCPD_EXTERNAL_ADDRESS=198.51.100.1\nNATPCPD_EXTERNAL_PORT=40000\n"
	       "NATPCPD_PEER_ADDRESS=203.0.113.9\nNATPCPD_PEER_PORT=53\nNATPCPD_LIFETIME=600\nNATPCPD_RULE=hosts\n");
	set.mapping.more_ports = 31;
	set.kind = ROUND_MOVED;
	set.pcp = false;
	set.rule = NULL;
	hook_event_mapping(&v, &set);
	expect(&v, PATH "NATPCPD_HOOK=h\nNATPCPD_EVENT=moved\nNATPCPD_BY=nat-pmp\nNATPCPD_CLIENT=192.0.2.5\n"
			"NATPCPD_PROTOCOL=udp\nNATPCPD_INTERNAL_ADDRESS=192.0.2.11\nNATPCPD_INTERNAL_PORT=4000\n"
			"NATPCPD_EXTERNAL_ADDRESS=198.51.100.1\nNATPCPD_EXTERNAL_PORT=40000\nNATPCPD_PORTS=32\n"
			"NATPCPD_LIFETIME=600\n");
	fixed.permanent = true;
	fixed.rule = "web\nNATPCPD_X=y\x7f";
	hook_event_mapping(&v, &fixed);
	expect(&v, PATH "NATPCPD_HOOK=h\nNATPCPD_EVENT=made\nNATPCPD_BY=static\nNATPCPD_PROTOCOL=udp\n"
			"NATPCPD_INTERNAL_ADDRESS=192.0.2.11\nNATPCPD_INTERNAL_PORT=4000\n"
			"NATPCPD_EXTERNAL_ADDRESS=198.51.100.1\nNATPCPD_EXTERNAL_PORT=40000\n"
			"NATPCPD_RULE=web?NATPCPD_X=y?\n");
	ended.kind = ROUND_ENDED;
	ended.why = "expired";
	hook_event_mapping(&v, &ended);
	expect(&v, PATH "NATPCPD_HOOK=h\nNATPCPD_EVENT=ended\nNATPCPD_CLIENT=192.0.2.5\nNATPCPD_PROTOCOL=udp\n"
			"NATPCPD_INTERNAL_ADDRESS=192.0.2.11\nNATPCPD_INTERNAL_PORT=4000\n"
			"NATPCPD_EXTERNAL_ADDRESS=198.51.100.1\nNATPCPD_EXTERNAL_PORT=40000\nNATPCPD_RULE=hosts\n"
			"NATPCPD_WHY=expired\n");
	adopted.kind = ROUND_ADOPTED;
	hook_event_mapping(&v, &adopted);
	assert_string_equal(hook_event_name(v.what), "adopted");
	/* all there is of a host */
	all.kind = ROUND_RENEWED;
	all.mapping = mapping_of("2001:db8:1::11", 0, "2001:db8:1::11", 0);
	all.mapping.protocol = 0;
	all.client = at("2001:db8:1::11");
	hook_event_mapping(&v, &all);
	expect(&v, PATH "NATPCPD_HOOK=h\nNATPCPD_EVENT=renewed\nNATPCPD_BY=pcp\nNATPCPD_CLIENT=2001:db8:1::11\n"
			"NATPCPD_PROTOCOL=all\nNATPCPD_INTERNAL_ADDRESS=2001:db8:1::11\nNATPCPD_INTERNAL_PORT=0\n"
			"NATPCPD_EXTERNAL_ADDRESS=2001:db8:1::11\nNATPCPD_EXTERNAL_PORT=0\nNATPCPD_LIFETIME=600\n"
			"NATPCPD_RULE=hosts\n");
}

static void test_refusals(void **state)
{
	struct round_event known = {
	    .kind = ROUND_REFUSED,
	    .opcode = NATPMP_MAP_TCP,
	    .result = NATPMP_NOT_AUTHORIZED,
	    .mapping = {.internal_address = at("192.0.2.11"), .internal_port = 80, .protocol = 6},
	    .client = at("192.0.2.11"),
	    .rule = "low",
	    .why = "denied by rule"};
	struct round_event unknown = {.kind = ROUND_REFUSED,
				      .pcp = true,
				      .opcode = 99,
				      .result = PCP_UNSUPP_OPCODE,
				      .client = at("192.0.2.11"),
				      .why = "no such opcode"};
	struct hook_event v, w;

	(void)state;
	hook_event_mapping(&v, &known);
	expect(&v, PATH "NATPCPD_HOOK=h\nNATPCPD_EVENT=refused\nNATPCPD_BY=nat-pmp\nNATPCPD_CLIENT=192.0.2.11\n"
			"NATPCPD_PROTOCOL=tcp\nNATPCPD_INTERNAL_ADDRESS=192.0.2.11\nNATPCPD_INTERNAL_PORT=80\n"
			"NATPCPD_OPCODE=MAP_TCP\nNATPCPD_RESULT=NOT_AUTHORIZED\nNATPCPD_RULE=low\n"
			"NATPCPD_WHY=denied by rule\n");
	hook_event_mapping(&w, &unknown);
	expect(&w, PATH "NATPCPD_HOOK=h\nNATPCPD_EVENT=refused\nNATPCPD_BY=pcp\nNATPCPD_CLIENT=192.0.2.11\n"
			"NATPCPD_OPCODE=99\nNATPCPD_RESULT=UNSUPP_OPCODE\nNATPCPD_WHY=no such opcode\n");
	assert_true(memcmp(&v.key, &w.key, sizeof(v.key)) != 0);
}

static void test_others(void **state)
{
	char name[] = "wan", interface[] = "wan0", other_name[] = "dsl";
	struct conf_external x = {.name = name, .interface = interface},
			     y = {.name = other_name, .interface = interface};
	struct in6_addr v4 = at("198.51.100.1"), v6 = at("2001:db8::1");
	struct external o = {.v = &v4, .n = 1}, none = {.v = &v6, .n = 1},
			cgn = {.v = &v6, .n = 1, .refused = true, .refused_address = at("100.64.0.9")};
	struct hook_event v, w;

	(void)state;
	hook_event_external(&v, &x, &o);
	expect(&v, PATH "NATPCPD_HOOK=h\nNATPCPD_EVENT=external\nNATPCPD_EXTERNAL=wan\nNATPCPD_INTERFACE=wan0\n"
			"NATPCPD_STATE=ok\nNATPCPD_EXTERNAL_ADDRESS=198.51.100.1\n");
	hook_event_external(&w, &x, &none);
	expect(&w, PATH "NATPCPD_HOOK=h\nNATPCPD_EVENT=external\nNATPCPD_EXTERNAL=wan\nNATPCPD_INTERFACE=wan0\n"
			"NATPCPD_STATE=no-address\n"
			"NATPCPD_WHY=there is no IPv4 address; requests for one are answered with a network failure\n");
	assert_memory_equal(&v.key, &w.key, sizeof(v.key));
	hook_event_external(&w, &y, &cgn);
	expect(&w, PATH "NATPCPD_HOOK=h\nNATPCPD_EVENT=external\nNATPCPD_EXTERNAL=dsl\nNATPCPD_INTERFACE=wan0\n"
			"NATPCPD_STATE=private\nNATPCPD_REFUSED_ADDRESS=100.64.0.9\n"
			"NATPCPD_WHY=the external address is of the provider's NAT (CGN, 100.64.0.0/10)\n");
	assert_true(memcmp(&v.key, &w.key, sizeof(v.key)) != 0);
	hook_event_reload(&v);
	expect(&v, PATH "NATPCPD_HOOK=h\nNATPCPD_EVENT=reload\n");
}

/* The longest of everything fits. */
static void test_room(void **state)
{
	char rule[64], why[200];
	static struct hook_environment env;
	struct round_event e = {.kind = ROUND_REFUSED,
				.pcp = true,
				.opcode = PCP_PEER,
				.result = PCP_ADDRESS_MISMATCH,
				.mapping = mapping_of("2001:db8:1111:2222:3333:4444:5555:6666", 65535,
						      "2001:db8:1111:2222:3333:4444:5555:7777", 65535),
				.client = at("2001:db8:1111:2222:3333:4444:5555:6666"),
				.rule = rule,
				.why = why};
	struct hook_event v;

	(void)state;
	memset(rule, 'r', sizeof(rule) - 1);
	memset(why, 'w', sizeof(why) - 1);
	rule[sizeof(rule) - 1] = why[sizeof(why) - 1] = '\0';
	e.mapping.more_ports = 65000;
	e.mapping.remote_address = e.client;
	e.mapping.remote_port = 65535;
	hook_event_mapping(&v, &e);
	hook_environment(&env, &v, rule);
	assert_int_equal(env.n, 17);
	assert_null(env.variables[env.n]);
	assert_in_range(env.length, 600, HOOK_TEXT_MAX / 2);
	assert_int_equal(strlen(env.variables[env.n - 1]), strlen("NATPCPD_WHY=") + HOOK_WHY_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mappings),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_others),
	    cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
