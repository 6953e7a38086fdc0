/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_explain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What is printed of a server's answer. */
static void explains(const char *text, const char *wish, const char *wanted)
{
	json_t *o = json_loads(text, 0, NULL);
	char *printed;
	size_t n;
	FILE *out = open_memstream(&printed, &n);

	assert_non_null(o);
	explain_print(out, NULL, o, wish);
	fclose(out);
	assert_string_equal(printed, wanted);
	free(printed);
	json_decref(o);
}

#define QUESTION "\"client\": \"192.0.2.11\", \"protocol\": \"tcp\", \"internal_port\": 8080, "
#define HAS	 "\"client_mappings\": 3, \"client_mappings_max\": 128"

static void test_allowed(void **state)
{
	static const char rule[] = "{" QUESTION HAS ", \"allowed\": true, \"rule\": \"hosts\", \"rule_line\": 12, "
				   "\"result\": \"SUCCESS\", \"external_port\": 8080, \"lifetime_max_s\": 86400}";
	static const char any[] = "{" QUESTION HAS ", \"allowed\": true, \"rule\": \"hosts\", \"rule_line\": 12, "
				  "\"external_port\": 0, \"lifetime_max_s\": 60}";

	(void)state;
	explains(rule, NULL,
		 "allowed by rule \"hosts\" (line 12): 192.0.2.11, tcp port 8080\n"
		 "  It would get external port 8080.\n"
		 "  It would last 1 day at most (86400 s), and can be renewed.\n"
		 "  The host has 3 mappings of at most 128: 125 more are possible.\n");
	explains(rule, "8080",
		 "allowed by rule \"hosts\" (line 12): 192.0.2.11, tcp port 8080\n"
		 "  It would get external port 8080, as it wants.\n"
		 "  It would last 1 day at most (86400 s), and can be renewed.\n"
		 "  The host has 3 mappings of at most 128: 125 more are possible.\n");
	explains(rule, "80",
		 "allowed by rule \"hosts\" (line 12): 192.0.2.11, tcp port 8080\n"
		 "  It would get external port 8080: 80 is not to be had.\n"
		 "  It would last 1 day at most (86400 s), and can be renewed.\n"
		 "  The host has 3 mappings of at most 128: 125 more are possible.\n");
	explains("{" QUESTION HAS
		 ", \"allowed\": true, \"rule\": \"hosts\", \"rule_line\": 12, \"result\": \"SUCCESS\", "
		 "\"passed\": [{\"rule\": \"guests\", \"rule_line\": 8, \"key\": \"clients\"}, "
		 "{\"rule\": \"web\", \"rule_line\": 9, \"key\": \"internal-ports\"}], "
		 "\"external_port\": 8080, \"lifetime_max_s\": 60}",
		 NULL,
		 "allowed by rule \"hosts\" (line 12): 192.0.2.11, tcp port 8080\n"
		 "  Rule \"guests\" (line 8) does not decide, by its clients.\n"
		 "  Rule \"web\" (line 9) does not decide, by its internal-ports.\n"
		 "  It would get external port 8080.\n"
		 "  It would last 1 minute at most (60 s), and can be renewed.\n"
		 "  The host has 3 mappings of at most 128: 125 more are possible.\n");
	explains(any, "80",
		 "allowed by rule \"hosts\" (line 12): 192.0.2.11, tcp port 8080\n"
		 "  It would get a free external port of those allowed, since the one that it wants is not to be had.\n"
		 "  It would last 1 minute at most (60 s), and can be renewed.\n"
		 "  The host has 3 mappings of at most 128: 125 more are possible.\n");
}

static void test_refused(void **state)
{
	(void)state;
	explains("{" QUESTION
		 "\"allowed\": false, \"rule\": \"guests\", \"rule_line\": 3, \"why\": \"denied by rule\", "
		 "\"result\": \"NOT_AUTHORIZED\", \"client_mappings\": 1, \"client_mappings_max\": 2}",
		 NULL,
		 "refused by rule \"guests\" (line 3): 192.0.2.11, tcp port 8080\n"
		 "  Why: denied by rule.\n"
		 "  PCP answers NOT_AUTHORIZED.\n"
		 "  The host has 1 mapping of at most 2: 1 more is possible.\n");
	explains("{" QUESTION
		 "\"allowed\": false, \"rule\": null, \"why\": \"no\\u001b[2J\", \"result\": \"USER_EX_QUOTA\", "
		 "\"client_mappings\": 128, \"client_mappings_max\": 128}",
		 NULL,
		 "refused: 192.0.2.11, tcp port 8080\n"
		 "  Why: no?[2J.\n"
		 "  PCP answers USER_EX_QUOTA.\n"
		 "  The host has 128 mappings of at most 128: no other is possible.\n");
}

static void test_there(void **state)
{
	static const char lease[] = "\"lease\": {\"external_address\": \"198.51.100.1\", \"external_port\": 443, "
				    "\"expires_in_s\": ";
	char text[1024];

	(void)state;
	snprintf(text, sizeof(text),
		 "{" QUESTION HAS ", %s 90, \"origin\": \"pcp\"}, \"allowed\": true, \"rule\": \"hosts\", "
		 "\"rule_line\": 9, \"external_port\": 443, \"lifetime_max_s\": 7200}",
		 lease);
	explains(text, NULL,
		 "allowed by rule \"hosts\" (line 9): 192.0.2.11, tcp port 8080\n"
		 "  It would keep external port 443.\n"
		 "  It would last 2 hours at most (7200 s), and can be renewed.\n"
		 "  The host has 3 mappings of at most 128: 125 more are possible.\n"
		 "  The mapping is there already: 198.51.100.1:443 outside, for another 1 minute 30 seconds.\n");
	snprintf(text, sizeof(text),
		 "{" QUESTION HAS ", %s null, \"origin\": \"static\"}, \"allowed\": true, \"rule\": \"web\", "
		 "\"rule_line\": 9, \"external_port\": 443, \"lifetime_max_s\": 4294967295}",
		 lease);
	explains(text, NULL,
		 "allowed by static \"web\" (line 9): 192.0.2.11, tcp port 8080\n"
		 "  It has external port 443.\n"
		 "  It does not end.\n"
		 "  The host has 3 mappings of at most 128: 125 more are possible.\n"
		 "  The mapping is there already: 198.51.100.1:443 outside, without an end.\n");
}

static void test_all(void **state)
{
	(void)state;
	explains("{\"client\": \"2001:db8::1\", \"protocol\": 0, \"internal_port\": 0, " HAS ", \"allowed\": true, "
		 "\"rule\": \"all\", \"rule_line\": 1, \"external_port\": 0, \"lifetime_max_s\": 60}",
		 NULL,
		 "allowed by rule \"all\" (line 1): 2001:db8::1, all ports of all protocols\n"
		 "  It would get all ports outside.\n"
		 "  It would last 1 minute at most (60 s), and can be renewed.\n"
		 "  The host has 3 mappings of at most 128: 125 more are possible.\n");
	explains("{}", NULL,
		 "refused: , all ports of -\n"
		 "  PCP answers .\n"
		 "  The host has 0 mappings of at most 0: no other is possible.\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_allowed), cmocka_unit_test(test_refused),
					   cmocka_unit_test(test_there), cmocka_unit_test(test_all)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
