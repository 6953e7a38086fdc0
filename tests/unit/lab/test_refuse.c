/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/refuse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lab/octets.h"

static void results(void **state)
{
	struct octets ask = octets_pcp(PCP_MAP, false, 80, 60);
	uint8_t out[1200];
	struct codec_message m;
	size_t n = refuse_result(ask.data, ask.length, PCP_NO_RESOURCES, 5, 1000, out, sizeof(out));

	(void)state;
	assert_int_equal(n, ask.length);
	m = octets_read(out, n);
	assert_true(m.pcp.response && m.pcp.opcode == PCP_MAP && m.pcp.result == PCP_NO_RESOURCES);
	assert_true(m.pcp.lifetime_s == 5 && m.pcp.epoch_s == 1000);
	assert_memory_equal(&m.pcp.mapping.nonce, ask.data + 24, 12);
	ask = octets_natpmp(2, false, 80, 60);
	n = refuse_result(ask.data, ask.length, NATPMP_NETWORK_FAILURE, 5, 1000, out, sizeof(out));
	assert_int_equal(n, 16);
	m = octets_read(out, n);
	assert_true(m.natpmp.response && m.natpmp.opcode == 2 && m.natpmp.result == NATPMP_NETWORK_FAILURE);
	assert_true(m.natpmp.epoch_s == 1000 && m.natpmp.internal_port == 8080);
	assert_int_equal(refuse_result(ask.data, ask.length, 1, 5, 1, out, 4), 0);
	/* cut short: whatever it is, it is answered */
	n = refuse_result((const uint8_t[]){2, 1}, 2, PCP_NOT_AUTHORIZED, 5, 1, out, sizeof(out));
	assert_true(n == 24 && out[1] == 0x81 && out[3] == PCP_NOT_AUTHORIZED);
}

/* RFC 6886 3.5, erratum 3618, and what was built before it. */
static void versions(void **state)
{
	static const struct {
		enum fault_style style;
		size_t length;
		uint8_t head[4];
	} cases[] = {
	    {FAULT_STYLE_NATPMP, 8, {0, 0x80, 0, 1}}, {FAULT_STYLE_MISPRINT, 8, {0, 0, 0, 1}},
	    {FAULT_STYLE_OPCODE, 8, {0, 0x81, 0, 1}}, {FAULT_STYLE_PCP1, 24, {1, 0x81, 0, 1}},
	    {FAULT_STYLE_PCP, 24, {2, 0x81, 0, 1}},
	};
	static const uint8_t epoch[] = {0, 1, 0x51, 0x80}; /* 86400 */

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct octets ask = cases[i].style == FAULT_STYLE_PCP ? octets_natpmp(1, false, 80, 60)
								      : octets_pcp(PCP_MAP, false, 80, 60);
		uint8_t out[64];

		assert_int_equal(refuse_version(ask.data, ask.length, cases[i].style, 86400, out, sizeof(out)),
				 cases[i].length);
		assert_memory_equal(out, cases[i].head, 4);
		assert_memory_equal(out + (cases[i].length == 8 ? 4 : 8), epoch, 4);
		assert_int_equal(refuse_version(ask.data, ask.length, cases[i].style, 86400, out, 7), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(results), cmocka_unit_test(versions)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
