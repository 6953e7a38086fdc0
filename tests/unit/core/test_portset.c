/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/portset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/core/state.h"
#include "tests/scenario/world.h"
#include "tests/unit/core/failmalloc.h"

static const char conf[] =
    "external \"wan\" { interface = \"wan0\" }\n"
    "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
    "rule \"low\" { action = allow internal-ports = { \"1-99\" } }\n"
    "rule \"no\" { action = deny internal-ports = { \"150-160\" } }\n"
    "rule \"not high\" { action = deny external-ports = { \"7000-7999\" } internal-ports = { \"250\" } }\n"
    "rule \"all\" { action = allow }\n";

static void open_world(struct world *w)
{
	struct in6_addr address = codec_from_v4(0xc6336401);

	assert_true(world_open(w, conf));
	world_start(w, &address);
}

static uint32_t make(struct engine *e, uint16_t internal_port, uint16_t external_port, uint16_t n)
{
	struct lease init = {.internal_address = codec_from_v4(0xc000020a),
			     .external_address = codec_from_v4(0xc6336401),
			     .expires_ms = 5000000,
			     .internal_port = internal_port,
			     .external_port = external_port,
			     .protocol = IPPROTO_UDP,
			     .kind = MAPPING_NAT,
			     .origin = ENGINE_ORIGIN_PCP,
			     .rule = UINT16_MAX,
			     .listen = UINT16_MAX};
	struct extra_parts parts = {.more_ports = (uint16_t)(n - 1), .first_port = internal_port};
	uint32_t i;

	if (!extra_new(&parts, &init.extra))
		return LEASE_NONE;
	i = portset_new(e, &init);
	extra_drop(init.extra);
	return i;
}

/* All leases of a set are where the first says. */
static void check(const struct engine *e, uint32_t head, uint16_t n)
{
	const struct lease *l = lease_peek(e->leases, head);

	assert_int_equal(portset_more(l), n - 1);
	for (uint16_t i = 0; i < n; i++) {
		uint32_t at = portset_at(e, head, i);
		const struct lease *f = lease_peek(e->leases, at);

		assert_int_equal(portset_head(e, at), head);
		assert_int_equal(portset_follows(f), i > 0);
		assert_int_equal(f->internal_port, l->internal_port + i);
		assert_int_equal(f->external_port, l->external_port + i);
		assert_int_equal(f->state, l->state);
		assert_int_equal(at,
				 lease_find_external(e->leases, l->protocol, &l->external_address, f->external_port));
	}
}

/* By less than its length in both directions, and to another address. 7753-4-10 */
static void test_moves(void **state)
{
	static const uint16_t to[] = {203, 200, 198, 210, 209, 200, 1};
	struct in6_addr address = codec_from_v4(0xc6336401), other = codec_from_v4(0xc6336402);
	struct world w;
	uint32_t head;

	(void)state;
	open_world(&w);
	head = make(w.engine, 200, 200, 10);
	check(w.engine, head, 10);
	for (size_t i = 0; i < sizeof(to) / sizeof(*to); i++) {
		portset_move(w.engine, head, &address, to[i]);
		check(w.engine, head, 10);
		assert_int_equal(portset_is_split(lease_peek(w.engine->leases, head)), to[i] != 200);
		assert_int_equal(portset_changes(lease_peek(w.engine->leases, head)), to[i] == 200 ? 1 : 10);
	}
	portset_move(w.engine, head, &other, 205);
	check(w.engine, head, 10);
	portset_state(w.engine, head, LEASE_REMOVING);
	check(w.engine, head, 10);
	assert_int_equal(lease_count(w.engine->leases), 10);
	portset_free(w.engine, head);
	assert_int_equal(lease_count(w.engine->leases), 0);
	world_close(&w);
}

/* 7753-4.4.1-01, 7753-7-02: in the order of their ports, a bounded number. */
static void test_touched(void **state)
{
	struct in6_addr host = codec_from_v4(0xc000020a);
	uint32_t out[PORTSET_TOUCHED_MAX], heads[40];
	struct world w;

	(void)state;
	open_world(&w);
	for (uint16_t i = 0; i < 40; i++) /* 1000, 1030, ... in another order: sets of ten ports each */
		heads[i * 17 % 40] = make(w.engine, (uint16_t)(1000 + i * 17 % 40 * 30), (uint16_t)(2000 + i * 10), 10);
	assert_int_equal(portset_touched(w.engine, IPPROTO_UDP, &host, 1010, 20, out), 0);
	assert_int_equal(portset_touched(w.engine, IPPROTO_TCP, &host, 1000, 20, out), 0);
	assert_int_equal(portset_touched(w.engine, IPPROTO_UDP, &host, 1009, 1, out), 1);
	assert_int_equal(out[0], heads[0]);
	assert_int_equal(portset_touched(w.engine, IPPROTO_UDP, &host, 1039, 22, out), 2);
	assert_int_equal(out[0], heads[1]);
	assert_int_equal(out[1], heads[2]);
	assert_int_equal(portset_touched(w.engine, IPPROTO_UDP, &host, 1005, 65535, out), PORTSET_TOUCHED_MAX);
	for (uint16_t i = 0; i < PORTSET_TOUCHED_MAX; i++)
		assert_int_equal(out[i], heads[i]);
	/* one that is being taken down is not there */
	portset_state(w.engine, heads[0], LEASE_REMOVING);
	assert_int_equal(portset_touched(w.engine, IPPROTO_UDP, &host, 1009, 1, out), 0);
	world_close(&w);
}

/* 7753-4.2-07: a set ends where another rule decides, or the same one otherwise. */
static void test_allowed(void **state)
{
	static const struct {
		uint16_t port;
		uint32_t n, one_rule, any_rule;
	} rows[] = {
	    {1, 10, 10, 10}, {90, 10, 10, 10},	  {90, 11, 10, 11}, {90, 100, 10, 60},		{100, 100, 50, 50},
	    {150, 2, 0, 0},  {161, 100, 89, 100}, {250, 5, 1, 5},   {251, 65285, 65285, 65285}, {65535, 1, 1, 1},
	};
	struct world w;

	(void)state;
	open_world(&w);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct policy_request q = {.client = codec_from_v4(0xc000020a),
					   .interface = "lan0",
					   .protocol = IPPROTO_UDP,
					   .internal_port = rows[i].port};

		assert_int_equal(portset_allowed(w.conf, &q, rows[i].n, true), rows[i].one_rule);
		assert_int_equal(portset_allowed(w.conf, &q, rows[i].n, false), rows[i].any_rule);
	}
	world_close(&w);
}

/* Whichever allocation fails, all leases of a set are there, or none. */
static void test_out_of_memory(void **state)
{
	struct world w;

	(void)state;
#if FAILMALLOC
	long failed = 0;

	for (long n = 1; n < 40; n++) {
		uint32_t head;

		open_world(&w);
		failmalloc_in = n;
		head = make(w.engine, 1000, 1000, 3000);
		failmalloc_in = 0;
		assert_int_equal(lease_count(w.engine->leases), head == LEASE_NONE ? 0 : 3000);
		if (head != LEASE_NONE)
			check(w.engine, head, 3000);
		failed += head == LEASE_NONE;
		world_close(&w);
	}
	assert_true(failed > 0);
#else
	(void)w;
	skip();
#endif
}

#if FAILMALLOC
static size_t tick(struct world *w, bool memory)
{
	size_t n;

	round_clear(w->round);
	failmalloc_in = memory ? 0 : 1;
	engine_tick(w->engine, w->now_ms, w->round);
	failmalloc_in = 0;
	round_changes(w->round, &n);
	return n;
}
#endif

/* The end of a set that is split needs more than a round has room for at first. Without memory it waits, longer and
 * longer, and whoever asks for the next deadline does not spin. */
static void test_upkeep_out_of_memory(void **state)
{
	struct world w;

	(void)state;
#if FAILMALLOC
	open_world(&w);
	assert_int_not_equal(make(w.engine, 1000, 5000, 300), LEASE_NONE);
	for (w.now_ms = 0; engine_deadline(w.engine) < 5000000;) {
		w.now_ms = engine_deadline(w.engine);
		tick(&w, true);
	}
	w.now_ms = 5000000;
	assert_int_equal(tick(&w, false), 0);
	assert_int_equal(engine_deadline(w.engine), 5001000);
	/* asked for something else meanwhile */
	w.now_ms = 5000500;
	assert_int_equal(tick(&w, true), 0);
	assert_int_equal(engine_deadline(w.engine), 5001000);
	w.now_ms = 5001000;
	assert_int_equal(tick(&w, false), 0);
	assert_int_equal(engine_deadline(w.engine), 5003000);
	/* the walk, too */
	engine_walk_all(w.engine);
	assert_int_equal(engine_deadline(w.engine), 5003000);
	w.now_ms = 5003000;
	assert_int_equal(tick(&w, true), 300);
	/* a set is not parted, and the walk goes on when hosts have been answered */
	assert_true(engine_deadline(w.engine) <= 5003000);
	assert_int_equal(tick(&w, true), 0);
	assert_true(engine_deadline(w.engine) > 5003000);
	world_close(&w);
#else
	(void)w;
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_moves),
	    cmocka_unit_test(test_touched),
	    cmocka_unit_test(test_allowed),
	    cmocka_unit_test(test_out_of_memory),
	    cmocka_unit_test(test_upkeep_out_of_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
