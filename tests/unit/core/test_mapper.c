/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/core/mapper_bed.h"

/* 5350 and 5351 of UDP are all that is left: there is nothing. 6887-11.3-27 */
static void test_nothing_but_barred_ports(void **state)
{
	struct mapper_want q = want(1, IPPROTO_UDP, 5350, 5350);
	struct world w;

	(void)state;
	open_world(&w, "external \"wan\" { interface = \"wan0\" ports = { \"5350-5351\" } }\n"
		       "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
		       "rule \"all\" { action = allow }\n");
	assert_int_equal(ask(&w, &q).result, MAPPER_NO_RESOURCES);
	q.protocol = IPPROTO_TCP;
	assert_int_equal(ask(&w, &q).result, MAPPER_OK);
	world_close(&w);
}

/* The plan changes nothing, and is what is then done. */
static void test_plan_is_what_is_done(void **state)
{
	struct mapper_want q = want(1, IPPROTO_TCP, 80, 8080);
	struct mapper_verdict v;
	struct mapper_plan p;
	struct world w;

	(void)state;
	open_world(&w, "external \"wan\" { interface = \"wan0\" }\n"
		       "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
		       "rule \"all\" { action = allow lifetime-max = 300 }\n");
	for (unsigned i = 0; i < 3; i++) {
		mapper_plan(w.engine, &q, w.now_ms, &p);
		assert_int_equal(p.action, MAPPER_MAKE);
		assert_int_equal(p.verdict.external_port, 8080);
		assert_int_equal(p.verdict.lifetime_s, 300);
		assert_string_equal(p.verdict.rule, "all");
	}
	v = ask(&w, &q);
	assert_int_equal(v.external_port, 8080);
	assert_int_equal(v.lifetime_s, 300);
	mapper_plan(w.engine, &q, w.now_ms, &p);
	assert_int_equal(p.action, MAPPER_RENEW);
	q.lifetime_s = 0;
	mapper_plan(w.engine, &q, w.now_ms, &p);
	assert_int_equal(p.action, MAPPER_END);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nothing_but_barred_ports),
	    cmocka_unit_test(test_plan_is_what_is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
