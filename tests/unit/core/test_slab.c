/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/slab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/core/failmalloc.h"

struct item {
	uint64_t value;
	uint32_t link;
};

static struct item *at(const struct slab *s, uint32_t i)
{
	return slab_at(s, i, sizeof(struct item));
}

/* Items keep their place and value while others come and go; what was given back is used first. */
static void test_items(void **state)
{
	(void)state;
	enum { N = 100000 };
	static struct item *where[N];
	struct slab s;
	slab_init(&s, sizeof(struct item), offsetof(struct item, link));
	for (uint32_t i = 0; i < N; i++) {
		assert_int_equal(i, slab_take(&s, UINT32_MAX));
		where[i] = at(&s, i);
		where[i]->value = i;
	}
	for (uint32_t i = 0; i < N; i++)
		assert_true(where[i] == at(&s, i) && where[i]->value == i);
	for (uint32_t i = 0; i < N; i += 3)
		slab_give(&s, i);
	static bool again[N];
	for (uint32_t k = 0; k < N; k += 3) {
		uint32_t i = slab_take(&s, UINT32_MAX);
		assert_true(i < N && i % 3 == 0 && !again[i]);
		again[i] = true;
	}
	assert_int_equal(N, slab_take(&s, UINT32_MAX));
	for (uint32_t i = 1; i < N; i += 3)
		assert_true(where[i]->value == i);
	slab_clear(&s);
	slab_clear(&s);
}

static void test_limit(void **state)
{
	(void)state;
	struct slab s;
	slab_init(&s, sizeof(struct item), offsetof(struct item, link));
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(i, slab_take(&s, 5));
	assert_int_equal(SLAB_NONE, slab_take(&s, 5));
	slab_give(&s, 2);
	assert_int_equal(2, slab_take(&s, 5));
	assert_int_equal(SLAB_NONE, slab_take(&s, 5));
	slab_clear(&s);
}

#if FAILMALLOC
static void test_no_memory(void **state)
{
	(void)state;
	enum { N = 40 * SLAB_CHUNK };
	for (long nth = 1;; nth++) {
		struct slab s;
		slab_init(&s, sizeof(struct item), offsetof(struct item, link));
		failmalloc_in = nth;
		for (uint32_t i = 0; i < N; i++) {
			uint32_t got = slab_take(&s, UINT32_MAX);
			if (got == SLAB_NONE)
				got = slab_take(&s, UINT32_MAX);
			assert_int_equal(i, got);
			at(&s, i)->value = i;
		}
		bool done = failmalloc_in > 0;
		failmalloc_in = 0;
		for (uint32_t i = 0; i < N; i++)
			assert_true(at(&s, i)->value == i);
		slab_clear(&s);
		if (done) {
			assert_true(nth > 1); /* one that failed */
			break;
		}
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_items),
		cmocka_unit_test(test_limit),
#if FAILMALLOC
		cmocka_unit_test(test_no_memory),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
