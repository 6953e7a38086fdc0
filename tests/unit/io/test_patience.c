/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/patience.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_drips(void **state)
{
	struct patience p = {0};

	(void)state;
	assert_true(patience_more(&p, 5, 100, 1000, 30000));
	assert_true(patience_more(&p, 5, 100, 30000, 30000));
	/* others have their own time */
	assert_true(patience_more(&p, 300, 101, 30000, 30000));
	assert_true(patience_more(&p, 5, 100, 31000, 30000));
	assert_false(patience_more(&p, 5, 100, 31001, 30000));
	assert_true(patience_more(&p, 300, 101, 31001, 30000));
	/* another socket has the descriptor */
	assert_true(patience_more(&p, 5, 102, 31002, 30000));
	assert_true(patience_more(&p, 5, 102, 61002, 30000));
	assert_false(patience_more(&p, 5, 102, 61003, 30000));
	free(p.v);
}

static void test_requests(void **state)
{
	struct patience p = {0};

	(void)state;
	assert_true(patience_more(&p, 5, 100, 1000, 30000));
	patience_whole(&p, 5);
	/* a long answer, and what comes meanwhile */
	assert_true(patience_more(&p, 5, 100, 90000, 30000));
	patience_answered(&p, 5);
	/* an idle time is no part of the next request */
	assert_true(patience_more(&p, 5, 100, 190000, 30000));
	assert_true(patience_more(&p, 5, 100, 220000, 30000));
	assert_false(patience_more(&p, 5, 100, 220001, 30000));
	/* descriptors that nothing is known of, and none */
	patience_whole(&p, 4000);
	patience_answered(&p, -1);
	assert_true(patience_more(&p, -1, 1, 1, 0));
	free(p.v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_drips),
	    cmocka_unit_test(test_requests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
