/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which requests the engine has to know a flow for; what it makes of it is in the scenarios. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/scenario/world.h"

static const char conf[] = "external \"wan\" { interface = \"wan0\" }\n"
			   "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
			   "listen \"off\" { interfaces = { \"lan1\" } external = \"wan\" peer = false }\n"
			   "listen \"old\" { interfaces = { \"lan2\" } external = \"wan\" pcp = false }\n"
			   "rule \"all\" { action = allow }\n";

struct bed {
	struct world w;
	struct in6_addr host, other, remote;
	struct pcp_message m;
	uint8_t options[64], data[CODEC_MESSAGE_MAX];
	struct engine_datagram d;
};

static void open_bed(struct bed *b)
{
	memset(b, 0, sizeof(*b));
	assert_true(world_open(&b->w, conf));
	b->host = codec_from_v4(0xc000020a);
	b->other = codec_from_v4(0xc000020b);
	b->remote = codec_from_v4(0xcb007105);
	b->m = (struct pcp_message){.version = 2, .opcode = PCP_PEER, .client_address = b->host, .lifetime_s = 600};
	b->m.mapping =
	    (struct pcp_mapping){.protocol = 17, .internal_port = 5000, .remote_port = 53, .remote_address = b->remote};
	b->m.options = b->options;
	b->d = (struct engine_datagram){.data = b->data, .source = b->host, .source_port = 40000, .interface = ""};
}

static bool asks(struct bed *b, struct engine_flow_key *k)
{
	b->d.length = codec_marshal(&(struct codec_message){.protocol = CODEC_VERSION_PCP, .pcp = b->m}, b->data,
				    sizeof(b->data));
	assert_true(b->d.length > 0);
	return engine_asks_flow(b->w.engine, &b->d, k);
}

/* 6887-12.3-05: by the five-tuple */
static void test_asks(void **state)
{
	struct engine_flow_key k;
	struct pcp_option o = {.code = PCP_OPTION_THIRD_PARTY};
	uint8_t wrong[8] = {PCP_OPTION_PORT_SET, 0, 0, 1};
	struct bed b;

	(void)state;
	open_bed(&b);
	assert_true(asks(&b, &k));
	assert_memory_equal(&k.internal_address, &b.host, 16);
	assert_memory_equal(&k.remote_address, &b.remote, 16);
	assert_int_equal(k.internal_port, 5000);
	assert_int_equal(k.remote_port, 53);
	assert_int_equal(k.protocol, 17);
	/* an optional option that is malformed hides nothing */
	memcpy(b.options, wrong, sizeof(wrong));
	b.m.options_length = sizeof(wrong);
	o.third_party = b.other;
	assert_true(pcp_option_put(&o, b.options, &b.m.options_length, sizeof(b.options)));
	assert_true(asks(&b, &k));
	assert_memory_equal(&k.internal_address, &b.other, 16);
	world_close(&b.w);
}

static void test_does_not_ask(void **state)
{
	struct engine_flow_key k;
	struct bed b;

	(void)state;
	open_bed(&b);
	b.d.listen = 1;
	assert_false(asks(&b, &k));
	b.d.listen = 2;
	assert_false(asks(&b, &k));
	b.d.listen = 0;
	b.m.opcode = PCP_MAP;
	assert_false(asks(&b, &k));
	b.m.opcode = PCP_PEER;
	b.m.response = true;
	assert_false(asks(&b, &k));
	b.m.response = false;
	b.m.mapping.remote_port = 0;
	assert_false(asks(&b, &k));
	b.m.mapping.remote_port = 53;
	b.m.mapping.remote_address = in6addr_loopback;
	assert_false(asks(&b, &k));
	b.m.mapping.remote_address = b.remote;
	assert_true(asks(&b, &k));
	/* cut anywhere */
	for (size_t length = 0; length < b.d.length; length++) {
		uint8_t *copy = malloc(length + 1);
		struct engine_datagram d = b.d;

		assert_non_null(copy);
		memcpy(copy, b.data, length);
		d.data = copy;
		d.length = length;
		assert_false(engine_asks_flow(b.w.engine, &d, &k));
		free(copy);
	}
	world_close(&b.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_asks),
	    cmocka_unit_test(test_does_not_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
