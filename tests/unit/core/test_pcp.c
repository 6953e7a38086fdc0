/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/pcp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/scenario/world.h"

static const char conf[] = "external \"wan\" { interface = \"wan0\" }\n"
			   "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
			   "rule \"all\" { action = allow }\n"
			   "limits { requests-per-second = 0 }\n";

static void open_world(struct world *w)
{
	struct in6_addr address = codec_from_v4(0xc6336401);

	assert_true(world_open(w, conf));
	world_start(w, &address);
}

static size_t make_map(uint8_t *out, size_t size, uint16_t port, uint32_t lifetime_s)
{
	struct pcp_message m = {
	    .version = 2,
	    .opcode = PCP_MAP,
	    .lifetime_s = lifetime_s,
	    .client_address = codec_from_v4(0xc000020a),
	    .mapping = {
		.protocol = 6, .internal_port = port, .external_port = port, .external_address = codec_from_v4(0)}};

	return pcp_marshal(&m, out, size);
}

/* 6887-7.4-02 to 6887-7.4-13, README 3: the mapper's results in the words of RFC 6887 7.4, and for how long. */
static void test_results(void **state)
{
	static const struct {
		enum mapper_result result;
		uint32_t error_s;
		uint8_t code;
		uint32_t lifetime_s;
	} cases[] = {
	    {MAPPER_NOT_AUTHORIZED, 0, 2, 1800}, {MAPPER_NONCE, 77, 2, 77},	      {MAPPER_NONSENSE, 0, 6, 1800},
	    {MAPPER_NETWORK_FAILURE, 0, 7, 30},	 {MAPPER_NO_RESOURCES, 0, 8, 30},     {MAPPER_QUOTA, 0, 10, 30},
	    {MAPPER_CANNOT_PROVIDE, 0, 11, 30},	 {MAPPER_CANNOT_PROVIDE, 99, 11, 99},
	};
	uint8_t request[100];
	size_t length = make_map(request, sizeof(request), 80, 600);
	struct world w;

	(void)state;
	open_world(&w);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct engine_datagram d = {.data = request, .length = length};
		struct round_answer *a = reply_begin(&d, true, PCP_MAP, w.round);
		const struct round_reply *reply;
		struct codec_message m;
		size_t n;

		pcp_refuse(w.engine, a, cases[i].result, cases[i].error_s, "because", w.now_ms + 5000, w.round);
		reply = round_replies(w.round, &n);
		assert_int_equal(reply->length, length);
		assert_int_equal(codec_parse(reply->data, reply->length, &m, NULL), CODEC_OK);
		assert_int_equal(m.pcp.result, cases[i].code);
		assert_int_equal(m.pcp.lifetime_s, cases[i].lifetime_s);
		assert_int_equal(m.pcp.epoch_s, 5);
		assert_memory_equal(reply->data + 24, request + 24, length - 24);
		round_clear(w.round);
	}
	world_close(&w);
}

/* 6887-8.2-16, 6887-8.2-08, 6887-8.2-09: longer than any message: the answer is cut to 1100 octets. */
static void test_too_long(void **state)
{
	struct in6_addr a = codec_from_v4(0xc000020a);
	struct engine_datagram d = {
	    .source = a, .destination = codec_from_v4(0xc0000201), .source_port = 40000, .interface = "lan0"};
	uint8_t data[1104], want[24] = {2, 129, 0, 3, 0, 0, 0x07, 0x08};
	const struct round_reply *reply;
	struct world w;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	data[0] = 2;
	data[1] = 1;
	memcpy(want + 12, data + 12, 12);
	open_world(&w);
	for (size_t length = 1101; length < 70000; length = length < 1110 ? length + 1 : length * 3) {
		d.data = data; /* no more than 1104 octets of it are there */
		d.length = length;
		round_clear(w.round);
		engine_request(w.engine, &d, w.now_ms, w.round);
		engine_settle(w.engine, w.now_ms, w.round);
		reply = round_replies(w.round, &n);
		assert_int_equal(n, 1);
		assert_int_equal(reply->length, 1100);
		assert_memory_equal(reply->data, want, 24);
		assert_memory_equal(reply->data + 24, data + 24, 1100 - 24);
	}
	world_close(&w);
}

/* Every length of a request: silence below 24 octets, an error that can be read up to a whole one. */
static void test_every_length(void **state)
{
	struct in6_addr a = codec_from_v4(0xc000020a);
	uint8_t request[100];
	size_t whole = make_map(request, sizeof(request), 80, 600);
	struct world w;

	(void)state;
	open_world(&w);
	for (size_t length = 0; length <= whole; length++) {
		const uint8_t *reply;
		size_t n = world_ask(&w, &a, 40000, request, length, &reply);

		if (length < 24) {
			assert_int_equal(n, 0);
		} else {
			assert_int_equal(n % 4, 0);
			assert_true(n >= length);
			assert_int_equal(reply[3], length == whole ? PCP_SUCCESS : PCP_MALFORMED_REQUEST);
		}
	}
	world_close(&w);
}

/* 6887-8-03: identical requests get identical answers; 6887-11.4-05, 6887-16.3.1-01: after a loss, too. */
static void test_renewal_after_loss(void **state)
{
	struct in6_addr a = codec_from_v4(0xc000020a);
	uint8_t request[100], first[100];
	size_t length = make_map(request, sizeof(request), 8080, 600);
	const uint8_t *reply;
	struct world w;

	(void)state;
	open_world(&w);
	assert_int_equal(world_ask(&w, &a, 40000, request, length, &reply), length);
	memcpy(first, reply, length);
	assert_int_equal(world_ask(&w, &a, 40000, request, length, &reply), length);
	assert_memory_equal(reply, first, length);
	world_close(&w);
	open_world(&w);
	assert_int_equal(world_ask(&w, &a, 40000, request, length, &reply), length);
	assert_memory_equal(reply, first, length);
	world_close(&w);
}

/* A refusal of the packet filter becomes NO_RESOURCES, one that it is not there NETWORK_FAILURE; 6887-7.3-12. */
static void test_refused_by_packet_filter(void **state)
{
	static const struct {
		int error;
		uint8_t code;
	} cases[] = {{-EEXIST, PCP_NO_RESOURCES},	  {-ENOSPC, PCP_NO_RESOURCES},	 {-ENOMEM, PCP_NO_RESOURCES},
		     {-EIO, PCP_NETWORK_FAILURE},	  {-EPERM, PCP_NETWORK_FAILURE}, {-ENODEV, PCP_NETWORK_FAILURE},
		     {-ECONNREFUSED, PCP_NETWORK_FAILURE}};
	struct in6_addr a = codec_from_v4(0xc000020a);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t request[100];
		size_t length = make_map(request, sizeof(request), 80, 600);
		const uint8_t *reply;
		struct world w;

		open_world(&w);
		backend_memory_refuse(w.backend, 1, cases[i].error);
		assert_int_equal(world_ask(&w, &a, 40000, request, length, &reply), length);
		assert_int_equal(reply[3], cases[i].code);
		assert_int_equal(reply[7], 30);
		assert_memory_equal(reply + 24, request + 24, length - 24);
		assert_int_equal(backend_memory_count(w.backend), 0);
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_results),
	    cmocka_unit_test(test_too_long),
	    cmocka_unit_test(test_every_length),
	    cmocka_unit_test(test_renewal_after_loss),
	    cmocka_unit_test(test_refused_by_packet_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
