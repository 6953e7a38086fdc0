/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_sort.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *lease(const char *internal, int internal_port, int external_port, const char *protocol, int left,
		     const char *rule)
{
	json_t *o = json_pack("{s:s, s:i, s:s, s:i, s:s, s:s, s:s}", "internal_address", internal, "internal_port",
			      internal_port, "external_address", "198.51.100.1", "external_port", external_port,
			      "protocol", protocol, "rule", rule, "origin", "pcp");

	json_object_set_new(o, "expires_in_s", left ? json_integer(left) : json_null());
	if (!*protocol)
		json_object_set_new(o, "protocol", json_integer(47));
	return o;
}

/* Addresses and numbers by their value, what never ends and what has no name last; equal ones by address. */
static void test_order(void **state)
{
	static const struct {
		const char *name;
		size_t order[4];
	} cases[] = {
	    {"client", {2, 0, 1, 3}},	     {"internal-port", {0, 1, 2, 3}}, {"external", {3, 2, 1, 0}},
	    {"external-port", {3, 2, 1, 0}}, {"expires", {1, 2, 0, 3}},	      {"rule", {3, 2, 1, 0}},
	    {"proto", {3, 1, 2, 0}},	     {"origin", {2, 0, 1, 3}},
	};
	json_t *leases[] = {
	    lease("192.0.2.11", 80, 40003, "", 500, "c"), lease("192.0.2.100", 443, 40002, "tcp", 60, "b"),
	    lease("192.0.2.9", 4000, 40001, "udp", 61, "b"), lease("2001:db8::1", 5000, 8000, "sctp", 0, "a")};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (int reverse = 0; reverse < 2; reverse++) {
			enum sort_by by;
			struct sort *s;
			const size_t *order;

			assert_true(sort_named(cases[i].name, &by));
			s = sort_new(by, reverse);
			for (size_t j = 0; j < 4; j++)
				assert_true(sort_add(s, leases[j]));
			order = sort_order(s);
			for (size_t j = 0; j < 4; j++)
				assert_int_equal(order[j], cases[i].order[reverse ? 3 - j : j]);
			sort_free(s);
		}
	}
	for (size_t j = 0; j < 4; j++)
		json_decref(leases[j]);
}

static void test_no_order(void **state)
{
	struct sort *s;
	enum sort_by by;
	json_t *empty = json_object();

	(void)state;
	assert_false(sort_named("", &by));
	assert_false(sort_named("Client", &by));
	assert_true(sort_named(NULL, &by));
	s = sort_new(by, false);
	assert_non_null(sort_order(s)); /* of none */
	for (size_t i = 0; i < 1000; i++)
		assert_true(sort_add(s, empty));
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(sort_order(s)[i], i);
	sort_free(s);
	json_decref(empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_no_order)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
