/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/scenario/drive.h"

/* 100,000 things that happen to an engine, requests, refusals, outages, other addresses, other configurations, flushes:
 * its leases are what the packet filter has, always. 6887-7.3-11, 6887-11.3-37, 6887-11.3-27 */
static void test_random_life(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct drive d;
		unsigned step = 0;

		assert_true(drive_open(&d, seed, NULL, 0));
		while (step < 5000 && !d.broken) {
			drive_step(&d);
			step++;
		}
		drive_close(&d);
		if (d.broken)
			fail_msg("seed %u, step %u: %s", (unsigned)seed, step, d.broken);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_random_life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
