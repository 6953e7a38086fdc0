/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/wildcard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/scenario/world.h"

static const struct in6_addr six = {.s6_addr = {0x20, 0x01, 0x0d, 0xb8, 0, 1, [15] = 0x10}};

#define CONF                                                                                                           \
	"external \"wan\" { interface = \"wan0\" }\n"                                                                  \
	"external \"routed\" { interface = \"wan1\" nat = false }\n"                                                   \
	"listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"                                            \
	"listen \"dmz\" { interfaces = { \"lan1\" } external = \"routed\" }\n"                                         \
	"rule \"all\" { action = allow wildcard = true protocols = { \"tcp\", \"udp\", \"47\", \"44\" } }\n"

static void open_world(struct world *w)
{
	struct in6_addr address = codec_from_v4(0xc6336401);

	assert_true(world_open(w, CONF));
	world_start(w, &address);
}

/* 6887-11.3-06, 6887-11.3-08: where addresses are translated never; else whatever is a protocol */
static void test_impossible(void **state)
{
	struct in6_addr four = codec_from_v4(0xc000020a);
	struct world w;

	(void)state;
	open_world(&w);
	for (unsigned protocol = 0; protocol < 256; protocol++) {
		bool extension = protocol == 43 || protocol == 44 || protocol == 59 || protocol == 60;

		assert_non_null(wildcard_impossible(w.engine, 0, &four, (uint8_t)protocol));
		assert_null(wildcard_impossible(w.engine, 1, &four, (uint8_t)protocol));
		for (size_t external = 0; external < 2; external++)
			assert_int_equal(wildcard_impossible(w.engine, external, &six, (uint8_t)protocol) != NULL,
					 extension);
	}
	assert_int_equal(wildcard_kind(w.engine, 0, &four), MAPPING_NAT);
	assert_int_equal(wildcard_kind(w.engine, 1, &four), MAPPING_PINHOLE);
	assert_int_equal(wildcard_kind(w.engine, 0, &six), MAPPING_PINHOLE);
	world_close(&w);
}

/* What the operator is told is what a client would be. */
static void test_explain(void **state)
{
	static const struct {
		bool v6;
		const char *interface;
		uint8_t protocol;
		uint16_t port;
		enum pcp_result result;
	} rows[] = {
	    {true, "lan0", 17, 0, PCP_SUCCESS},		  {true, "lan0", 47, 0, PCP_SUCCESS},
	    {true, "lan0", 47, 1, PCP_UNSUPP_PROTOCOL},	  {true, "lan0", 44, 0, PCP_UNSUPP_PROTOCOL},
	    {true, "lan0", 0, 0, PCP_NOT_AUTHORIZED},	  {true, "lan0", 50, 0, PCP_NOT_AUTHORIZED},
	    {true, "lan0", 0, 80, PCP_MALFORMED_REQUEST}, {false, "lan0", 17, 0, PCP_UNSUPP_PROTOCOL},
	    {false, "lan1", 17, 0, PCP_SUCCESS},	  {false, "lan1", 44, 0, PCP_SUCCESS},
	};
	struct world w;

	(void)state;
	open_world(&w);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct engine_question q = {.client = rows[i].v6 ? six : codec_from_v4(0xc000020a),
					    .interface = rows[i].interface,
					    .protocol = rows[i].protocol,
					    .internal_port = rows[i].port};
		struct engine_explanation x;

		engine_explain(w.engine, &q, w.now_ms, &x);
		assert_int_equal(x.result, rows[i].result);
		assert_int_equal(x.allowed, rows[i].result == PCP_SUCCESS);
		assert_int_equal(x.external_port, 0);
		assert_non_null(x.why);
	}
	world_close(&w);
}

static unsigned map(struct world *w, uint8_t protocol, uint16_t port)
{
	uint8_t packet[CODEC_MESSAGE_MAX];
	const uint8_t *reply;
	struct pcp_message m = {.version = 2,
				.opcode = PCP_MAP,
				.lifetime_s = 600,
				.client_address = six,
				.mapping = {.protocol = protocol, .internal_port = port}};

	world_ask(w, &six, 40000, packet, pcp_marshal(&m, packet, sizeof(packet)), &reply);
	assert_true(world_agrees(w));
	return reply[3];
}

/* The one of all ports ends alone, which a port of 0, standing for any, could not say. */
static void test_revoke(void **state)
{
	struct mapping all = {.internal_address = six, .external_address = six, .kind = MAPPING_PINHOLE};
	struct engine_lease l;
	uint32_t cursor = 0;
	unsigned n = 0;
	struct world w;

	(void)state;
	open_world(&w);
	assert_int_equal(map(&w, 17, 0), PCP_SUCCESS);
	assert_int_equal(map(&w, 17, 53), PCP_SUCCESS);
	assert_int_equal(map(&w, 6, 0), PCP_SUCCESS);
	round_clear(w.round);
	assert_int_equal(engine_revoke_mapping(w.engine, &all, w.now_ms, w.round), 0);
	all.protocol = 17;
	assert_int_equal(engine_revoke_mapping(w.engine, &all, w.now_ms, w.round), 1);
	world_settle(&w);
	round_clear(w.round);
	assert_int_equal(engine_revoke_mapping(w.engine, &all, w.now_ms, w.round), 0);
	assert_int_equal(backend_memory_count(w.backend), 2);
	for (; engine_lease_next(w.engine, &cursor, w.now_ms, &l); n++)
		assert_true(l.mapping.protocol == 6 || l.mapping.internal_port == 53);
	assert_int_equal(n, 2);
	/* a port of 0 is any, all of them too */
	assert_int_equal(engine_revoke(w.engine, &six, 0, 0, w.now_ms, w.round), 2);
	world_settle(&w);
	assert_int_equal(backend_memory_count(w.backend), 0);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_impossible),
	    cmocka_unit_test(test_explain),
	    cmocka_unit_test(test_revoke),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
