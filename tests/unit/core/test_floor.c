/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For which requests the engine has to know how long connections go on, and whose requests they are; what it makes of it
 * is in the scenarios. */
#include "server/core/floor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/scenario/world.h"

static const char conf[] = "external \"wan\" { interface = \"wan0\" }\n"
			   "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
			   "listen \"off\" { interfaces = { \"lan1\" } external = \"wan\" map = false }\n"
			   "listen \"old\" { interfaces = { \"lan2\" } external = \"wan\" pcp = false }\n"
			   "rule \"all\" { action = allow }\n"
			   "third-party { clients = { \"192.0.2.10\" } }\n"
			   "static \"web\" { protocol = tcp external-port = 80 to = \"192.0.2.10:80\" }\n";

struct bed {
	struct world w;
	struct in6_addr host, other;
	struct pcp_message m;
	uint8_t options[64], data[CODEC_MESSAGE_MAX];
	struct engine_datagram d;
	struct mapping v[ENGINE_ASKS_MAX];
};

static void open_bed(struct bed *b)
{
	struct in6_addr wan = codec_from_v4(0xc6336401);

	memset(b, 0, sizeof(*b));
	assert_true(world_open(&b->w, conf));
	world_start(&b->w, &wan);
	b->host = codec_from_v4(0xc000020a);
	b->other = codec_from_v4(0xc000020b);
	b->m = (struct pcp_message){.version = 2, .opcode = PCP_MAP, .client_address = b->host, .lifetime_s = 600};
	b->m.mapping = (struct pcp_mapping){.protocol = 17, .internal_port = 5000, .external_port = 45000};
	b->m.options = b->options;
	b->d = (struct engine_datagram){.data = b->data, .source = b->host, .source_port = 40000, .interface = ""};
}

static void marshal(struct bed *b)
{
	b->d.length = codec_marshal(&(struct codec_message){.protocol = CODEC_VERSION_PCP, .pcp = b->m}, b->data,
				    sizeof(b->data));
	assert_true(b->d.length > 0);
}

static size_t asks(struct bed *b, uint32_t lifetime_s)
{
	b->m.lifetime_s = lifetime_s;
	marshal(b);
	return engine_asks_left(b->w.engine, &b->d, b->w.now_ms, b->v);
}

static void map(struct bed *b)
{
	const uint8_t *reply;

	b->m.lifetime_s = 600;
	marshal(b);
	assert_true(world_ask(&b->w, &b->d.source, 40000, b->data, b->d.length, &reply) > 0);
	assert_int_equal(reply[3], PCP_SUCCESS);
}

/* 6887-15-11: what would leave a mapping less time than it has */
static void test_asks(void **state)
{
	struct bed b;

	(void)state;
	open_bed(&b);
	assert_int_equal(asks(&b, 0), 0);
	assert_int_equal(asks(&b, 600), 0);
	map(&b);
	assert_int_equal(asks(&b, 600), 0);
	assert_int_equal(asks(&b, 599), 1);
	assert_int_equal(asks(&b, 0), 1);
	assert_memory_equal(&b.v[0].internal_address, &b.host, 16);
	assert_int_equal(b.v[0].internal_port, 5000);
	assert_int_equal(b.v[0].external_port, 45000);
	assert_int_equal(b.v[0].protocol, 17);
	b.w.now_ms += 500000;
	/* the least that is granted is more than is left */
	assert_int_equal(asks(&b, 1), 0);
	assert_int_equal(asks(&b, 0), 1);
	world_close(&b.w);
}

static void test_does_not_ask(void **state)
{
	struct bed b;

	(void)state;
	open_bed(&b);
	map(&b);
	b.m.mapping.nonce.octets[0] = 1;
	assert_int_equal(asks(&b, 0), 0);
	b.m.mapping.nonce.octets[0] = 0;
	b.d.listen = 1;
	assert_int_equal(asks(&b, 0), 0);
	b.d.listen = 2;
	assert_int_equal(asks(&b, 0), 0);
	b.d.listen = 0;
	b.m.client_address = b.other;
	assert_int_equal(asks(&b, 0), 0);
	b.m.client_address = b.host;
	b.m.response = true;
	assert_int_equal(asks(&b, 0), 0);
	b.m.response = false;
	/* the operator's own */
	b.m.mapping.protocol = 6;
	b.m.mapping.internal_port = 80;
	assert_int_equal(asks(&b, 0), 0);
	b.m.mapping.protocol = 17;
	b.m.mapping.internal_port = 5000;
	assert_int_equal(asks(&b, 0), 1);
	/* cut anywhere */
	for (size_t length = 0; length < b.d.length; length++) {
		uint8_t *copy = malloc(length + 1);
		struct engine_datagram d = b.d;
		struct in6_addr host;

		assert_non_null(copy);
		memcpy(copy, b.data, length);
		d.data = copy;
		d.length = length;
		assert_int_equal(engine_asks_left(b.w.engine, &d, b.w.now_ms, b.v), 0);
		assert_false(engine_asks_for(&d, &host));
		free(copy);
	}
	world_close(&b.w);
}

/* 7753-4.4.1-01: each mapping that the ports touch */
static void test_asks_of_sets(void **state)
{
	struct pcp_option o = {.code = PCP_OPTION_PORT_SET, .port_set = {.size = 10, .first_internal_port = 5000}};
	struct bed b;

	(void)state;
	open_bed(&b);
	map(&b);
	b.m.mapping.internal_port = 5005;
	b.m.mapping.external_port = 45005;
	map(&b);
	b.m.mapping.internal_port = 5000;
	assert_true(pcp_option_put(&o, b.options, &b.m.options_length, sizeof(b.options)));
	assert_int_equal(asks(&b, 0), 2);
	assert_int_equal(b.v[0].internal_port, 5000);
	assert_int_equal(b.v[1].internal_port, 5005);
	world_close(&b.w);
}

/* 6887-13.1-07: whose mappings they are, whoever asks */
static void test_asks_for(void **state)
{
	struct pcp_option o = {.code = PCP_OPTION_THIRD_PARTY};
	uint8_t natpmp[12] = {0, 1}, wrong[8] = {PCP_OPTION_PORT_SET, 0, 0, 1};
	struct in6_addr host;
	struct bed b;

	(void)state;
	open_bed(&b);
	marshal(&b);
	assert_true(engine_asks_for(&b.d, &host));
	assert_memory_equal(&host, &b.host, 16);
	/* an optional option that is malformed hides nothing */
	memcpy(b.options, wrong, sizeof(wrong));
	b.m.options_length = sizeof(wrong);
	o.third_party = b.other;
	assert_true(pcp_option_put(&o, b.options, &b.m.options_length, sizeof(b.options)));
	map(&b);
	assert_true(engine_asks_for(&b.d, &host));
	assert_memory_equal(&host, &b.other, 16);
	assert_int_equal(asks(&b, 0), 1);
	assert_memory_equal(&b.v[0].internal_address, &b.other, 16);
	b.m.opcode = PCP_ANNOUNCE;
	b.m.options_length = 0;
	marshal(&b);
	assert_false(engine_asks_for(&b.d, &host));
	b.d.data = natpmp;
	b.d.length = sizeof(natpmp);
	assert_true(engine_asks_for(&b.d, &host));
	assert_memory_equal(&host, &b.host, 16);
	natpmp[1] = 0;
	assert_false(engine_asks_for(&b.d, &host));
	natpmp[1] = 129;
	assert_false(engine_asks_for(&b.d, &host));
	world_close(&b.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_asks),
	    cmocka_unit_test(test_does_not_ask),
	    cmocka_unit_test(test_asks_of_sets),
	    cmocka_unit_test(test_asks_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
