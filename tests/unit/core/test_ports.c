/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/ports.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/core/failmalloc.h"

static const struct conf_ranges any;
static uint64_t random_state = 1;

static uint32_t random_32(void)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(random_state >> 32);
}

static void test_marks(void **state)
{
	(void)state;
	struct ports *p = ports_new(&any);
	assert_true(ports_taken(p, 6, 0));
	assert_false(ports_taken(p, 6, 1));
	assert_int_equal(0, ports_set(p, 6, 80, true));
	assert_int_equal(0, ports_set(p, 6, 80, true));
	assert_true(ports_taken(p, 6, 80));
	assert_false(ports_taken(p, 17, 80));
	assert_int_equal(0, ports_set(p, 6, 80, false));
	assert_false(ports_taken(p, 6, 80));
	assert_int_equal(0, ports_set(p, 6, 0, false));
	assert_int_equal(0, ports_set(p, 132, 0, false));
	assert_true(ports_taken(p, 6, 0));
	assert_true(ports_taken(p, 132, 0));
	ports_free(p);
	ports_free(NULL);
}

/* The whole of one protocol is handed out, each port once; then the same of another, for which other ports are left. */
static void test_every_last_port(void **state)
{
	(void)state;
	struct ports *p = ports_new(&any);
	for (int round = 0; round < 2; round++) {
		uint8_t protocol = round ? 17 : 6;
		for (int i = 1; i < 65536; i++) {
			uint16_t port = ports_pick(p, protocol, &any, &any, random_32());
			assert_int_not_equal(0, port);
			assert_false(ports_taken(p, protocol, port));
			assert_int_equal(0, ports_set(p, protocol, port, true));
		}
		assert_int_equal(0, ports_pick(p, protocol, &any, &any, random_32()));
	}
	/* one is given back: it is found from everywhere */
	static const uint16_t cases[] = {1, 63, 64, 4095, 4096, 32768, 65472, 65535};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ports_set(p, 17, cases[i], false);
		for (uint32_t start = 0; start < 64; start++)
			assert_int_equal(cases[i], ports_pick(p, 17, &any, &any, start << 26));
		assert_int_equal(0, ports_pick(p, 6, &any, &any, 0));
		ports_set(p, 17, cases[i], true);
	}
	ports_free(p);
}

static void test_prefers_free_for_all(void **state)
{
	(void)state;
	struct ports *p = ports_new(&any);
	struct conf_range r = {2000, 2009};
	struct conf_ranges ten = {&r, 1};
	for (uint16_t port = 2000; port < 2009; port++)
		ports_set(p, 6, port, true);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(2009, ports_pick(p, 17, &ten, &any, i << 28));
	ports_set(p, 6, 2009, true);
	/* none is free for all: any that is free for the one, which has no map of its own yet */
	bool seen[10] = {false};
	for (int i = 0; i < 500; i++) {
		uint16_t port = ports_pick(p, 17, &any, &ten, random_32());
		assert_in_range(port, 2000, 2009);
		seen[port - 2000] = true;
	}
	for (int i = 0; i < 10; i++)
		assert_true(seen[i]);
	/* and after the other protocol gave one back, that one again */
	ports_set(p, 17, 2003, true);
	ports_set(p, 6, 2003, false);
	ports_set(p, 6, 2004, false);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(2004, ports_pick(p, 17, &any, &ten, i << 28));
	ports_free(p);
}

static void test_ranges(void **state)
{
	(void)state;
	struct conf_range va[] = {{0, 2}, {100, 199}, {300, 399}, {60000, 65535}};
	struct conf_range vb[] = {{2, 2}, {150, 310}, {500, 600}, {65535, 65535}};
	struct conf_ranges a = {va, 4}, b = {vb, 4}, c = {va, 1}, d = {vb + 2, 1};
	struct ports *p = ports_new(&any);
	size_t n = 0;
	uint16_t port;
	while ((port = ports_pick(p, 6, &a, &b, random_32()))) {
		assert_true(conf_ranges_have(&a, port) && conf_ranges_have(&b, port));
		ports_set(p, 6, port, true);
		n++;
	}
	assert_int_equal(1 + 50 + 11 + 1, n);
	assert_int_equal(0, ports_pick(p, 17, &a, &d, 7));
	/* port 0 is never given, though a range has it */
	n = 0;
	while ((port = ports_pick(p, 17, &c, &c, random_32()))) {
		ports_set(p, 17, port, true);
		n++;
	}
	assert_int_equal(2, n);
	for (uint32_t i = 0; i < 16; i++)
		assert_in_range(ports_pick(p, 132, &c, &c, i << 28), 1, 2);
	ports_free(p);
}

/* Random marks and picks against an array. */
static void test_model(void **state)
{
	(void)state;
	static bool taken[3][65536];
	static const uint8_t protocols[3] = {6, 17, 132};
	struct ports *p = ports_new(&any);
	struct conf_range r = {1000, 1600};
	struct conf_ranges ranges = {&r, 1};
	for (int step = 0; step < 300000; step++) {
		uint32_t k = random_32() % 3;
		uint16_t port = (uint16_t)(random_32() % 700 + 950);
		/* mostly full, then mostly empty, and so on */
		bool take = random_32() % 8 < (step / 30000 % 2 ? 2u : 7u);
		assert_int_equal(0, ports_set(p, protocols[k], port, take));
		taken[k][port] = take;
		k = random_32() % 3;
		port = ports_pick(p, protocols[k], &any, &ranges, random_32());
		if (port) {
			assert_in_range(port, 1000, 1600);
			assert_false(taken[k][port]);
			assert_false(ports_taken(p, protocols[k], port));
		}
		if (step % 16)
			continue;
		size_t free_here = 0, free_everywhere = 0;
		for (uint16_t i = 1000; i <= 1600; i++) {
			free_here += !taken[k][i];
			free_everywhere += !taken[0][i] && !taken[1][i] && !taken[2][i];
		}
		assert_int_equal(free_here > 0, port != 0);
		if (free_everywhere)
			assert_false(taken[0][port] || taken[1][port] || taken[2][port]);
	}
	ports_free(p);
}

/* From an empty map every port is as likely as every other: chi-square over 1,000 ports, 99.99 % are below 1,170. */
static void test_uniform(void **state)
{
	(void)state;
	struct conf_range va[] = {{5000, 5099}, {6000, 6899}};
	struct conf_ranges a = {va, 2};
	struct ports *p = ports_new(&any);
	static unsigned count[7000];
	const unsigned each = 200;
	for (unsigned i = 0; i < 1000 * each; i++)
		count[ports_pick(p, 6, &a, &any, random_32())]++;
	double chi = 0;
	for (int port = 5000; port < 6900; port++) {
		if (!conf_ranges_have(&a, (uint16_t)port))
			continue;
		double d = (double)count[port] - each;
		chi += d * d / each;
	}
	assert_true(chi < 1170 && chi > 830);
	ports_free(p);
}

/* Runs of free ports: where the ranges and what is taken leave them; RFC 7753 P. */
static void test_runs(void **state)
{
	static struct conf_range few[] = {{100, 109}, {200, 204}};
	static struct conf_range part[] = {{103, 203}};
	const struct conf_ranges a = {few, 2}, b = {part, 1};
	static const struct {
		struct runs_want run;
		uint32_t random;
		uint32_t n, first;
	} rows[] = {
	    {{.n = 4}, 0, 4, 103},
	    {{.n = 4}, 106u << 16, 4, 106},
	    {{.n = 4}, 107u << 16, 4, 200},
	    /* behind the place there is none */
	    {{.n = 4}, 201u << 16, 4, 103},
	    /* the longest */
	    {{.n = 50}, 201u << 16, 7, 103},
	    /* even and odd */
	    {{.n = 50, .parity = true, .odd = false}, 0, 6, 104},
	    {{.n = 50, .parity = true, .odd = true}, 0, 7, 103},
	    {{.n = 3, .parity = true, .odd = true}, 104u << 16, 3, 105},
	};
	struct ports *p = ports_new(&any);
	uint16_t first = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(ports_find_run(p, 6, &a, &b, &rows[i].run, rows[i].random, &first), rows[i].n);
		assert_int_equal(first, rows[i].first);
	}
	/* some are taken */
	ports_set(p, 6, 105, true);
	assert_int_equal(ports_find_run(p, 6, &a, &b, &rows[4].run, 0, &first), 4);
	assert_int_equal(first, 106);
	assert_int_equal(ports_find_run(p, 17, &a, &b, &rows[4].run, 0, &first), 7);
	/* to the last port, and none at all */
	assert_int_equal(ports_find_run(p, 17, &any, &any, &(struct runs_want){.n = 10}, UINT32_MAX, &first), 10);
	for (unsigned port = 1; port < 65536; port++)
		ports_set(p, 17, (uint16_t)port, port != 65535);
	assert_int_equal(ports_find_run(p, 17, &any, &any, &(struct runs_want){.n = 10}, random_32(), &first), 1);
	assert_int_equal(first, 65535);
	ports_set(p, 17, 65535, true);
	assert_int_equal(ports_find_run(p, 17, &any, &any, &(struct runs_want){.n = 10}, random_32(), &first), 0);
	ports_free(p);
}

/* The length found is the longest there is, up to what is wanted; all of it is free and in the ranges. */
static void test_runs_model(void **state)
{
	static bool taken[65536];
	struct ports *p = ports_new(&any);

	(void)state;
	memset(taken, 0, sizeof(taken));
	for (int i = 0; i < 3000; i++) {
		struct conf_range range = {(uint16_t)(5000 + random_32() % 200), (uint16_t)(5200 + random_32() % 200)};
		struct conf_ranges ranges = {&range, 1};
		struct runs_want run = {.n = 1 + random_32() % 12, .parity = random_32() % 2, .odd = random_32() % 2};
		uint16_t port = (uint16_t)(5000 + random_32() % 400), first = 0;
		uint32_t best = 0, n;

		taken[port] = random_32() % 3;
		ports_set(p, 6, port, taken[port]);
		n = ports_find_run(p, 6, i % 2 ? &ranges : &any, i % 2 ? &any : &ranges, &run, random_32(), &first);
		for (uint32_t at = range.first; at <= range.last; at++) {
			uint32_t length = 0;

			while (at + length <= range.last && length < run.n && !taken[at + length])
				length++;
			if ((!run.parity || (at & 1) == run.odd) && length > best)
				best = length;
		}
		assert_int_equal(n, best);
		for (uint32_t k = 0; k < n; k++)
			assert_true(first + k >= range.first && first + k <= range.last && !taken[first + k]);
		assert_true(n == 0 || !run.parity || (first & 1) == run.odd);
	}
	ports_free(p);
}

#if FAILMALLOC
static void test_no_memory(void **state)
{
	(void)state;
	failmalloc_in = 1;
	assert_null(ports_new(&any));
	struct ports *p = ports_new(&any);
	size_t before = failmalloc_held;
	failmalloc_in = 1;
	assert_int_equal(-ENOMEM, ports_set(p, 6, 80, true));
	assert_false(ports_taken(p, 6, 80));
	assert_int_equal(0, ports_set(p, 6, 80, true));
	assert_true(ports_taken(p, 6, 80));
	assert_true(failmalloc_held - before < 8600);
	ports_free(p);
}
#endif

/* How many are free is known at any time, of those that are ours. */
static void test_left(void **state)
{
	(void)state;
	struct conf_range v[] = {{1000, 1999}, {5000, 5000}};
	struct conf_ranges ours = {v, 2};
	struct ports *p = ports_new(&ours), *all = ports_new(&any);
	bool taken[2001] = {false};
	uint32_t n = 1001;

	assert_int_equal(ports_total(&any), 65535);
	assert_int_equal(ports_left(all, 6), 65535);
	assert_int_equal(ports_left(p, 6), 1001);
	for (unsigned i = 0; i < 20000; i++) {
		uint16_t port = (uint16_t)(500 + random_32() % 1501);
		bool take = random_32() % 3 > 0;

		if (port >= 1000 && port < 2000 && take != taken[port])
			n += take ? UINT32_MAX : 1;
		taken[port] = take;
		assert_int_equal(ports_set(p, 6, port, take), 0);
		assert_int_equal(ports_left(p, 6), n);
		assert_int_equal(ports_left(p, 17), 1001);
	}
	ports_set(p, 6, 5000, true);
	assert_int_equal(ports_left(p, 6), n - 1);
	ports_set(all, 6, 0, true);
	ports_set(all, 6, 65535, true);
	assert_int_equal(ports_left(all, 6), 65534);
	ports_free(p);
	ports_free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_left),
		cmocka_unit_test(test_every_last_port),
		cmocka_unit_test(test_prefers_free_for_all),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_uniform),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_runs_model),
#if FAILMALLOC
		cmocka_unit_test(test_no_memory),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
