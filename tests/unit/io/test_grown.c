/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/grown.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void grows(void **state)
{
	struct grown t = {0};

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(grown_string(&t, "ab"), 0);
		assert_int_equal(grown_put("c\0d", 3, &t), 0);
		assert_int_equal(grown_format(&t, "%s-%u", "e", 7u), 0);
	}
	assert_int_equal(t.n, 8000);
	assert_memory_equal(t.v + 7992, "abc\0de-7", 8);
	assert_int_equal(grown_string(&t, ""), 0);
	free(t.v);
}

/* What failed once is not whole any more. */
static void fails(void **state)
{
	struct grown t = {0};

	(void)state;
	assert_int_equal(grown_string(&t, "ab"), 0);
	assert_int_equal(grown_put("x", SIZE_MAX / 16, &t), -1);
	assert_true(t.failed);
	assert_int_equal(grown_string(&t, "c"), -1);
	assert_int_equal(grown_format(&t, "%d", 1), -1);
	assert_int_equal(t.n, 2);
	free(t.v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(grows), cmocka_unit_test(fails)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
