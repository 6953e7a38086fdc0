/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/round.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/core/round_fill.h"
#include "tests/unit/core/failmalloc.h"

static const struct mapping mapping = {.internal_port = 80, .external_port = 8080, .protocol = 6};
static const struct round_step step = {.lease = 7, .answer = ROUND_NONE};

static void test_changes_keep_their_order_and_groups(void **state)
{
	struct round *r = round_new();
	struct change *changes;
	size_t n;

	(void)state;
	assert_non_null(r);
	assert_true(round_reserve(r, 3));
	round_group(r);
	round_change(r, CHANGE_REMOVE, &mapping, 0, &step);
	round_change(r, CHANGE_ADD, &mapping, 5000, &step);
	round_group(r);
	round_change(r, CHANGE_RENEW, &mapping, 6000, &step);
	changes = round_changes(r, &n);
	assert_int_equal(n, 3);
	assert_int_equal(changes[0].op, CHANGE_REMOVE);
	assert_int_equal(changes[1].op, CHANGE_ADD);
	assert_int_equal(changes[1].timeout_ms, 5000);
	assert_int_equal(changes[0].group, changes[1].group);
	assert_int_not_equal(changes[1].group, changes[2].group);
	assert_int_equal(r->steps[2].lease, 7);
	round_clear(r);
	round_changes(r, &n);
	assert_int_equal(n, 0);
	round_free(r);
}

/* Replies stay where they are, however many follow. */
static void test_replies_do_not_move(void **state)
{
	struct round *r = round_new();
	const struct round_reply *replies;
	uint8_t data[1104];
	size_t n;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		struct round_reply form = {.kind = ROUND_ANNOUNCE, .listen = (uint16_t)i};

		memset(data, (int)(i & 0xff), sizeof(data));
		assert_true(round_say(r, &form, data, 1 + i));
	}
	replies = round_replies(r, &n);
	assert_int_equal(n, 1000);
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(replies[i].listen, i);
		assert_int_equal(replies[i].length, 1 + i);
		assert_int_equal(replies[i].data[0], i & 0xff);
		assert_int_equal(replies[i].data[i], i & 0xff);
	}
	round_clear(r);
	round_replies(r, &n);
	assert_int_equal(n, 0);
	round_free(r);
}

/* 6887-8.3-02, 6887-8.1-05: back to where it came from, from the address that was asked. */
static void test_answer_goes_back(void **state)
{
	struct round *r = round_new();
	struct round_request q = {
	    .source_port = 40000, .listen = 3, .ifindex = 9, .source = {{{1}}}, .destination = {{{2}}}};
	const struct round_reply *reply;
	size_t n;
	uint32_t i = round_answer(r, &q, 64);

	(void)state;
	assert_int_equal(i, 0);
	reply = round_replies(r, &n);
	assert_int_equal(n, 1);
	assert_int_equal(reply->length, 0); /* silence until it is filled */
	assert_int_equal(reply->kind, ROUND_UNICAST);
	assert_int_equal(reply->destination_port, 40000);
	assert_int_equal(reply->listen, 3);
	assert_int_equal(reply->ifindex, 9);
	assert_int_equal(reply->destination.s6_addr[0], 1);
	assert_int_equal(reply->source.s6_addr[0], 2);
	round_free(r);
}

static bool fill(struct round *r)
{
	struct round_request q = {0};
	struct round_reply form = {.kind = ROUND_ANNOUNCE};
	uint8_t data[1000] = {0};
	bool good = true;

	for (unsigned i = 0; i < 300; i++) {
		if (!round_reserve(r, 2)) {
			good = false;
			continue;
		}
		round_group(r);
		round_change(r, CHANGE_ADD, &mapping, 0, &step);
		round_change(r, CHANGE_RENEW, &mapping, 0, &step);
		good = round_answer(r, &q, 1104) != ROUND_NONE && good;
		good = round_say(r, &form, data, sizeof(data)) && good;
		round_event(r, &(struct round_event){.kind = ROUND_MADE});
	}
	return good;
}

static void test_out_of_memory(void **state)
{
	(void)state;
#if FAILMALLOC
	bool good = false;
	long n;

	for (n = 1; !good; n++) {
		struct round *r;

		assert_true(n < 10000);
		failmalloc_in = n;
		r = round_new();
		if (!r)
			continue;
		good = fill(r) && failmalloc_in > 0;
		failmalloc_in = 0;
		/* what is there can be used, and it works again */
		round_clear(r);
		assert_true(fill(r));
		round_free(r);
	}
	failmalloc_in = 0;
	assert_true(n > 2); /* one that failed, and all went well */
#else
	struct round *r = round_new();

	assert_true(fill(r));
	round_free(r);
	skip();
#endif
}

/* Steady state allocates nothing. */
static void test_ordinary_round_allocates_nothing(void **state)
{
	(void)state;
#if FAILMALLOC
	struct round *r = round_new();
	struct round_request q = {0};
	size_t calls = failmalloc_calls;

	for (unsigned i = 0; i < ROUND_REQUESTS_MAX; i++) {
		assert_int_not_equal(round_answer(r, &q, 64), ROUND_NONE);
		assert_true(round_reserve(r, 2));
		round_change(r, CHANGE_REMOVE, &mapping, 0, &step);
		round_change(r, CHANGE_ADD, &mapping, 0, &step);
		round_event(r, &(struct round_event){.kind = ROUND_MADE});
	}
	assert_int_equal(failmalloc_calls, calls);
	round_free(r);
#else
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_changes_keep_their_order_and_groups),
	    cmocka_unit_test(test_replies_do_not_move),
	    cmocka_unit_test(test_answer_goes_back),
	    cmocka_unit_test(test_out_of_memory),
	    cmocka_unit_test(test_ordinary_round_allocates_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
