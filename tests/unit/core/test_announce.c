/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/announce.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/scenario/world.h"

static const char conf[] = "external \"wan\" { interface = \"wan0\" }\n"
			   "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
			   "rule \"all\" { action = allow }\n";

static void start(struct world *w, const char *text)
{
	struct in6_addr address = codec_from_v4(0xc6336401);

	assert_true(world_open(w, text));
	world_start(w, &address);
}

/* How many announcements a tick at a time says. */
static size_t tick(struct world *w, uint64_t now_ms)
{
	size_t n;

	w->now_ms = now_ms;
	round_clear(w->round);
	engine_tick(w->engine, now_ms, w->round);
	world_settle(w);
	round_replies(w->round, &n);
	return n;
}

/* 6886-3.2.1-07, 6886-3.2.1-08, 6887-14.1.3-07, 6887-14.1.3-08 */
static void test_schedule(void **state)
{
	static const uint64_t at_ms[] = {0, 250, 750, 1750, 3750, 7750, 15750, 31750, 63750, 127750};
	struct world w;
	uint64_t begin;

	(void)state;
	start(&w, conf);
	begin = w.now_ms;
	for (size_t i = 0; i < 10; i++) {
		assert_int_equal(engine_deadline(w.engine), begin + at_ms[i]);
		if (i)
			assert_int_equal(tick(&w, begin + at_ms[i] - 1), 0);
		assert_int_equal(tick(&w, begin + at_ms[i]), 3);
		assert_int_equal(tick(&w, begin + at_ms[i]), 0);
	}
	assert_true(engine_deadline(w.engine) == ENGINE_NEVER);
	world_close(&w);
}

/* A late copy puts off those that follow: a gap is never shorter than it must be. */
static void test_late_tick(void **state)
{
	struct world w;
	uint64_t begin;

	(void)state;
	start(&w, conf);
	begin = w.now_ms;
	assert_int_equal(tick(&w, begin + 10000), 3);
	assert_int_equal(tick(&w, begin + 10249), 0);
	assert_int_equal(tick(&w, begin + 10250), 3);
	assert_int_equal(tick(&w, begin + 10749), 0);
	assert_int_equal(tick(&w, begin + 10750), 3);
	world_close(&w);
}

/* 6886-3.2.1-06, 6886-3.2.1-09, 6887-14.1.3-01, 6887-14.1.3-09: what each copy says. */
static void test_contents(void **state)
{
	static const uint8_t natpmp[12] = {0, 128, 0, 0, 0, 0, 0, 1, 198, 51, 100, 1};
	static const uint8_t pcp[24] = {2, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
	const struct round_reply *replies;
	struct world w;
	size_t n;

	(void)state;
	start(&w, conf);
	assert_int_equal(tick(&w, w.now_ms + 1000), 3);
	replies = round_replies(w.round, &n);
	assert_int_equal(replies[0].length, 12);
	assert_memory_equal(replies[0].data, natpmp, 12);
	assert_false(replies[0].ipv6);
	for (size_t i = 1; i < 3; i++) {
		assert_int_equal(replies[i].kind, ROUND_ANNOUNCE);
		assert_int_equal(replies[i].length, 24);
		assert_memory_equal(replies[i].data, pcp, 24);
		assert_int_equal(replies[i].ipv6, i == 2);
	}
	world_close(&w);
}

/* 6887-14.1.3-05, 6886-3.8-02: only in families and protocols that are served. */
static void test_sections(void **state)
{
	static const struct {
		const char *conf;
		size_t n;
	} cases[] = {
	    {"external \"wan\" { addresses = { \"198.51.100.1\" } }\n"
	     "listen \"lan\" { addresses = { \"127.0.0.1\" } external = \"wan\" }\n",
	     2},
	    {"external \"wan\" { addresses = { \"198.51.100.1\" } }\n"
	     "listen \"lan\" { addresses = { \"::1\" } external = \"wan\" }\n",
	     1},
	    {"external \"wan\" { interface = \"wan0\" nat = false }\n"
	     "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n",
	     2},
	    {"external \"wan\" { interface = \"wan0\" }\n"
	     "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" pcp = false }\n",
	     1},
	    {"external \"wan\" { interface = \"wan0\" }\n"
	     "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" nat-pmp = false }\n"
	     "listen \"lan2\" { interfaces = { \"lan1\" } external = \"wan\" }\n",
	     5},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct engine_stats s;
		struct world w;

		start(&w, cases[i].conf);
		assert_int_equal(tick(&w, w.now_ms), cases[i].n);
		engine_stats(w.engine, w.now_ms, &s);
		assert_int_equal(s.announcements, cases[i].n);
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_schedule),
	    cmocka_unit_test(test_late_tick),
	    cmocka_unit_test(test_contents),
	    cmocka_unit_test(test_sections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
