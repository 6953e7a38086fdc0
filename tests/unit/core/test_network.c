/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "codec/codec.h"
#include "tests/unit/core/failmalloc.h"

static const struct hash_key key = {1, 2};

static struct in6_addr address(const char *text)
{
	struct in6_addr a;

	assert_true(codec_address_parse(text, strlen(text), &a));
	return a;
}

/* decision-26: every address of a network of 64 bits is of the same, and an IPv4 address of none. */
static void test_share(void **state)
{
	const struct in6_addr a = address("2001:db8:1::1"), b = address("2001:db8:1:0:ffff:ffff:ffff:ffff"),
			      other = address("2001:db8:1:1::1"), v4 = address("192.0.2.1");
	struct networks t = {0};
	uint32_t i, k;
	bool good;

	(void)state;
	assert_true(network_init(&t));
	assert_int_equal(network_active(&t, &key, &a), 0);
	i = network_join(&t, &key, &a, &good);
	assert_true(good && i != NETWORK_NONE);
	assert_int_equal(network_join(&t, &key, &b, &good), i);
	k = network_join(&t, &key, &other, &good);
	assert_true(good && k != i);
	network_count(&t, i, 1);
	network_count(&t, i, 1);
	network_count(&t, k, 1);
	assert_int_equal(network_active(&t, &key, &a), 2);
	assert_int_equal(network_active(&t, &key, &b), 2);
	assert_int_equal(network_active(&t, &key, &other), 1);
	network_count(&t, i, -1);
	assert_int_equal(network_active(&t, &key, &b), 1);
	assert_int_equal(network_join(&t, &key, &v4, &good), NETWORK_NONE);
	assert_true(good);
	assert_int_equal(network_active(&t, &key, &v4), 0);
	network_count(&t, NETWORK_NONE, 1);
	network_leave(&t, &key, NETWORK_NONE);
	/* it goes with its last client */
	network_leave(&t, &key, i);
	assert_int_equal(network_active(&t, &key, &a), 1);
	network_leave(&t, &key, i);
	assert_int_equal(network_active(&t, &key, &a), 0);
	assert_int_equal(network_active(&t, &key, &other), 1);
	network_clear(&t);
}

/* As many networks as a host likes to pretend: found again, each by itself. */
static void test_many(void **state)
{
	enum { MANY = 5000 };
	static uint32_t places[MANY];
	struct in6_addr a = address("2001:db8::");
	struct networks t = {0};
	bool good;

	(void)state;
	assert_true(network_init(&t));
	for (uint32_t n = 0; n < MANY; n++) {
		a.s6_addr[6] = (uint8_t)(n >> 8);
		a.s6_addr[7] = (uint8_t)n;
		places[n] = network_join(&t, &key, &a, &good);
		assert_true(good);
		for (uint32_t k = 0; k < n % 5; k++)
			network_count(&t, places[n], 1);
	}
	for (uint32_t n = 0; n < MANY; n++) {
		a.s6_addr[6] = (uint8_t)(n >> 8);
		a.s6_addr[7] = (uint8_t)n;
		assert_int_equal(network_active(&t, &key, &a), n % 5);
		network_leave(&t, &key, places[n]);
		assert_int_equal(network_active(&t, &key, &a), 0);
	}
	network_clear(&t);
}

#if FAILMALLOC
/* Without memory nothing is made, and nothing is left. */
static void test_no_memory(void **state)
{
	const struct in6_addr a = address("2001:db8:1::1");
	bool good = false;

	(void)state;
	for (long nth = 1; !good; nth++) {
		size_t before = failmalloc_held;
		struct networks t = {0};
		uint32_t i;

		failmalloc_in = nth;
		if (network_init(&t)) {
			i = network_join(&t, &key, &a, &good);
			assert_true(good == (i != NETWORK_NONE));
			assert_int_equal(t.index.entries, good);
		}
		failmalloc_in = 0;
		network_clear(&t);
		assert_int_equal(failmalloc_held, before);
		assert_true(nth < 10);
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_many),
#if FAILMALLOC
		cmocka_unit_test(test_no_memory),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
