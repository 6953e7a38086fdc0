/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/alter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lab/octets.h"

static uint16_t wish(struct octets o, uint16_t port, bool changes)
{
	struct codec_message m;

	assert_int_equal(alter_wish(o.data, o.length, port), changes);
	m = octets_read(o.data, o.length);
	return m.protocol == CODEC_VERSION_PCP ? m.pcp.mapping.external_port : m.natpmp.external_port;
}

static void wishes(void **state)
{
	(void)state;
	assert_int_equal(wish(octets_natpmp(1, false, 8080, 60), 9999, true), 9999);
	assert_int_equal(wish(octets_natpmp(1, false, 8080, 60), 0, true), 9080);
	assert_int_equal(wish(octets_natpmp(1, false, 65000, 60), 0, true), 64000);
	assert_int_equal(wish(octets_natpmp(1, false, 0, 60), 0, false), 0);
	assert_int_equal(wish(octets_pcp(PCP_MAP, false, 8080, 60), 9999, true), 9999);
	assert_int_equal(wish(octets_pcp(PCP_PEER, false, 8080, 60), 0, true), 9080);
	assert_int_equal(wish(octets_pcp(PCP_MAP, false, 8080, 0), 9999, false), 8080); /* a deletion */
}

static uint32_t lifetime(struct octets o, uint32_t most, bool changes)
{
	struct codec_message m;

	assert_int_equal(alter_lifetime(o.data, o.length, most), changes);
	m = octets_read(o.data, o.length);
	return m.protocol == CODEC_VERSION_PCP ? m.pcp.lifetime_s : m.natpmp.lifetime_s;
}

static void lifetimes(void **state)
{
	struct octets cut = octets_pcp(PCP_MAP, false, 80, 60), natpmp = octets_natpmp(1, false, 80, 60),
		      deletion = octets_pcp(PCP_MAP, false, 80, 0);

	(void)state;
	assert_int_equal(lifetime(octets_natpmp(2, false, 80, 7200), 10, true), 10);
	assert_int_equal(lifetime(octets_natpmp(2, false, 80, 5), 10, false), 5);
	assert_int_equal(lifetime(octets_natpmp(2, false, 80, 0), 10, false), 0);
	assert_int_equal(lifetime(octets_pcp(PCP_MAP, false, 80, 7200), 10, true), 10);
	assert_int_equal(lifetime(octets_pcp(PCP_PEER, false, 80, 0x01000000), 10, true), 10);
	assert_false(alter_lifetime(cut.data, 7, 10));
	assert_false(alter_least(cut.data, 7, 120));
	assert_true(alter_least(cut.data, cut.length, 120));
	assert_int_equal(octets_read(cut.data, cut.length).pcp.lifetime_s, 120);
	assert_false(alter_least(cut.data, cut.length, 120));
	assert_false(alter_least(natpmp.data, natpmp.length, 120));
	assert_false(alter_least(deletion.data, deletion.length, 120));
	assert_false(alter_wish(cut.data, 43, 10));
}

static void nonces(void **state)
{
	struct octets o = octets_pcp(PCP_MAP, true, 80, 60), was = o;

	(void)state;
	assert_int_equal(alter_nonce(o.data, o.length), o.length);
	for (size_t i = 0; i < o.length; i++)
		assert_int_equal(o.data[i], i >= 24 && i < 36 ? (was.data[i] ^ 0xff) : was.data[i]);
	assert_int_equal(alter_nonce(o.data, 26), 26);
}

static uint64_t three(void *context)
{
	(void)context;
	return 3ULL << 32;
}

static void lengths(void **state)
{
	struct octets o = octets_pcp(PCP_MAP, true, 80, 60);

	(void)state;
	assert_int_equal(alter_truncate(60, 0), 30);
	assert_int_equal(alter_truncate(60, 20), 20);
	assert_int_equal(alter_truncate(60, 70), 60);
	memset(o.data + 60, 9, 10);
	assert_int_equal(alter_lengthen(o.data, o.length, 0), 64);
	assert_int_equal(o.data[63], 0);
	assert_int_equal(o.data[64], 9);
	assert_int_equal(alter_lengthen(o.data, 60, 1200), 1260);
	assert_int_equal(alter_lengthen(o.data, ALTER_ROOM - 1, 4), ALTER_ROOM);
	assert_int_equal(alter_garbage(o.data, 60, three, NULL), 60);
	assert_true(o.data[0] == 3 && o.data[59] == 3 && o.data[60] != 3);
}

static void promises(void **state)
{
	struct octets o = octets_natpmp(0, true, 0, 0);
	struct codec_message m;

	(void)state;
	alter_promise(o.data, o.length);
	m = octets_read(o.data, o.length);
	assert_int_equal(codec_to_v4(&m.natpmp.external_address), 0xcb007142);
	o = octets_natpmp(2, true, 8080, 60);
	alter_promise(o.data, o.length);
	assert_int_equal(octets_read(o.data, o.length).natpmp.external_port, 8081);
	o = octets_pcp(PCP_MAP, true, 8080, 60);
	alter_promise(o.data, o.length);
	assert_int_equal(octets_read(o.data, o.length).pcp.mapping.external_port, 8081);
	alter_promise(o.data, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(wishes),  cmocka_unit_test(lifetimes), cmocka_unit_test(nonces),
	    cmocka_unit_test(lengths), cmocka_unit_test(promises),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
