/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/extra.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/core/lease.h"
#include "server/core/round_fill.h"
#include "tests/unit/core/failmalloc.h"

static const struct mapping_filter filters[] = {
    {.address = {.s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 51, [14] = 100}}, .prefix_length = 120},
    {.address = {.s6_addr = {0x20, 0x01, 0x0d, 0xb8}}, .port = 443, .prefix_length = 32},
};

static const struct extra_parts parts = {.filters_n = 2,
					 .filters = filters,
					 .description_length = 3,
					 .description = (const uint8_t *)"abc",
					 .more_ports = 9,
					 .remote_port = 53};

static struct extra *make(void)
{
	struct extra *x;

	assert_true(extra_new(&parts, &x));
	return x;
}

static void test_value(void **state)
{
	struct extra *x = make();
	const struct extra_parts *p = extra_parts(x);

	(void)state;
	assert_ptr_not_equal(p->filters, filters);
	assert_memory_equal(p->filters, filters, sizeof(filters));
	assert_memory_equal(p->description, "abc", 3);
	assert_int_equal(p->more_ports, 9);
	assert_int_equal(p->remote_port, 53);
	assert_ptr_equal(extra_hold(x), x);
	extra_drop(x);
	assert_memory_equal(extra_parts(x)->description, "abc", 3);
	extra_drop(x);
}

static void test_nothing(void **state)
{
	struct extra *x = (struct extra *)(uintptr_t)8;

	(void)state;
	assert_true(extra_new(&(struct extra_parts){0}, &x));
	assert_null(x);
	assert_null(extra_hold(NULL));
	extra_drop(NULL);
	assert_int_equal(extra_parts(NULL)->filters_n, 0);
	assert_null(extra_parts(NULL)->description);
}

static uint32_t references(const struct extra *x)
{
	return x->references;
}

/* The table has one reference for each lease that is in force, a round two for each of its steps. */
static void test_owners(void **state)
{
	static const uint8_t seed[16] = {1};
	struct lease_table *t = lease_table_new(seed, 0);
	struct extra *x = make(), *y = make();
	struct lease init = {.internal_port = 80, .external_port = 8080, .protocol = 6, .expires_ms = 1, .extra = x};
	uint32_t i = lease_new(t, &init), j;
	struct round *r = round_new();
	struct round_step s = {.lease = i, .before = *lease_peek(t, i), .extra = y};

	(void)state;
	init.internal_port = init.external_port = 81;
	j = lease_new(t, &init);
	assert_int_equal(references(x), 3);
	round_change(r, CHANGE_ADD, &(struct mapping){.protocol = 6}, 0, &s);
	assert_int_equal(references(x), 4);
	assert_int_equal(references(y), 2);
	lease_extra(t, i, y);
	assert_int_equal(references(x), 3);
	lease_extra(t, i, y);
	assert_int_equal(references(y), 3);
	lease_extra(t, i, s.before.extra);
	round_clear(r);
	assert_int_equal(references(x), 3);
	assert_int_equal(references(y), 1);
	lease_state(t, i, LEASE_REMOVING);
	assert_ptr_equal(lease_peek(t, i)->extra, x);
	lease_state(t, i, LEASE_HELD);
	assert_null(lease_peek(t, i)->extra);
	lease_free(t, j);
	assert_int_equal(references(x), 1);
	lease_extra(t, i, y);
	extra_drop(y);
	extra_drop(x);
	round_free(r);
	lease_table_free(t);
}

#if FAILMALLOC
static void test_no_memory(void **state)
{
	size_t held = failmalloc_held;
	struct extra *x;

	(void)state;
	failmalloc_in = 1;
	assert_false(extra_new(&parts, &x));
	failmalloc_in = 0;
	assert_null(x);
	assert_int_equal(failmalloc_held, held);
	failmalloc_in = 2;
	x = make(); /* one allocation is all that it takes */
	failmalloc_in = 0;
	extra_drop(x);
	assert_int_equal(failmalloc_held, held);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_value),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_owners),
#if FAILMALLOC
		cmocka_unit_test(test_no_memory),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
