/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/natpcpctl_row.h"
#include "server/natpcpctl_say.h"

/* A terminal is not commanded, and a value adds no line of its own; what is written is UTF-8 still. */
static void test_say(void **state)
{
	static const char *const cases[][2] = {
	    {"plain", "plain"},
	    {"\x1b[2Jx\a\x7f", "?[2Jx??"},
	    {"two\nlines\r", "two?lines?"},
	    {"\xc2\x9b"
	     "31m\xe2\x80\xae",
	     "?31m?"},
	    {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *text, wanted[64];
		size_t n;
		FILE *out = open_memstream(&text, &n);

		say(out, "%s", cases[i][0]);
		say(out, ", %s\n", cases[i][0]);
		fclose(out);
		snprintf(wanted, sizeof(wanted), "%s, %s\n", cases[i][1], cases[i][1]);
		assert_string_equal(text, wanted);
		free(text);
	}
}

/* Numbers that are no ports are shown as they are, and not added up. */
static void test_row_absurd(void **state)
{
	struct table *t = table_new(row_headings, ROW_COLUMNS);
	json_t *l = json_pack("{s:s, s:I, s:I, s:I}", "internal_address", "192.0.2.1", "internal_port",
			      (json_int_t)INT64_MAX, "external_port", (json_int_t)-1, "ports", (json_int_t)INT64_MAX);
	char *text;

	(void)state;
	assert_true(row_lease(t, l));
	text = table_text(t);
	assert_non_null(strstr(text, "192.0.2.1:9223372036854775807 "));
	assert_non_null(strstr(text, "?:-1 "));
	free(text);
	json_decref(l);
	table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_say), cmocka_unit_test(test_row_absurd)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
