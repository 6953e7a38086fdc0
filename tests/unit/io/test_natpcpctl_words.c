/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_words.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_durations(void **state)
{
	static const struct {
		uint64_t s;
		const char *words, *brief;
	} cases[] = {
	    {0, "0 seconds", "0s"},
	    {1, "1 second", "1s"},
	    {59, "59 seconds", "59s"},
	    {60, "1 minute", "1m"},
	    {119, "1 minute 59 seconds", "1m59s"},
	    {7200, "2 hours", "2h"},
	    {7201, "2 hours", "2h"},
	    {86400, "1 day", "1d"},
	    {97200, "1 day 3 hours", "1d3h"},
	    {UINT64_MAX, "213503982334601 days 7 hours", "213503982334601d7h"},
	};
	char b[WORDS_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_string_equal(words_duration(cases[i].s, b), cases[i].words);
		assert_string_equal(words_short(cases[i].s, b), cases[i].brief);
	}
}

static void test_small(void **state)
{
	char b[WORDS_MAX];

	(void)state;
	assert_string_equal(words_micro(999, b), "999 us");
	assert_string_equal(words_micro(1250, b), "1.2 ms");
	assert_string_equal(words_micro(2500000, b), "2.5 s");
	assert_string_equal(words_count(1, "mapping", b), "1 mapping");
	assert_string_equal(words_count(0, "mapping", b), "0 mappings");
	setenv("TZ", "UTC0", 1);
	assert_string_equal(words_time(1772366400.75, b), "2026-03-01 12:00:00");
	assert_string_equal(words_time(-1e300, b), "1970-01-01 00:00:00");
	assert_string_equal(words_time(1e300, b), "1970-01-01 00:00:00");
}

/* Members of another type than was promised are none. */
static void test_members(void **state)
{
	json_t *o = json_pack("{s:i, s:i, s:s, s:b}", "n", 7, "less", -7, "text", "7", "yes", 1);

	(void)state;
	assert_int_equal(words_number(o, "n"), 7);
	assert_int_equal(words_number(o, "less"), 0);
	assert_int_equal(words_number(o, "text"), 0);
	assert_int_equal(words_number(o, "none"), 0);
	assert_int_equal(words_number(NULL, "n"), 0);
	assert_string_equal(words_text(o, "text"), "7");
	assert_string_equal(words_text(o, "yes"), "");
	assert_string_equal(words_text(NULL, "text"), "");
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_durations), cmocka_unit_test(test_small),
					   cmocka_unit_test(test_members)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
