/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/core/lease.h"

static uint64_t random_state;

static uint64_t random_64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Any magnitude is as likely as any other. */
static uint64_t random_span(unsigned bits)
{
	return random_64() >> (64 - bits + random_64() % bits);
}

static struct wheel wheel;
static struct slab leases;

static struct lease *at(uint32_t i)
{
	return slab_at(&leases, i, sizeof(struct lease));
}

static void set_up(uint32_t n, uint64_t now_ms)
{
	slab_clear(&leases);
	slab_init(&leases, sizeof(struct lease), offsetof(struct lease, due_next));
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(i, slab_take(&leases, UINT32_MAX));
		at(i)->due_prev = LEASE_NONE;
		at(i)->expires_ms = UINT64_MAX;
	}
	wheel_init(&wheel, now_ms);
}

static void put(uint32_t i, uint64_t due_ms)
{
	wheel_remove(&wheel, &leases, i);
	at(i)->expires_ms = due_ms;
	wheel_add(&wheel, &leases, i);
}

/* One lease: never returned before its time, always at it; the deadlines on the way are few and never late. */
static void test_one(void **state)
{
	(void)state;
	static const uint64_t starts[] = {
	    0, 1, 63, 64, 4095, 4096, 262143, 1000000007, (UINT64_C(1) << 36) - 1, UINT64_C(1) << 60};
	static const uint64_t spans[] = {0,
					 1,
					 62,
					 63,
					 64,
					 65,
					 127,
					 128,
					 4032,
					 4095,
					 4096,
					 4097,
					 120000,
					 262143,
					 262144,
					 7200000,
					 86400000,
					 UINT64_C(31536000000),
					 UINT64_C(1) << 42,
					 UINT64_C(1) << 59,
					 UINT64_C(1) << 61};
	for (size_t s = 0; s < sizeof(starts) / sizeof(*starts); s++) {
		for (size_t k = 0; k < sizeof(spans) / sizeof(*spans); k++) {
			uint64_t due_ms = starts[s] + spans[k], now_ms = starts[s];
			set_up(1, now_ms);
			put(0, due_ms);
			int wakes = 0;
			while (now_ms < due_ms) {
				assert_int_equal(LEASE_NONE, wheel_turn(&wheel, &leases, now_ms));
				uint64_t deadline_ms = wheel_deadline(&wheel);
				assert_true(deadline_ms > now_ms && deadline_ms <= due_ms);
				if (due_ms - now_ms < 64 && due_ms / 64 == now_ms / 64)
					assert_true(deadline_ms == due_ms);
				now_ms = deadline_ms;
				wakes++;
			}
			assert_true(wakes <= WHEEL_LEVELS);
			assert_int_equal(0, wheel_turn(&wheel, &leases, now_ms));
			assert_true(wheel_deadline(&wheel) <= now_ms);
			wheel_remove(&wheel, &leases, 0);
			assert_int_equal(LEASE_NONE, wheel_turn(&wheel, &leases, now_ms));
			assert_true(wheel_deadline(&wheel) == UINT64_MAX);

			/* one jump, just short and just there */
			set_up(1, starts[s]);
			put(0, due_ms);
			if (due_ms > starts[s])
				assert_int_equal(LEASE_NONE, wheel_turn(&wheel, &leases, due_ms - 1));
			assert_int_equal(0, wheel_turn(&wheel, &leases, due_ms));
			slab_clear(&leases);
		}
	}
}

static void test_never(void **state)
{
	(void)state;
	set_up(2, 5);
	put(0, UINT64_MAX);
	put(1, UINT64_MAX - 1);
	assert_int_equal(LEASE_NONE, wheel_turn(&wheel, &leases, UINT64_MAX - 2));
	assert_int_equal(1, wheel_turn(&wheel, &leases, UINT64_MAX - 1));
	put(1, UINT64_MAX);
	assert_int_equal(LEASE_NONE, wheel_turn(&wheel, &leases, UINT64_MAX));
	assert_true(wheel_deadline(&wheel) == UINT64_MAX);
	slab_clear(&leases);
}

/* Due times of every magnitude, steps of every magnitude, against the times themselves. */
static void test_model(void **state)
{
	(void)state;
	enum { N = 300 };
	for (uint64_t run = 1; run <= 40; run++) {
		random_state = run * UINT64_C(0x9e3779b97f4a7c15);
		uint64_t now_ms = random_span(50);
		unsigned bits = 6 + run % 50;
		set_up(N, now_ms);
		for (int step = 0; step < 3000; step++) {
			uint32_t i = (uint32_t)(random_64() % N);
			uint64_t kind = random_64() % 16;
			if (kind == 0)
				put(i, UINT64_MAX);
			else if (kind == 1)
				put(i, now_ms - random_64() % (now_ms + 1)); /* overdue */
			else if (kind < 14)
				put(i, now_ms + random_span(bits));
			else
				now_ms += random_span(bits);
			if (now_ms > UINT64_C(1) << 62)
				break;
			uint64_t earliest_ms = UINT64_MAX;
			for (uint32_t k = 0; k < N; k++)
				if (at(k)->expires_ms < earliest_ms)
					earliest_ms = at(k)->expires_ms;
			assert_true(wheel_deadline(&wheel) <= earliest_ms);
			uint32_t due = wheel_turn(&wheel, &leases, now_ms);
			if (due == LEASE_NONE && wheel_deadline(&wheel) <= now_ms)
				due = wheel_turn(&wheel, &leases, now_ms);
			assert_int_equal(earliest_ms <= now_ms, due != LEASE_NONE);
			if (due == LEASE_NONE) {
				assert_true(wheel_deadline(&wheel) <= earliest_ms);
				assert_true(wheel_deadline(&wheel) > now_ms);
				continue;
			}
			assert_true(at(due)->expires_ms <= now_ms);
			/* some stay due for a while */
			if (random_64() % 4)
				put(due, now_ms + 1 + random_span(bits));
		}
		slab_clear(&leases);
	}
}

/* Very many that come due together in hours: each turn moves a bounded number of them, none is lost, early or forgotten,
 * and the deadline says that there is more to do. */
static void test_bounded(void **state)
{
	(void)state;
	const uint32_t n = 100000;
	const uint64_t due_ms = 7200000;
	set_up(n, 1000);
	for (uint32_t i = 0; i < n; i++)
		put(i, due_ms + i % 1000);
	uint64_t now_ms = wheel_deadline(&wheel);
	assert_true(now_ms > 1000 && now_ms < due_ms);
	uint32_t turns = 0;
	do {
		assert_int_equal(LEASE_NONE, wheel_turn(&wheel, &leases, now_ms));
		turns++;
	} while (wheel_deadline(&wheel) <= now_ms);
	assert_true(turns >= n / WHEEL_MOVES && turns <= n / WHEEL_MOVES + 2);

	/* in the midst of a slot being emptied: some go, some get another time */
	set_up(n, 1000);
	for (uint32_t i = 0; i < n; i++)
		put(i, due_ms + i % 1000);
	assert_int_equal(LEASE_NONE, wheel_turn(&wheel, &leases, due_ms - 1));
	for (uint32_t i = 0; i < n; i += 3)
		wheel_remove(&wheel, &leases, i);
	for (uint32_t i = 1; i < n; i += 3)
		put(i, due_ms + 2000);
	uint32_t found = 0, i;
	for (now_ms = due_ms - 1; now_ms < due_ms + 1008; now_ms += 9) {
		for (int idle = 0; idle < 60; idle++) {
			while ((i = wheel_turn(&wheel, &leases, now_ms)) != LEASE_NONE) {
				assert_int_equal(2, i % 3);
				assert_true(at(i)->expires_ms <= now_ms);
				wheel_remove(&wheel, &leases, i);
				found++;
			}
			if (wheel_deadline(&wheel) > now_ms)
				break;
		}
		assert_true(wheel_deadline(&wheel) > now_ms);
	}
	assert_int_equal(n / 3, found);
	while ((i = wheel_turn(&wheel, &leases, due_ms + 2000)) != LEASE_NONE || wheel_deadline(&wheel) != UINT64_MAX) {
		if (i == LEASE_NONE)
			continue;
		assert_int_equal(1, i % 3);
		wheel_remove(&wheel, &leases, i);
		found++;
	}
	assert_int_equal(2 * (n / 3), found);
	slab_clear(&leases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one),
	    cmocka_unit_test(test_never),
	    cmocka_unit_test(test_model),
	    cmocka_unit_test(test_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
