/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf/preset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/schema.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define REJECT	 "reject-ports = { 21, 23, 135, 137-139, 445, 3389 } "
#define HIGH	 "internal-ports = { 1024-65535 } external-ports = { 1024-65535 } "

static struct conf *parse(const char *rule)
{
	char text[1024], why[CONF_LOCATION_MAX];
	struct conf *c;

	snprintf(text, sizeof(text),
		 "external wan { interface = wan0 }\nlisten lan { interfaces = lan0 }\nrule r { %s }\n", rule);
	c = conf_parse(text, strlen(text), "test", why);
	if (!c)
		fail_msg("%s: %s", rule, why);
	return c;
}

static bool same_ranges(const struct conf_ranges *a, const struct conf_ranges *b)
{
	return a->n == b->n && (!a->n || !memcmp(a->v, b->v, a->n * sizeof(*a->v)));
}

static bool same_prefixes(const struct conf_prefixes *a, const struct conf_prefixes *b)
{
	return a->n == b->n && (!a->n || !memcmp(a->v, b->v, a->n * sizeof(*a->v)));
}

/* Each is as if its values stood in the file, and what does stand there counts first. */
static void test_stands_for(void **state)
{
	static const struct {
		const char *with, *without;
	} cases[] = {
	    {"preset = home", "action = allow protocols = { tcp, udp } mappings-max = 128 " HIGH REJECT},
	    {"preset = guest", "action = allow protocols = { tcp, udp } lifetime-max = 3600 mappings-max = 8 "
			       "mappings-total = 256 " HIGH REJECT},
	    {"preset = gaming", "action = allow protocols = { tcp, udp } mappings-max = 32 " REJECT
				"internal-ports = { 88, 500, 1024-65535 } external-ports = { 88, 500, 1024-65535 }"},
	    /* in any order */
	    {"mappings-max = 9 clients = 192.0.2.0/24 preset = \"guest\" lifetime-max = 2h",
	     "action = allow clients = 192.0.2.0/24 protocols = { tcp, udp } lifetime-max = 7200 mappings-max = 9 "
	     "mappings-total = 256 " HIGH REJECT},
	    {"preset = home action = allow reject-ports = { } protocols = udp internal-ports = 1-65535",
	     "action = allow protocols = udp internal-ports = 1-65535 external-ports = 1024-65535 mappings-max = 128"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf *a = parse(cases[i].with), *b = parse(cases[i].without);
		const struct conf_rule *x = &a->rules[0], *y = &b->rules[0];

		if (x->action != y->action || !same_prefixes(&x->clients, &y->clients) ||
		    x->protocols_set != y->protocols_set ||
		    memcmp(&x->protocols, &y->protocols, sizeof(x->protocols)) ||
		    !same_ranges(&x->internal_ports, &y->internal_ports) ||
		    !same_ranges(&x->reject_ports, &y->reject_ports) ||
		    !same_ranges(&x->external_ports, &y->external_ports) || x->wildcard != y->wildcard ||
		    x->lifetime_max_s != y->lifetime_max_s || x->mappings_max != y->mappings_max ||
		    x->mappings_total != y->mappings_total)
			fail_msg("%s: is not %s", cases[i].with, cases[i].without);
		conf_free(a);
		conf_free(b);
	}
}

/* Every row is about a key that a rule has, and every preset that can be named says something. */
static void test_rows(void **state)
{
	const struct schema_choice *c = schema_key(SCHEMA_RULE, "preset")->choices;

	(void)state;
	for (size_t i = 0; i < preset_rows_n; i++) {
		const struct schema_key *key = schema_key(SCHEMA_RULE, preset_rows[i].key);

		assert_non_null(key);
		assert_true(preset_rows[i].values[0] && (!preset_rows[i].values[1] || key->type >= SCHEMA_LISTS));
		assert_ptr_equal(preset_values(preset_rows[i].preset, preset_rows[i].key), preset_rows[i].values);
	}
	for (; c->name; c++)
		assert_non_null(preset_values((enum conf_preset)c->value, "action"));
	assert_null(preset_values(CONF_PRESET_NONE, "action"));
	assert_null(preset_values(CONF_PRESET_HOME, "clients"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stands_for),
	    cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
