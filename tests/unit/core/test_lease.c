/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/core/engine.h"
#include "tests/unit/core/failmalloc.h"

static const uint8_t seed[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((random_state >> 32) * n >> 32);
}

static struct lease sample(uint32_t in, uint16_t in_port, uint32_t out, uint16_t out_port, uint8_t protocol,
			   uint64_t due_ms)
{
	return (struct lease){.internal_address = codec_from_v4(0xc6120000 + in),
			      .external_address = codec_from_v4(0xc6336400 + out),
			      .internal_port = in_port,
			      .external_port = out_port,
			      .protocol = protocol,
			      .expires_ms = due_ms};
}

static void test_life(void **state)
{
	(void)state;
	struct lease_table *t = lease_table_new(seed, 1000);
	struct lease init = sample(1, 80, 1, 8080, 6, 5000);
	uint32_t i = lease_new(t, &init);
	assert_int_equal(i, lease_find_internal(t, 6, &init.internal_address, 80));
	assert_int_equal(i, lease_find_external(t, 6, &init.external_address, 8080));
	assert_int_equal(LEASE_NONE, lease_find_internal(t, 17, &init.internal_address, 80));
	assert_int_equal(LEASE_NONE, lease_find_external(t, 17, &init.external_address, 8080));
	assert_int_equal(LEASE_NONE, lease_find_internal(t, 6, &init.external_address, 80));
	assert_int_equal(LEASE_ACTIVE, lease_peek(t, i)->state);
	assert_int_equal(1, lease_client(t, &init.internal_address)->active);

	lease_state(t, i, LEASE_REMOVING);
	assert_int_equal(i, lease_find_internal(t, 6, &init.internal_address, 80));
	assert_int_equal(1, lease_count(t));

	lease_state(t, i, LEASE_HELD);
	assert_int_equal(LEASE_NONE, lease_find_internal(t, 6, &init.internal_address, 80));
	assert_int_equal(i, lease_find_external(t, 6, &init.external_address, 8080));
	assert_int_equal(0, lease_count(t));
	assert_int_equal(0, lease_client(t, &init.internal_address)->active);
	assert_int_equal(1, lease_client(t, &init.internal_address)->held);
	assert_true(lease_deadline(t) == UINT64_MAX);

	lease_state(t, i, LEASE_ACTIVE);
	assert_int_equal(i, lease_find_internal(t, 6, &init.internal_address, 80));
	assert_int_equal(0, lease_client(t, &init.internal_address)->held);

	struct in6_addr other = codec_from_v4(0xc6336409);
	lease_move(t, i, &other, 9);
	assert_int_equal(LEASE_NONE, lease_find_external(t, 6, &init.external_address, 8080));
	assert_int_equal(i, lease_find_external(t, 6, &other, 9));

	lease_free(t, i);
	assert_null(lease_client(t, &init.internal_address));
	assert_int_equal(0, lease_clients(t));
	assert_int_equal(LEASE_NONE, lease_walk(t, 0));
	lease_table_free(t);
	lease_table_free(NULL);
}

/* decision-26: leases in force count for the rule that allowed them, and for their IPv6 network; static ones for no rule */
static void test_shares(void **state)
{
	(void)state;
	struct lease_table *t = lease_table_new(seed, 1000);
	struct lease init = sample(1, 80, 1, 8080, 6, 5000), fixed = sample(1, 81, 1, 8081, 6, UINT64_MAX);
	struct in6_addr host = init.internal_address, neighbour;
	init.rule = 3;
	fixed.rule = 3;
	fixed.origin = ENGINE_ORIGIN_STATIC;
	uint32_t i = lease_new(t, &init), k = lease_new(t, &fixed);
	assert_int_equal(1, lease_rule_active(t, 3));
	lease_judged(t, i, 0, 7);
	lease_judged(t, k, ENGINE_ORIGIN_STATIC, 7);
	assert_int_equal(0, lease_rule_active(t, 3));
	assert_int_equal(1, lease_rule_active(t, 7));
	lease_state(t, i, LEASE_REMOVING);
	assert_int_equal(1, lease_rule_active(t, 7));
	lease_state(t, i, LEASE_HELD);
	assert_int_equal(0, lease_rule_active(t, 7));
	lease_judged(t, i, 0, UINT16_MAX);
	assert_int_equal(0, lease_rule_active(t, UINT16_MAX));
	lease_state(t, i, LEASE_ACTIVE);
	assert_int_equal(1, lease_rule_active(t, UINT16_MAX));
	lease_free(t, i);
	assert_int_equal(0, lease_rule_active(t, UINT16_MAX));
	assert_int_equal(0, lease_network_active(t, &host));

	assert_true(codec_address_parse("2001:db8:1::1", 13, &init.internal_address));
	assert_true(codec_address_parse("2001:db8:1::2", 13, &neighbour));
	init.external_address = init.internal_address;
	i = lease_new(t, &init);
	assert_int_equal(1, lease_network_active(t, &neighbour));
	lease_state(t, i, LEASE_HELD);
	assert_int_equal(0, lease_network_active(t, &neighbour));
	lease_free(t, i);
	lease_table_free(t);
}

/* Filters count while the lease is in force, and are those of its latest terms. */
static void test_filters(void **state)
{
	(void)state;
	struct mapping_filter v[3] = {{.port = 1}, {.port = 2}, {.port = 3}};
	struct lease_table *t = lease_table_new(seed, 1000);
	struct lease init = sample(1, 80, 1, 8080, 6, 5000), other = sample(1, 81, 1, 8081, 6, 5000);
	struct extra *three, *one;
	assert_true(extra_new(&(struct extra_parts){.filters = v, .filters_n = 3}, &three));
	assert_true(extra_new(&(struct extra_parts){.filters = v, .filters_n = 1}, &one));
	init.extra = other.extra = three;
	uint32_t i = lease_new(t, &init), k = lease_new(t, &other);
	assert_int_equal(6, lease_filters(t));
	lease_extra(t, i, one);
	assert_int_equal(4, lease_filters(t));
	lease_state(t, i, LEASE_REMOVING);
	assert_int_equal(4, lease_filters(t));
	lease_state(t, i, LEASE_HELD);
	assert_int_equal(3, lease_filters(t));
	lease_extra(t, i, one);
	assert_int_equal(3, lease_filters(t));
	lease_state(t, i, LEASE_ACTIVE);
	assert_int_equal(4, lease_filters(t));
	lease_free(t, k);
	assert_int_equal(1, lease_filters(t));
	lease_extra(t, i, NULL);
	assert_int_equal(0, lease_filters(t));
	lease_table_free(t);
	extra_drop(three);
	extra_drop(one);
}

/* Against a table that is searched from end to end. */
enum { MODEL_LEASES = 700, MODEL_CLIENTS = 12, MODEL_PORTS = 24, MODEL_OUTSIDE = 3, MODEL_PROTOCOLS = 3 };

struct model {
	struct lease v[MODEL_LEASES];
	uint64_t now_ms;
};

static struct lease random_lease(const struct model *m)
{
	uint64_t due_ms = UINT64_MAX;
	if (random_below(8))
		due_ms = m->now_ms + random_below(UINT32_C(1) << (1 + random_below(25)));
	return sample(random_below(MODEL_CLIENTS), (uint16_t)random_below(MODEL_PORTS), random_below(MODEL_OUTSIDE),
		      (uint16_t)random_below(MODEL_PORTS), (uint8_t)(6 + random_below(MODEL_PROTOCOLS)), due_ms);
}

static bool same(const struct in6_addr *a, const struct in6_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static uint32_t model_internal(const struct model *m, const struct lease *l)
{
	for (uint32_t i = 0; i < MODEL_LEASES; i++)
		if ((m->v[i].state == LEASE_ACTIVE || m->v[i].state == LEASE_REMOVING) &&
		    m->v[i].protocol == l->protocol && m->v[i].internal_port == l->internal_port &&
		    same(&m->v[i].internal_address, &l->internal_address))
			return i;
	return LEASE_NONE;
}

static uint32_t model_external(const struct model *m, const struct lease *l)
{
	for (uint32_t i = 0; i < MODEL_LEASES; i++)
		if (m->v[i].state != LEASE_FREE && m->v[i].protocol == l->protocol &&
		    m->v[i].external_port == l->external_port && same(&m->v[i].external_address, &l->external_address))
			return i;
	return LEASE_NONE;
}

static void compare_client(const struct model *m, const struct lease_table *t, const struct in6_addr *address)
{
	uint32_t active = 0, held = 0, listed = 0;
	for (uint32_t i = 0; i < MODEL_LEASES; i++) {
		if (m->v[i].state == LEASE_FREE || !same(&m->v[i].internal_address, address))
			continue;
		if (m->v[i].state == LEASE_HELD)
			held++;
		else
			active++;
	}
	const struct lease_client *c = lease_client(t, address);
	if (!c) {
		assert_int_equal(0, active + held);
		return;
	}
	assert_true(active + held > 0);
	assert_int_equal(active, c->active);
	assert_int_equal(held, c->held);
	for (uint32_t i = c->first; i != LEASE_NONE; i = lease_peek(t, i)->client_next) {
		assert_int_not_equal(LEASE_FREE, m->v[i].state);
		assert_true(same(address, &m->v[i].internal_address));
		listed++;
	}
	assert_int_equal(active + held, listed);
}

static void compare(const struct model *m, const struct lease_table *t)
{
	struct lease probe = random_lease(m);
	assert_int_equal(model_internal(m, &probe),
			 lease_find_internal(t, probe.protocol, &probe.internal_address, probe.internal_port));
	assert_int_equal(model_external(m, &probe),
			 lease_find_external(t, probe.protocol, &probe.external_address, probe.external_port));
	size_t expected = 0, found = 0;
	for (uint32_t i = 0; i < MODEL_LEASES; i++)
		expected += m->v[i].state != LEASE_FREE && m->v[i].external_port == probe.external_port &&
			    same(&m->v[i].external_address, &probe.external_address);
	struct lease_port port = {.address = &probe.external_address, .port = probe.external_port};
	while (lease_next_external(t, &port) != LEASE_NONE)
		found++;
	assert_int_equal(expected, found);
	compare_client(m, t, &probe.internal_address);
}

static void compare_all(const struct model *m, const struct lease_table *t)
{
	size_t active = 0;
	uint32_t next = lease_walk(t, 0);
	for (uint32_t i = 0; i < MODEL_LEASES; i++) {
		active += m->v[i].state == LEASE_ACTIVE || m->v[i].state == LEASE_REMOVING;
		if (m->v[i].state == LEASE_FREE)
			continue;
		assert_int_equal(i, next);
		const struct lease *l = lease_peek(t, i);
		assert_int_equal(m->v[i].state, l->state);
		assert_true(m->v[i].expires_ms == l->expires_ms);
		next = lease_walk(t, i + 1);
	}
	assert_int_equal(LEASE_NONE, next);
	assert_int_equal(active, lease_count(t));
}

static void model_new(struct model *m, struct lease_table *t)
{
	struct lease l = random_lease(m);
	if (model_internal(m, &l) != LEASE_NONE || model_external(m, &l) != LEASE_NONE)
		return;
	uint32_t i = lease_new(t, &l);
	assert_true(i < MODEL_LEASES);
	assert_int_equal(LEASE_FREE, m->v[i].state);
	m->v[i] = l;
	m->v[i].state = LEASE_ACTIVE;
}

static void model_state(struct model *m, struct lease_table *t, uint32_t i)
{
	enum lease_state to = LEASE_ACTIVE + random_below(3);
	if (m->v[i].state == LEASE_HELD) {
		if (to == LEASE_REMOVING || model_internal(m, &m->v[i]) != LEASE_NONE)
			return;
	} else if (to == LEASE_HELD) {
		m->v[i].expires_ms = UINT64_MAX;
	}
	lease_state(t, i, to);
	m->v[i].state = (uint8_t)to;
}

static void model_pass_time(struct model *m, struct lease_table *t)
{
	m->now_ms += random_below(UINT32_C(1) << (1 + random_below(20)));
	uint64_t earliest = UINT64_MAX;
	for (uint32_t i = 0; i < MODEL_LEASES; i++)
		if (m->v[i].state != LEASE_FREE && m->v[i].expires_ms < earliest)
			earliest = m->v[i].expires_ms;
	assert_true(lease_deadline(t) <= earliest);
	uint32_t i;
	while ((i = lease_next_due(t, m->now_ms)) != LEASE_NONE) {
		assert_int_not_equal(LEASE_FREE, m->v[i].state);
		assert_true(m->v[i].expires_ms <= m->now_ms);
		assert_int_equal(i, lease_next_due(t, m->now_ms));
		if (random_below(2)) {
			lease_free(t, i);
			m->v[i].state = LEASE_FREE;
		} else {
			m->v[i].expires_ms = m->now_ms + 1 + random_below(5000);
			lease_due(t, i, m->v[i].expires_ms);
		}
	}
	earliest = UINT64_MAX;
	for (i = 0; i < MODEL_LEASES; i++)
		if (m->v[i].state != LEASE_FREE && m->v[i].expires_ms < earliest)
			earliest = m->v[i].expires_ms;
	assert_true(earliest > m->now_ms);
	assert_true(lease_deadline(t) <= earliest);
	assert_true(lease_deadline(t) > m->now_ms);
}

static void test_model(void **state)
{
	(void)state;
	for (uint64_t run = 1; run <= 4; run++) {
		random_state = run;
		static struct model m;
		m = (struct model){.now_ms = run * 1000003};
		struct lease_table *t = lease_table_new(seed, m.now_ms);
		for (int step = 0; step < 20000; step++) {
			uint32_t i = random_below(MODEL_LEASES);
			uint32_t what = random_below(16);
			/* waves of growth and shrinkage */
			if (what < (step / 2000 % 2 ? 4u : 9u)) {
				model_new(&m, t);
			} else if (what == 15) {
				model_pass_time(&m, t);
			} else if (m.v[i].state == LEASE_FREE) {
				continue;
			} else if (what < 12) {
				lease_free(t, i);
				m.v[i].state = LEASE_FREE;
			} else if (what == 12) {
				m.v[i].expires_ms = random_lease(&m).expires_ms;
				lease_due(t, i, m.v[i].expires_ms);
			} else if (what == 13) {
				struct lease to = random_lease(&m);
				to.protocol = m.v[i].protocol;
				if (model_external(&m, &to) == LEASE_NONE) {
					lease_move(t, i, &to.external_address, to.external_port);
					m.v[i].external_address = to.external_address;
					m.v[i].external_port = to.external_port;
				}
			} else {
				model_state(&m, t, i);
			}
			compare(&m, t);
			if (step % 64 == 0)
				compare_all(&m, t);
		}
		lease_table_free(t);
	}
}

/* Many leases of many clients: all found while the tables grow and after they emptied, and not above 200 octets each. */
static void test_million(void **state)
{
	(void)state;
	const uint32_t n = 1000000, clients = n / 2;
#if FAILMALLOC
	size_t before = failmalloc_held;
#endif
	struct lease_table *t = lease_table_new(seed, 0);
	struct lease l;
	for (uint32_t i = 0; i < n; i++) {
		l = sample(i % clients, (uint16_t)(i / clients), i >> 16, (uint16_t)i, 17, 1000 + i % 7200000);
		assert_int_equal(i, lease_new(t, &l));
	}
#if FAILMALLOC
	size_t each = (failmalloc_held - before) / n;
	print_message("%zu octets per lease\n", each);
	assert_true(each <= 200);
	size_t calls = failmalloc_calls;
#endif
	assert_int_equal(clients, lease_clients(t));
	for (uint32_t i = 0; i < n; i++) {
		l = sample(i % clients, (uint16_t)(i / clients), i >> 16, (uint16_t)i, 17, 0);
		assert_int_equal(i, lease_find_internal(t, 17, &l.internal_address, l.internal_port));
		assert_int_equal(i, lease_find_external(t, 17, &l.external_address, l.external_port));
	}
	for (uint32_t i = 0; i < n; i += 2)
		lease_free(t, i);
	assert_int_equal(n / 2, lease_count(t));
	for (uint32_t i = 0; i < n; i += 2) {
		l = sample(i % clients, (uint16_t)(i / clients), i >> 16, (uint16_t)i, 17, 0);
		assert_int_equal(LEASE_NONE, lease_find_internal(t, 17, &l.internal_address, l.internal_port));
		assert_int_not_equal(LEASE_NONE, lease_new(t, &l));
	}
#if FAILMALLOC
	/* what was given back is used again */
	assert_int_equal(calls, failmalloc_calls);
#endif
	lease_table_free(t);
#if FAILMALLOC
	assert_int_equal(before, failmalloc_held);
#endif
}

#if FAILMALLOC
static void test_no_memory(void **state)
{
	(void)state;
	const uint32_t n = 5000;
	for (long nth = 1;; nth++) {
		failmalloc_in = nth;
		struct lease_table *t = lease_table_new(seed, 0);
		if (!t)
			continue;
		uint32_t refused = 0;
		for (uint32_t i = 0; i < n; i++) {
			struct lease l = sample(i / 2, (uint16_t)i, i >> 16, (uint16_t)i, 6, i);
			size_t count = lease_count(t), clients = lease_clients(t);
			if (lease_new(t, &l) == LEASE_NONE) {
				refused++;
				assert_int_equal(count, lease_count(t));
				assert_int_equal(clients, lease_clients(t));
				assert_int_equal(LEASE_NONE,
						 lease_find_external(t, 6, &l.external_address, (uint16_t)i));
				assert_int_not_equal(LEASE_NONE, lease_new(t, &l));
			}
		}
		bool done = failmalloc_in > 0;
		failmalloc_in = 0;
		assert_true(refused <= 1);
		assert_int_equal(n, lease_count(t));
		for (uint32_t i = 0; i < n; i++) {
			struct lease l = sample(i / 2, (uint16_t)i, i >> 16, (uint16_t)i, 6, 0);
			assert_int_not_equal(LEASE_NONE, lease_find_internal(t, 6, &l.internal_address, (uint16_t)i));
		}
		lease_table_free(t);
		if (done) {
			assert_true(nth > 1); /* one that failed */
			break;
		}
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_million),
#if FAILMALLOC
		cmocka_unit_test(test_no_memory),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
