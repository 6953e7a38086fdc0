/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/core/failmalloc.h"

struct entry {
	uint32_t hash;
	bool in;
};

/* How often a search for the hash of i comes to i, which has to be once if it is in. */
static uint32_t times_found(const struct index *x, const struct entry *v, uint32_t i)
{
	uint32_t n = 0;
	struct index_cursor c;
	for (uint32_t k = index_first(x, v[i].hash, &c); k != INDEX_NONE; k = index_next(x, &c)) {
		assert_true(v[k].hash == v[i].hash && v[k].in);
		n += k == i;
	}
	return n;
}

static void check_all(const struct index *x, const struct entry *v, uint32_t n)
{
	uint32_t in = 0;
	for (uint32_t i = 0; i < n; i++) {
		in += v[i].in;
		assert_int_equal(v[i].in, times_found(x, v, i));
	}
	assert_int_equal(in, x->entries);
}

static uint64_t random_state;

static uint32_t random_32(void)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(random_state >> 32);
}

/* Comes and goes, growth and shrinkage; hashes of few bits collide and make long runs that wrap around. */
static void test_model(void **state)
{
	(void)state;
	enum { N = 6000 };
	static const uint32_t masks[] = {UINT32_MAX, 0xffffff00, 0x3ff, 0xfff0007f};
	struct entry *v = calloc(N, sizeof(*v));
	for (size_t m = 0; m < sizeof(masks) / sizeof(*masks); m++) {
		random_state = m;
		memset(v, 0, N * sizeof(*v));
		struct index x;
		assert_true(index_init(&x));
		for (int step = 0; step < 60000; step++) {
			uint32_t i = random_32() % N;
			bool wanted = random_32() % 8 < (step / 15000 % 2 ? 1u : 6u);
			if (wanted && !v[i].in) {
				v[i].hash = random_32() & masks[m];
				assert_true(index_reserve(&x, x.entries + 1));
				index_add(&x, v[i].hash, i);
			} else if (!wanted && v[i].in) {
				index_remove(&x, v[i].hash, i);
			}
			v[i].in = wanted;
			if (masks[m] > 0x3ff)
				assert_int_equal(wanted, times_found(&x, v, i));
			if (step % 5000 == 0)
				check_all(&x, v, N);
		}
		check_all(&x, v, N);
		for (uint32_t i = 0; i < N; i++)
			if (v[i].in)
				index_remove(&x, v[i].hash, i);
		assert_int_equal(0, x.entries);
		index_clear(&x);
	}
	free(v);
}

/* At most two thirds full after every entry, and moved to the new table long before that is full. */
static void test_growth(void **state)
{
	(void)state;
	enum { N = 200000 };
	struct entry *v = calloc(N, sizeof(*v));
	struct index x;
	assert_true(index_init(&x));
	for (uint32_t i = 0; i < N; i++) {
		v[i] = (struct entry){i * UINT32_C(2654435761), true};
		assert_true(index_reserve(&x, i + 1));
		index_add(&x, v[i].hash, i);
		assert_true((uint64_t)x.entries * 3 <= ((uint64_t)x.mask + 1) * 2);
		assert_true(!x.old || (uint64_t)x.entries * 2 < x.mask);
		assert_int_equal(1, times_found(&x, v, i / 2));
	}
	check_all(&x, v, N);
	index_clear(&x);
	free(v);
}

#if FAILMALLOC
static void test_no_memory(void **state)
{
	(void)state;
	enum { N = 5000 };
	struct entry *v = calloc(N, sizeof(*v));
	struct index x;
	failmalloc_in = 1;
	assert_false(index_init(&x));
	assert_true(index_init(&x));
	uint32_t n = 0;
	/* without memory it is filled but for one slot, then refuses */
	for (;; n++) {
		failmalloc_in = 1;
		if (!index_reserve(&x, n + 1))
			break;
		v[n] = (struct entry){n * UINT32_C(2654435761), true};
		index_add(&x, v[n].hash, n);
	}
	failmalloc_in = 0;
	assert_int_equal(255, n);
	check_all(&x, v, N);
	index_remove(&x, v[7].hash, 7);
	index_add(&x, v[7].hash, 7);
	/* and grows as soon as there is some */
	for (; n < N; n++) {
		assert_true(index_reserve(&x, n + 1));
		v[n] = (struct entry){n * UINT32_C(2654435761), true};
		index_add(&x, v[n].hash, n);
	}
	check_all(&x, v, N);
	index_clear(&x);
	free(v);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_growth),
#if FAILMALLOC
		cmocka_unit_test(test_no_memory),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
