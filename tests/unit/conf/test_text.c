/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_build(void **state)
{
	char out[64];
	struct text t;

	(void)state;
	text_init(&t, out, sizeof(out));
	assert_string_equal(out, "");
	text_add(&t, "f:");
	text_number(&t, 0);
	text_add(&t, " ");
	text_number(&t, UINT64_MAX);
	text_add(&t, " ");
	text_quote(&t, "a b");
	assert_string_equal(out, "f:0 18446744073709551615 \"a b\"");
	assert_int_equal(t.length, strlen(out));
}

static void test_quote_long(void **state)
{
	static const char exact[] = "1234567890123456789012345678901234567890123456789012345678901234";
	static const char more[] = "123456789012345678901234567890123456789012345678901234567890123\xc3\xa4";
	char out[100];
	struct text t;

	(void)state;
	text_init(&t, out, sizeof(out));
	text_quote(&t, exact);
	assert_string_equal(out, "\"1234567890123456789012345678901234567890123456789012345678901234\"");
	text_init(&t, out, sizeof(out));
	text_quote(&t, more);
	assert_string_equal(out, "\"123456789012345678901234567890123456789012345678901234567890123...\"");
}

/* What does not fit is cut between characters, and nothing follows it. */
static void test_full(void **state)
{
	char out[6];
	struct text t;

	(void)state;
	text_init(&t, out, sizeof(out));
	text_add(&t, "12345");
	assert_string_equal(out, "12345");
	text_add(&t, "6");
	assert_string_equal(out, "12345");

	text_init(&t, out, sizeof(out));
	text_add(&t, "1234\xc3\xa4");
	assert_string_equal(out, "1234");
	text_add(&t, "x");
	assert_string_equal(out, "1234");

	text_init(&t, out, 1);
	text_add(&t, "x");
	text_number(&t, 5);
	assert_string_equal(out, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_build),
	    cmocka_unit_test(test_quote_long),
	    cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
