/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a request costs does not depend on how others have left the ports: steps are counted, not time. The files of the
 * engine in which that could be otherwise are compiled so that they tell of each step (a basic block) that they take.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/core/outside.h"
#include "server/core/upkeep.h"
#include "tests/scenario/world.h"

enum {
	/* steps of a request: for one port, or a set that gets none, some times what the worst here takes */
	ONE_MAX = 6000,
	OWN_MAX = 20000,      /* of one of a host with as many mappings as it may have */
	EACH_MAX = 3000,      /* and for each port that a set gets */
	TREE_MAX = 200000,    /* of the first request for a set, the only one that looks at all ports */
	OUTSIDE = 0xc6336401, /* 198.51.100.1 */
	HOLDER = 0xcb007101,  /* 203.0.113.1 */
	ASKER = 0xc000020a,   /* 192.0.2.10 */
	FIRST = 0xc00002c8,   /* 192.0.2.200, the first that asks for a set */
	PEER = 0xc6120001,    /* 198.18.0.1 */
	SET = 64,
	MAPPINGS = 256,	   /* that a host may have */
	SPILL_MAX = 40000, /* of one that looks at as many addresses as there may be looked at */
	POOL = 0xcb007100, /* 203.0.113.0 */
	FLAPS = 100000,
	FLAP_MS = 120000,
};

static uint64_t steps;

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
	steps++;
}

#define CONF(external, limits, lifetime)                                                                               \
	"external \"wan\" { " external " }\n"                                                                          \
	"listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"                                            \
	"rule \"all\" { action = allow }\n"                                                                            \
	"limits { requests-per-second = 0 " limits " }\n"                                                              \
	"lifetime { " lifetime " }\n"

static const char conf[] = CONF("interface = \"wan0\"", "reserve = 0", "hold = 0");
static const char conf_held[] =
    CONF("interface = \"wan0\"", "reserve = 0 mappings-per-client = 1000", "min = 1 hold = 600");
static const char conf_reserve[] = CONF("interface = \"wan0\"", "reserve = 50", "hold = 0");
static const char conf_many[] =
    CONF("addresses = { \"203.0.113.0/24\" } ports = { \"2000-2063\" }", "reserve = 0", "hold = 0");

static void open_world(struct world *w, const char *text)
{
	struct in6_addr address = codec_from_v4(OUTSIDE);

	assert_true(world_open(w, text));
	world_start(w, &address);
}

/* Somebody has a port of an outside address. */
static uint32_t take_of(struct world *w, uint32_t outside, uint32_t holder, uint16_t port, uint64_t until_ms)
{
	struct lease init = {.internal_address = codec_from_v4(holder),
			     .external_address = codec_from_v4(outside),
			     .expires_ms = until_ms,
			     .internal_port = port,
			     .external_port = port,
			     .protocol = IPPROTO_UDP,
			     .kind = MAPPING_NAT,
			     .origin = ENGINE_ORIGIN_PCP,
			     .rule = UINT16_MAX,
			     .listen = UINT16_MAX};
	uint32_t i = lease_new(w->engine->leases, &init);

	assert_int_not_equal(i, LEASE_NONE);
	engine_refresh(w->engine, &init);
	return i;
}

static uint32_t take(struct world *w, uint32_t holder, uint16_t port, uint64_t until_ms)
{
	return take_of(w, OUTSIDE, holder, port, until_ms);
}

static bool is_taken(const struct world *w, uint16_t port)
{
	struct in6_addr outside = codec_from_v4(OUTSIDE);

	return lease_find_external(w->engine->leases, IPPROTO_UDP, &outside, port) != LEASE_NONE;
}

/* How ports are left. */
static bool odd_taken(uint32_t port)
{
	return port & 1;
}

static bool even_taken(uint32_t port)
{
	return !(port & 1);
}

static bool all_taken(uint32_t port)
{
	(void)port;
	return true;
}

static bool one_left(uint32_t port)
{
	return port != 64000;
}

/* Gaps of 1, 2, 3 and so on: each longer than any before it. */
static bool stairs(uint32_t port)
{
	static uint32_t next = 1024, gap;

	if (port <= 1024) {
		next = 1024;
		gap = 0;
	}
	if (port == next)
		next += ++gap + 1;
	return port < 1024 || port + gap + 1 == next;
}

static bool every_third(uint32_t port)
{
	return port % 3 == 0;
}

static bool in_pairs(uint32_t port)
{
	return port & 2;
}

static bool in_words(uint32_t port)
{
	return port / 63 % 2;
}

static const struct {
	const char *name;
	bool (*taken)(uint32_t port);
} patterns[] = {
    {"the odd ones taken", odd_taken},	{"the even ones taken", even_taken},
    {"all taken", all_taken},		{"one left", one_left},
    {"gaps longer and longer", stairs}, {"each third taken", every_third},
    {"pairs taken in turn", in_pairs},	{"63 taken in turn", in_words},
};

/* A request for n ports (1: without PORT_SET), in nobody's words but the asker's. */
static size_t request(uint8_t *out, uint32_t asker, uint16_t port, uint16_t n, bool parity, bool end)
{
	struct pcp_option o = {.code = PCP_OPTION_PORT_SET,
			       .port_set = {.size = n, .first_internal_port = port, .parity = parity}};
	uint8_t options[64];
	struct codec_message m;

	memset(&m, 0, sizeof(m));
	m.protocol = CODEC_VERSION_PCP;
	m.pcp.version = CODEC_VERSION_PCP;
	m.pcp.opcode = PCP_MAP;
	m.pcp.lifetime_s = end ? 0 : 7200;
	m.pcp.client_address = codec_from_v4(asker);
	m.pcp.mapping.protocol = IPPROTO_UDP;
	m.pcp.mapping.internal_port = port;
	m.pcp.mapping.external_address = codec_from_v4(0);
	m.pcp.options = options;
	if (n > 1)
		assert_true(pcp_option_put(&o, options, &m.pcp.options_length, sizeof(options)));
	return codec_marshal(&m, out, CODEC_MESSAGE_MAX);
}

/* Steps of a request; *got: how many ports it gets. */
static uint64_t ask(struct world *w, uint32_t asker, uint16_t port, uint16_t n, bool parity, size_t *got)
{
	struct in6_addr from = codec_from_v4(asker);
	uint8_t data[CODEC_MESSAGE_MAX];
	size_t length = request(data, asker, port, n, parity, false);
	size_t had = lease_count(w->engine->leases);
	uint64_t before = steps;
	const uint8_t *reply;

	assert_int_not_equal(world_ask(w, &from, 5350, data, length, &reply), 0);
	*got = lease_count(w->engine->leases) - had;
	return steps - before;
}

/* Steps of a request of the asker's port 1024 for a mapping with one of many peers. */
static uint64_t meet(struct world *w, uint16_t peer_port)
{
	struct in6_addr from = codec_from_v4(ASKER);
	uint8_t data[CODEC_MESSAGE_MAX];
	uint64_t before = steps;
	struct codec_message m;
	const uint8_t *reply;

	memset(&m, 0, sizeof(m));
	m.protocol = CODEC_VERSION_PCP;
	m.pcp.opcode = PCP_PEER;
	m.pcp.lifetime_s = 7200;
	m.pcp.client_address = from;
	m.pcp.mapping.protocol = IPPROTO_UDP;
	m.pcp.mapping.internal_port = 1024;
	m.pcp.mapping.external_address = codec_from_v4(0);
	m.pcp.mapping.remote_address = codec_from_v4(PEER);
	m.pcp.mapping.remote_port = peer_port;
	assert_int_not_equal(world_ask(w, &from, 5350, data, codec_marshal(&m, data, sizeof(data)), &reply), 0);
	return steps - before;
}

/* Time passes. */
static void pass(struct world *w, uint32_t ms)
{
	w->now_ms += ms;
	while (engine_deadline(w->engine) <= w->now_ms) {
		round_clear(w->round);
		engine_tick(w->engine, w->now_ms, w->round);
		world_settle(w);
	}
}

/* It gives its ports back. */
static void forget(struct world *w, uint32_t asker, uint16_t port)
{
	struct in6_addr from = codec_from_v4(asker);
	uint8_t data[CODEC_MESSAGE_MAX];
	const uint8_t *reply;

	world_ask(w, &from, 5350, data, request(data, asker, port, 1, false, true), &reply);
}

struct seen {
	uint64_t most; /* steps of a request */
	size_t got;    /* ports, by all of them */
};

static void see(struct world *w, uint32_t asker, uint16_t port, uint16_t n, bool parity, struct seen *s)
{
	size_t got;
	uint64_t took = ask(w, asker, port, n, parity, &got);

	s->got += got;
	if (took > s->most)
		s->most = took;
	if (took > ONE_MAX + EACH_MAX * got)
		fail_msg("%lu steps for %lu ports of %u", (unsigned long)took, (unsigned long)got, n);
	forget(w, asker, port);
}

/* The most that one of some requests takes, for one port and for sets, each of another host. */
static void look(struct world *w, const char *name)
{
	struct seen one = {0}, set = {0}, parity = {0};

	for (uint16_t i = 0; i < 16; i++) {
		uint16_t port = (uint16_t)(1025 + 4001 * i);

		see(w, ASKER + i, port, 1, false, &one);
		see(w, ASKER + i, port, SET, false, &set);
		see(w, ASKER + i, (uint16_t)(port + (i & 1)), SET, true, &parity);
	}
	print_message("%-24s %6lu steps for one port; for a set %6lu (%lu ports); with parity %6lu (%lu)\n", name,
		      (unsigned long)one.most, (unsigned long)set.most, (unsigned long)set.got,
		      (unsigned long)parity.most, (unsigned long)parity.got);
}

/* The first request for a set of a protocol, while there is little. */
static void plant(struct world *w)
{
	uint64_t took;
	size_t got;

	take(w, HOLDER, 1, UINT64_MAX);
	took = ask(w, FIRST, 1, SET, false, &got);
	print_message("the first set: %lu steps\n", (unsigned long)took);
	assert_true(took < TREE_MAX);
	assert_int_equal(got, SET);
	forget(w, FIRST, 1);
}

static void test_patterns(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		struct world w;

		open_world(&w, conf);
		plant(&w);
		for (uint32_t port = 2; port <= UINT16_MAX; port++)
			if (patterns[i].taken(port))
				take(&w, HOLDER + port % 200, (uint16_t)port, UINT64_MAX);
		look(&w, patterns[i].name);
		world_close(&w);
	}
}

/* 100,000 mappings come and end, of all lengths, on ports by chance: while a third of the ports is taken, and after all. */
static void test_flaps(void **state)
{
	uint64_t random = 1;
	struct world w;

	(void)state;
	open_world(&w, conf);
	plant(&w);
	for (uint32_t made = 0; made < FLAPS;) {
		uint16_t port;

		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		port = (uint16_t)(random >> 48);
		if (port && !is_taken(&w, port)) {
			take(&w, HOLDER + made % 254, port, w.now_ms + (random >> 24) % FLAP_MS);
			made++;
			if (made % 64 == 0)
				pass(&w, 320);
		}
	}
	look(&w, "in the midst of 100,000");
	assert_true(lease_count(w.engine->leases) > 1000);
	pass(&w, FLAP_MS);
	assert_int_equal(lease_count(w.engine->leases), 1);
	look(&w, "after 100,000 expiries");
	world_close(&w);
}

/* A host has as many mappings as it may, all of them with peers of one of its ports: the longest chain that there can be. */
static void test_own(void **state)
{
	uint64_t most = 0, took;
	struct seen other = {0};
	struct world w;

	(void)state;
	open_world(&w, conf);
	plant(&w);
	for (uint32_t port = 2; port <= UINT16_MAX; port++)
		if (port != 1024 && port != 5000)
			take(&w, HOLDER + port % 200, (uint16_t)port, UINT64_MAX);
	for (uint16_t i = 0; i < MAPPINGS; i++)
		if ((took = meet(&w, (uint16_t)(2000 + i))) > most)
			most = took;
	assert_int_equal(lease_count(w.engine->leases), UINT16_MAX - 2 + MAPPINGS);
	print_message("the last of %d peers: %lu steps\n", MAPPINGS, (unsigned long)took);
	assert_true(most < OWN_MAX);
	/* one more, which it may not have, and others meanwhile */
	took = meet(&w, 1999);
	print_message("one more: %lu steps\n", (unsigned long)took);
	assert_true(took < OWN_MAX);
	see(&w, ASKER + 1, 1024, 1, false, &other);
	see(&w, ASKER + 1, 5000, SET, false, &other);
	print_message("another host: %lu steps\n", (unsigned long)other.most);
	assert_int_equal(other.got, 2);
	world_close(&w);
}

/* All ports were somebody's, and are kept for those who had them. */
static void test_held(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, conf_held);
	plant(&w);
	for (uint32_t port = 2; port <= UINT16_MAX; port++)
		take(&w, HOLDER + port % 200, (uint16_t)port, w.now_ms + 1000);
	pass(&w, 2000);
	assert_true(is_taken(&w, 5000));
	look(&w, "all held");
	world_close(&w);
}

/* Half of the ports are for hosts that have little, and the other half is gone: to many, one of whom asks for more. */
static void test_reserve(void **state)
{
	const uint32_t much = ASKER + 100;
	uint64_t one, set;
	struct world w;
	size_t got;

	(void)state;
	open_world(&w, conf_reserve);
	plant(&w);
	for (uint32_t port = 2; port <= UINT16_MAX / 2 + 300; port++)
		take(&w, port < MAPPINGS ? much : HOLDER + port % 200, (uint16_t)port, UINT64_MAX);
	look(&w, "half of them for others");
	one = ask(&w, much, 60000, 1, false, &got);
	assert_int_equal(got, 0);
	set = ask(&w, much, 60000, SET, false, &got);
	assert_int_equal(got, 0);
	print_message("who has %d: %lu steps for one port, %lu for a set\n", MAPPINGS - 2, (unsigned long)one,
		      (unsigned long)set);
	assert_true(one < ONE_MAX && set < OWN_MAX);
	world_close(&w);
}

/* Many outside addresses with few ports each, a hundred of them full, as a start finds them. */
static void test_addresses(void **state)
{
	size_t all = 0;
	uint64_t first, second;
	struct world w;
	size_t got;

	(void)state;
	open_world(&w, conf_many);
	for (uint32_t i = 0; i < 100; i++)
		for (uint16_t port = 2000; port < 2064; port++)
			take_of(&w, POOL + i, PEER + i, port, UINT64_MAX);
	first = ask(&w, ASKER, 1025, 1, false, &got);
	assert_int_equal(got, 0);
	second = ask(&w, ASKER, 1025, 1, false, &got);
	assert_int_equal(got, 1);
	print_message("64 of 100 full addresses looked at: %lu steps, the others: %lu\n", (unsigned long)first,
		      (unsigned long)second);
	assert_true(first < SPILL_MAX && second < SPILL_MAX);
	/* more than that address has: the next one is found, too */
	for (uint16_t i = 1; i < 100; i++) {
		assert_true(ask(&w, ASKER + i, 1025, 1, false, &got) < ONE_MAX);
		all += got;
	}
	assert_int_equal(all, 99);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_patterns), cmocka_unit_test(test_flaps),   cmocka_unit_test(test_own),
	    cmocka_unit_test(test_held),     cmocka_unit_test(test_reserve), cmocka_unit_test(test_addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
