/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/outside.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/core/state.h"
#include "tests/scenario/world.h"
#include "tests/unit/core/failmalloc.h"

#define LAN                                                                                                            \
	"listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"                                            \
	"rule \"all\" { action = allow }\n"

/* Addresses that an interface has, and whether they can be an outside. 6886-3.5-03 */
static void test_private_addresses(void **state)
{
	static const struct {
		uint32_t address;
		bool public;
	} cases[] = {
	    {0xc6336401, true},	 {0xc0000201, true},  {0xcb007101, true},  {0xc6120001, true},	{0x08080808, true},
	    {0x0a000001, false}, {0xac100001, false}, {0xac1fffff, false}, {0xac200000, true},	{0xc0a80101, false},
	    {0x64400001, false}, {0x647fffff, false}, {0x64800000, true},  {0xa9fe0101, false}, {0x7f000001, false},
	    {0xe0000001, false}, {0xffffffff, false}, {0x00000000, false}, {0x0b000000, true},
	};
	static const struct {
		const char *conf;
		bool private, public;
	} settings[] = {
	    {"external \"wan\" { interface = \"wan0\" }\n" LAN, false, true},
	    {"external \"wan\" { interface = \"wan0\" private-address = refuse }\n" LAN, false, true},
	    {"external \"wan\" { interface = \"wan0\" private-address = allow }\n" LAN, true, true},
	};

	(void)state;
	for (size_t s = 0; s < sizeof(settings) / sizeof(*settings); s++)
		for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
			struct in6_addr address = codec_from_v4(cases[i].address), first;
			struct world w;

			assert_true(world_open(&w, settings[s].conf));
			world_start(&w, &address);
			assert_int_equal(outside_at(w.engine, 0, 0, &first),
					 cases[i].public ? settings[s].public : settings[s].private);
			world_close(&w);
		}
}

/* A pool is there without an interface, or while its interface has an address. */
static void test_pool(void **state)
{
	struct in6_addr address = codec_from_v4(0x0a000001), a;
	struct world w;

	(void)state;
	assert_true(world_open(&w, "external \"wan\" { addresses = { \"198.51.100.8/30\", \"203.0.113.1\" } }\n" LAN));
	world_start(&w, NULL);
	for (size_t i = 0; i < 4; i++) {
		assert_true(outside_at(w.engine, 0, i, &a));
		assert_int_equal(codec_to_v4(&a), 0xc6336408 + i);
		assert_true(outside_has(w.engine, 0, &a));
	}
	assert_true(outside_at(w.engine, 0, 4, &a));
	assert_int_equal(codec_to_v4(&a), 0xcb007101);
	assert_false(outside_at(w.engine, 0, 5, &a));
	a = codec_from_v4(0xc633640c);
	assert_false(outside_has(w.engine, 0, &a));
	world_close(&w);

	assert_true(world_open(&w, "external \"wan\" { interface = \"wan0\" addresses = { \"198.51.100.8\" } }\n" LAN));
	world_start(&w, NULL);
	assert_false(outside_at(w.engine, 0, 0, &a));
	engine_wan(w.engine, 0, &address, 1, w.now_ms, w.round);
	assert_true(outside_at(w.engine, 0, 0, &a));
	assert_int_equal(codec_to_v4(&a), 0xc6336408);
	engine_wan(w.engine, 0, NULL, 0, w.now_ms, w.round);
	assert_false(outside_at(w.engine, 0, 0, &a));
	world_close(&w);
}

/* IPv6 addresses of the interface are no outside of translated mappings, and their change is no news. */
static void test_ipv6_is_no_news(void **state)
{
	struct in6_addr v[2] = {codec_from_v4(0xc6336401), {{{0x20, 0x01, 0x0d, 0xb8}}}};
	struct world w;

	(void)state;
	assert_true(world_open(&w, "external \"wan\" { interface = \"wan0\" }\n" LAN));
	assert_int_equal(outside_tell(w.engine, 0, v, 1), 0);
	assert_int_equal(outside_tell(w.engine, 0, v, 2), 0);
	assert_int_equal(outside_tell(w.engine, 0, v + 1, 1), 1);
	assert_int_equal(outside_tell(w.engine, 0, v, 2), 1);
	world_close(&w);
}

/* Without memory the old address stays, and the new one can be told again. */
static void test_no_memory(void **state)
{
	struct in6_addr v[2] = {codec_from_v4(0xc6336401), codec_from_v4(0xc6336402)}, a;
	struct world w;

	(void)state;
#if FAILMALLOC
	for (unsigned nth = 1; nth <= 2; nth++) {
		assert_true(world_open(&w, "external \"wan\" { interface = \"wan0\" }\n" LAN));
		world_start(&w, v);
		failmalloc_in = nth;
		assert_int_equal(engine_wan(w.engine, 0, v + 1, 1, w.now_ms, w.round), -ENOMEM);
		failmalloc_in = 0;
		assert_true(outside_at(w.engine, 0, 0, &a));
		assert_true(engine_same_address(&a, &v[0]));
		assert_int_equal(engine_wan(w.engine, 0, v + 1, 1, w.now_ms, w.round), 0);
		assert_true(outside_at(w.engine, 0, 0, &a));
		assert_true(engine_same_address(&a, &v[1]));
		world_close(&w);
	}
#else
	(void)v;
	(void)a;
	(void)w;
	skip();
#endif
}

/* 6886-3.3-06: a random port is a high one, as long as there is any. */
static void test_random_ports_are_high(void **state)
{
	struct in6_addr address = codec_from_v4(0xc6336401);
	struct conf_ranges any = {0};
	struct world w;
	uint16_t port;

	(void)state;
	assert_true(world_open(&w, "external \"wan\" { interface = \"wan0\" ports = { \"1020-1027\" } }\n" LAN));
	world_start(&w, &address);
	for (unsigned i = 0; i < 8; i++) {
		port = outside_pick(w.engine, 0, &address, IPPROTO_TCP, &any);
		assert_true(port >= (i < 4 ? 1024 : 1020) && port <= (i < 4 ? 1027 : 1023));
		outside_busy_foreign(w.engine, 0, &address, IPPROTO_TCP, port, w.now_ms);
	}
	assert_int_equal(outside_pick(w.engine, 0, &address, IPPROTO_TCP, &any), 0);
	/* what the packet filter refused is not for ever */
	outside_busy_forget(w.engine, w.now_ms + 60000);
	assert_true(outside_pick(w.engine, 0, &address, IPPROTO_TCP, &any) >= 1024);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_private_addresses), cmocka_unit_test(test_pool),
	    cmocka_unit_test(test_ipv6_is_no_news),   cmocka_unit_test(test_random_ports_are_high),
	    cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
