/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A reload with a configuration that has another value for one key, for each key of the schema. */
#include "conf/keep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char common[] = "external \"wan\" { interface = \"wan0\" }\n"
			     "listen \"lan\" { interfaces = { \"br-lan\" } }\n";

static struct conf *parse(const char *more)
{
	char text[1024], why[CONF_LOCATION_MAX];
	struct conf *c;

	snprintf(text, sizeof(text), "%s%s", common, more);
	c = conf_parse(text, strlen(text), "test", why);
	if (!c)
		fail_msg("%s: %s", more, why);
	return c;
}

/* A value that the key takes and that is not its default; NULL for types that no key with a restart has. */
static const char *another(const struct schema_key *key)
{
	switch (key->type) {
	case SCHEMA_BOOL:
		return strcmp(key->initial, "true") ? "true" : "false";
	case SCHEMA_ENUM:
		return key->choices[strcmp(key->initial, key->choices[0].name) ? 0 : 1].name;
	case SCHEMA_NUMBER:
	case SCHEMA_DURATION:
		return key->max < 130 ? "30" : "130";
	case SCHEMA_MARK:
		return "0x400";
	case SCHEMA_STRING:
		return "/another";
	case SCHEMA_TABLE:
		return "inet another";
	case SCHEMA_LOOPBACK:
		return "127.0.0.1:4711";
	default:
		return NULL;
	}
}

static bool is_pointer(const struct schema_key *key)
{
	return key->type == SCHEMA_STRING || key->type == SCHEMA_TABLE || key->type == SCHEMA_LOOPBACK;
}

static bool same(const struct schema_key *key, const struct conf *a, const struct conf *b)
{
	const char *x = (const char *)a + key->offset, *y = (const char *)b + key->offset;
	char *p, *q;

	if (!is_pointer(key))
		return !memcmp(x, y, key->type == SCHEMA_BOOL ? sizeof(bool) : sizeof(uint32_t));
	memcpy(&p, x, sizeof(p));
	memcpy(&q, y, sizeof(q));
	return !strcmp(p, q);
}

struct seen {
	const struct schema_key *key;
	unsigned n;
};

static void see(void *context, const struct schema_key *key)
{
	struct seen *s = context;

	s->key = key;
	s->n++;
}

static void test_each_key(void **state)
{
	unsigned kept = 0;

	(void)state;
	for (size_t i = 0; i < schema_keys_n; i++) {
		const struct schema_key *key = &schema_keys[i];
		struct conf *running, *wanted;
		struct seen seen = {0};
		char text[256];

		if (key->section < SCHEMA_TITLED) {
			assert_true(key->live);
			continue;
		}
		if (!another(key)) {
			assert_true(key->live);
			continue;
		}
		snprintf(text, sizeof(text), "%s { %s = \"%s\" }\n", schema_sections[key->section].name, key->name,
			 another(key));
		running = parse("");
		wanted = parse(text);
		assert_false(same(key, running, wanted));
		assert_int_equal(keep_running(running, wanted, see, &seen), 0);
		if (same(key, running, wanted) == key->live || seen.n != !key->live || (seen.n && seen.key != key))
			fail_msg("%s.%s", schema_sections[key->section].name, key->name);
		if (!key->live && key->told)
			assert_false(*((const bool *)wanted + key->told));
		/* now they are alike */
		assert_int_equal(keep_running(running, wanted, see, &seen), 0);
		assert_int_equal(seen.n, !key->live);
		kept += !key->live;
		conf_free(running);
		conf_free(wanted);
	}
	assert_true(kept >= 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_key)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
