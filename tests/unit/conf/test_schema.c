/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table itself, and that the shipped configuration says all of it. */
#include "conf/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/check.h"
#include "conf/conf.h"
#include "conf/parse.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SHIPPED	 "conf/natpcpd.conf"

static void test_table(void **state)
{
	size_t seen = 0;

	(void)state;
	for (unsigned s = 0; s < SCHEMA_SECTIONS; s++) {
		size_t n;
		const struct schema_key *key = schema_first((enum schema_section)s, &n);

		assert_in_range(n, 1, SCHEMA_KEYS_MAX);
		assert_ptr_equal(key, &schema_keys[seen]); /* grouped, in the order of the sections */
		seen += n;
		assert_int_equal(schema_section(schema_sections[s].name), s);
		assert_non_null(schema_sections[s].text);
		for (size_t i = 0; i < n; i++) {
			assert_ptr_equal(schema_key((enum schema_section)s, key[i].name), &key[i]);
			assert_non_null(key[i].text);
			assert_true((key[i].type == SCHEMA_ENUM || key[i].type == SCHEMA_FLAGS) ==
				    (key[i].choices != NULL));
			if (key[i].type == SCHEMA_NUMBER || key[i].type == SCHEMA_DURATION)
				assert_true(key[i].min < key[i].max);
			assert_false(key[i].required && key[i].initial);
		}
	}
	assert_int_equal(seen, schema_keys_n);
	assert_int_equal(schema_section("nothing"), SCHEMA_SECTIONS);
	assert_null(schema_key(SCHEMA_LOG, "nothing"));
}

static void test_near(void **state)
{
	static const struct {
		enum schema_section section;
		const char *name, *near;
	} cases[] = {
	    {SCHEMA_RULE, "external-prots", "external-ports"},
	    {SCHEMA_RULE, "external_ports", "external-ports"},
	    {SCHEMA_RULE, "client", "clients"},
	    {SCHEMA_RULE, "interface", "interfaces"},
	    {SCHEMA_RULE, "mac", "macs"},
	    {SCHEMA_RULE, "lifetime", "lifetime-max"},
	    {SCHEMA_RULE, "", NULL},
	    {SCHEMA_RULE, "a-name-that-is-longer-than-all-of-the-others", NULL},
	    {SCHEMA_STATIC, "too", "to"},
	    {SCHEMA_STATIC, "xy", NULL},
	    {SCHEMA_LISTEN, "natpmp", "nat-pmp"},
	    {SCHEMA_LISTEN, "nonce", NULL},
	    {SCHEMA_LIFETIME, "maximum", NULL},
	    {SCHEMA_SECTIONS, "listens", "listen"},
	    {SCHEMA_SECTIONS, "reserved_ports", "reserved-ports"},
	    {SCHEMA_SECTIONS, "thirdparty", "third-party"},
	    {SCHEMA_SECTIONS, "nat", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *near = cases[i].section == SCHEMA_SECTIONS
				       ? schema_near_section(cases[i].name)
				       : schema_near_key(cases[i].section, cases[i].name);

		if (!near != !cases[i].near || (near && strcmp(near, cases[i].near)))
			fail_msg("\"%s\": %s", cases[i].name, near ? near : "nothing");
	}
}

/* Reads the shipped file, to be freed by the caller. */
static char *shipped(size_t *length)
{
	FILE *f = fopen(SHIPPED, "r");
	char *text = malloc(65536);

	assert_non_null(f);
	assert_non_null(text);
	*length = fread(text, 1, 65535, f);
	assert_in_range(*length, 1, 65534);
	text[*length] = '\0';
	fclose(f);
	return text;
}

static void test_shipped(void **state)
{
	char why[CONF_LOCATION_MAX];
	size_t length;
	char *text = shipped(&length);
	struct conf *c = conf_parse(text, length, SHIPPED, why);

	(void)state;
	free(text);
	if (!c)
		fail_msg("%s", why);
	assert_int_equal(c->listens[0].nonce_check, CONF_NONCE_SAME_ADDRESS);
	assert_false(c->process.user_set);
	assert_false(c->journal.path_set);
	conf_free(c);
}

/* The lines that begin with "#" and no space are settings: with all of them in force, every key of the schema is there. */
static void test_shipped_says_all(void **state)
{
	char why[CONF_LOCATION_MAX];
	size_t length;
	char *text = shipped(&length);
	struct parse p;

	(void)state;
	for (char *line = text; *line; line = strchr(line, '\n') + 1) {
		line += strspn(line, "\t");
		if (line[0] == '#' && !strchr(" \n#", line[1]))
			line[0] = ' ';
	}
	if (!parse_text(&p, text, length, SHIPPED, why) || !check_conf(&p))
		fail_msg("%s", why);
	free(text);
	for (size_t k = 0; k < schema_keys_n; k++) {
		enum schema_section s = schema_keys[k].section;
		bool found = false;
		size_t n;

		for (size_t i = 0; i < p.origins[s].n; i++)
			found = found || p.origins[s].v[i].lines[&schema_keys[k] - schema_first(s, &n)];
		if (!found)
			fail_msg("%s: %s is not in " SHIPPED, schema_sections[s].name, schema_keys[k].name);
	}
	parse_clear(&p);
}

/* A setting that stands commented out, and says nothing else, shows the default. */
static void test_shipped_defaults(void **state)
{
	static const char *const shows_another[] = {"tcp",	    "udp",	    "clients",	      "forward-chain",
						    "lifetime-max", "mappings-max", "mappings-total", "reject-ports"};
	char why[CONF_LOCATION_MAX];
	size_t length;
	char *text = shipped(&length);
	struct conf *with, *without = conf_parse(text, length, SHIPPED, why);

	(void)state;
	assert_non_null(without);
	for (char *line = text; *line; line = strchr(line, '\n') + 1) {
		bool keep = line[0] != '\t'; /* commented out as a whole section: an example */

		line += strspn(line, "\t");
		if (line[0] != '#' || strchr(" \n#", line[1]) || keep)
			continue;
		for (size_t i = 0; i < COUNT(shows_another); i++)
			keep = keep || !strncmp(line + 1, shows_another[i], strcspn(line + 1, " "));
		if (!keep)
			line[0] = ' ';
	}
	with = conf_parse(text, length, SHIPPED, why);
	free(text);
	if (!with)
		fail_msg("%s", why);
	assert_memory_equal(&with->lifetime, &without->lifetime, sizeof(with->lifetime));
	assert_memory_equal(&with->limits, &without->limits, sizeof(with->limits));
	assert_int_equal(with->externals[0].private_address, without->externals[0].private_address);
	assert_int_equal(with->externals[0].nat, without->externals[0].nat);
	assert_int_equal(with->externals[0].ports.n, 1);
	assert_memory_equal(with->externals[0].ports.v, without->externals[0].ports.v, sizeof(struct conf_range));
	assert_int_equal(with->listens[0].natpmp, without->listens[0].natpmp);
	assert_int_equal(with->listens[0].pcp, without->listens[0].pcp);
	assert_int_equal(with->backend.type, without->backend.type);
	assert_string_equal(with->backend.table, without->backend.table);
	assert_int_equal(with->backend.mark, without->backend.mark);
	assert_int_equal(with->backend.hairpin_mark, without->backend.hairpin_mark);
	assert_int_equal(with->backend.on_exit, without->backend.on_exit);
	assert_int_equal(with->backend.expired_flows, without->backend.expired_flows);
	assert_int_equal(with->backend.reset_flows, without->backend.reset_flows);
	assert_string_equal(with->journal.path, without->journal.path);
	assert_int_equal(with->journal.sync, without->journal.sync);
	assert_string_equal(with->control.socket, without->control.socket);
	assert_string_equal(with->control.http, without->control.http);
	assert_string_equal(with->process.user, without->process.user);
	assert_int_equal(with->log.level, without->log.level);
	assert_int_equal(with->log.target, without->log.target);
	conf_free(with);
	conf_free(without);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_near),
	    cmocka_unit_test(test_shipped),
	    cmocka_unit_test(test_shipped_says_all),
	    cmocka_unit_test(test_shipped_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
