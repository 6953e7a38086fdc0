/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/scenario/drive.h"
#include "tests/unit/core/failmalloc.h"

/* 100,000 things that happen to an engine, requests, refusals, outages, other addresses, other configurations, flushes:
 * its leases are what the packet filter has, always. 6887-7.3-11, 6887-11.3-37, 6887-11.3-27 */
static void test_random_life(void **state)
{
	/* 33: a peer's mapping went beside another one of its host on the address of another external;
	 * the others: a static mapping that was taken away became its host's own, and was not written */
	static const uint64_t found[] = {33, 45, 117};
	const uint64_t few = 20;

	(void)state;
	for (uint64_t i = 1; i <= few + sizeof(found) / sizeof(found[0]); i++) {
		uint64_t seed = i <= few ? i : found[i - few - 1];
		struct drive d;
		unsigned step = 0;

		assert_true(drive_open(&d, seed, NULL, 0));
		while (step < 5000 && !d.broken) {
			drive_step(&d);
			step++;
		}
		drive_close(&d);
		if (d.broken)
			fail_msg("seed %u, step %u: %s", (unsigned)seed, step, d.broken);
	}
}

/* decision-27: an IPv4 address in an IPv6 packet, or the other way round, is nobody's that could be answered. */
static void test_families(void **state)
{
	static const char text[] = "external \"wan\" { interface = \"wan0\" }\n"
				   "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n";
	static const struct in6_addr six = {{{0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11}}};
	static const uint8_t announce[24] = {2};
	const struct in6_addr four = codec_from_v4(0xc000020b), gateway = codec_from_v4(0xc0000201);
	const struct {
		const struct in6_addr *source, *destination;
		size_t replies;
		uint64_t drops;
	} cases[] = {
	    {&four, &gateway, 1, 0},
	    {&four, &six, 1, 1},
	    {&six, &gateway, 1, 2},
	    {&six, &in6addr_loopback, 2, 2},
	};
	struct engine_stats stats;
	struct world w;
	size_t n;

	(void)state;
	assert_true(world_open(&w, text));
	world_start(&w, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct engine_datagram d = {.data = announce,
					    .length = sizeof(announce),
					    .source = *cases[i].source,
					    .destination = *cases[i].destination,
					    .source_port = 40000,
					    .interface = "lan0"};

		engine_request(w.engine, &d, w.now_ms, w.round);
		round_replies(w.round, &n);
		engine_stats(w.engine, w.now_ms, &stats);
		assert_int_equal(n, cases[i].replies);
		assert_int_equal(stats.drops[ENGINE_DROP_SOURCE], cases[i].drops);
	}
	world_close(&w);
}

#if FAILMALLOC
static long left; /* allocations until one fails, while the engine is at work */

static void enter(void)
{
	failmalloc_in = left;
}

static void leave(void)
{
	left = failmalloc_in;
	failmalloc_in = 0;
}

static void settle(struct world *w)
{
	size_t n;
	struct change *changes = round_changes(w->round, &n);

	if (n)
		w->backend->ops->commit(w->backend, changes, n);
	enter();
	engine_settle(w->engine, w->now_ms, w->round);
	leave();
	assert_true(world_agrees(w));
	round_clear(w->round);
}

static struct engine *new_engine(struct world *w)
{
	static const uint8_t seed[ENGINE_SEED_LENGTH] = {1};
	struct engine *e;

	enter();
	e = engine_new(w->conf, seed, w->now_ms);
	leave();
	return e;
}

/* A life in which one allocation of the engine fails. False: the engine could not be made. */
static bool live(struct world *w, struct conf *other)
{
	struct in6_addr addresses[2] = {codec_from_v4(0xc6336401), codec_from_v4(0xc6336402)};
	struct engine_busy busy = {in6addr_any, 1000, IPPROTO_TCP};
	struct mapping found = {.internal_address = codec_from_v4(0xc0000205),
				.external_address = addresses[0],
				.internal_port = 7,
				.external_port = 1007,
				.protocol = IPPROTO_TCP};
	struct change c = {.op = CHANGE_ADD, .mapping = found};
	int rc;

	engine_free(w->engine);
	w->engine = new_engine(w);
	if (!w->engine)
		return false;
	enter();
	engine_wan(w->engine, 0, addresses, 1, w->now_ms, w->round);
	leave();
	w->backend->ops->commit(w->backend, &c, 1);
	enter();
	rc = engine_adopt(w->engine, &found, 60000, w->now_ms, w->round);
	leave();
	if (rc) /* the server tries again or gives up; here it is taken away again */
		c.op = CHANGE_REMOVE, w->backend->ops->commit(w->backend, &c, 1);
	settle(w);
	enter();
	engine_start(w->engine, w->now_ms, w->round);
	leave();
	settle(w);
	for (uint8_t i = 0; i < ROUND_REQUESTS_MAX; i++) {
		static uint8_t requests[ROUND_REQUESTS_MAX][12];
		struct in6_addr a = codec_from_v4(0xc0000200 + i % 5);
		uint8_t request[12] = {0, (uint8_t)(1 + i % 2), 0, 0, 4, (uint8_t)(i / 2), 4, i, 0, 0, 2, 0};

		memcpy(requests[i], request, 12);
		enter();
		world_put(w, &a, 40000, requests[i], 12);
		leave();
	}
	settle(w);
	enter();
	engine_wan(w->engine, 0, addresses + 1, 1, w->now_ms, w->round);
	leave();
	settle(w);
	enter();
	engine_busy(w->engine, &busy, 1);
	rc = engine_reload(w->engine, other, w->now_ms, w->round);
	leave();
	settle(w);
	drive_flush(&(struct drive){.w = *w});
	enter();
	engine_reinstall(w->engine, w->now_ms, w->round);
	leave();
	settle(w);
	for (unsigned i = 0; i < 200; i++) {
		w->now_ms += 5000;
		enter();
		engine_tick(w->engine, w->now_ms, w->round);
		leave();
		settle(w);
	}
	/* the engine borrows what it was given last */
	engine_free(w->engine);
	w->engine = NULL;
	return true;
}
#endif

/* Whichever allocation fails: an answer less or an error more, but never a lie. */
static void test_out_of_memory(void **state)
{
	(void)state;
#if FAILMALLOC
	bool failed = true;
	long n;

	for (n = 1; failed; n++) {
		const char *text = drive_conf(1);
		struct world w;
		struct conf *other;

		assert_true(n < 2000);
		left = 0;
		assert_true(world_open(&w, drive_conf(0)));
		other = conf_parse(text, strlen(text), "conf", w.why);
		assert_non_null(other);
		left = n;
		live(&w, other);
		failed = left == 0;
		left = 0;
		world_close(&w);
		conf_free(other);
	}
	assert_true(n > 2); /* one that failed, and all went well */
#else
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_random_life),
	    cmocka_unit_test(test_families),
	    cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
