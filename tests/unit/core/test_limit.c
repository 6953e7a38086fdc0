/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"
#include "tests/unit/core/failmalloc.h"

static const uint8_t seed[16] = {16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1};

static struct in6_addr address(const char *text)
{
	struct in6_addr a;
	assert_true(codec_address_parse(text, strlen(text), &a));
	return a;
}

static bool take(struct limit *l, const struct in6_addr *a, uint64_t now_ms)
{
	struct limit_client c = {.address = *a, .ifindex = 2};

	return limit_take(l, &c, now_ms);
}

static unsigned drain(struct limit *l, const struct in6_addr *a, uint64_t now_ms, unsigned at_most)
{
	unsigned n = 0;
	while (n < at_most && take(l, a, now_ms))
		n++;
	return n;
}

static void test_bucket(void **state)
{
	(void)state;
	static const struct {
		uint64_t at_ms;
		unsigned taken; /* by one that asks again and again */
	} steps[] = {
	    {1000, 20},
	    {1000, 0},
	    {1099, 0},
	    {1100, 1},
	    {1100, 0},
	    {1350, 2},
	    {1399, 0},
	    {1400, 1},
	    {2400, 10},
	    {UINT64_C(1) << 40, 20},
	    {UINT64_MAX - 100000, 20},
	    {UINT64_MAX - 100000 + 150, 1},
	};
	struct in6_addr a = address("192.0.2.1");
	struct limit *l = limit_new(seed, 10, 20);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		assert_int_equal(steps[i].taken, drain(l, &a, steps[i].at_ms, 1000));
	limit_free(l);
	limit_free(NULL);
}

static void test_extremes(void **state)
{
	(void)state;
	static const struct {
		uint32_t per_second, burst;
		unsigned first, later; /* taken at 0 and a second later, of 100,000 tries */
	} cases[] = {
	    {0, 0, 100000, 100000},
	    {0, 5, 100000, 100000},
	    {1, 0, 1, 1},
	    {1, 1, 1, 1},
	    {1, 100, 100, 1},
	    {100, 1, 1, 1},
	    {UINT32_MAX, 1, 1, 1},
	    {1, UINT32_MAX, 100000, 100000},
	    {UINT32_MAX, UINT32_MAX, 100000, 100000},
	};
	struct in6_addr a = address("2001:db8::1");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct limit *l = limit_new(seed, cases[i].per_second, cases[i].burst);
		assert_int_equal(cases[i].first, drain(l, &a, 0, 100000));
		assert_int_equal(cases[i].later, drain(l, &a, 1000, 100000));
		limit_free(l);
	}
}

static void test_who_shares(void **state)
{
	(void)state;
	static const struct {
		const char *one, *other;
		bool shared;
	} cases[] = {
	    {"192.0.2.1", "192.0.2.1", true},
	    {"192.0.2.1", "192.0.2.2", false},
	    {"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", false},
	    {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
	    {"fe80::1", "fe80::2", false},
	    {"::1", "192.0.2.1", false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct limit *l = limit_new(seed, 1, 3);
		struct in6_addr one = address(cases[i].one), other = address(cases[i].other);
		assert_int_equal(3, drain(l, &one, 0, 10));
		assert_int_equal(cases[i].shared ? 0 : 3, drain(l, &other, 0, 10));
		limit_free(l);
	}
}

/* A host with any number of addresses has as much as LIMIT_HOSTS of them; who has mappings is apart from that, and so are
 * other networks, and the same link-local one of another link. */
static void test_networks(void **state)
{
	(void)state;
	static const struct {
		const char *network, *other;
	} cases[] = {{"2001:db8:1:2::", "2001:db8:1:3::1"}, {"fe80::", "2001:db8::1"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct limit *l = limit_new(seed, 10, 20);
		struct limit_client c = {.address = address(cases[i].network), .ifindex = 2};
		struct in6_addr other = address(cases[i].other);
		unsigned n = 0, later = 0;

		for (uint32_t k = 1; k <= 100000; k++) {
			memcpy(&c.address.s6_addr[12], &k, sizeof(k));
			n += limit_take(l, &c, 1000);
		}
		assert_in_range(n, 20 * LIMIT_HOSTS, 21 * LIMIT_HOSTS);
		for (uint32_t k = 1; k <= 100000; k++) {
			memcpy(&c.address.s6_addr[12], &k, sizeof(k));
			later += limit_take(l, &c, 1100);
		}
		assert_in_range(later, LIMIT_HOSTS, LIMIT_HOSTS + 1);
		memset(&c.address.s6_addr[8], 0xee, 8);
		assert_false(limit_take(l, &c, 1100));
		c.known = true;
		for (unsigned k = 0; k < 20; k++)
			assert_true(limit_take(l, &c, 1100));
		assert_false(limit_take(l, &c, 1100));
		assert_int_equal(20, drain(l, &other, 1100, 100));
		memset(&c.address.s6_addr[8], 0xdd, 8);
		c.known = false;
		c.ifindex = 3;
		assert_int_equal(limit_take(l, &c, 1100), IN6_IS_ADDR_LINKLOCAL(&c.address));
		limit_free(l);
	}
}

/* Of those beyond the rate some are let through: about one of four, and no more in all than one client may ask. */
static void test_leak(void **state)
{
	(void)state;
	struct limit *l = limit_new(seed, 100, 200);
	unsigned n = 0;

	for (unsigned i = 0; i < 1000; i++)
		n += limit_leak(l, 5000);
	assert_int_equal(n, 0);
	for (unsigned i = 0; i < 1000; i++)
		n += limit_leak(l, 5000 + 100 * i);
	assert_in_range(n, 200, 300);
	/* at once, after any time */
	n = 0;
	for (unsigned i = 0; i < 100000; i++)
		n += limit_leak(l, UINT64_C(1) << 40);
	assert_int_equal(n, 100);
	for (unsigned i = 0; i < 100000; i++)
		n += limit_leak(l, (UINT64_C(1) << 40) + i / 50);
	assert_in_range(n, 295, 300);
	limit_free(l);
}

static void test_other_rate(void **state)
{
	(void)state;
	struct in6_addr a = address("192.0.2.1");
	struct limit *l = limit_new(seed, 1, 10);
	assert_int_equal(10, drain(l, &a, 0, 100));
	/* what was used stays used */
	limit_rate(l, 2, 15);
	assert_int_equal(5, drain(l, &a, 0, 100));
	assert_int_equal(4, drain(l, &a, 2000, 100));
	/* a smaller burst is no debt */
	limit_rate(l, 1, 2);
	assert_int_equal(0, drain(l, &a, 2000, 100));
	assert_int_equal(1, drain(l, &a, 3000, 100));
	limit_rate(l, 0, 0);
	assert_int_equal(100, drain(l, &a, 3000, 100));
	limit_free(l);
}

/* Far more clients than there is room for: the memory stays, a newcomer has all its tokens, and one that asks far too
 * often is not forgotten for those that ask once. */
static void test_crowd(void **state)
{
	(void)state;
	struct limit *l = limit_new(seed, 10, 20);
	struct in6_addr greedy = address("198.51.100.1");
#if FAILMALLOC
	size_t calls = failmalloc_calls;
#endif
	unsigned taken = drain(l, &greedy, 0, 1000);
	for (uint32_t i = 0; i < 200000; i++) {
		struct in6_addr a = codec_from_v4(0xc6120000 + (i & 0x1ffff));
		uint64_t now_ms = i / 100;
		assert_true(take(l, &a, now_ms));
		if (i % 10 == 0)
			taken += drain(l, &greedy, now_ms, 1000);
	}
	assert_in_range(taken, 39, 40);
#if FAILMALLOC
	assert_int_equal(calls, failmalloc_calls);
#endif
	limit_free(l);
}

/* All at one time, each greedy: a newcomer does not pay for the one whose place it takes. */
static void test_greedy_crowd(void **state)
{
	(void)state;
	struct limit *l = limit_new(seed, 10, 4);
	for (uint32_t i = 0; i < 100000; i++) {
		struct in6_addr a = codec_from_v4(0xc6120000 + i);
		assert_int_equal(4, drain(l, &a, 0, 10));
	}
	limit_free(l);
}

#if FAILMALLOC
static void test_no_memory(void **state)
{
	(void)state;
	failmalloc_in = 1;
	assert_null(limit_new(seed, 1, 1));
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bucket),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_who_shares),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_leak),
		cmocka_unit_test(test_other_rate),
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_greedy_crowd),
#if FAILMALLOC
		cmocka_unit_test(test_no_memory),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
