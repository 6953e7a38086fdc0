/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/ender_seen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/codec.h"

enum { EXT = 0xc6336401, UDP = 17 };

static struct mapping mapping(uint16_t external_port, uint16_t more)
{
	return (struct mapping){.external_address = codec_from_v4(EXT),
				.external_port = external_port,
				.protocol = UDP,
				.more_ports = more};
}

/* 6887-15-12: a port that was seen is never forgotten */
static void seen(void **state)
{
	static struct ender_seen s;
	struct mapping set = mapping(39900, 200), large = mapping(39900, 2000);
	struct mapping away = mapping(39900, 50);
	unsigned wrong = 0;

	(void)state;
	assert_false(ender_seen_has(&s, &set));
	for (unsigned i = 0; i < 100; i++) {
		struct ender_flow f = {
		    .external_address = codec_from_v4(EXT), .external_port = (uint16_t)(40000 + i), .protocol = UDP};

		ender_seen_add(&s, &f);
	}
	for (unsigned i = 0; i < 100; i++) {
		struct mapping m = mapping((uint16_t)(40000 + i), 0);

		assert_true(ender_seen_has(&s, &m));
	}
	for (unsigned i = 0; i < 10000; i++) {
		struct mapping m = mapping((uint16_t)(50000 + i), 0);

		wrong += ender_seen_has(&s, &m);
	}
	assert_true(wrong < 100);
	/* of sets, any port */
	assert_true(ender_seen_has(&s, &set));
	assert_false(ender_seen_has(&s, &away));
	assert_true(ender_seen_has(&s, &large));
}

/* 6887-15-12: a mapping of all ports has the connections of every port, which no single place tells */
static void all_ports(void **state)
{
	static struct ender_seen s;
	struct ender_flow f = {.external_address = codec_from_v4(EXT), .external_port = 40000, .protocol = UDP};
	struct mapping protocol = mapping(0, 0), host = mapping(0, 0);

	(void)state;
	host.protocol = 0;
	ender_seen_add(&s, &f);
	assert_true(ender_seen_has(&s, &protocol));
	assert_true(ender_seen_has(&s, &host));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(seen),
	    cmocka_unit_test(all_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
