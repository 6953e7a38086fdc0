/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"

static const struct sight map = {.protocol = SIGHT_PCP, .op = SIGHT_MAP},
			  address = {.protocol = SIGHT_NATPMP, .op = SIGHT_ADDRESS};

static void add(struct plan *p, const char *text, uint64_t now_ms)
{
	char why[FAULT_WHY];

	if (!plan_add(p, text, now_ms, why))
		fail_msg("%s: %s", text, why);
}

static bool takes(struct plan *p, size_t i, const struct sight *s, uint64_t now_ms)
{
	struct in6_addr client = codec_from_v4(0xc000020b);

	return plan_takes(p, i, s, &client, now_ms);
}

/* Which of n messages an entry takes, as a string of 1 and 0. */
static void row(const char *text, size_t n, const char *expected)
{
	struct plan p;
	char got[64] = "";

	plan_init(&p, 1);
	add(&p, text, 0);
	plan_begin(&p, 100);
	for (size_t i = 0; i < n; i++)
		got[i] = takes(&p, 0, &map, 100) ? '1' : '0';
	assert_string_equal(got, expected);
}

static void which(void **state)
{
	(void)state;
	row("silence", 4, "1111");
	row("silence n=2", 4, "0100");
	row("silence n=1,3-4", 6, "101100");
	row("silence every=3", 7, "0010010");
	row("silence n=4-9 every=3", 9, "000001001");
	row("silence share=100%", 4, "1111");
	row("silence protocol=natpmp", 4, "0000");
}

/* A share is kept in the long run, and is the same for the same seed. */
static void chance(void **state)
{
	struct plan p, q;
	unsigned n = 0;

	(void)state;
	plan_init(&p, 7);
	plan_init(&q, 7);
	add(&p, "silence share=30%", 0);
	add(&q, "silence share=30%", 0);
	plan_begin(&p, 0);
	plan_begin(&q, 0);
	for (int i = 0; i < 10000; i++) {
		bool taken = takes(&p, 0, &map, 1);

		assert_int_equal(taken, takes(&q, 0, &map, 1));
		n += taken;
	}
	assert_in_range(n, 2800, 3200);
}

/* Only messages that it is for are counted. */
static void counts(void **state)
{
	struct plan p;

	(void)state;
	plan_init(&p, 1);
	add(&p, "silence n=2 op=map", 0);
	plan_begin(&p, 0);
	assert_false(takes(&p, 0, &map, 0));
	assert_false(takes(&p, 0, &address, 0));
	assert_true(takes(&p, 0, &map, 0));
}

static void times(void **state)
{
	struct plan p;

	(void)state;
	plan_init(&p, 1);
	add(&p, "silence at=5s for=2s", 0);
	assert_false(takes(&p, 0, &map, 1000000)); /* not begun */
	plan_begin(&p, 1000);
	plan_begin(&p, 500000); /* once */
	assert_false(takes(&p, 0, &map, 5999));
	assert_true(takes(&p, 0, &map, 6000));
	assert_true(takes(&p, 0, &map, 7999));
	assert_false(takes(&p, 0, &map, 8000));
	/* one that comes later counts from then */
	add(&p, "silence at=1s", 20000);
	assert_false(takes(&p, 1, &map, 20999));
	assert_true(takes(&p, 1, &map, 21000));
}

static void gateway(void **state)
{
	struct plan p;
	size_t i = 9;

	(void)state;
	plan_init(&p, 1);
	add(&p, "silence at=1s", 0);
	add(&p, "epoch=-10 at=5s for=2s", 0);
	add(&p, "restart at=6s", 0);
	add(&p, "restart n=2", 0); /* by a request, not by time */
	assert_int_equal(plan_deadline(&p), PLAN_NEVER);
	plan_begin(&p, 0);
	assert_int_equal(plan_deadline(&p), 5000);
	assert_int_equal(plan_next(&p, 4999, &i), PLAN_NOTHING);
	assert_int_equal(plan_next(&p, 5000, &i), PLAN_BEGINS);
	assert_int_equal(i, 1);
	assert_int_equal(plan_next(&p, 5000, &i), PLAN_NOTHING);
	assert_int_equal(plan_deadline(&p), 6000);
	assert_int_equal(plan_next(&p, 9000, &i), PLAN_ENDS);
	assert_int_equal(i, 1);
	assert_int_equal(plan_next(&p, 9000, &i), PLAN_BEGINS);
	assert_int_equal(i, 2);
	assert_int_equal(plan_next(&p, 9000, &i), PLAN_NOTHING);
	assert_int_equal(plan_deadline(&p), PLAN_NEVER);
	assert_false(takes(&p, 2, &map, 9000));
	assert_false(takes(&p, 3, &map, 9000));
	assert_true(takes(&p, 3, &map, 9000));
}

static void full(void **state)
{
	struct plan p;
	char why[FAULT_WHY];

	(void)state;
	plan_init(&p, 1);
	for (int i = 0; i < PLAN_MAX; i++)
		add(&p, " silence\tn=1  # the first", 0);
	assert_string_equal(p.v[0].text, "silence n=1");
	assert_false(plan_add(&p, "silence", 0, why));
	assert_non_null(strstr(why, "more than 64"));
	p.n = 3;
	assert_false(plan_add(&p, "nonsense", 0, why));
	assert_int_equal(p.n, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(which), cmocka_unit_test(chance),	cmocka_unit_test(counts),
	    cmocka_unit_test(times), cmocka_unit_test(gateway), cmocka_unit_test(full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
