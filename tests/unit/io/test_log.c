/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "codec/codec.h"

static void values(void **state)
{
	static const struct {
		const char *value, *line;
	} cases[] = {
	    {"plain", "event=x k=plain"},
	    {"", "event=x k=\"\""},
	    {"two words", "event=x k=\"two words\""},
	    {"a=b", "event=x k=\"a=b\""},
	    {"say \"no\"", "event=x k=\"say \\\"no\\\"\""},
	    {"back\\slash", "event=x k=\"back\\\\slash\""},
	    {"one\nevent=forged", "event=x k=\"one\\x0aevent=forged\""},
	    {"\x1b[2J\x7f", "event=x k=\"\\x1b[2J\\x7f\""},
	    {"caf\xc3\xa9", "event=x k=caf\xc3\xa9"},
	    {NULL, "event=x"},
	};
	struct log_line l;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		log_begin(&l, CONF_LOG_INFO, "x");
		log_text(&l, "k", cases[i].value);
		assert_string_equal(l.text, cases[i].line);
	}
}

static void fields(void **state)
{
	struct in6_addr v4 = codec_from_v4(0xc000020b), v6 = {.s6_addr = {0x20, 1, 0xd, 0xb8, [15] = 1}};
	struct log_line l;

	(void)state;
	log_begin(&l, CONF_LOG_INFO, "made");
	log_protocol(&l, "protocol", 17);
	log_protocol(&l, "other", 200);
	log_number(&l, "lifetime_s", UINT64_MAX);
	log_address(&l, "client", &v4);
	log_endpoint(&l, "internal", &v4, 65535);
	log_endpoint(&l, "external", &v6, 80);
	assert_string_equal(l.text, "event=made protocol=udp other=200 lifetime_s=18446744073709551615 "
				    "client=192.0.2.11 internal=192.0.2.11:65535 external=[2001:db8::1]:80");
}

static void too_long(void **state)
{
	char value[2 * LOG_LINE_MAX];
	struct log_line l;

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	log_begin(&l, CONF_LOG_INFO, "x");
	log_text(&l, "k", value);
	log_text(&l, "more", value);
	assert_int_equal(strlen(l.text), LOG_LINE_MAX - 1);
	assert_int_equal(l.n, LOG_LINE_MAX - 1);
	assert_memory_equal(l.text, "event=x k=vvv", 13);
}

/* What a call writes to stderr. */
static size_t written(enum conf_log_level level, char *out, size_t size)
{
	int ends[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_true(saved >= 0 && pipe(ends) == 0);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	log_print(level, "spoken", "%d words", 2);
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = read(ends[0], out, size - 1);
	close(ends[0]);
	out[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static void levels(void **state)
{
	char out[256];

	(void)state;
	log_open(CONF_LOG_WARNING, CONF_LOG_STDERR);
	assert_int_equal(written(CONF_LOG_INFO, out, sizeof(out)), 0);
	assert_int_equal(written(CONF_LOG_DEBUG, out, sizeof(out)), 0);
	written(CONF_LOG_WARNING, out, sizeof(out));
	assert_string_equal(out, "level=warning event=spoken why=\"2 words\"\n");
	written(CONF_LOG_ERROR, out, sizeof(out));
	assert_string_equal(out, "level=error event=spoken why=\"2 words\"\n");
	log_open(CONF_LOG_DEBUG, CONF_LOG_STDERR);
	written(CONF_LOG_DEBUG, out, sizeof(out));
	assert_string_equal(out, "level=debug event=spoken why=\"2 words\"\n");
	log_open(CONF_LOG_INFO, CONF_LOG_STDERR);
}

static void limit(void **state)
{
	struct log_limit l = {0};
	uint64_t suppressed = 99;

	(void)state;
	assert_true(log_limit_pass(&l, 5000, &suppressed));
	assert_int_equal(suppressed, 0);
	assert_false(log_limit_pass(&l, 5000, &suppressed));
	assert_false(log_limit_pass(&l, 14999, &suppressed));
	assert_true(log_limit_pass(&l, 15000, &suppressed));
	assert_int_equal(suppressed, 2);
	assert_true(log_limit_pass(&l, 25000, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values), cmocka_unit_test(fields), cmocka_unit_test(too_long),
	    cmocka_unit_test(levels), cmocka_unit_test(limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
