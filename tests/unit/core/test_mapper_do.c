/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/core/mapper_bed.h"

/* Every port of a range can be had, whatever is wished for, and again when all were given back: no mark is left behind.
 * 6887-11.3-32 */
static void test_all_ports_twice(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, "external \"wan\" { interface = \"wan0\" ports = { \"5000-8999\" } }\n"
		       "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
		       "rule \"all\" { action = allow }\n"
		       "lifetime { hold = 0 }\n"
		       "limits { mappings-per-client = 65535 reserve = 0 }\n");
	for (unsigned turn = 0; turn < 3; turn++) {
		struct mapper_want q;

		for (uint32_t i = 0; i < 4000; i++) {
			q = want(i % 50, IPPROTO_TCP, (uint16_t)(1 + i),
				 (uint16_t)(turn == 1 ? 5000 + i * 7 % 4000 : 80));
			assert_int_equal(ask(&w, &q).result, MAPPER_OK);
		}
		assert_int_equal(backend_memory_count(w.backend), 4000);
		q = want(60, IPPROTO_TCP, 1, 0);
		assert_int_equal(ask(&w, &q).result, MAPPER_NO_RESOURCES);
		for (uint32_t i = 0; i < 4000; i++) {
			q = want(i % 50, IPPROTO_TCP, (uint16_t)(1 + i), 0);
			q.lifetime_s = 0;
			assert_int_equal(ask(&w, &q).result, MAPPER_OK);
		}
		assert_int_equal(backend_memory_count(w.backend), 0);
		assert_true(world_agrees(&w));
	}
	world_close(&w);
}

/* The companion's port is NAT-PMP's promise: when PCP takes the mapping over it is anybody's, also to be picked. */
static void test_companion_port_is_given_back(void **state)
{
	struct mapper_want q = want(1, IPPROTO_TCP, 80, 0), other = want(2, IPPROTO_UDP, 80, 0);
	struct world w;

	(void)state;
	open_world(&w, "external \"wan\" { interface = \"wan0\" ports = { \"5000\" } }\n"
		       "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
		       "rule \"all\" { action = allow }\n");
	q.pcp = false;
	assert_int_equal(ask(&w, &q).external_port, 5000);
	assert_int_equal(ask(&w, &other).result, MAPPER_NO_RESOURCES);
	q.pcp = true;
	assert_int_equal(ask(&w, &q).external_port, 5000);
	assert_int_equal(ask(&w, &other).external_port, 5000);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_ports_twice),
	    cmocka_unit_test(test_companion_port_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
