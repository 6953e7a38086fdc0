/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which address of a pool a host gets a port of when the first has none left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/scenario/world.h"

enum {
	POOL = 0xcb007100, /* 203.0.113.0, of 128 addresses with two ports each */
	ADDRESSES = 128,
	FIRST = 2000,
	LAST = 2001,
	HOLDER = 0xc6120001, /* 198.18.0.1 */
	ASKER = 0xc000020a,  /* 192.0.2.10 */
	TURNS = 64,
};

static const char conf[] = "external \"wan\" { addresses = { \"203.0.113.0/25\" } ports = { \"2000-2001\" } }\n"
			   "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
			   "rule \"all\" { action = allow }\n"
			   "limits { requests-per-second = 0 reserve = 0 }\n"
			   "lifetime { hold = 0 }\n";

static void open_world(struct world *w)
{
	struct in6_addr none = codec_from_v4(0xc6336401);

	assert_true(world_open(w, conf));
	world_start(w, &none);
}

/* All ports of an address are somebody's. */
static void fill(struct world *w, uint32_t number, uint8_t protocol)
{
	for (uint16_t port = FIRST; port <= LAST; port++) {
		struct lease init = {.internal_address = codec_from_v4(HOLDER + number),
				     .external_address = codec_from_v4(POOL + number),
				     .expires_ms = UINT64_MAX,
				     .internal_port = port,
				     .external_port = port,
				     .protocol = protocol,
				     .kind = MAPPING_NAT,
				     .origin = ENGINE_ORIGIN_PCP,
				     .rule = UINT16_MAX,
				     .listen = UINT16_MAX};

		assert_int_not_equal(lease_new(w->engine->leases, &init), LEASE_NONE);
		engine_refresh(w->engine, &init);
	}
}

/* A host asks by PCP for its port 8080. The number of the address that it gets, -1 if it is told that there is no port. */
static int ask(struct world *w, uint32_t host, uint8_t protocol)
{
	struct in6_addr from = codec_from_v4(host);
	uint8_t data[CODEC_MESSAGE_MAX];
	struct codec_error error;
	struct codec_message m;
	const uint8_t *reply;
	size_t n;

	memset(&m, 0, sizeof(m));
	m.protocol = CODEC_VERSION_PCP;
	m.pcp.version = CODEC_VERSION_PCP;
	m.pcp.opcode = PCP_MAP;
	m.pcp.lifetime_s = 7200;
	m.pcp.client_address = from;
	m.pcp.mapping.protocol = protocol;
	m.pcp.mapping.internal_port = 8080;
	m.pcp.mapping.external_address = codec_from_v4(0);
	n = world_ask(w, &from, 5350, data, codec_marshal(&m, data, sizeof(data)), &reply);
	assert_int_equal(codec_parse(reply, n, &m, &error), CODEC_OK);
	if (m.pcp.result == PCP_NO_RESOURCES)
		return -1;
	assert_int_equal(m.pcp.result, PCP_SUCCESS);
	return (int)(codec_to_v4(&m.pcp.mapping.external_address) - POOL);
}

/* The first address until it is full, then the next that has a port, round and round. */
static void spills(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	assert_int_equal(ask(&w, ASKER, IPPROTO_UDP), 0);
	fill(&w, 1, IPPROTO_UDP);
	assert_int_equal(ask(&w, ASKER + 1, IPPROTO_UDP), 0);
	for (uint32_t i = 2; i < ADDRESSES; i++) {
		assert_int_equal(ask(&w, ASKER + 2 * i, IPPROTO_UDP), i);
		assert_int_equal(ask(&w, ASKER + 2 * i + 1, IPPROTO_UDP), i);
	}
	assert_int_equal(ask(&w, ASKER + 2 * ADDRESSES, IPPROTO_UDP), -1);
	world_close(&w);
}

/* Who asks for what there is not, in turn with another host, does not keep it from what there is. */
static void in_turns(void **state)
{
	struct world w;
	int got = -1;

	(void)state;
	for (uint32_t begin = 0; begin < ADDRESSES; begin += 32) {
		open_world(&w);
		for (uint32_t i = 0; i < ADDRESSES; i++) {
			fill(&w, i, IPPROTO_TCP);
			if (i < begin || i >= begin + 32)
				fill(&w, i, IPPROTO_UDP);
		}
		got = begin ? -1 : ask(&w, ASKER + 1, IPPROTO_UDP);
		for (unsigned turn = 0; got < 0 && turn < TURNS; turn++) {
			assert_int_equal(ask(&w, ASKER, IPPROTO_TCP), -1);
			got = ask(&w, ASKER + 1, IPPROTO_UDP);
		}
		assert_in_range(got, begin, begin + 31);
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(spills),
	    cmocka_unit_test(in_turns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
