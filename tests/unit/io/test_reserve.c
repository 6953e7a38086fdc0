/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/reserve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/core/failmalloc.h"

static void plenty(void **state)
{
	char *p = reserve_malloc(10);

	(void)state;
	assert_non_null(p);
	strcpy(p, "text");
	p = reserve_realloc(p, 100000);
	assert_string_equal(p, "text");
	assert_false(reserve_used());
	reserve_free(p);
	reserve_free(NULL);
	p = reserve_realloc(NULL, 10);
	assert_non_null(p);
	reserve_free(p);
	assert_false(reserve_used());
}

static void none(void **state)
{
	(void)state;
#if FAILMALLOC
	char *v[RESERVE_BLOCKS], *p, *q;

	for (size_t i = 0; i < RESERVE_BLOCKS; i++) {
		failmalloc_in = 1;
		v[i] = reserve_malloc(i % RESERVE_SIZE + 1);
		assert_true(v[i] && reserve_used() && (uintptr_t)v[i] % sizeof(max_align_t) == 0);
		memset(v[i], (int)i, RESERVE_SIZE);
	}
	for (size_t i = 0; i < RESERVE_BLOCKS; i++)
		assert_true(v[i][0] == (char)i && v[i][RESERVE_SIZE - 1] == (char)i);
	failmalloc_in = 1;
	assert_null(reserve_malloc(1));
	reserve_free(v[7]);
	failmalloc_in = 1;
	assert_null(reserve_malloc(RESERVE_SIZE + 1));
	failmalloc_in = 1;
	p = reserve_realloc(NULL, 5);
	assert_ptr_equal(p, v[7]);
	strcpy(p, "text");
	/* it stays where it is, or goes where there is room again */
	failmalloc_in = 1;
	assert_ptr_equal(reserve_realloc(p, RESERVE_SIZE), p);
	failmalloc_in = 1;
	assert_null(reserve_realloc(p, RESERVE_SIZE + 1));
	q = reserve_realloc(p, 2 * RESERVE_SIZE);
	assert_string_equal(q, "text");
	/* what is not of it is not lost when it cannot grow */
	failmalloc_in = 1;
	assert_null(reserve_realloc(q, 4 * RESERVE_SIZE));
	assert_string_equal(q, "text");
	reserve_free(q);
	for (size_t i = 0; i < RESERVE_BLOCKS; i++)
		if (i != 7)
			reserve_free(v[i]);
	assert_false(reserve_used());
	failmalloc_in = 0;
#else
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(plenty), cmocka_unit_test(none)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
