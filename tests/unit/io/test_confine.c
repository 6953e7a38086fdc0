/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a reload may not widen; what the sandbox refuses is in test_sandbox.c. */
#include "server/confine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BASE "external \"wan\" { interface = \"wan0\" }\nlisten \"lan\" { interfaces = { \"lan0\" } }\n"
#define HOOK "hook \"h\" { exec = \"/bin/true\" events = { made } }\n"

static struct conf *parse(const char *more)
{
	char text[1024], why[CONF_LOCATION_MAX];
	struct conf *c;
	int n = snprintf(text, sizeof(text), BASE "%s", more);

	c = conf_parse(text, (size_t)n, "f", why);
	if (!c)
		fail_msg("%s", why);
	return c;
}

struct kept {
	struct sandbox_state state;
	bool hooks;
	const char *directory, *running, *wanted, *path;
	unsigned events;
};

static void test_keep(void **unused)
{
	static const struct sandbox_state off = {0}, filter = {.on = true, .filter = true},
					  whole = {.on = true, .filter = true, .landlock = 1};
	const struct kept cases[] = {
	    {whole, false, "/a", "journal { path = /a/x }", "journal { path = /a/y }", "/a/y", 0},
	    {whole, false, "/a", "journal { path = /a/x }", "journal { path = /b/x }", "/a/x", 0},
	    {whole, false, "/a", "journal { path = /a/x }", "journal { path = \"\" }", "", 0},
	    {whole, false, "/a", "journal { path = \"\" }", "journal { path = /a/x }", "/a/x", 0},
	    {whole, false, "", "journal { path = \"\" }", "journal { path = /a/x }", "", 0},
	    {filter, false, "/a", "journal { path = /a/x }", "journal { path = /b/x }", "/b/x", 0},
	    {off, false, "/a", "journal { path = /a/x }", HOOK "journal { path = /b/x }", "/b/x", CONF_EVENT_MADE},
	    {whole, false, "/a", "journal { path = /a/x }", HOOK "journal { path = /a/x }", "/a/x", 0},
	    {filter, true, "", HOOK "journal { path = /a/x }", HOOK "journal { path = /b/x }", "/b/x", CONF_EVENT_MADE},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct confine c = {.state = cases[i].state, .hooks = cases[i].hooks, .start = 1ULL << 40};
		struct conf *running = parse(cases[i].running), *wanted = parse(cases[i].wanted);

		snprintf(c.journal, sizeof(c.journal), "%s", cases[i].directory);
		assert_int_equal(confine_keep(&c, running, wanted), 0);
		assert_string_equal(wanted->journal.path, cases[i].path);
		if (wanted->hooks_n)
			assert_int_equal(wanted->hooks[0].events, cases[i].events);
		conf_free(running);
		conf_free(wanted);
	}
}

/* Turned off, nothing is done, and that is told. */
static void test_off(void **unused)
{
	struct conf *conf = parse("process { sandbox = false }");
	struct privileges p = {0};
	struct confine c;
	char why[256];

	(void)unused;
	assert_false(conf->process.sandbox);
	assert_int_equal(confine_enter(&c, conf, NULL, &p, why, sizeof(why)), 0);
	assert_false(c.state.on);
	assert_false(c.state.filter);
	assert_string_equal(c.missing, "process { sandbox = false }");
	conf_free(conf);
	conf = parse("");
	assert_true(conf->process.sandbox);
	conf_free(conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_keep), cmocka_unit_test(test_off)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
