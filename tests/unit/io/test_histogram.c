/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void empty(void **state)
{
	static const struct histogram h;

	(void)state;
	assert_int_equal(histogram_quantile(&h, NULL, 500), 0);
	assert_int_equal(histogram_below(&h, 31), 0);
}

/* Every power of two is a border, and what a quantile says is an eighth too much at most. */
static void spread(void **state)
{
	(void)state;
	for (unsigned power = 0; power < 31; power++) {
		uint64_t v = UINT64_C(1) << power;
		struct histogram h = {0};

		histogram_add(&h, v - 1, 1);
		histogram_add(&h, v, 1);
		assert_int_equal(histogram_below(&h, power), 1);
		assert_int_equal(histogram_below(&h, power + 1), 2);
		assert_int_equal(h.sum, 2 * v - 1);
		assert_true(histogram_quantile(&h, NULL, 1000) >= v);
		assert_true(histogram_quantile(&h, NULL, 1000) <= v + v / 8);
		assert_true(histogram_quantile(&h, NULL, 500) >= v - 1);
		assert_true(histogram_quantile(&h, NULL, 500) < v);
	}
}

static void huge(void **state)
{
	struct histogram h = {0};

	(void)state;
	histogram_add(&h, UINT64_C(1) << 40, 3);
	histogram_add(&h, UINT64_MAX, 1);
	assert_int_equal(h.count, 4);
	assert_int_equal(histogram_below(&h, 30), 0);
	assert_int_equal(histogram_below(&h, 31), 4);
	assert_int_equal(histogram_quantile(&h, NULL, 500), (UINT64_C(1) << 31) - 1);
}

static void quantiles(void **state)
{
	struct histogram h = {0}, before;

	(void)state;
	histogram_add(&h, 1, 90);
	histogram_add(&h, 5, 9);
	histogram_add(&h, 7, 1);
	assert_int_equal(histogram_quantile(&h, NULL, 0), 1);
	assert_int_equal(histogram_quantile(&h, NULL, 900), 1);
	assert_int_equal(histogram_quantile(&h, NULL, 901), 5);
	assert_int_equal(histogram_quantile(&h, NULL, 990), 5);
	assert_int_equal(histogram_quantile(&h, NULL, 1000), 7);
	before = h;
	assert_int_equal(histogram_quantile(&h, &before, 500), 0);
	histogram_add(&h, 6, 2);
	assert_int_equal(histogram_quantile(&h, &before, 1), 6);
	assert_int_equal(histogram_quantile(&h, &before, 990), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(empty), cmocka_unit_test(spread), cmocka_unit_test(huge),
					   cmocka_unit_test(quantiles)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
