/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When another outside address counts: time is literals, and what is there is a pool that the test changes. */
#include "server/external.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"
#include "tests/unit/core/failmalloc.h"

struct bed {
	struct external external;
	struct conf_external conf;
	struct conf_prefix prefix;
	char empty[1];
	uint64_t again_ms;
};

/* Reads what there is at a time: the address 198.51.100.last, 0: none. */
static int look(struct bed *b, uint8_t last, bool at_once, uint64_t now_ms)
{
	b->prefix = (struct conf_prefix){codec_from_v4(0xc6336400U | last), 128};
	b->conf = (struct conf_external){.name = b->empty, .interface = b->empty, .addresses = {&b->prefix, last != 0}};
	return external_read(&b->external, &b->conf, NULL, at_once, now_ms, &b->again_ms);
}

static uint8_t told(const struct bed *b)
{
	return b->external.n ? (uint8_t)codec_to_v4(&b->external.v[0]) : 0;
}

static void comes_to_rest(void **state)
{
	struct bed b = {0};

	(void)state;
	/* the first time nothing is waited for */
	assert_int_equal(look(&b, 1, false, 5000), 1);
	assert_true(told(&b) == 1 && b.again_ms == UINT64_MAX);
	assert_int_equal(look(&b, 9, false, 6000), 0);
	assert_true(told(&b) == 1 && b.again_ms == 6250);
	assert_int_equal(look(&b, 9, false, 6249), 0);
	assert_int_equal(b.again_ms, 6250);
	assert_int_equal(look(&b, 9, false, 6250), 1);
	assert_true(told(&b) == 9 && b.again_ms == UINT64_MAX);
	assert_int_equal(look(&b, 9, false, 7000), 0);
	/* gone */
	assert_int_equal(look(&b, 0, false, 8000), 0);
	assert_int_equal(look(&b, 0, false, 8300), 1);
	assert_int_equal(told(&b), 0);
	external_clear(&b.external);
}

static void says(const struct bed *b, const char *state, bool ok)
{
	const char *why;

	assert_string_equal(external_state(&b->external, &why), state);
	assert_int_equal(*why == '\0', ok);
}

/* What is there, or why nothing is, and since when. */
static void states(void **state)
{
	struct bed b = {0};

	(void)state;
	look(&b, 0, true, 1000);
	says(&b, "no-address", false);
	look(&b, 1, true, 2000);
	says(&b, "ok", true);
	assert_int_equal(b.external.since_ms, 2000);
	look(&b, 1, true, 9000);
	assert_int_equal(b.external.since_ms, 2000);
	/* IPv4 is what a private address is in the way of */
	b.external.refused = true;
	says(&b, "ok", true);
	b.external.v[0] = (struct in6_addr){.s6_addr = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
	says(&b, "private", false);
	b.external.refused = false;
	says(&b, "ok", true);
	external_clear(&b.external);
}

static void given_again(void **state)
{
	struct bed b = {0};

	(void)state;
	look(&b, 1, false, 0);
	/* ten times a second, for a minute */
	for (uint64_t now_ms = 1000; now_ms < 61000; now_ms += 100) {
		assert_int_equal(look(&b, 0, false, now_ms), 0);
		assert_int_equal(look(&b, 1, false, now_ms + 50), 0);
		assert_int_equal(b.again_ms, UINT64_MAX);
	}
	/* and each absence is waited for anew */
	assert_int_equal(look(&b, 0, false, 61000), 0);
	assert_int_equal(b.again_ms, 61250);
	external_clear(&b.external);
}

/* Among others it does not come to rest: what is there after two seconds is told. */
static void restless(void **state)
{
	struct bed b = {0};
	unsigned news = 0;

	(void)state;
	look(&b, 1, false, 0);
	for (uint64_t now_ms = 1000; now_ms < 3000; now_ms += 100) {
		news += look(&b, 0, false, now_ms) == 1;
		news += look(&b, 9, false, now_ms + 50) == 1;
		assert_true(b.again_ms <= 3000);
	}
	assert_int_equal(news, 0);
	assert_int_equal(look(&b, 9, false, 3000), 1);
	assert_int_equal(told(&b), 9);
	external_clear(&b.external);
}

static void configured(void **state)
{
	struct bed b = {0};

	(void)state;
	look(&b, 1, true, 0);
	look(&b, 0, false, 900);
	assert_int_equal(look(&b, 9, true, 1000), 1);
	assert_true(told(&b) == 9 && b.again_ms == UINT64_MAX);
	assert_int_equal(look(&b, 9, true, 1001), 0);
	external_clear(&b.external);
}

static void out_of_memory(void **state)
{
	(void)state;
#if FAILMALLOC
	struct bed b = {0};

	look(&b, 1, false, 0);
	failmalloc_in = 1;
	assert_int_equal(look(&b, 9, false, 1000), -ENOMEM);
	assert_int_equal(told(&b), 1);
	failmalloc_in = 0;
	assert_int_equal(look(&b, 9, false, 2000), 0);
	assert_int_equal(look(&b, 9, false, 2250), 1);
	external_clear(&b.external);
#else
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(comes_to_rest), cmocka_unit_test(states),	   cmocka_unit_test(given_again),
	    cmocka_unit_test(restless),	     cmocka_unit_test(configured), cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
