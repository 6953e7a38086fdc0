/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables and colours. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/natpcpctl_look.h"
#include "server/natpcpctl_table.h"

static struct table *table(void)
{
	static const char *const headings[] = {"A", "TEXT", "B"};
	static const char *const cells[] = {"one", "a description that is long", "x", "two", "\x1b[2J\n\xc3\xbc", "y"};
	struct table *t = table_new(headings, 3);

	assert_non_null(t);
	table_elastic(t, 1);
	for (size_t i = 0; i < 6; i++)
		assert_true(table_add(t, cells[i]));
	return t;
}

static void is(char *text, const char *wanted)
{
	assert_string_equal(text, wanted);
	free(text);
}

/* Piped, it is as wide as it gets; on a terminal, texts are cut to its lines. */
static void test_width(void **state)
{
	struct table *t = table();
	struct look l = {.terminal = true, .columns = 24};

	(void)state;
	is(table_text(t), "A    TEXT                        B\n"
			  "one  a description that is long  x\n"
			  "two  ?[2J?\xc3\xbc                      y\n");
	is(table_text_look(t, &l, NULL, 2), "A    TEXT              B\n"
					    "one  a description t~  x\n"
					    "two  ?[2J?\xc3\xbc            y\n");
	l.columns = 1; /* a column keeps what makes it of use */
	is(table_text_look(t, &l, NULL, 1), "A    TEXT          B\n"
					    "one  a descripti~  x\n");
	table_free(t);
}

/* The rows that are wanted, in the order that is wanted; only the headings are coloured. */
static void test_rows(void **state)
{
	static const size_t order[] = {1, 0};
	struct table *t = table();
	struct look l = {.color = true};

	(void)state;
	is(table_text_look(t, NULL, order, 1), "A    TEXT                        B\n"
					       "two  ?[2J?\xc3\xbc                      y\n");
	is(table_text_look(t, &l, order, 2), "\033[1mA    TEXT                        B\033[0m\n"
					     "two  ?[2J?\xc3\xbc                      y\n"
					     "one  a description that is long  x\n");
	is(table_text_look(t, &l, NULL, 0), "\033[1mA    TEXT                        B\033[0m\n");
	table_free(t);
}

/* A terminal's columns, not octets; what is no UTF-8 counts, and is not read beyond its end. */
static void test_columns(void **state)
{
	(void)state;
	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	assert_int_equal(look_width("plain"), 5);
	assert_int_equal(look_width("\xc3\xbc"), 1);
	assert_int_equal(look_width("\xe6\xbc\xa2\xe5\xad\x97"), 4);
	assert_int_equal(look_width("e\xcc\x81"), 1);
	assert_int_equal(look_width("\xf0"), 1);
	assert_int_equal(look_width("\xff\xc3"), 2);
	assert_int_equal(look_cut("\xe6\xbc\xa2\xe5\xad\x97", 3), 3);
	assert_int_equal(look_cut("\xc3\xbc\xc3\xbc", 1), 2);
	assert_int_equal(look_cut("e\xcc\x81x", 1), 3);
	assert_int_equal(look_cut("abc", 9), 3);
	setlocale(LC_CTYPE, "C");
}

static void test_when(void **state)
{
	struct look l;
	int fd[2];

	(void)state;
	assert_int_equal(pipe(fd), 0);
	assert_true(look_at(&l, fd[1], NULL));
	assert_false(l.color || l.terminal || l.columns);
	assert_true(look_at(&l, fd[1], "auto"));
	assert_false(l.color);
	setenv("NO_COLOR", "1", 1);
	assert_true(look_at(&l, fd[1], "always"));
	assert_true(l.color);
	assert_string_equal(look_on(&l, PAINT_BAD), "\033[31m");
	assert_true(look_at(&l, fd[1], "never"));
	assert_string_equal(look_on(&l, PAINT_BAD), "");
	assert_string_equal(look_off(&l, PAINT_BAD), "");
	assert_false(look_at(&l, fd[1], "sometimes"));
	close(fd[0]);
	close(fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_width),
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_columns),
	    cmocka_unit_test(test_when),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
