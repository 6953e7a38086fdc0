/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/mapper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/scenario/world.h"

static void open_world(struct world *w, const char *conf)
{
	struct in6_addr address = codec_from_v4(0xc6336401);

	assert_true(world_open(w, conf));
	world_start(w, &address);
}

static struct mapper_want want(uint32_t host, uint8_t protocol, uint16_t port, uint16_t suggested)
{
	return (struct mapper_want){.pcp = true,
				    .protocol = protocol,
				    .internal_port = port,
				    .suggested_port = suggested,
				    .internal_address = codec_from_v4(0xc0000200 + host),
				    .suggested_address = codec_from_v4(0),
				    .lifetime_s = 600,
				    .interface = "lan0",
				    .answer = ROUND_NONE};
}

static struct mapper_verdict ask(struct world *w, const struct mapper_want *q)
{
	struct mapper_verdict v;

	round_clear(w->round);
	mapper_do(w->engine, q, w->now_ms, w->round, &v);
	world_settle(w);
	return v;
}

/* Every port of a range can be had, whatever is wished for, and again when all were given back: no mark is left behind.
 * 6887-11.3-32 */
static void test_all_ports_twice(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, "external \"wan\" { interface = \"wan0\" ports = { \"5000-8999\" } }\n"
		       "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
		       "rule \"all\" { action = allow }\n"
		       "lifetime { hold = 0 }\n"
		       "limits { mappings-per-client = 65535 }\n");
	for (unsigned turn = 0; turn < 3; turn++) {
		struct mapper_want q;

		for (uint32_t i = 0; i < 4000; i++) {
			q = want(i % 50, IPPROTO_TCP, (uint16_t)(1 + i),
				 (uint16_t)(turn == 1 ? 5000 + i * 7 % 4000 : 80));
			assert_int_equal(ask(&w, &q).result, MAPPER_OK);
		}
		assert_int_equal(backend_memory_count(w.backend), 4000);
		q = want(60, IPPROTO_TCP, 1, 0);
		assert_int_equal(ask(&w, &q).result, MAPPER_NO_RESOURCES);
		for (uint32_t i = 0; i < 4000; i++) {
			q = want(i % 50, IPPROTO_TCP, (uint16_t)(1 + i), 0);
			q.lifetime_s = 0;
			assert_int_equal(ask(&w, &q).result, MAPPER_OK);
		}
		assert_int_equal(backend_memory_count(w.backend), 0);
		assert_true(world_agrees(&w));
	}
	world_close(&w);
}

/* 5350 and 5351 of UDP are all that is left: there is nothing. 6887-11.3-27 */
static void test_nothing_but_barred_ports(void **state)
{
	struct mapper_want q = want(1, IPPROTO_UDP, 5350, 5350);
	struct world w;

	(void)state;
	open_world(&w, "external \"wan\" { interface = \"wan0\" ports = { \"5350-5351\" } }\n"
		       "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
		       "rule \"all\" { action = allow }\n");
	assert_int_equal(ask(&w, &q).result, MAPPER_NO_RESOURCES);
	q.protocol = IPPROTO_TCP;
	assert_int_equal(ask(&w, &q).result, MAPPER_OK);
	world_close(&w);
}

/* The companion's port is NAT-PMP's promise: when PCP takes the mapping over it is anybody's, also to be picked. */
static void test_companion_port_is_given_back(void **state)
{
	struct mapper_want q = want(1, IPPROTO_TCP, 80, 0), other = want(2, IPPROTO_UDP, 80, 0);
	struct world w;

	(void)state;
	open_world(&w, "external \"wan\" { interface = \"wan0\" ports = { \"5000\" } }\n"
		       "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
		       "rule \"all\" { action = allow }\n");
	q.pcp = false;
	assert_int_equal(ask(&w, &q).external_port, 5000);
	assert_int_equal(ask(&w, &other).result, MAPPER_NO_RESOURCES);
	q.pcp = true;
	assert_int_equal(ask(&w, &q).external_port, 5000);
	assert_int_equal(ask(&w, &other).external_port, 5000);
	world_close(&w);
}

/* The plan changes nothing, and is what is then done. */
static void test_plan_is_what_is_done(void **state)
{
	struct mapper_want q = want(1, IPPROTO_TCP, 80, 8080);
	struct mapper_verdict v;
	struct mapper_plan p;
	struct world w;

	(void)state;
	open_world(&w, "external \"wan\" { interface = \"wan0\" }\n"
		       "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
		       "rule \"all\" { action = allow lifetime-max = 300 }\n");
	for (unsigned i = 0; i < 3; i++) {
		mapper_plan(w.engine, &q, w.now_ms, &p);
		assert_int_equal(p.action, MAPPER_MAKE);
		assert_int_equal(p.verdict.external_port, 8080);
		assert_int_equal(p.verdict.lifetime_s, 300);
		assert_string_equal(p.verdict.rule, "all");
	}
	v = ask(&w, &q);
	assert_int_equal(v.external_port, 8080);
	assert_int_equal(v.lifetime_s, 300);
	mapper_plan(w.engine, &q, w.now_ms, &p);
	assert_int_equal(p.action, MAPPER_RENEW);
	q.lifetime_s = 0;
	mapper_plan(w.engine, &q, w.now_ms, &p);
	assert_int_equal(p.action, MAPPER_END);
	world_close(&w);
}

/* A world with so many mappings of 200 hosts. */
static void open_full(struct world *w, uint32_t leases, uint32_t lifetime_s)
{
	open_world(w, "external \"wan\" { interface = \"wan0\" }\n"
		      "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
		      "rule \"all\" { action = allow }\n"
		      "lifetime { max = 864000 }\n"
		      "limits { mappings-per-client = 65535 }\n");
	for (uint32_t i = 0; i < leases; i++) {
		struct mapper_want q = want(i % 200, IPPROTO_TCP, (uint16_t)(1000 + i), (uint16_t)(1000 + i));

		q.lifetime_s = lifetime_s;
		assert_int_equal(ask(w, &q).result, MAPPER_OK);
	}
	round_clear(w->round);
}

/* A big move or reload is done in parts; every part leaves the leases what the packet filter has. */
static void test_many_leases_move_in_parts(void **state)
{
	enum { LEASES = 20000 };
	struct in6_addr other = codec_from_v4(0xc6336402);
	unsigned rounds = 0;
	struct engine_stats s;
	struct world w;
	size_t n;

	(void)state;
	open_full(&w, LEASES, 864000);
	engine_wan(w.engine, 0, &other, 1, w.now_ms, w.round);
	for (;;) {
		round_changes(w.round, &n);
		assert_true(n <= ROUND_UPKEEP_MAX + 1);
		world_settle(&w);
		assert_true(world_agrees(&w));
		if (engine_deadline(w.engine) > w.now_ms)
			break;
		assert_true(++rounds < 1000);
		round_clear(w.round);
		engine_tick(w.engine, w.now_ms, w.round);
	}
	engine_stats(w.engine, w.now_ms, &s);
	assert_int_equal(s.moved, LEASES);
	assert_int_equal(s.leases, LEASES);
	assert_true(rounds >= LEASES * 2 / ROUND_UPKEEP_MAX);
	world_close(&w);
}

/* Many end at once: hosts that ask meanwhile do not wait until the kernel has closed all of them. */
static void test_many_leases_expire_in_parts(void **state)
{
	enum { LEASES = 2000, LIFETIME_S = 120 };
	struct engine_stats s;
	size_t rounds = 0, n;
	struct world w;

	(void)state;
	open_full(&w, LEASES, LIFETIME_S);
	w.now_ms += LIFETIME_S * 1000 + 1000;
	for (;;) {
		round_clear(w.round);
		engine_tick(w.engine, w.now_ms, w.round);
		round_changes(w.round, &n);
		assert_true(n <= ROUND_UPKEEP_MAX + 1);
		if (n == 0)
			break;
		world_settle(&w);
		assert_true(++rounds < 1000);
	}
	engine_stats(w.engine, w.now_ms, &s);
	assert_int_equal(s.expired, LEASES);
	assert_int_equal(s.leases, 0);
	assert_true(world_agrees(&w));
	assert_true(rounds >= LEASES / ROUND_UPKEEP_MAX);
	world_close(&w);
}

/* What the operator takes away he takes away at once, with its connections, and be it too much for one round. */
static void test_many_leases_are_revoked(void **state)
{
	enum { LEASES = 6000 };
	unsigned rounds = 0, flows = 0;
	struct engine_stats s;
	struct mapping m;
	struct world w;

	(void)state;
	open_full(&w, LEASES, 3600);
	assert_int_equal(engine_revoke(w.engine, NULL, 0, 0, w.now_ms, w.round), LEASES);
	for (;;) {
		size_t n = 0;

		world_settle(&w);
		while (round_flows_next(w.round, &n, &m) != ROUND_FLOWS_KEEP)
			flows++;
		if (engine_deadline(w.engine) > w.now_ms)
			break;
		assert_true(++rounds < 1000);
		round_clear(w.round);
		engine_tick(w.engine, w.now_ms, w.round);
	}
	assert_true(rounds > 0);
	assert_int_equal(flows, LEASES);
	engine_stats(w.engine, w.now_ms, &s);
	assert_int_equal(s.leases, 0);
	assert_int_equal(s.revoked, LEASES);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_ports_twice),
	    cmocka_unit_test(test_nothing_but_barred_ports),
	    cmocka_unit_test(test_companion_port_is_given_back),
	    cmocka_unit_test(test_plan_is_what_is_done),
	    cmocka_unit_test(test_many_leases_move_in_parts),
	    cmocka_unit_test(test_many_leases_expire_in_parts),
	    cmocka_unit_test(test_many_leases_are_revoked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
