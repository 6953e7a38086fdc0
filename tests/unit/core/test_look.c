/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/scenario/world.h"

static const char conf[] = "external \"wan\" { interface = \"wan0\" }\n"
			   "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
			   "rule \"no guests\" { action = deny clients = { \"192.0.2.192/26\" } }\n"
			   "rule \"hosts\" {\n"
			   "	action = allow clients = { \"192.0.2.0/24\" } protocols = { \"tcp\" }\n"
			   "	lifetime-max = 7200 mappings-max = 2\n"
			   "}\n"
			   "static \"web\" { protocol = \"tcp\" external-port = 443 to = \"192.0.2.12:443\" }\n";

static void open_world(struct world *w)
{
	struct in6_addr address = codec_from_v4(0xc6336401);

	assert_true(world_open(w, conf));
	world_start(w, &address);
}

static uint8_t map_tcp(struct world *w, uint32_t host, uint16_t port, uint16_t external)
{
	struct in6_addr a = codec_from_v4(0xc0000200 + host);
	uint8_t request[12] = {
	    0, 2, 0, 0, (uint8_t)(port >> 8), (uint8_t)port, (uint8_t)(external >> 8), (uint8_t)external, 0, 0, 2, 88};
	const uint8_t *reply;

	assert_int_equal(world_ask(w, &a, 40000, request, 12, &reply), 16);
	return reply[3];
}

/* The rules that do not decide, by line, and for which key. */
static const char *passed(const struct engine_explanation *x)
{
	static char text[256];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < x->passed_n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%u %s ", x->passed[i].line, x->passed[i].key);
	return text;
}

static void test_explain(void **state)
{
	static const struct {
		uint32_t host;
		uint8_t protocol;
		uint16_t port, suggested;
		bool allowed;
		uint8_t result;
		const char *rule;
		unsigned line;
		uint16_t external_port;
		bool exists;
		const char *passed;
	} cases[] = {
	    {10, 6, 9000, 9001, true, PCP_SUCCESS, "hosts", 4, 9001, false, "3 clients "},
	    {10, 6, 9000, 0, true, PCP_SUCCESS, "hosts", 4, 9000, false, "3 clients "},
	    /* taken by the lease of .11: any */
	    {10, 6, 8080, 8080, true, PCP_SUCCESS, "hosts", 4, 0, false, "3 clients "},
	    {10, 17, 9000, 0, false, PCP_NOT_AUTHORIZED, NULL, 0, 0, false, "3 clients 4 protocols "},
	    {200, 6, 9000, 0, false, PCP_NOT_AUTHORIZED, "no guests", 3, 0, false, ""},
	    {11, 6, 80, 1, true, PCP_SUCCESS, "hosts", 4, 8080, true, "3 clients "},
	    {12, 6, 443, 0, true, PCP_SUCCESS, "web", 8, 443, true, ""},
	    {10, 1, 80, 0, false, PCP_UNSUPP_PROTOCOL, NULL, 0, 0, false, ""},
	    {11, 6, 9000, 0, false, PCP_USER_EX_QUOTA, "hosts", 4, 0, false, "3 clients "},
	};
	struct world w;

	(void)state;
	open_world(&w);
	assert_int_equal(map_tcp(&w, 11, 80, 8080), 0);
	assert_int_equal(map_tcp(&w, 11, 81, 8081), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct engine_question q = {.client = codec_from_v4(0xc0000200 + cases[i].host),
					    .interface = "lan0",
					    .protocol = cases[i].protocol,
					    .internal_port = cases[i].port,
					    .external_port = cases[i].suggested};
		struct engine_explanation x;

		engine_explain(w.engine, &q, w.now_ms, &x);
		assert_int_equal(x.allowed, cases[i].allowed);
		assert_int_equal(x.result, cases[i].result);
		if (cases[i].rule)
			assert_string_equal(x.rule, cases[i].rule);
		else
			assert_null(x.rule);
		assert_int_equal(x.rule_line, cases[i].line);
		assert_int_equal(x.external_port, cases[i].external_port);
		assert_int_equal(x.exists, cases[i].exists);
		assert_non_null(x.why);
		assert_string_equal(passed(&x), cases[i].passed);
		assert_int_equal(x.client_mappings_max, x.rule && !strcmp(x.rule, "hosts") ? 2 : 256);
		if (cases[i].host == 12)
			assert_int_equal(x.lifetime_max_s, UINT32_MAX);
		if (x.exists && cases[i].host == 11) {
			assert_int_equal(x.lease.expires_in_ms, 600000);
			assert_int_equal(x.client_mappings, 2);
			assert_int_equal(x.client_mappings_max, 2);
			assert_int_equal(x.lifetime_max_s, 7200);
		}
	}
	assert_int_equal(backend_memory_count(w.backend), 3);
	world_close(&w);
}

/* In pages, with leases coming and going between them: none that stays is shown twice or left out. */
static void test_leases_in_pages(void **state)
{
	struct engine_lease l;
	unsigned seen[100] = {0};
	uint32_t cursor = 0;
	struct world w;
	unsigned n = 0;

	(void)state;
	open_world(&w);
	for (uint32_t i = 20; i < 120; i++)
		assert_int_equal(map_tcp(&w, i, 80, (uint16_t)(8000 + i)), 0);
	while (engine_lease_next(w.engine, &cursor, w.now_ms, &l)) {
		struct in6_addr gone = codec_from_v4(0xc0000200 + 20 + n % 50);

		if (l.origin == ENGINE_ORIGIN_STATIC) {
			assert_int_equal(l.expires_in_ms, 0);
			assert_string_equal(l.rule, "web");
			continue;
		}
		assert_string_equal(l.rule, "hosts");
		if (l.mapping.external_port >= 8020 && l.mapping.external_port < 8120)
			seen[l.mapping.external_port - 8020]++;
		if (++n % 3)
			continue;
		round_clear(w.round);
		engine_revoke(w.engine, &gone, 0, 0, w.now_ms, w.round);
		world_settle(&w);
		map_tcp(&w, 10, (uint16_t)n, 0);
	}
	for (unsigned i = 50; i < 100; i++)
		assert_int_equal(seen[i], 1);
	for (unsigned i = 0; i < 50; i++)
		assert_true(seen[i] <= 1);
	world_close(&w);
}

static void test_stats(void **state)
{
	struct in6_addr a = codec_from_v4(0xc000020a);
	static const uint8_t delete[12] = {0, 2, 0, 0, 0, 80}, response[2] = {0, 128}, version[2] = {9, 1};
	const uint8_t *reply;
	struct engine_stats s;
	struct world w;

	(void)state;
	open_world(&w);
	assert_int_equal(map_tcp(&w, 10, 80, 8080), 0);
	assert_int_equal(map_tcp(&w, 10, 80, 8080), 0);
	assert_int_equal(map_tcp(&w, 200, 80, 8080), 2);
	engine_stats(w.engine, w.now_ms + 5000, &s);
	assert_int_equal(s.made, 2); /* the static one, too */
	assert_int_equal(s.renewed, 1);
	assert_int_equal(s.leases, 2);
	assert_int_equal(s.clients, 2);
	assert_int_equal(s.requests_natpmp[2], 3);
	assert_int_equal(s.results_natpmp[0], 2);
	assert_int_equal(s.results_natpmp[2], 1);
	assert_int_equal(s.epoch_natpmp_s, 5);
	assert_int_equal(s.epoch_pcp_s, 5);
	world_ask(&w, &a, 40000, delete, sizeof(delete), &reply);
	world_ask(&w, &a, 40000, response, sizeof(response), &reply);
	world_ask(&w, &a, 40000, version, sizeof(version), &reply);
	world_ask(&w, &a, 40000, version, 1, &reply);
	world_ask(&w, &a, 0, version, 2, &reply);
	engine_stats(w.engine, w.now_ms, &s);
	assert_int_equal(s.deleted, 1);
	assert_int_equal(s.drops[ENGINE_DROP_RESPONSE], 1);
	assert_int_equal(s.drops[ENGINE_DROP_SHORT], 1);
	assert_int_equal(s.drops[ENGINE_DROP_SOURCE], 1);
	assert_int_equal(s.results_pcp[PCP_UNSUPP_VERSION], 1);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_explain),
	    cmocka_unit_test(test_leases_in_pages),
	    cmocka_unit_test(test_stats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
