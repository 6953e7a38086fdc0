/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void hosts(void **state)
{
	static const struct {
		const char *where, *host;
		bool good;
	} cases[] = {
	    {"127.0.0.1:5380", "127.0.0.1:5380", true},
	    {"127.0.0.1:5380", "localhost:5380", true},
	    {"127.0.0.1:5380", "LocalHost:5380", true},
	    {"127.0.0.1:5380", NULL, false},
	    {"127.0.0.1:5380", "", false},
	    {"127.0.0.1:5380", "127.0.0.1", false},
	    {"127.0.0.1:5380", "127.0.0.1:53800", false},
	    {"127.0.0.1:5380", "127.0.0.1:538", false},
	    {"127.0.0.1:5380", "127.0.0.2:5380", false},
	    {"127.0.0.1:5380", "localhost", false},
	    {"127.0.0.1:5380", "localhost.example:5380", false},
	    {"127.0.0.1:5380", "rebound.example:5380", false},
	    {"127.0.0.1:5380", "127.0.0.1.example:5380", false},
	    {"127.0.0.1:5380", " 127.0.0.1:5380", false},
	    {"127.0.0.1:80", "127.0.0.1", true},
	    {"127.0.0.1:80", "127.0.0.1:80", true},
	    {"127.0.0.1:80", "localhost", true},
	    {"[::1]:5380", "[::1]:5380", true},
	    {"[::1]:5380", "localhost:5380", true},
	    {"[::1]:5380", "[::1]", false},
	    {"[::1]:5380", "::1:5380", false},
	    {"[::1]:80", "[::1]", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(origin_host(cases[i].where, cases[i].host), cases[i].good);
}

static void origins(void **state)
{
	static const char where[] = "127.0.0.1:5380";

	(void)state;
	assert_true(origin_own(where, NULL));
	assert_true(origin_own(where, "http://127.0.0.1:5380"));
	assert_true(origin_own(where, "http://localhost:5380"));
	assert_false(origin_own(where, "null"));
	assert_false(origin_own(where, ""));
	assert_false(origin_own(where, "https://127.0.0.1:5380"));
	assert_false(origin_own(where, "http://rebound.example:5380"));
	assert_true(origin_site(NULL));
	assert_true(origin_site("same-origin"));
	assert_true(origin_site("none"));
	assert_false(origin_site("same-site"));
	assert_false(origin_site("cross-site"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(hosts), cmocka_unit_test(origins)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
