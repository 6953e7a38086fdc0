/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to the mapper, in a world of their own. */
#ifndef TESTS_UNIT_CORE_MAPPER_BED_H
#define TESTS_UNIT_CORE_MAPPER_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/core/mapper.h"
#include "tests/scenario/world.h"

static inline void open_world(struct world *w, const char *conf)
{
	struct in6_addr address = codec_from_v4(0xc6336401);

	assert_true(world_open(w, conf));
	world_start(w, &address);
}

static inline struct mapper_want want(uint32_t host, uint8_t protocol, uint16_t port, uint16_t suggested)
{
	return (struct mapper_want){.pcp = true,
				    .protocol = protocol,
				    .internal_port = port,
				    .suggested_port = suggested,
				    .internal_address = codec_from_v4(0xc0000200 + host),
				    .suggested_address = codec_from_v4(0),
				    .lifetime_s = 600,
				    .interface = "lan0",
				    .answer = ROUND_NONE};
}

static inline struct mapper_verdict ask(struct world *w, const struct mapper_want *q)
{
	struct mapper_verdict v;

	round_clear(w->round);
	mapper_do(w->engine, q, w->now_ms, w->round, &v);
	world_settle(w);
	return v;
}

#endif
