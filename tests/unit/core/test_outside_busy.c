/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/outside_busy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/core/state.h"
#include "tests/scenario/world.h"

#define WAN                                                                                                            \
	"external \"wan\" { interface = \"wan0\" }\n"                                                                  \
	"listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"                                            \
	"rule \"all\" { action = allow }\n"

/* 6887-11.3-26: the gateway's own ports, marked and free again. */
static void own(void **state)
{
	static const struct {
		uint32_t address;
		bool any;
		uint8_t protocol;
		uint16_t port;
		bool barred;
	} cases[] = {
	    {0, true, IPPROTO_TCP, 80, true},
	    {0, false, IPPROTO_TCP, 80, true},
	    {0xc6336401, false, IPPROTO_TCP, 80, true},
	    {0xc6336402, false, IPPROTO_TCP, 80, false},
	    {0xc6336401, false, IPPROTO_UDP, 80, false},
	    {0xc6336401, false, IPPROTO_TCP, 81, false},
	};
	struct in6_addr address = codec_from_v4(0xc6336401);
	struct conf_ranges only = {(struct conf_range[]){{80, 80}}, 1};
	struct world w;

	(void)state;
	assert_true(world_open(&w, WAN));
	world_start(&w, &address);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct engine_busy busy[3] = {
		    {codec_from_v4(0xc6336409), 79, IPPROTO_TCP},
		    {cases[i].any ? in6addr_any : codec_from_v4(cases[i].address), cases[i].port, cases[i].protocol},
		    {codec_from_v4(0xc6336409), 80, IPPROTO_TCP}};

		assert_int_equal(engine_busy(w.engine, busy, 3), 0);
		assert_int_equal(outside_barred(w.engine, 0, &address, IPPROTO_TCP, 80), cases[i].barred);
		assert_int_equal(outside_pick(w.engine, 0, &address, IPPROTO_TCP, &only), cases[i].barred ? 0 : 80);
	}
	world_close(&w);
}

/* What the packet filter refused is kept out of the way for a minute, on its address alone; of many, the last ones. */
static void foreign(void **state)
{
	struct in6_addr address = codec_from_v4(0xc6336401), other = codec_from_v4(0xc6336402);
	struct world w;

	(void)state;
	assert_true(world_open(&w, WAN));
	world_start(&w, &address);
	for (uint16_t port = 2000; port < 2033; port++)
		outside_busy_foreign(w.engine, 0, &address, IPPROTO_UDP, port, w.now_ms + (port == 2032));
	assert_true(outside_busy_has(&w.engine->busy, &address, IPPROTO_UDP, 2032));
	assert_true(outside_busy_has(&w.engine->busy, &address, IPPROTO_UDP, 2001));
	assert_false(outside_busy_has(&w.engine->busy, &address, IPPROTO_UDP, 2000));
	assert_false(outside_busy_has(&w.engine->busy, &address, IPPROTO_TCP, 2001));
	assert_false(outside_busy_has(&w.engine->busy, &other, IPPROTO_UDP, 2001));
	outside_busy_forget(w.engine, w.now_ms + 60000);
	assert_false(outside_busy_has(&w.engine->busy, &address, IPPROTO_UDP, 2001));
	assert_true(outside_busy_has(&w.engine->busy, &address, IPPROTO_UDP, 2032));
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(own),
	    cmocka_unit_test(foreign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
