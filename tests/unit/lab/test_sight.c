/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/sight.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/lab/octets.h"

static void is(struct octets o, enum sight_protocol protocol, enum sight_op op, bool response)
{
	struct sight s = sight(o.data, o.length);

	assert_int_equal(s.protocol, protocol);
	assert_int_equal(s.op, op);
	assert_int_equal(s.response, response);
}

static void messages(void **state)
{
	(void)state;
	is(octets_natpmp(0, false, 0, 0), SIGHT_NATPMP, SIGHT_ADDRESS, false);
	is(octets_natpmp(0, true, 0, 0), SIGHT_NATPMP, SIGHT_ADDRESS, true);
	is(octets_natpmp(1, false, 80, 3600), SIGHT_NATPMP, SIGHT_MAP, false);
	is(octets_natpmp(2, true, 80, 3600), SIGHT_NATPMP, SIGHT_MAP, true);
	is(octets_natpmp(2, false, 80, 0), SIGHT_NATPMP, SIGHT_DELETE, false);
	is(octets_natpmp(2, true, 80, 0), SIGHT_NATPMP, SIGHT_DELETE, true);
	is(octets_pcp(PCP_ANNOUNCE, false, 0, 0), SIGHT_PCP, SIGHT_ANNOUNCE, false);
	is(octets_pcp(PCP_MAP, false, 80, 3600), SIGHT_PCP, SIGHT_MAP, false);
	is(octets_pcp(PCP_MAP, true, 80, 0), SIGHT_PCP, SIGHT_DELETE, true);
	is(octets_pcp(PCP_PEER, false, 80, 256), SIGHT_PCP, SIGHT_PEER, false);
}

static void others(void **state)
{
	(void)state;
	is((struct octets){{0}, 0}, SIGHT_OTHER, SIGHT_UNKNOWN, false);
	is((struct octets){{2}, 1}, SIGHT_OTHER, SIGHT_UNKNOWN, false);
	is((struct octets){{1, 1}, 24}, SIGHT_OTHER, SIGHT_UNKNOWN, false);
	is((struct octets){{0, 7}, 2}, SIGHT_NATPMP, SIGHT_UNKNOWN, false);
	is((struct octets){{2, 0x87}, 24}, SIGHT_PCP, SIGHT_UNKNOWN, true);
	/* cut before the lifetime: nobody can say */
	is((struct octets){{0, 1, 0, 0, 0, 9}, 6}, SIGHT_NATPMP, SIGHT_MAP, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(messages), cmocka_unit_test(others)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
