/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_ask.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What stands on the command line adds no parameter of its own. */
static void test_path(void **state)
{
	struct ask_path p;
	char longer[4096];

	(void)state;
	ask_path(&p, "/v1/leases");
	ask_parameter(&p, "client", NULL);
	ask_parameter(&p, "client", "2001:db8::/32");
	ask_parameter(&p, "rule", "a&b=c d%\xc3\xbc#");
	ask_number(&p, "limit", 18446744073709551615ULL);
	assert_string_equal(
	    p.text, "/v1/leases?client=2001:db8::%2F32&rule=a%26b%3Dc%20d%25%C3%BC%23&limit=18446744073709551615");
	assert_false(p.cut);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	ask_parameter(&p, "rule", longer);
	assert_true(p.cut);
	assert_true(strlen(p.text) < sizeof(p.text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_path)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
