/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char text[] = "\xef\xbb\xbf# comment\n"
			   "listen \"l\xc3\xa4n\" {\r\n"
			   "\tnat-pmp=true//x\n" /* refused in a word, see test_parse */
			   "\t'a\\'\\\\\\b' , /* \n */ \"\\\"\\\\\\x41\\102\\\n\"}";

static const struct token expected[] = {
    {TOKEN_WORD, 2, 1, "listen", NULL},	 {TOKEN_STRING, 2, 8, "l\xc3\xa4n", NULL}, {TOKEN_OPEN, 2, 14, "{", NULL},
    {TOKEN_WORD, 3, 2, "nat-pmp", NULL}, {TOKEN_EQUALS, 3, 9, "=", NULL},
};

static void test_sequence(void **state)
{
	char scratch[sizeof(text)];
	struct token_reader r;
	struct token t;

	(void)state;
	token_init(&r, text, sizeof(text) - 1, scratch);
	assert_true(token_check(&r, &t));
	for (size_t i = 0; i < COUNT(expected); i++) {
		token_next(&r, &t);
		assert_int_equal(t.type, expected[i].type);
		assert_int_equal(t.line, expected[i].line);
		assert_int_equal(t.column, expected[i].column);
		assert_string_equal(t.text, expected[i].text);
	}
	token_next(&r, &t);
	assert_int_equal(t.type, TOKEN_BAD);
	assert_int_equal(t.line, 3);
	assert_int_equal(t.column, 14);
}

static void test_strings(void **state)
{
	static const struct {
		const char *text, *value;
		enum token_type type;
	} cases[] = {
	    {"\"\"", "", TOKEN_STRING},
	    {"''", "", TOKEN_STRING},
	    {"\"a b\"", "a b", TOKEN_STRING},
	    {"\"# // /* {}=,\"", "# // /* {}=,", TOKEN_STRING},
	    {"\"\\\"\\\\\\'\\x41\\x4a\\x4B\\102\\1023\"", "\"\\'AJKBB3", TOKEN_STRING},
	    {"\"\\x5A\\x4F\"", "ZO", TOKEN_STRING},
	    {"\"\\8\"", "", TOKEN_BAD},
	    {"\"\\xc3\\xa4\"", "\xc3\xa4", TOKEN_STRING},
	    {"\"a\\\nb\"", "ab", TOKEN_STRING},
	    {"'a\\'\\\\\\b\"'", "a'\\\\b\"", TOKEN_STRING},
	    {"/var/lib/x", "/var/lib/x", TOKEN_WORD},
	    {"[2001:db8::1]:443}", "[2001:db8::1]:443", TOKEN_WORD},
	    {"a\"b\"", "a", TOKEN_WORD},
	    {"", "", TOKEN_END},
	    {"\\", "", TOKEN_BAD},
	    {"/", "/", TOKEN_WORD},
	    {"/*", "", TOKEN_BAD},
	    {"/*/", "", TOKEN_BAD},
	    {"/**/x", "x", TOKEN_WORD},
	    {"\"\\", "", TOKEN_BAD},
	    {"\"\\x", "", TOKEN_BAD},
	    {"'", "", TOKEN_BAD},
	    {"'\\'", "", TOKEN_BAD},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t length = strlen(cases[i].text);
		char *exact = malloc(length + 1), *scratch = malloc(length + 1); /* so that a sanitizer sees overruns */
		struct token_reader r;
		struct token t;

		assert_true(exact && scratch);
		memcpy(exact, cases[i].text, length);
		token_init(&r, exact, length, scratch);
		token_next(&r, &t);
		if (t.type != cases[i].type || strcmp(t.text, cases[i].value))
			fail_msg("%s: %d \"%s\"", cases[i].text, (int)t.type, t.text);
		free(exact);
		free(scratch);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sequence),
	    cmocka_unit_test(test_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
