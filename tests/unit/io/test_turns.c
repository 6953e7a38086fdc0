/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The order in which what arrived together is served. */
#include "server/io/turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"

static struct udp_datagram v[UDP_INBOX];
static uint16_t order[UDP_INBOX];

static void from4(size_t i, uint32_t address)
{
	v[i].source = codec_from_v4(address);
}

/* An own order for each test: what is not written is seen. */
static int setup(void **state)
{
	(void)state;
	memset(v, 0, sizeof(v));
	memset(order, 0xff, sizeof(order));
	return 0;
}

static void expect(const uint16_t *expected, size_t n)
{
	turns_order(v, n, order);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(order[i], expected[i]);
}

static void test_each_once(void **state)
{
	static const uint16_t expected[] = {0, 1, 2, 3};

	(void)state;
	for (size_t i = 0; i < 4; i++)
		from4(i, 0xc000020b + (uint32_t)i);
	expect(expected, 4);
}

static void test_many_before_one_twice(void **state)
{
	/* a a b a c b: the first of a, b, c, then the second ones, then a's third */
	static const uint32_t host[] = {1, 1, 2, 1, 3, 2};
	static const uint16_t expected[] = {0, 2, 4, 1, 5, 3};

	(void)state;
	for (size_t i = 0; i < 6; i++)
		from4(i, 0xc0000200 + host[i]);
	expect(expected, 6);
}

/* A host of IPv6 has 2^64 addresses, and one turn. */
static void test_networks(void **state)
{
	static const uint8_t network[] = {1, 1, 2, 1};
	static const uint16_t expected[] = {0, 2, 1, 3};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		v[i].source.s6_addr[0] = 0x20;
		v[i].source.s6_addr[7] = network[i];
		v[i].source.s6_addr[15] = (uint8_t)i;
	}
	expect(expected, 4);
}

/* One that asks is not the last after 255 of one that floods; all of a whole inbox are there, once. */
static void test_flood(void **state)
{
	bool seen[UDP_INBOX] = {false};

	(void)state;
	for (size_t i = 0; i < UDP_INBOX; i++)
		from4(i, i == UDP_INBOX - 1 ? 0xc000020c : 0xc000020b);
	turns_order(v, UDP_INBOX, order);
	assert_int_equal(order[0], 0);
	assert_int_equal(order[1], UDP_INBOX - 1);
	for (size_t i = 0; i < UDP_INBOX; i++) {
		assert_true(order[i] < UDP_INBOX);
		assert_false(seen[order[i]]);
		seen[order[i]] = true;
		assert_true(i < 3 || order[i] > order[i - 1]);
	}
}

/* Addresses that share their low bits, and as many clients as there may be. */
static void test_all_others(void **state)
{
	(void)state;
	for (size_t i = 0; i < UDP_INBOX; i++)
		from4(i, (uint32_t)i << 24);
	turns_order(v, UDP_INBOX, order);
	for (size_t i = 0; i < UDP_INBOX; i++)
		assert_int_equal(order[i], i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_each_once, setup),  cmocka_unit_test_setup(test_many_before_one_twice, setup),
	    cmocka_unit_test_setup(test_networks, setup),   cmocka_unit_test_setup(test_flood, setup),
	    cmocka_unit_test_setup(test_all_others, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
