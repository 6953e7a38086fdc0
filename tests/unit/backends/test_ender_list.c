/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/ender_list.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"
#include "tests/unit/core/failmalloc.h"

enum { LAN = 0xc000020b, OTHER = 0xc000020c, EXT = 0xc6336401, WAN = 0xc6336402, UDP = 17, TCP = 6 };
enum { FORGET = 1 << ENDER_FORGET, ASK = 1 << ENDER_ASK };

static struct mapping mapping(uint32_t internal, uint16_t internal_port, uint16_t external_port, uint16_t more)
{
	return (struct mapping){.internal_address = codec_from_v4(internal),
				.external_address = codec_from_v4(EXT),
				.internal_port = internal_port,
				.external_port = external_port,
				.protocol = UDP,
				.more_ports = more};
}

static struct ender_flow flow(uint32_t internal, uint16_t internal_port, uint16_t external_port, uint32_t left_s)
{
	return (struct ender_flow){.internal_address = codec_from_v4(internal),
				   .external_address = codec_from_v4(EXT),
				   .remote_address = codec_from_v4(WAN),
				   .internal_port = internal_port,
				   .external_port = external_port,
				   .remote_port = 7000,
				   .protocol = UDP,
				   .left_s = left_s};
}

static void add(struct ender_list *l, struct mapping m, enum ender_purpose purpose)
{
	assert_int_equal(ender_list_add(l, &m, purpose, NULL), 0);
}

static unsigned meet(struct ender_list *l, struct ender_flow f)
{
	return ender_list_meet(l, &f);
}

/* What is found of the one mapping that was asked about from this external port on. */
static uint32_t left_of(const struct ender_list *l, uint16_t external_port)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].purpose == ENDER_ASK && l->v[i].external_port == external_port)
			return l->v[i].left_s;
	fail();
	return 0;
}

static void matches(void **state)
{
	struct ender_list l = {0};
	struct mapping peer = mapping(LAN, 4002, 40002, 0);
	struct ender_flow f;

	(void)state;
	assert_int_equal(meet(&l, flow(LAN, 4000, 40000, 10)), 0);
	add(&l, mapping(LAN, 4001, 40001, 0), ENDER_ASK);
	add(&l, mapping(LAN, 4000, 40000, 0), ENDER_FORGET);
	peer.remote_address = codec_from_v4(WAN);
	peer.remote_port = 7000;
	add(&l, peer, ENDER_FORGET);
	ender_list_sort(&l);
	assert_int_equal(meet(&l, flow(LAN, 4000, 40000, 10)), FORGET);
	assert_int_equal(meet(&l, flow(LAN, 4001, 40001, 10)), ASK);
	/* the one that goes on longest */
	assert_int_equal(left_of(&l, 40001), 10);
	assert_int_equal(meet(&l, flow(LAN, 4001, 40001, 70)), ASK);
	assert_int_equal(meet(&l, flow(LAN, 4001, 40001, 30)), ASK);
	assert_int_equal(left_of(&l, 40001), 70);
	/* of one peer, and of others */
	assert_int_equal(meet(&l, flow(LAN, 4002, 40002, 10)), FORGET);
	f = flow(LAN, 4002, 40002, 10);
	f.remote_port = 7001;
	assert_int_equal(meet(&l, f), 0);
	/* every part counts */
	assert_int_equal(meet(&l, flow(OTHER, 4000, 40000, 10)), 0);
	assert_int_equal(meet(&l, flow(LAN, 4009, 40000, 10)), 0);
	assert_int_equal(meet(&l, flow(LAN, 4000, 40009, 10)), 0);
	f = flow(LAN, 4000, 40000, 10);
	f.protocol = TCP;
	assert_int_equal(meet(&l, f), 0);
	ender_list_clear(&l);
}

/* 6887-15-11: the longest of all ports; sets that lie in each other are all found. */
static void sets(void **state)
{
	struct ender_list l = {0};

	(void)state;
	add(&l, mapping(LAN, 4000, 40000, 99), ENDER_ASK);
	add(&l, mapping(LAN, 4010, 40010, 4), ENDER_FORGET);
	add(&l, mapping(LAN, 4020, 40020, 0), ENDER_ASK);
	add(&l, mapping(LAN, 4200, 40200, 9), ENDER_FORGET);
	ender_list_sort(&l);
	assert_int_equal(meet(&l, flow(LAN, 4012, 40012, 20)), ASK | FORGET);
	assert_int_equal(meet(&l, flow(LAN, 4015, 40015, 30)), ASK);
	assert_int_equal(left_of(&l, 40020), 0);
	assert_int_equal(meet(&l, flow(LAN, 4020, 40020, 25)), ASK);
	assert_int_equal(left_of(&l, 40000), 30);
	assert_int_equal(left_of(&l, 40020), 25);
	assert_int_equal(meet(&l, flow(LAN, 4099, 40099, 40)), ASK);
	assert_int_equal(meet(&l, flow(LAN, 4100, 40100, 99)), 0);
	assert_int_equal(left_of(&l, 40000), 40);
	assert_int_equal(meet(&l, flow(LAN, 4209, 40209, 99)), FORGET);
	/* another port inside than the mapping has for that one */
	assert_int_equal(meet(&l, flow(LAN, 4013, 40012, 99)), 0);
	ender_list_clear(&l);
}

/* The same mapping twice: each asker is answered. */
static void twice(void **state)
{
	struct ender_list l = {0};
	int a, b;
	struct mapping m = mapping(LAN, 4000, 40000, 0);

	(void)state;
	assert_int_equal(ender_list_add(&l, &m, ENDER_ASK, &a), 0);
	assert_int_equal(ender_list_add(&l, &m, ENDER_ASK, &b), 0);
	ender_list_sort(&l);
	assert_int_equal(meet(&l, flow(LAN, 4000, 40000, 20)), ASK);
	assert_int_equal(l.v[0].left_s, 20);
	assert_int_equal(l.v[1].left_s, 20);
	assert_true(l.v[0].context != l.v[1].context);
	ender_list_clear(&l);
}

static void memory(void **state)
{
	struct ender_list l = {0};
	struct mapping m = mapping(LAN, 4000, 40000, 0);

	(void)state;
	for (unsigned i = 0; i < 64; i++)
		add(&l, m, ENDER_ASK);
#if FAILMALLOC
	failmalloc_in = 1;
	assert_int_equal(ender_list_add(&l, &m, ENDER_ASK, NULL), -ENOMEM);
	failmalloc_in = 0;
#endif
	assert_int_equal(l.n, 64);
	assert_int_equal(ender_list_add(&l, &m, ENDER_ASK, NULL), 0);
	ender_list_clear(&l);
	ender_list_sort(&l);
}

/* All of a protocol, and all of a host, whatever single ports stand beside them; no other host's, no other protocol's. */
static void all_ports(void **state)
{
	struct ender_list l = {0};
	struct mapping m = mapping(LAN, 0, 0, 0);
	struct ender_flow f = flow(LAN, 5000, 5000, 60);

	(void)state;
	m.external_address = m.internal_address;
	add(&l, m, ENDER_ASK);
	m.internal_port = m.external_port = 4000;
	add(&l, m, ENDER_FORGET);
	m.internal_address = m.external_address = codec_from_v4(OTHER);
	m.internal_port = m.external_port = m.protocol = 0;
	add(&l, m, ENDER_FORGET);
	ender_list_sort(&l);
	f.external_address = f.internal_address;
	assert_int_equal(meet(&l, f), ASK);
	f.internal_port = f.external_port = 4000;
	assert_int_equal(meet(&l, f), ASK | FORGET);
	f.protocol = TCP;
	assert_int_equal(meet(&l, f), 0);
	f.internal_address = f.external_address = codec_from_v4(OTHER);
	assert_int_equal(meet(&l, f), FORGET);
	f.internal_port = f.external_port = 0;
	f.protocol = 47;
	assert_int_equal(meet(&l, f), FORGET);
	assert_int_equal(left_of(&l, 0), 60);
	ender_list_clear(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(matches),	 cmocka_unit_test(sets),   cmocka_unit_test(twice),
	    cmocka_unit_test(all_ports), cmocka_unit_test(memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
