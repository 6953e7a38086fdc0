/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/runs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/core/failmalloc.h"

static uint64_t words[RUNS_WORDS];
static uint64_t random_state = 1;

static uint32_t random_32(void)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(random_state >> 32);
}

static bool is_free(uint32_t port)
{
	return words[port / 64] >> port % 64 & 1;
}

static void set(struct runs *r, uint32_t port, bool free_now)
{
	if (port == 0)
		return;
	words[port / 64] &= ~(UINT64_C(1) << port % 64);
	words[port / 64] |= (uint64_t)free_now << port % 64;
	if (r)
		runs_changed(r, (uint16_t)port);
}

/* The same as runs_find(), one port after the other. */
static uint32_t plain(const struct runs_want *want, uint32_t from, uint32_t end, uint32_t enough, uint16_t *first)
{
	uint32_t most = enough, found = 0;

	for (uint32_t port = from; port < end && found < want->n; port++) {
		uint32_t n = 0;

		while (port + n < end && n < want->n && is_free(port + n))
			n++;
		if ((want->parity && (port & 1) != want->odd) || n <= most)
			continue;
		most = found = n;
		*first = (uint16_t)port;
	}
	return found;
}

static void compare(const struct runs *r, const struct runs_want *want, uint32_t from, uint32_t end, uint32_t enough)
{
	uint16_t first = 7, expected = 7;
	uint32_t n = plain(want, from, end, enough, &expected);

	assert_int_equal(runs_find(r, want, from, end, enough, &first), n);
	assert_int_equal(first, expected);
}

static void fill(uint64_t word)
{
	for (unsigned i = 0; i < RUNS_WORDS; i++)
		words[i] = word;
	words[0] &= ~UINT64_C(1);
}

static const struct runs_want wants[] = {
    {.n = 1}, {.n = 2}, {.n = 3, .parity = true}, {.n = 64, .parity = true, .odd = true}, {.n = 65}, {.n = 65535}};

static void test_patterns(void **state)
{
	static const uint64_t patterns[] = {0,
					    UINT64_MAX,
					    UINT64_C(0x5555555555555555),
					    UINT64_C(0xaaaaaaaaaaaaaaaa),
					    UINT64_C(0xff00ff00ff00ff00),
					    UINT64_C(0x8000000000000001),
					    UINT64_C(0x7ffffffffffffffe),
					    UINT64_C(0x00000001ffffffff)};
	static const struct {
		uint32_t from, end;
	} places[] = {{1, 65536}, {1, 64}, {63, 65}, {64, 128}, {65, 190}, {65472, 65536}, {40000, 40001}};

	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		struct runs *r;

		fill(patterns[i]);
		r = runs_new(words);
		for (size_t k = 0; k < sizeof(places) / sizeof(*places); k++)
			for (size_t j = 0; j + (k == 0) < sizeof(wants) / sizeof(*wants); j++)
				compare(r, &wants[j], places[k].from, places[k].end, j % wants[j].n);
		runs_free(r);
	}
}

/* Ports come and go: dense, sparse, and in blocks. */
static void test_model(void **state)
{
	struct runs *r;

	(void)state;
	fill(UINT64_MAX);
	r = runs_new(words);
	for (int i = 0; i < 20000; i++) {
		uint32_t base = i / 4000 * 1000, from = base + random_32() % 1200, end = from + 1 + random_32() % 1200;
		uint32_t port = base + random_32() % 2048;
		struct runs_want want = {
		    .n = 1 + random_32() % (i % 2 ? 6 : 300), .parity = random_32() % 2, .odd = random_32() % 2};
		bool free_now = random_32() % 8 < (unsigned)(i / 1000 % 8);

		for (uint32_t n = i % 3 ? 1 : random_32() % 70; n > 0; n--)
			set(r, port + n, free_now);
		if (i % 4 == 0)
			compare(r, &want, from, end, random_32() % want.n);
	}
	runs_free(r);
}

/* Runs of every length, the longest at the end; and the longest one of all there can be. */
static void test_lengths(void **state)
{
	struct runs_want want = {.n = 65535};
	uint32_t length = 0, port = 1;
	uint16_t first;
	struct runs *r;

	(void)state;
	fill(0);
	while (port + length + 1 < RUNS_PORTS) {
		length++;
		for (uint32_t i = 0; i < length; i++)
			set(NULL, port + i, true);
		port += length + 1;
	}
	r = runs_new(words);
	for (want.n = 1; want.n <= length + 1; want.n++)
		compare(r, &want, 1, RUNS_PORTS, 0);
	fill(UINT64_MAX);
	runs_free(r);
	r = runs_new(words);
	want.n = 65535;
	assert_int_equal(runs_find(r, &want, 0, RUNS_PORTS, 0, &first), 65535);
	assert_int_equal(first, 1);
	assert_int_equal(runs_find(r, &want, 1000, 65535, 0, &first), 64535);
	assert_int_equal(first, 1000);
	assert_int_equal(runs_find(r, &want, 1000, 65535, 64535, &first), 0);
	set(r, 32768, false);
	assert_int_equal(runs_find(r, &want, 0, RUNS_PORTS, 0, &first), 32767);
	assert_int_equal(first, 1);
	runs_free(r);
	runs_free(NULL);
}

static void test_usable(void **state)
{
	static const struct {
		struct runs_want want;
		uint32_t first, n, after, usable;
	} rows[] = {
	    {{.n = 5}, 7, 9, 7, 5},
	    {{.n = 5}, 7, 3, 7, 3},
	    {{.n = 5, .parity = true}, 7, 3, 8, 2},
	    {{.n = 5, .parity = true, .odd = true}, 7, 3, 7, 3},
	    {{.n = 5, .parity = true}, 7, 1, 8, 0},
	    {{.n = 5, .parity = true}, 7, 0, 7, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint32_t first = rows[i].first;

		assert_int_equal(runs_usable(&rows[i].want, &first, rows[i].n), rows[i].usable);
		assert_int_equal(first, rows[i].after);
	}
}

#if FAILMALLOC
static void test_no_memory(void **state)
{
	size_t before = failmalloc_held;
	struct runs *r;

	(void)state;
	fill(UINT64_MAX);
	failmalloc_in = 1;
	assert_null(runs_new(words));
	r = runs_new(words);
	assert_true(failmalloc_held - before < 16500);
	runs_free(r);
	assert_int_equal(failmalloc_held, before);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_usable),
#if FAILMALLOC
		cmocka_unit_test(test_no_memory),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
