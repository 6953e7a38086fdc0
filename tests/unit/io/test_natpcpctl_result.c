/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_result.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/core/failmalloc.h"

/* "lease INSIDE OUTSIDE [PEER]", "held ...", "end ...", one record each; the ports say who. */
static struct record parse(const char *line)
{
	char what[8];
	unsigned inside = 0, outside = 0, peer = 0;
	struct record r = {.type = RECORD_LEASE};

	assert_true(sscanf(line, "%7s %u %u %u", what, &inside, &outside, &peer) >= 1);
	if (!strcmp(what, "end"))
		r.type = RECORD_END;
	if (!strcmp(what, "state"))
		r.type = RECORD_STATE;
	if (r.type == RECORD_STATE)
		return r;
	r.lease.held = !strcmp(what, "held");
	r.lease.protocol = 17;
	r.lease.internal_address = codec_from_v4(0xc000020b);
	r.lease.external_address = codec_from_v4(0xc6336401);
	r.lease.internal_port = (uint16_t)inside;
	r.lease.external_port = (uint16_t)outside;
	r.lease.extra.remote_port = (uint16_t)peer;
	r.lease.extra.remote_address = codec_from_v4(peer ? 0xcb007101 : 0);
	return r;
}

static const struct {
	const char *records[8];
	const char *remain; /* a digit each */
} cases[] = {
    {{NULL}, ""},
    {{"state"}, ""},
    {{"lease 1 11"}, "0"},
    {{"lease 1 11", "lease 2 12", "lease 3 13"}, "012"},
    {{"lease 1 11", "lease 2 12", "lease 1 11"}, "12"},
    {{"lease 1 11", "lease 2 12", "end 1 11"}, "1"},
    {{"lease 1 11", "end 1 11", "lease 1 15"}, "2"},
    {{"end 1 11", "lease 1 11"}, "1"},
    /* what was a lease is held */
    {{"lease 1 11", "held 1 11"}, "1"},
    {{"lease 1 11", "held 1 11", "lease 1 11"}, "2"},
    {{"lease 1 11", "held 1 11", "lease 2 11"}, "2"},
    /* but not the one that its client has meanwhile */
    {{"lease 1 12", "held 1 11"}, "01"},
    /* peers are leases of their own */
    {{"lease 1 11 80", "lease 1 11", "lease 1 11 81"}, "012"},
    {{"lease 1 11 80", "lease 1 11", "end 1 11"}, "0"},
    {{"lease 1 11 80", "lease 1 11", "end 1 11 80"}, "1"},
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct result *r = result_new();
		char remain[9] = "", *p = remain;

		for (unsigned k = 0; k < 8 && cases[i].records[k]; k++) {
			struct record record = parse(cases[i].records[k]);

			assert_int_equal(result_add(r, 96 * k, &record), 0);
		}
		assert_true(result_settle(r));
		for (unsigned k = 0; k < 8; k++)
			if (result_has(r, 96 * k))
				*p++ = (char)('0' + k);
		assert_string_equal(remain, cases[i].remain);
		result_free(r);
	}
	result_free(NULL);
}

#if FAILMALLOC
static void test_no_memory(void **state)
{
	size_t held = failmalloc_held;
	struct record record = parse("lease 1 11");
	struct result *r;

	(void)state;
	failmalloc_in = 1;
	assert_null(result_new());
	failmalloc_in = 2;
	r = result_new();
	assert_int_equal(result_add(r, 0, &record), -ENOMEM);
	assert_int_equal(result_add(r, 0, &record), 0);
	failmalloc_in = 1;
	assert_false(result_settle(r));
	failmalloc_in = 0;
	result_free(r);
	assert_int_equal(failmalloc_held, held);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
#if FAILMALLOC
		cmocka_unit_test(test_no_memory),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
