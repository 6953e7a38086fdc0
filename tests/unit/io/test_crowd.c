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
		size_t n;
		bool crowd;
	} steps[] = {
	    /* a burst, and one that lasts */
	    {0, 256, false},
	    {CROWD_MS - 1, 256, false},
	    {CROWD_MS, 256, true},
	    {100, 256, true},
	    /* from now on at once and with fewer, until it was quiet for long */
	    {101, 63, false},
	    {102, 64, true},
	    {103, 1, false},
	    {101 + CROWD_AFTER_MS, 100, true},
	    {150 + CROWD_AFTER_MS, 0, false},
	    {101 + 2 * CROWD_AFTER_MS, 255, false},
	    {102 + 2 * CROWD_AFTER_MS, 256, false},
	    {101 + 2 * CROWD_AFTER_MS + CROWD_MS, 256, false},
	    {102 + 2 * CROWD_AFTER_MS + CROWD_MS, 256, true},
	    {100000, 0, false},
	    {200000, 256, false},
	};
	struct crowd c = {0};

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		assert_int_equal(crowd_is(&c, steps[i].n, 256, steps[i].at_ms), steps[i].crowd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_crowd)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
