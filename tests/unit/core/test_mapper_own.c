/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/core/mapper_bed.h"

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
	    cmocka_unit_test(test_many_leases_move_in_parts),
	    cmocka_unit_test(test_many_leases_expire_in_parts),
	    cmocka_unit_test(test_many_leases_are_revoked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
