/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of miniupnpd's permissions. */
#include "server/natpcpctl_import_rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_taken(void **state)
{
	static const struct {
		const char *text;
		struct import_rule rule;
	} cases[] = {
	    {"allow 1024-65535 192.0.2.0/24 1024-65535", {0, true, 1024, 65535, 1024, 65535, 0xc0000200, 24}},
	    {"deny 0-65535 0.0.0.0/0 0-65535", {0, false, 1, 65535, 1, 65535, 0, 0}},
	    {"allow 80 192.0.2.77/255.255.255.0 8080", {0, true, 80, 80, 8080, 8080, 0xc0000200, 24}},
	    {"allow\t80  192.0.2.77\t8080-8081 # why", {0, true, 80, 80, 8080, 8081, 0xc000024d, 32}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct import_rule r = {0};

		assert_null(import_rule_read(&r, cases[i].text));
		assert_int_equal(r.allow, cases[i].rule.allow);
		assert_int_equal(r.external_first, cases[i].rule.external_first);
		assert_int_equal(r.external_last, cases[i].rule.external_last);
		assert_int_equal(r.internal_first, cases[i].rule.internal_first);
		assert_int_equal(r.internal_last, cases[i].rule.internal_last);
		assert_int_equal(r.network, cases[i].rule.network);
		assert_int_equal(r.length, cases[i].rule.length);
		assert_int_equal(import_rule_is_all(&r), i == 1);
	}
}

static void test_left_out(void **state)
{
	static const char *const cases[][2] = {
	    {"allow 1024-65535 192.0.2.0/24", "is no rule"},
	    {"allow", "is no rule"},
	    {"admit 80 192.0.2.1 80", "neither"},
	    {"allow 81-80 192.0.2.1 80", "is no range"},
	    {"allow 80 192.0.2.1 80-65536", "is no range"},
	    {"allow 80 192.0.2.1 -80", "is no range"},
	    {"allow 80- 192.0.2.1 80", "is no range"},
	    {"allow 80 192.0.2.1 99999999999999999999", "is no range"},
	    {"allow 0 192.0.2.1 80", "names port 0"},
	    {"allow 80 192.0.2.1/33 80", "has no IPv4"},
	    {"allow 80 192.0.2.1/255.0.255.0 80", "has no IPv4"},
	    {"allow 80 192.0.2.1/+8 80", "has no IPv4"},
	    {"allow 80 2001:db8::1 80", "has no IPv4"},
	    {"allow 80 192.0.2.1 80 \"x.*\"", "allows by a description"},
	    {"deny 80 192.0.2.1 80 x", "denies by a description"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct import_rule r = {0};
		const char *why = import_rule_read(&r, cases[i][0]);

		assert_non_null(why);
		assert_memory_equal(why, cases[i][1], strlen(cases[i][1]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_taken),
	    cmocka_unit_test(test_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
