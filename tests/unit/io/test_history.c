/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/history.h"

/* What may go on of what a journal says: 6887-8.5-05, 6886-3.7-01, decision-10, decision-21 */
static void test_past(void **state)
{
	static const struct {
		const char *what;
		enum journal_found found;
		bool same_boot, clean, always, time_known;
		bool whole, natpmp, pcp;
	} cases[] = {
	    {"nothing", JOURNAL_NONE, false, false, false, false, false, false, false},
	    {"killed", JOURNAL_WHOLE, true, false, false, false, true, true, true},
	    {"ended", JOURNAL_WHOLE, true, true, false, false, true, true, true},
	    {"a part of it", JOURNAL_PART, true, false, false, false, false, false, false},
	    {"a part, though written before each answer", JOURNAL_PART, true, true, true, false, false, false, false},
	    {"ended, and a new boot", JOURNAL_WHOLE, false, true, false, true, true, false, true},
	    {"ended, a new boot, and nobody knows when", JOURNAL_WHOLE, false, true, false, false, true, false, false},
	    {"power lost", JOURNAL_WHOLE, false, false, false, true, true, false, false},
	    {"power lost, written before each answer", JOURNAL_WHOLE, false, false, true, true, true, false, true},
	    {"power lost, a part", JOURNAL_PART, false, false, true, true, false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct journal_past p = {.found = cases[i].found,
					 .same_boot = cases[i].same_boot,
					 .clean = cases[i].clean,
					 .time_known = cases[i].time_known,
					 .state = {.natpmp = {-5000}, .pcp = {4000}, .always = cases[i].always}};
		struct engine_past past = history_past(&p, 10000);

		if (past.whole != cases[i].whole || past.natpmp_goes_on != cases[i].natpmp ||
		    past.pcp_goes_on != cases[i].pcp)
			fail_msg("%s", cases[i].what);
		assert_true(past.natpmp.origin_ms == -5000 && past.pcp.origin_ms == 4000);
	}
}

/* An epoch that has not begun cannot go on. */
static void test_future(void **state)
{
	struct journal_past p = {
	    .found = JOURNAL_WHOLE, .same_boot = true, .state = {.natpmp = {10001}, .pcp = {9000}}};
	struct engine_past past = history_past(&p, 10000);

	(void)state;
	assert_true(past.whole);
	assert_false(past.natpmp_goes_on || past.pcp_goes_on);
}

/* Nor can one of which the seconds cannot be told, whatever a file says. */
static void test_absurd(void **state)
{
	static const int64_t absurd[] = {INT64_MIN, INT64_MIN + 10000, 10000 - (int64_t)UINT32_MAX * 1000 - 1,
					 INT64_MAX};
	struct journal_past p = {.found = JOURNAL_WHOLE, .same_boot = true};
	struct engine_past past;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(absurd) / sizeof(*absurd); i++) {
		p.state.natpmp.origin_ms = i % 2 ? 9000 : absurd[i / 2];
		p.state.pcp.origin_ms = i % 2 ? absurd[i / 2] : 9000;
		past = history_past(&p, 10000);
		assert_true(past.whole);
		assert_false(past.natpmp_goes_on || past.pcp_goes_on);
	}
	p.state.natpmp.origin_ms = p.state.pcp.origin_ms = 10000 - (int64_t)UINT32_MAX * 1000;
	past = history_past(&p, 10000);
	assert_true(past.natpmp_goes_on && past.pcp_goes_on);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_past), cmocka_unit_test(test_future),
					   cmocka_unit_test(test_absurd)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
