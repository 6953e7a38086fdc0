/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/tally.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/scenario/world.h"

static void test_protocols(void **state)
{
	static const struct {
		uint8_t protocol;
		const char *name;
	} cases[] = {{6, "tcp"},       {17, "udp"},  {132, "sctp"}, {33, "dccp"},
		     {136, "udplite"}, {0, "other"}, {47, "other"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(tally_protocol_name(tally_protocol(cases[i].protocol)), cases[i].name);
}

static void test_renumber(void **state)
{
	static const uint16_t map[] = {1, UINT16_MAX, 0};
	struct tally from, to;

	(void)state;
	assert_true(tally_init(&from, 3) && tally_init(&to, 2));
	for (uint16_t i = 0; i < 3; i++) {
		from.v[i].hits = i + 1u;
		from.v[i].refused = 1;
		from.v[i].mappings[0][1] = 10u * (i + 1u);
	}
	tally_decided(&from, UINT16_MAX, true);
	tally_decided(&from, 77, true); /* of no rule that there is */
	tally_of(&from, UINT16_MAX)->mappings[5][3] = 5;
	tally_static(&from)->mappings[1][2] = 7;
	tally_renumber(&to, &from, map);
	assert_int_equal(to.v[0].hits, 3);
	assert_int_equal(to.v[1].hits, 1);
	assert_int_equal(to.v[1].refused, 1);
	assert_int_equal(tally_mappings(&to.v[0]), 30);
	assert_int_equal(tally_mappings(&to.v[1]), 10);
	/* a rule that is gone leaves its mappings without one, but not what it decided */
	assert_int_equal(tally_of(&to, UINT16_MAX)->hits, 2);
	assert_int_equal(tally_mappings(tally_of(&to, UINT16_MAX)), 25);
	assert_int_equal(tally_mappings(tally_static(&to)), 7);
	tally_clear(&from);
	tally_clear(&to);
}

static const char before[] = "external \"wan\" { addresses = { \"198.51.100.1\" } }\n"
			     "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
			     "rule \"no\" { action = deny clients = { \"192.0.2.66\" } }\n"
			     "rule \"low\" { action = allow internal-ports = { \"1-4999\" } mappings-max = 2 }\n"
			     "rule \"high\" { action = allow internal-ports = { \"5000-5999\" } }\n"
			     "static \"web\" { protocol = \"tcp\" external-port = 443 to = \"192.0.2.9:443\" }\n";
/* two rules have changed places, one is new, one is gone */
static const char after[] = "external \"wan\" { addresses = { \"198.51.100.1\" } }\n"
			    "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
			    "rule \"high\" { action = allow internal-ports = { \"5000-5999\" } }\n"
			    "rule \"rest\" { action = allow internal-ports = { \"4001-4999\" } }\n"
			    "rule \"low\" { action = allow internal-ports = { \"1-4000\" } }\n"
			    "static \"web\" { protocol = \"tcp\" external-port = 443 to = \"192.0.2.9:443\" }\n";

static void map(struct world *w, uint32_t host, uint16_t port, uint32_t lifetime_s)
{
	struct in6_addr from = codec_from_v4(0xc0000200 + host);
	struct codec_message m = {.protocol = CODEC_VERSION_PCP, .pcp.version = CODEC_VERSION_PCP};
	uint8_t out[CODEC_MESSAGE_MAX];

	m.pcp.opcode = PCP_MAP;
	m.pcp.lifetime_s = lifetime_s;
	m.pcp.client_address = from;
	m.pcp.mapping.protocol = IPPROTO_UDP;
	m.pcp.mapping.internal_port = port;
	m.pcp.mapping.external_address = codec_from_v4(0);
	round_clear(w->round);
	world_put(w, &from, 5350, out, codec_marshal(&m, out, sizeof(out)));
	world_settle(w);
	assert_true(world_agrees(w));
}

static void test_engine(void **state)
{
	static const uint8_t seed[ENGINE_SEED_LENGTH] = {1};
	struct in6_addr address = codec_from_v4(0xc6336401);
	char why[CONF_LOCATION_MAX];
	struct conf *conf = conf_parse(before, sizeof(before) - 1, "a", why),
		    *other = conf_parse(after, sizeof(after) - 1, "b", why);
	const struct tally *t;
	struct world w = {.conf = conf, .now_ms = 1000};

	(void)state;
	assert_non_null(conf);
	assert_non_null(other);
	w.round = round_new();
	w.engine = engine_new(conf, seed, w.now_ms);
	assert_int_equal(backend_memory_open(&w.backend), 0);
	assert_int_equal(engine_wan(w.engine, 0, &address, 1, w.now_ms, w.round), 0);
	world_settle(&w);
	round_clear(w.round);
	engine_start(w.engine, w.now_ms, w.round);
	world_settle(&w);
	t = engine_tally(w.engine);
	map(&w, 10, 4000, 3600);
	map(&w, 10, 4000, 3600);
	map(&w, 10, 4001, 3600);
	map(&w, 10, 4002, 3600); /* over the quota of the rule that allows it */
	map(&w, 11, 5000, 3600);
	map(&w, 66, 4000, 3600);
	map(&w, 12, 7000, 3600); /* by no rule */
	map(&w, 10, 4001, 0);	 /* an end asks no rule */
	assert_int_equal(t->v[0].hits, 1);
	assert_int_equal(t->v[0].refused, 1);
	assert_int_equal(t->v[1].hits, 4);
	assert_int_equal(t->v[1].refused, 1);
	assert_int_equal(t->v[1].mappings[1][ENGINE_ORIGIN_PCP], 1);
	assert_int_equal(t->v[2].hits, 1);
	assert_int_equal(t->v[2].refused, 0);
	assert_int_equal(tally_mappings(&t->v[2]), 1);
	assert_int_equal(tally_of(t, UINT16_MAX)->hits, 1);
	assert_int_equal(tally_static(t)->mappings[0][ENGINE_ORIGIN_STATIC], 1);
	round_clear(w.round);
	assert_int_equal(engine_reload(w.engine, other, w.now_ms, w.round), 0);
	world_settle(&w);
	assert_true(world_agrees(&w));
	t = engine_tally(w.engine);
	assert_int_equal(t->rules, 3);
	assert_int_equal(t->v[0].hits, 1);
	assert_int_equal(tally_mappings(&t->v[0]), 1);
	assert_int_equal(t->v[1].hits, 0);
	assert_int_equal(t->v[2].hits, 4);
	assert_int_equal(tally_mappings(&t->v[2]), 1);
	assert_int_equal(tally_mappings(tally_static(t)), 1);
	engine_free(w.engine);
	round_free(w.round);
	free(w.journal);
	w.backend->ops->close(w.backend, false);
	conf_free(conf);
	conf_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_protocols), cmocka_unit_test(test_renumber),
					   cmocka_unit_test(test_engine)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
