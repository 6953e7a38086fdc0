/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/ages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lab/octets.h"

/* The epoch that is told of a PCP answer in which the engine's is engine_s. */
static uint32_t told(struct ages *a, uint32_t engine_s, uint64_t now_ms, bool restarts)
{
	struct codec_message m = {.protocol = CODEC_VERSION_PCP,
				  .pcp = {.response = true, .opcode = PCP_ANNOUNCE, .epoch_s = engine_s}};
	struct octets o = octets_of(&m);

	assert_int_equal(ages_put(a, o.data, o.length, now_ms), restarts);
	return octets_read(o.data, o.length).pcp.epoch_s;
}

static void older(void **state)
{
	struct ages a;

	(void)state;
	ages_init(&a, 86400);
	assert_int_equal(ages_now(&a, SIGHT_PCP, 5000), 86400);
	assert_int_equal(told(&a, 0, 5000, false), 86400);
	assert_int_equal(told(&a, 3, 8200, false), 86403);
	assert_int_equal(told(&a, 3, 8900, false), 86403);
	assert_int_equal(ages_now(&a, SIGHT_PCP, 8999), 86403);
	assert_int_equal(ages_now(&a, SIGHT_PCP, 9000), 86404);
	assert_int_equal(ages_now(&a, SIGHT_NATPMP, 9200), 86400); /* which has said nothing */
}

/* RFC 6887 8.5: what the engine restarts is told as it is. */
static void restart(void **state)
{
	struct ages a;

	(void)state;
	ages_init(&a, 86400);
	told(&a, 10, 10000, false);
	assert_int_equal(told(&a, 0, 12000, true), 0);
	assert_int_equal(told(&a, 1, 13000, false), 1);
	/* in the first second it does not show */
	ages_init(&a, 86400);
	told(&a, 0, 0, false);
	ages_restart(&a, SIGHT_PCP);
	assert_int_equal(told(&a, 0, 500, false), 0);
}

static void faults(void **state)
{
	struct ages a;

	(void)state;
	ages_init(&a, 86400);
	told(&a, 0, 0, false);
	ages_shift(&a, SIGHT_PCP, -1000);
	assert_int_equal(told(&a, 1, 1000, false), 85401);
	ages_shift(&a, SIGHT_PCP, -100000);
	assert_int_equal(told(&a, 2, 2000, false), 0);
	ages_set(&a, SIGHT_PCP, 7, 2000);
	assert_int_equal(told(&a, 3, 3000, false), 8);
	ages_freeze(&a, SIGHT_PCP, true, 3000);
	assert_int_equal(told(&a, 60, 60000, false), 8);
	ages_freeze(&a, SIGHT_PCP, false, 60000);
	assert_int_equal(told(&a, 60, 60000, false), 65);
	ages_shift(&a, SIGHT_PCP, 1LL << 33);
	assert_int_equal(told(&a, 61, 61000, false), UINT32_MAX);
}

static void other_messages(void **state)
{
	struct ages a;
	struct octets o = octets_natpmp(2, true, 80, 60), was;

	(void)state;
	ages_init(&a, 1000);
	ages_put(&a, o.data, o.length, 0);
	assert_int_equal(octets_read(o.data, o.length).natpmp.epoch_s, 1050);
	o = was = octets_pcp(PCP_MAP, false, 80, 60); /* a request has none */
	ages_put(&a, o.data, o.length, 0);
	assert_memory_equal(o.data, was.data, o.length);
	o = was = octets_pcp(PCP_MAP, true, 80, 60);
	ages_put(&a, o.data, 11, 0); /* cut before its end */
	assert_memory_equal(o.data, was.data, o.length);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(older),
	    cmocka_unit_test(restart),
	    cmocka_unit_test(faults),
	    cmocka_unit_test(other_messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
