/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/update.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/epoch.h"
#include "server/core/state.h"
#include "tests/scenario/world.h"

static void open_world(struct world *w)
{
	struct in6_addr address = codec_from_v4(0xc6336401);

	assert_true(world_open(w, "external \"wan\" { interface = \"wan0\" }\n"
				  "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
				  "rule \"all\" { action = allow }\n"));
	world_start(w, &address);
	/* the start's own announcements are not what is looked at */
	w->engine->announce.next_ms = UINT64_MAX;
}

static struct pcp_message map(const struct in6_addr *from)
{
	return (struct pcp_message){.version = CODEC_VERSION_PCP,
				    .opcode = PCP_MAP,
				    .lifetime_s = 3600,
				    .client_address = *from,
				    .mapping = {.protocol = IPPROTO_UDP,
						.internal_port = 5000,
						.external_port = 6000,
						.external_address = codec_from_v4(0)}};
}

/* What a tick at that time says: the first message, and how many there are. */
static size_t tick(struct world *w, uint64_t now_ms, struct codec_message *m)
{
	const struct round_reply *replies;
	size_t n;

	w->now_ms = now_ms;
	round_clear(w->round);
	update_tick(w->engine, now_ms, w->round);
	replies = round_replies(w->round, &n);
	if (n)
		assert_int_equal(codec_parse(replies[0].data, replies[0].length, m, NULL), CODEC_OK);
	return n;
}

/* 6887-14.2-08, 6887-14.2-09, 6887-14.2-10: three copies, 250 and 500 ms apart, each with the epoch of its own time */
static void test_copies(void **state)
{
	static const struct {
		uint64_t after_ms;
		size_t copies;
		uint32_t epoch_s;
	} times[] = {{0, 1, 0},	  {1, 0, 0},   {249, 0, 0},  {250, 1, 1},
		     {749, 0, 0}, {750, 1, 1}, {1000, 0, 0}, {60000, 0, 0}};
	struct in6_addr host = codec_from_v4(0xc000020a);
	struct pcp_message request = map(&host);
	uint8_t data[64];
	const uint8_t *reply;
	struct codec_message m;
	struct world w;
	uint64_t begin;

	(void)state;
	open_world(&w);
	assert_int_equal(world_ask(&w, &host, 4000, data, pcp_marshal(&request, data, sizeof(data)), &reply), 60);
	begin = w.now_ms;
	/* a second passes between the first copy and the next */
	epoch_set(&w.engine->epoch_pcp, 0, begin - 800);
	update_begin(w.engine, lease_walk(w.engine->leases, 0), begin);
	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		assert_int_equal(tick(&w, begin + times[i].after_ms, &m), times[i].copies);
		if (times[i].copies) {
			assert_int_equal(m.pcp.epoch_s, times[i].epoch_s);
			assert_int_equal(m.pcp.mapping.internal_port, 5000);
		}
	}
	assert_true(update_deadline(&w.engine->updates) == UINT64_MAX);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
