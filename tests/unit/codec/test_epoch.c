/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/codec/support.h"

#include "codec/epoch.h"

#define S UINT64_C(1000) /* one second in ms */

/* 6887-8.5-01, 6886-3.6-03: one per second, whole seconds */
static void counter_counts_seconds(void **state)
{
	(void)state;
	static const struct {
		int64_t origin_ms;
		uint64_t now_ms;
		uint32_t seconds;
	} cases[] = {
	    {0, 0, 0},
	    {0, 999, 0},
	    {0, 1000, 1},
	    {0, 1999, 1},
	    {5000, 5000, 0},
	    {5000, 65999, 60},
	    {-3000, 0, 3},
	    {-3000, 500, 3},
	    {9000, 8000, 0}, /* not begun */
	    {-4294967295000, 0, UINT32_MAX},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct epoch e = {.origin_ms = cases[i].origin_ms};
		assert_int_equal(epoch_seconds(&e, cases[i].now_ms), cases[i].seconds);
	}
}

/* 6887-8.5-02, 6887-8.5-04, 6886-3.6-02 */
static void counter_can_be_set(void **state)
{
	(void)state;
	static const uint32_t values[] = {0, 1, 3600, UINT32_MAX - 60};
	static const uint64_t nows[] = {0, 1, 999, 12345, 86400 * S * 365};

	for (size_t v = 0; v < COUNT(values); v++) {
		for (size_t n = 0; n < COUNT(nows); n++) {
			struct epoch e;
			epoch_set(&e, values[v], nows[n]);
			assert_int_equal(epoch_seconds(&e, nows[n]), values[v]);
			assert_int_equal(epoch_seconds(&e, nows[n] + 999), values[v]);
			assert_int_equal(epoch_seconds(&e, nows[n] + 10 * S), values[v] + 10);
		}
	}
}

struct step {
	const char *what;
	uint32_t before_s, after_s;
	uint64_t passed_ms;
	bool ok;
};

static void run(const struct step *steps, size_t count, bool (*check)(struct epoch_check *, uint32_t, uint64_t))
{
	for (size_t i = 0; i < count; i++) {
		struct epoch_check c = {.seen = false};
		uint64_t start_ms = 777;

		assert_true(check(&c, steps[i].before_s, start_ms)); /* the first is believed */
		if (check(&c, steps[i].after_s, start_ms + steps[i].passed_ms) != steps[i].ok)
			fail_msg("%s", steps[i].what);
		/* it is remembered, good or bad: the same again is believed */
		assert_true(c.seen);
		assert_int_equal(c.server_s, steps[i].after_s);
		assert_int_equal(c.client_ms, start_ms + steps[i].passed_ms);
		assert_true(check(&c, steps[i].after_s, start_ms + steps[i].passed_ms));
	}
}

/* 6887-8.5-07, 6887-8.5-08, 6887-8.5-09, 6887-8.5-10, 6887-8.5-13 */
static void pcp(void **state)
{
	(void)state;
	static const struct step steps[] = {
	    {"same again", 100, 100, 0, true},
	    {"one second back", 100, 99, 0, true},
	    {"one second back after a while", 100, 99, 2 * S, true},
	    {"two seconds back", 100, 98, 0, false},
	    {"one back to zero", 1, 0, 0, true},
	    {"two back to zero", 2, 0, 0, false},
	    {"restart", 1000, 0, 60 * S, false},
	    {"in step", 1000, 1060, 60 * S, true},
	    {"in step for long", 1000, 87400, 86400 * S, true},
	    /* server ahead: client + 2 < server - server/16 */
	    {"server 2 s ahead", 0, 2, 0, true},
	    {"server 3 s ahead", 0, 3, 0, false},
	    {"server ahead by 1/16 and 2 s", 0, 17, 14 * S, true},
	    {"server ahead by a bit more", 0, 18, 14 * S, false},
	    {"server ahead, milliseconds do not round up", 0, 18, 14 * S + 999, false},
	    {"server ahead, a second more", 0, 18, 15 * S, true},
	    {"server fast by 1/16", 0, 1600, 1500 * S, true},
	    {"server fast by 1/16 and 2 s", 0, 1602, 1500 * S, true},
	    {"server fast by 1/16 and 3 s", 0, 1603, 1500 * S, false},
	    /* server behind: server + 2 < client - client/16 */
	    {"server 2 s behind", 0, 0, 2 * S, true},
	    {"server just not 3 s behind", 0, 0, 2 * S + 999, true},
	    {"server 3 s behind", 0, 0, 3 * S, false},
	    {"server slow by 1/16 and 2 s", 0, 1498, 1600 * S, true},
	    {"server slow by 1/16 and 3 s", 0, 1497, 1600 * S, false},
	    {"to the highest value", UINT32_MAX - 1, UINT32_MAX, 1 * S, true},
	    {"from the highest value", UINT32_MAX, 0, 1 * S, false},
	    {"all at once", 0, UINT32_MAX, 0, false},
	    {"all in its time", 0, UINT32_MAX, (uint64_t)UINT32_MAX * S, true},
	};
	run(steps, COUNT(steps), epoch_check_pcp);
}

/* 6886-3.6-04, 6886-3.6-05 */
static void natpmp(void **state)
{
	(void)state;
	static const struct step steps[] = {
	    {"same again", 100, 100, 0, true},
	    {"2 s back", 100, 98, 0, true},
	    {"3 s back", 100, 97, 0, false},
	    {"in step", 100, 180, 80 * S, true},
	    {"7/8 of 80 s", 100, 170, 80 * S, true},
	    {"7/8 of 80 s less 2", 100, 168, 80 * S, true},
	    {"7/8 of 80 s less 3", 100, 167, 80 * S, false},
	    {"7/8 of not quite 80 s less 3", 100, 167, 80 * S - 1 * S, true},
	    {"far ahead is no loss", 100, 100000, 1 * S, true},
	    {"restart", 1000, 0, 60 * S, false},
	    {"restart that cannot be told", 1, 0, 1 * S, true},
	    {"from the highest value", UINT32_MAX, 0, 1 * S, false},
	    {"near the highest value", UINT32_MAX - 1, UINT32_MAX, 1 * S, true},
	};
	run(steps, COUNT(steps), epoch_check_natpmp);
}

/* 6887-8.5-12: a clock that goes back raises no alarm and breaks nothing */
static void client_clock_going_back(void **state)
{
	(void)state;
	struct epoch_check c = {.seen = false};

	assert_true(epoch_check_pcp(&c, 50, 10 * S));
	assert_true(epoch_check_pcp(&c, 50, 5 * S));
	assert_true(epoch_check_natpmp(&c, 50, 1 * S));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counter_counts_seconds),
	    cmocka_unit_test(counter_can_be_set),
	    cmocka_unit_test(pcp),
	    cmocka_unit_test(natpmp),
	    cmocka_unit_test(client_clock_going_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
