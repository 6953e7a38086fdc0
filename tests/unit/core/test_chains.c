/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/chains.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/core/failmalloc.h"

struct entry {
	uint32_t hash, next;
	bool in;
};

static uint32_t hash_of(void *context, uint32_t i)
{
	return ((struct entry *)context)[i].hash;
}

static uint32_t *next_of(void *context, uint32_t i)
{
	return &((struct entry *)context)[i].next;
}

static bool has(const struct chains *c, struct entry *v, uint32_t i)
{
	uint32_t k = chains_first(c, v[i].hash);
	while (k != CHAINS_NONE && k != i)
		k = v[k].next;
	return k == i;
}

/* The length of all chains together, each entry found from its hash: nothing is in a chain twice or in a wrong one. */
static void check_all(const struct chains *c, struct entry *v, uint32_t n)
{
	uint32_t in = 0, chained = 0;
	for (uint32_t i = 0; i < n; i++) {
		in += v[i].in;
		if (v[i].in)
			assert_true(has(c, v, i));
	}
	for (uint32_t b = 0; b < c->full + c->split; b++)
		for (uint32_t i = *chains_bucket(c, b); i != CHAINS_NONE; i = v[i].next)
			chained++;
	assert_int_equal(in, chained);
	assert_int_equal(in, c->entries);
}

static void test_model(void **state)
{
	(void)state;
	enum { N = 20000 };
	struct entry *v = calloc(N, sizeof(*v));
	struct chains c;
	assert_true(chains_init(&c, hash_of, next_of, v));
	uint64_t r = 1;
	for (int step = 0; step < 400000; step++) {
		r = r * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		uint32_t i = (uint32_t)(r >> 33) % N;
		if (v[i].in) {
			if (r >> 63)
				chains_remove(&c, v[i].hash, i);
			else
				continue;
		} else {
			v[i].hash = (uint32_t)(r >> 20);
			chains_add(&c, v[i].hash, i);
		}
		v[i].in = !v[i].in;
		if (step % 20000 == 0)
			check_all(&c, v, N);
	}
	check_all(&c, v, N);
	for (uint32_t i = 0; i < N; i++)
		if (v[i].in)
			chains_remove(&c, v[i].hash, i);
	assert_int_equal(0, c.entries);
	chains_clear(&c);
	free(v);
}

/* Never more entries than buckets, and only one more bucket for each entry that comes. */
static void test_growth(void **state)
{
	(void)state;
	enum { N = 100000 };
	struct entry *v = calloc(N, sizeof(*v));
	struct chains c;
	assert_true(chains_init(&c, hash_of, next_of, v));
	uint32_t buckets = c.full;
	for (uint32_t i = 0; i < N; i++) {
		v[i].hash = i * UINT32_C(2654435761);
		v[i].in = true;
		chains_add(&c, v[i].hash, i);
		assert_true(c.full + c.split - buckets <= 1);
		buckets = c.full + c.split;
		assert_true(c.entries <= buckets);
	}
	check_all(&c, v, N);
	chains_clear(&c);
	free(v);
}

/* All of one hash: slow, but right. */
static void test_one_chain(void **state)
{
	(void)state;
	enum { N = 1000 };
	struct entry *v = calloc(N, sizeof(*v));
	struct chains c;
	assert_true(chains_init(&c, hash_of, next_of, v));
	for (uint32_t i = 0; i < N; i++) {
		v[i] = (struct entry){.hash = UINT32_MAX, .in = true};
		chains_add(&c, v[i].hash, i);
	}
	check_all(&c, v, N);
	for (uint32_t i = 0; i < N; i += 2) {
		chains_remove(&c, v[i].hash, i);
		v[i].in = false;
	}
	check_all(&c, v, N);
	chains_clear(&c);
	free(v);
}

#if FAILMALLOC
static void test_no_memory(void **state)
{
	(void)state;
	enum { N = 5000 };
	struct entry *v = calloc(N, sizeof(*v));
	struct chains c;
	failmalloc_in = 1;
	assert_false(chains_init(&c, hash_of, next_of, v));
	assert_true(chains_init(&c, hash_of, next_of, v));
	for (uint32_t i = 0; i < N; i++) {
		/* from 1,000 to 3,000 there is never memory */
		failmalloc_in = i >= 1000 && i < 3000;
		v[i].hash = i * UINT32_C(2654435761);
		v[i].in = true;
		chains_add(&c, v[i].hash, i);
	}
	failmalloc_in = 0;
	check_all(&c, v, N);
	chains_clear(&c);
	free(v);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_one_chain),
#if FAILMALLOC
		cmocka_unit_test(test_no_memory),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
