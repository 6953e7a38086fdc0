/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_sse.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct seen {
	char text[1024];
	unsigned n;
};

static void note(void *context, const char *type, const char *data)
{
	struct seen *s = context;
	size_t used = strlen(s->text);

	snprintf(s->text + used, sizeof(s->text) - used, "<%s|%.40s>", type, data);
	s->n++;
}

/* However the octets come: all at once or one by one. */
static void feed(struct seen *seen, const char *text, size_t piece)
{
	struct sse s;
	size_t n = strlen(text);

	memset(seen, 0, sizeof(*seen));
	sse_init(&s, note, seen);
	for (size_t i = 0; i < n; i += piece)
		sse_feed(&s, text + i, n - i < piece ? n - i : piece);
	sse_clear(&s);
}

static void test_events(void **state)
{
	static const char *const cases[][2] = {
	    {"", ""},
	    {"event: made\nid: 7\ndata: {\"a\": 1}\n\n", "<made|{\"a\": 1}>"},
	    {"event: made\r\ndata:x\r\n\r\nevent: lost\ndata: y\n\n", "<made|x><lost|y>"},
	    {": a comment\n\n: another\n\ndata: 1\n\n", "<|1>"},
	    {"data: 1\ndata: 2\n\n", "<|1\n2>"},
	    {"event: made\n\ndata: 1\n\n", "<|1>"}, /* without data it is none */
	    {"event\ndata\nretry: 5\nfrob: x\n\n", "<|>"},
	    {"event: longer-than-any-type-that-there-is-one\ndata: 1\n\n", "<longer-than-any-type-that-there-|1>"},
	    {"event: made\ndata: cut off", ""},
	    {"\n\n\n", ""},
	};
	struct seen seen;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (size_t piece = 1; piece < 80; piece += 13) {
			feed(&seen, cases[i][0], piece);
			if (i != 7)
				assert_string_equal(seen.text, cases[i][1]);
			assert_int_equal(seen.n, i == 2 ? 2 : *cases[i][1] ? 1 : 0);
		}
	}
}

/* A line that does not end takes no more memory, and what comes after it counts again. */
static void test_bounded(void **state)
{
	struct seen seen = {{0}, 0};
	struct sse s;
	static char much[3 * SSE_LINE_MAX];

	(void)state;
	memset(much, 'x', sizeof(much));
	sse_init(&s, note, &seen);
	sse_feed(&s, "data: ", 6);
	sse_feed(&s, much, sizeof(much));
	sse_feed(&s, "\n\ndata: 1\n\n", 12);
	assert_string_equal(seen.text, "<|1>");
	sse_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_events), cmocka_unit_test(test_bounded)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
