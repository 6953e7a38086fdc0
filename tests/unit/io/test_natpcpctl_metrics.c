/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_samples(void **state)
{
	static const char text[] = "# HELP natpcpd_requests_total Requests.\n"
				   "# TYPE natpcpd_requests_total counter\n"
				   "natpcpd_requests_total{opcode=\"map\",version=\"pcp\"} 12\n"
				   "# TYPE natpcpd_request_seconds histogram\n"
				   "natpcpd_request_seconds_bucket{le=\"+Inf\"} 3\n"
				   "natpcpd_request_seconds_sum 0.25\n"
				   "natpcpd_rule{name=\"a \\\"b\\\\\\n\",} 1e3 1700000000\n"
				   "up NaN\n";
	static const char wanted[] =
	    "{\"schema\":1,\"metrics\":["
	    "{\"name\":\"natpcpd_requests_total\",\"type\":\"counter\",\"help\":\"Requests.\","
	    "\"labels\":{\"opcode\":\"map\",\"version\":\"pcp\"},\"value\":12},"
	    "{\"name\":\"natpcpd_request_seconds_bucket\",\"type\":\"histogram\",\"labels\":{\"le\":\"+Inf\"},"
	    "\"value\":3},"
	    "{\"name\":\"natpcpd_request_seconds_sum\",\"type\":\"histogram\",\"labels\":{},\"value\":0.25},"
	    "{\"name\":\"natpcpd_rule\",\"labels\":{\"name\":\"a \\\"b\\\\\\n\"},\"value\":1000},"
	    "{\"name\":\"up\",\"labels\":{},\"value\":null}]}";
	json_t *o = metrics_json(text);
	char *printed = json_dumps(o, JSON_COMPACT);

	(void)state;
	assert_string_equal(printed, wanted);
	free(printed);
	json_decref(o);
}

/* What is none of the format is left out, wherever it breaks off. */
static void test_others(void **state)
{
	static const char *const cases[] = {
	    "",		"\n\n",	       "x",	    "x ",	 "x y",	       "{a=\"b\"} 1", "x{",
	    "x{a",	"x{a=",	       "x{a=\"",    "x{a=\"b\"", "x{a=\"b\",", "x{a=\"b\"}",  "x{a=\"b\"} ",
	    "x{a=b} 1", "x{=\"b\"} 1", "x{a=\"b\\", "# TYPE x",	 "# HELP ",    "#",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *o = metrics_json(cases[i]);

		assert_int_equal(json_array_size(json_object_get(o, "metrics")), 0);
		json_decref(o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_samples), cmocka_unit_test(test_others)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
