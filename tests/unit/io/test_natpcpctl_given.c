/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What natpcpctl understands, and what it says to what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/natpcpctl.h"
#include "server/natpcpctl_command.h"
#include "server/natpcpctl_given.h"

static char said[4096];

/* The exit code; what went to stderr is in said. */
static int read_line(struct given *g, const struct command **c, int *n, char ***argument, const char *line)
{
	static char words[512];
	static char *argv[32];
	FILE *e = tmpfile();
	int argc = 0, was = dup(STDERR_FILENO), end;

	snprintf(words, sizeof(words), "natpcpctl %s", line);
	for (char *w = strtok(words, " "); w; w = strtok(NULL, " "))
		argv[argc++] = w;
	argv[argc] = NULL;
	fflush(stderr);
	dup2(fileno(e), STDERR_FILENO);
	end = given_read(g, c, n, argument, argc, argv);
	fflush(stderr);
	dup2(was, STDERR_FILENO);
	close(was);
	rewind(e);
	said[fread(said, 1, sizeof(said) - 1, e)] = '\0';
	fclose(e);
	return end;
}

static void test_good(void **state)
{
	struct given g;
	const struct command *c;
	char **argument;
	int n;

	(void)state;
	assert_int_equal(read_line(&g, &c, &n, &argument, "--json leases -s /x -4 --client 192.0.2.1"), -1);
	assert_string_equal(c->name, "leases");
	assert_int_equal(n, 0);
	assert_true(given_has(&g, 'j') && given_has(&g, '4') && !given_has(&g, '6'));
	assert_string_equal(given_get(&g, 's'), "/x");
	assert_string_equal(given_get(&g, 'c'), "192.0.2.1");
	assert_null(given_get(&g, 'r'));
	assert_int_equal(read_line(&g, &c, &n, &argument, "explain 192.0.2.1 tcp --interface=br0 80"), -1);
	assert_int_equal(n, 3);
	assert_string_equal(argument[2], "80");
	assert_string_equal(given_get(&g, 'i'), "br0");
	assert_string_equal(said, "");
}

/* Each mistake is named, and answered with how that command is used. */
static void test_bad(void **state)
{
	static const struct {
		const char *line, *why, *usage;
	} cases[] = {
	    {"", "a command is missing", "natpcpctl help says which"},
	    {"frob", "there is no command frob", "natpcpctl help says which"},
	    {"status x", "there are too many arguments", "usage: natpcpctl status\n"},
	    {"status --client 192.0.2.1", "status has no option --client", "usage: natpcpctl status\n"},
	    {"status -4", "status has no option -4", "usage: natpcpctl status\n"},
	    {"explain 192.0.2.1 tcp", "explain needs CLIENT PROTO INTPORT", "usage: natpcpctl explain CLIENT"},
	    {"leases --client", "option --client needs a value", "usage: natpcpctl leases [OPTION]"},
	    {"leases -s", "option -s needs a value", "usage: natpcpctl leases [OPTION]"},
	    {"leases --json=yes", "option --json=yes takes no value", "usage: natpcpctl leases [OPTION]"},
	    {"revoke --frob", "there is no option --frob", "       natpcpctl revoke --rule NAME\n"},
	    {"-x reload", "there is no option -x", "usage: natpcpctl reload\n"},
	    {"frob\x1b[2J", "there is no command frob?[2J", "natpcpctl help says which"},
	};
	struct given g;
	const struct command *c;
	char **argument;
	int n;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(read_line(&g, &c, &n, &argument, cases[i].line), CTL_USAGE);
		assert_non_null(strstr(said, cases[i].why));
		assert_non_null(strstr(said, cases[i].usage));
		assert_null(strchr(said, '\x1b'));
	}
}

/* A command's letters are those of options that there are, and no letter is two. */
static void test_table(void **state)
{
	(void)state;
	for (const struct command *c = commands; c->name; c++) {
		assert_ptr_equal(command_find(c->name), c);
		assert_true(c->least <= c->most && c->run);
		for (const char *letter = c->options; *letter; letter++)
			assert_true(command_takes(c, *letter));
	}
	for (const struct command_option *o = command_options; o->letter; o++)
		for (const struct command_option *p = o + 1; p->letter; p++)
			assert_true(o->letter != p->letter && !(o->name && p->name && !strcmp(o->name, p->name)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
