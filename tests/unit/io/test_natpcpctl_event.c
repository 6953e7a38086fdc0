/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The line that is printed of what a server says. */
static void prints(const char *type, const char *text, const char *wanted)
{
	json_t *o = json_loads(text, 0, NULL);
	char *printed;
	size_t n;
	FILE *out = open_memstream(&printed, &n);

	assert_non_null(o);
	event_print(out, NULL, type, o);
	fclose(out);
	assert_string_equal(printed, wanted);
	free(printed);
	json_decref(o);
}

#define AT "\"at\": 1772366400.125"
#define MAPPING                                                                                                        \
	"\"protocol\": \"tcp\", \"internal_address\": \"192.0.2.11\", \"internal_port\": 8080, "                       \
	"\"external_address\": \"198.51.100.1\", \"external_port\": 18080"

static void test_mappings(void **state)
{
	(void)state;
	setenv("TZ", "UTC0", 1);
	prints("made", "{" AT ", \"by\": \"pcp\", " MAPPING ", \"lifetime_s\": 3600, \"rule\": \"hosts\"}",
	       "2026-03-01 12:00:00 made     pcp tcp 192.0.2.11:8080 -> 198.51.100.1:18080 for 1h rule \"hosts\"\n");
	prints("", "{\"event\": \"ended\", " MAPPING ", \"ports\": 4, \"why\": \"expired\"}",
	       "ended    tcp 192.0.2.11:8080-8083 -> 198.51.100.1:18080-18083: expired\n");
	prints("made",
	       "{\"protocol\": 47, \"internal_address\": \"2001:db8::1\", \"internal_port\": 0, "
	       "\"external_address\": \"2001:db8::1\", \"external_port\": 0}",
	       "made     47 [2001:db8::1]:all -> [2001:db8::1]:all\n");
}

static void test_others(void **state)
{
	(void)state;
	prints("refused",
	       "{\"by\": \"pcp\", \"opcode\": \"MAP\", \"client\": \"192.0.2.200\", \"protocol\": \"udp\", "
	       "\"internal_port\": 53, \"result\": \"NOT_AUTHORIZED\", \"rule\": \"gu\\u001bests\", \"why\": \"denied "
	       "by rule\"}",
	       "refused  pcp MAP udp 192.0.2.200 port 53 NOT_AUTHORIZED rule \"gu?ests\": denied by rule\n");
	prints("lost", "{\"count\": 12}", "lost     12 events: this reader was too slow\n");
	prints("external", "{\"name\": \"wan\", \"addresses\": [\"198.51.100.9\", \"2001:db8::9\"]}",
	       "external wan 198.51.100.9, 2001:db8::9\n");
	prints("external",
	       "{\"name\": \"wan\", \"interface\": \"wan0\", \"addresses\": [], \"state\": \"private\", \"why\": \"it "
	       "is\"}",
	       "external wan wan0 private: it is\n");
	prints("external", "{\"addresses\": [\"198.51.100.9\"], \"state\": \"ok\"}", "external 198.51.100.9\n");
	prints("reload", "{\"ok\": true}", "reload   done\n");
	prints("reload", "{\"ok\": false, \"why\": \"natpcpd.conf:1: no\"}", "reload   failed: natpcpd.conf:1: no\n");
	prints("backend", "{\"state\": \"failed\", \"why\": \"No space\"}", "backend  failed: No space\n");
	prints("stats",
	       "{\"requests\": 9, \"replies\": 8, \"refused\": 1, \"dropped\": 1, \"leases\": 3, \"clients\": 1, "
	       "\"request_p50_us\": 80, \"request_p99_us\": 1500}",
	       "stats    requests 9, replies 8, refused 1, dropped 1, leases 3 of 1 host, half within 80 us, 99 % "
	       "within 1.5 "
	       "ms\n");
	prints("frob", "{\"why\": {\"a\": 1}, \"by\": null, \"result\": \"\"}", "frob    \n");
}

static void test_types(void **state)
{
	char unknown[16];

	(void)state;
	assert_true(event_types("made", unknown, sizeof(unknown)));
	assert_true(event_types("stats,made", unknown, sizeof(unknown)));
	assert_true(event_types(EVENT_TYPES, unknown, sizeof(unknown)));
	assert_true(event_types(EVENT_TYPES_USUAL, unknown, sizeof(unknown)));
	assert_false(event_types("made,mad", unknown, sizeof(unknown)));
	assert_string_equal(unknown, "mad");
	assert_false(event_types("", unknown, sizeof(unknown)));
	assert_false(event_types("made,", unknown, sizeof(unknown)));
	assert_false(event_types("MADE", unknown, sizeof(unknown)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_mappings), cmocka_unit_test(test_others),
					   cmocka_unit_test(test_types)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
