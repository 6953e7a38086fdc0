/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/natpmp.h"

#include <errno.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/scenario/world.h"

static const char conf[] = "external \"wan\" { interface = \"wan0\" }\n"
			   "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
			   "rule \"all\" { action = allow clients = { \"192.0.2.0/24\" } }\n";

static struct in6_addr host(uint32_t n)
{
	return codec_from_v4(0xc0000200 + n);
}

static void open_world(struct world *w, bool up)
{
	struct in6_addr address = codec_from_v4(0xc6336401);

	assert_true(world_open(w, conf));
	world_start(w, up ? &address : NULL);
}

/* README 3: the mapper's results in the words of RFC 6886 3.5; each with the layout of its opcode. 6886-3.5-10 */
static void test_results(void **state)
{
	static const struct {
		enum mapper_result result;
		uint8_t code;
	} cases[] = {
	    {MAPPER_NOT_AUTHORIZED, 2}, {MAPPER_NONCE, 2}, {MAPPER_NETWORK_FAILURE, 3},
	    {MAPPER_NO_RESOURCES, 4},	{MAPPER_QUOTA, 4}, {MAPPER_CANNOT_PROVIDE, 4},
	};
	static const uint8_t request[12] = {0, 2, 0, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 1, 0};
	struct world w;

	(void)state;
	open_world(&w, true);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct engine_datagram d = {.data = request, .length = sizeof(request)};
		struct round_answer *a = reply_begin(&d, false, 2, w.round);
		const struct round_reply *reply;
		const struct round_event *event;
		uint8_t want[16] = {0, 130, 0, cases[i].code, 0, 0, 0, 7, 0x12, 0x34};
		size_t n;

		natpmp_refuse(w.engine, a, cases[i].result, "because", w.now_ms + 7000, w.round);
		reply = round_replies(w.round, &n);
		assert_int_equal(n, 1);
		assert_int_equal(reply->length, 16);
		assert_memory_equal(reply->data, want, 16);
		event = round_events(w.round, &n);
		assert_int_equal(n, 1);
		assert_int_equal(event->kind, ROUND_REFUSED);
		assert_int_equal(event->result, cases[i].code);
		assert_string_equal(event->why, "because");
		round_clear(w.round);
	}
	world_close(&w);
}

/* Octets in, octets out; what is not answered has no reply. */
static void test_octets(void **state)
{
	static const struct {
		bool up;
		size_t length, reply_length;
		uint8_t request[16], reply[16];
	} cases[] = {
	    /* 6886-3.2-02, 6886-3.2-04, 6886-3.5-12 */
	    {true, 2, 12, {0, 0}, {0, 128, 0, 0, 0, 0, 0, 0, 198, 51, 100, 1}},
	    {false, 2, 12, {0, 0}, {0, 128, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0}},
	    /* surplus octets */
	    {true, 5, 12, {0, 0, 1, 2, 3}, {0, 128, 0, 0, 0, 0, 0, 0, 198, 51, 100, 1}},
	    /* 6886-3.3-13 */
	    {true,
	     12,
	     16,
	     {0, 1, 0, 0, 0x10, 0, 0x20, 0, 0, 0, 0, 60},
	     {0, 129, 0, 0, 0, 0, 0, 0, 0x10, 0, 0x20, 0, 0, 0, 0, 60}},
	    {true,
	     12,
	     16,
	     {0, 2, 0, 0, 0x10, 0, 0x20, 0, 0, 0, 0, 60},
	     {0, 130, 0, 0, 0, 0, 0, 0, 0x10, 0, 0x20, 0, 0, 0, 0, 60}},
	    /* 6886-3.5-03 */
	    {false,
	     12,
	     16,
	     {0, 2, 0, 0, 0x10, 0, 0x20, 0, 0, 0, 0, 60},
	     {0, 130, 0, 3, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0}},
	    /* deletion needs no address outside; 6886-3.4-08 */
	    {false, 12, 16, {0, 2, 0, 0, 0x10, 0, 0x20, 0, 0, 0, 0, 0}, {0, 130, 0, 0, 0, 0, 0, 0, 0x10, 0}},
	    /* 6886-3.5-09 */
	    {true, 3, 8, {0, 77, 9}, {0, 205, 0, 5}},
	    /* too short: silence */
	    {true, 11, 0, {0, 2, 0, 0, 0x10, 0, 0x20, 0, 0, 0, 0}, {0}},
	    {true, 1, 0, {0}, {0}},
	    /* 6886-3.5-08 */
	    {true, 2, 0, {0, 128}, {0}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct in6_addr a = host(10);
		const uint8_t *reply;
		struct world w;
		size_t length;

		open_world(&w, cases[i].up);
		length = world_ask(&w, &a, 40000, cases[i].request, cases[i].length, &reply);
		if (cases[i].reply[1] == 205)
			assert_true(length >= 4 && memcmp(reply, cases[i].reply, 4) == 0);
		else
			assert_int_equal(length, cases[i].reply_length);
		if (cases[i].reply_length && cases[i].reply[1] != 205)
			assert_memory_equal(reply, cases[i].reply, length);
		assert_true(world_agrees(&w));
		world_close(&w);
	}
}

/* 6886-3.4-16, 6886-3.4-19: delete-all with each of its removals refused in turn: that one stays, the rest goes. */
static void test_partial_delete_all(void **state)
{
	(void)state;
	for (unsigned refused = 1; refused <= 5; refused++) {
		struct in6_addr a = host(10), b = host(11);
		uint8_t map[12] = {0, 2, 0, 0, 0x10, 0, 0, 0, 0, 0, 1, 0};
		static const uint8_t delete_all[12] = {0, 2};
		const uint8_t *reply;
		struct world w;

		open_world(&w, true);
		for (uint8_t port = 0; port < 5; port++) {
			map[5] = port;
			assert_int_equal(world_ask(&w, &a, 40000, map, 12, &reply), 16);
			assert_int_equal(reply[3], 0);
			assert_int_equal(world_ask(&w, &b, 40000, map, 12, &reply), 16);
		}
		backend_memory_refuse(w.backend, refused, -EBUSY);
		assert_int_equal(world_ask(&w, &a, 40000, delete_all, 12, &reply), 16);
		assert_int_equal(reply[3], NATPMP_NO_RESOURCES);
		assert_int_equal(backend_memory_count(w.backend), 6);
		assert_true(world_agrees(&w));
		assert_int_equal(world_ask(&w, &a, 40000, delete_all, 12, &reply), 16);
		assert_int_equal(reply[3], NATPMP_SUCCESS);
		assert_int_equal(backend_memory_count(w.backend), 5);
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_results),
	    cmocka_unit_test(test_octets),
	    cmocka_unit_test(test_partial_delete_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
