/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/crowd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_crowd(void **state)
{
	(void)state;
	static const struct {
		uint64_t at_ms;
		bool full, crowd;
	} steps[] = {
	    /* a burst, and one that lasts */
	    {0, true, false},
	    {CROWD_MS - 1, true, false},
	    {CROWD_MS, true, true},
	    {100, true, true},
	    /* from now on at once, until it was quiet for long */
	    {101, false, false},
	    {102, true, true},
	    {103, false, false},
	    {101 + CROWD_AFTER_MS, true, true},
	    {150 + CROWD_AFTER_MS, false, false},
	    {101 + 2 * CROWD_AFTER_MS, true, false},
	    {100 + 2 * CROWD_AFTER_MS + CROWD_MS, true, false},
	    {101 + 2 * CROWD_AFTER_MS + CROWD_MS, true, true},
	    {100000, false, false},
	    {200000, true, false},
	};
	struct crowd c = {0};

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		assert_int_equal(crowd_is(&c, steps[i].full, steps[i].at_ms), steps[i].crowd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_crowd)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
