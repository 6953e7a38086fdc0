/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leases for one peer each in the lease table, beside the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/core/lease.h"
#include "tests/unit/core/failmalloc.h"

static const uint8_t seed[16] = {1, 2, 3};

/* A lease of 198.18.0.IN:IN_PORT outside 198.51.100.1:OUT_PORT, for the peer 203.0.113.1:REMOTE_PORT if that is not 0. */
static uint32_t make(struct lease_table *t, uint8_t in, uint16_t in_port, uint16_t out_port, uint16_t remote_port)
{
	struct extra_parts parts = {.remote_port = remote_port};
	struct lease init = {.internal_address = codec_from_v4(0xc6120000 + in),
			     .external_address = codec_from_v4(0xc6336401),
			     .internal_port = in_port,
			     .external_port = out_port,
			     .protocol = 17,
			     .expires_ms = 5000};
	uint32_t i;

	if (remote_port)
		parts.remote_address = codec_from_v4(0xcb007101);
	if (!extra_new(&parts, &init.extra))
		return LEASE_NONE;
	i = lease_new(t, &init);
	extra_drop(init.extra);
	return i;
}

static uint32_t find(const struct lease_table *t, uint8_t in, uint16_t in_port, uint16_t remote_port)
{
	struct in6_addr a = codec_from_v4(0xc6120000 + in), remote = codec_from_v4(0xcb007101);

	return remote_port ? lease_find_peer(t, 17, &a, in_port, &remote, remote_port)
			   : lease_find_internal(t, 17, &a, in_port);
}

static unsigned inside(const struct lease_table *t, uint8_t in, uint16_t in_port)
{
	struct in6_addr a = codec_from_v4(0xc6120000 + in);
	struct lease_peers p = {.protocol = 17, .address = &a, .port = in_port};
	unsigned n = 0;

	while (lease_next_peer(t, &p) != LEASE_NONE)
		n++;
	return n;
}

static unsigned outside(const struct lease_table *t, uint16_t port)
{
	struct in6_addr a = codec_from_v4(0xc6336401);
	struct lease_peers p = {.protocol = 17, .address = &a, .port = port};
	unsigned n = 0;

	while (lease_next_peer_outside(t, &p) != LEASE_NONE)
		n++;
	return n;
}

static uint32_t owner(const struct lease_table *t, uint16_t port)
{
	struct in6_addr a = codec_from_v4(0xc6336401);
	struct lease_port p = {.address = &a, .port = port};
	uint32_t i = lease_find_external(t, 17, &a, port);

	assert_int_equal(i, lease_next_external(t, &p));
	if (i != LEASE_NONE)
		assert_int_equal(lease_next_external(t, &p), LEASE_NONE);
	return i;
}

/* 6887-12.1-10: several of one internal side, told apart by their peers */
static void test_beside_each_other(void **state)
{
	struct lease_table *t = lease_table_new(seed, 0);
	uint32_t a = make(t, 1, 80, 8080, 1), b = make(t, 1, 80, 8080, 2), other = make(t, 2, 80, 8080, 1);
	uint32_t map;

	(void)state;
	assert_int_equal(find(t, 1, 80, 1), a);
	assert_int_equal(find(t, 1, 80, 2), b);
	assert_int_equal(find(t, 2, 80, 1), other);
	assert_int_equal(find(t, 2, 80, 2), LEASE_NONE);
	assert_int_equal(find(t, 1, 80, 0), LEASE_NONE);
	assert_int_equal(owner(t, 8080), LEASE_NONE);
	map = make(t, 1, 80, 8080, 0);
	assert_int_equal(find(t, 1, 80, 0), map);
	assert_int_equal(owner(t, 8080), map);
	assert_int_equal(inside(t, 1, 80), 2);
	assert_int_equal(inside(t, 2, 80), 1);
	assert_int_equal(inside(t, 1, 81), 0);
	assert_int_equal(outside(t, 8080), 3);
	assert_int_equal(outside(t, 8081), 0);
	assert_int_equal(lease_count(t), 4);
	lease_move(t, b, &(struct in6_addr){0}, 9);
	assert_int_equal(outside(t, 8080), 2);
	lease_move(t, b, &lease_peek(t, a)->external_address, 8080);
	lease_free(t, map);
	lease_free(t, a);
	assert_int_equal(find(t, 1, 80, 1), LEASE_NONE);
	assert_int_equal(inside(t, 1, 80), 1);
	assert_int_equal(outside(t, 8080), 2);
	lease_free(t, b);
	lease_free(t, other);
	assert_int_equal(lease_count(t), 0);
	assert_int_equal(lease_clients(t), 0);
	lease_table_free(t);
}

/* 6887-15-13: what is held is the port, and no longer for the peer */
static void test_held(void **state)
{
	struct lease_table *t = lease_table_new(seed, 0);
	uint32_t a = make(t, 1, 80, 8080, 1), b = make(t, 1, 80, 8081, 2);

	(void)state;
	lease_state(t, a, LEASE_REMOVING);
	assert_int_equal(find(t, 1, 80, 1), a);
	lease_state(t, a, LEASE_HELD);
	assert_int_equal(find(t, 1, 80, 1), LEASE_NONE);
	assert_int_equal(owner(t, 8080), a);
	assert_int_equal(outside(t, 8080), 0);
	assert_int_equal(inside(t, 1, 80), 1);
	assert_int_equal(lease_client(t, &lease_peek(t, a)->internal_address)->held, 1);
	lease_free(t, a);
	assert_int_equal(owner(t, 8080), LEASE_NONE);
	lease_free(t, b);
	lease_table_free(t);
}

static void test_many(void **state)
{
	struct lease_table *t = lease_table_new(seed, 0);
	uint32_t at[2000];

	(void)state;
	for (uint16_t i = 0; i < 2000; i++)
		at[i] = make(t, 1, 80, 8080, (uint16_t)(i + 1));
	assert_int_equal(inside(t, 1, 80), 2000);
	assert_int_equal(outside(t, 8080), 2000);
	for (uint16_t i = 0; i < 2000; i += 2)
		lease_free(t, at[i]);
	for (uint16_t i = 0; i < 2000; i++)
		assert_int_equal(find(t, 1, 80, (uint16_t)(i + 1)), i % 2 ? at[i] : LEASE_NONE);
	assert_int_equal(inside(t, 1, 80), 1000);
	assert_int_equal(outside(t, 8080), 1000);
	lease_table_free(t);
}

/* They come, move and go in any order, and each side has those that it should have. */
static void test_model(void **state)
{
	enum { PEERS = 300, PORTS = 5 };
	struct lease_table *t = lease_table_new(seed, 0);
	struct in6_addr a = codec_from_v4(0xc6336401);
	unsigned in[PORTS] = {0}, out[PORTS] = {0};
	uint32_t at[PORTS][PEERS], random = 1;
	uint16_t at_out[PORTS][PEERS];

	(void)state;
	memset(at, 0xff, sizeof(at));
	for (unsigned step = 0; step < 20000; step++) {
		unsigned k, n, to;

		random = random * 1664525 + 1013904223;
		k = (random >> 8) % PORTS;
		n = (random >> 16) % PEERS;
		to = (random >> 12) % PORTS;
		if (at[k][n] == LEASE_NONE) {
			at[k][n] = make(t, 1, (uint16_t)(80 + k), (uint16_t)(8000 + to), (uint16_t)(n + 1));
			in[k]++;
			at_out[k][n] = (uint16_t)to;
			out[to]++;
		} else if (random >> 28 < 6) {
			lease_move(t, at[k][n], &a, (uint16_t)(8000 + to));
			out[at_out[k][n]]--;
			at_out[k][n] = (uint16_t)to;
			out[to]++;
		} else {
			lease_free(t, at[k][n]);
			at[k][n] = LEASE_NONE;
			in[k]--;
			out[at_out[k][n]]--;
		}
		if (step % 16)
			continue;
		assert_int_equal(inside(t, 1, (uint16_t)(80 + k)), in[k]);
		assert_int_equal(outside(t, (uint16_t)(8000 + to)), out[to]);
		assert_int_equal(find(t, 1, (uint16_t)(80 + k), (uint16_t)(n + 1)), at[k][n]);
	}
	lease_table_free(t);
}

/* More than have a number of their own: from the 65,536th on they share one. */
static void test_very_many(void **state)
{
	enum { EACH = 35000 };
	struct lease_table *t = lease_table_new(seed, 0);
	static uint32_t at[2 * EACH];

	(void)state;
	for (unsigned i = 0; i < 2 * EACH; i++)
		at[i] = make(t, (uint8_t)(i / EACH), 80, 8080, (uint16_t)(i % EACH + 1));
	assert_int_equal(outside(t, 8080), 2 * EACH);
	assert_int_equal(inside(t, 0, 80), EACH);
	/* one that has its own, one that shares */
	lease_free(t, at[7]);
	lease_free(t, at[2 * EACH - 7]);
	assert_int_equal(outside(t, 8080), 2 * EACH - 2);
	for (unsigned i = 0; i < 2 * EACH; i += 3)
		if (i != 7 && i != 2 * EACH - 7)
			lease_free(t, at[i]);
	assert_int_equal(outside(t, 8080), lease_count(t));
	assert_int_equal(inside(t, 0, 80) + inside(t, 1, 80), lease_count(t));
	lease_table_free(t);
}

#if FAILMALLOC
static void test_no_memory(void **state)
{
	(void)state;
	for (long nth = 1;; nth++) {
		struct lease_table *t = lease_table_new(seed, 0);
		uint32_t i;
		bool failed;

		for (uint16_t k = 1; k <= 40; k++)
			make(t, 1, 80, 8080, k);
		failmalloc_in = nth;
		for (uint16_t k = 41; k <= 120 && (i = make(t, 1, 80, 8080, k)) != LEASE_NONE; k++)
			;
		failed = failmalloc_in == 0;
		failmalloc_in = 0;
		assert_int_equal(inside(t, 1, 80), lease_count(t));
		assert_int_equal(outside(t, 8080), lease_count(t));
		assert_true(failed || lease_count(t) == 120);
		lease_table_free(t);
		if (!failed) {
			assert_true(nth > 1); /* one that failed */
			return;
		}
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_beside_each_other),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_very_many),
#if FAILMALLOC
		cmocka_unit_test(test_no_memory),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
