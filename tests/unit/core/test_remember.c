/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is written of a round and of all leases, record by record. That it is enough is restart.h's invariant. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/core/mapper.h"
#include "server/core/record.h"
#include "tests/scenario/world.h"

static const char conf[] = "external \"wan\" { interface = \"wan0\" }\n"
			   "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
			   "rule \"all\" { action = allow }\n"
			   "static \"web\" { protocol = \"tcp\" external-port = 443 to = \"192.0.2.12:443\" }\n";

enum { NATPMP_UDP = 1, WRITTEN_MAX = 512 };

static struct world w;
static struct record written[WRITTEN_MAX];
static size_t written_n;

static struct in6_addr host(unsigned n)
{
	return codec_from_v4(0xc0000200 + n);
}

static int setup(void **state)
{
	struct in6_addr address = codec_from_v4(0xc6336401);

	(void)state;
	if (!world_open(&w, conf))
		return -1;
	world_start(&w, &address);
	w.journal_length = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

/* The extras of what is read are not kept. */
static void read_all(const uint8_t *data, size_t length)
{
	static struct record_storage storage;
	const char *why;
	size_t n;

	written_n = 0;
	for (size_t at = 0; at < length; at += n) {
		assert_true(written_n < WRITTEN_MAX);
		n = record_get(data + at, length - at, &storage, &written[written_n++], &why);
		assert_int_not_equal(n, 0);
	}
}

/* Settles what the round holds; what is to be remembered of it is in written. */
static void settle(void)
{
	w.journal_length = 0;
	world_settle(&w);
	read_all(w.journal, w.journal_length);
}

static void put(unsigned from, uint16_t port, uint16_t external, uint32_t lifetime_s)
{
	struct in6_addr a = host(from);
	/* the round borrows it until it is cleared */
	static uint8_t requests[ROUND_REQUESTS_MAX][12];
	static unsigned n;
	uint8_t *q = requests[n++ % ROUND_REQUESTS_MAX];

	memcpy(q,
	       (uint8_t[12]){0, NATPMP_UDP, 0, 0, (uint8_t)(port >> 8), (uint8_t)port, (uint8_t)(external >> 8),
			     (uint8_t)external, (uint8_t)(lifetime_s >> 24), (uint8_t)(lifetime_s >> 16),
			     (uint8_t)(lifetime_s >> 8), (uint8_t)lifetime_s},
	       12);
	world_put(&w, &a, 5000, q, 12);
}

static void ask(unsigned from, uint16_t port, uint16_t external, uint32_t lifetime_s)
{
	round_clear(w.round);
	put(from, port, external, lifetime_s);
	settle();
}

static uint32_t find(unsigned n, uint16_t port)
{
	struct in6_addr a = host(n);

	return lease_find_internal(w.engine->leases, IPPROTO_UDP, &a, port);
}

/* A set of n ports, from PCP. */
static uint32_t make_set(uint16_t internal, uint16_t external, uint16_t n)
{
	struct lease init = {.internal_address = host(10),
			     .external_address = codec_from_v4(0xc6336401),
			     .expires_ms = w.now_ms + 600000,
			     .internal_port = internal,
			     .external_port = external,
			     .protocol = IPPROTO_UDP,
			     .kind = MAPPING_NAT,
			     .origin = ENGINE_ORIGIN_PCP,
			     .rule = UINT16_MAX,
			     .listen = 0};
	struct extra_parts parts = {.more_ports = (uint16_t)(n - 1), .first_port = internal};
	uint32_t i;

	round_clear(w.round);
	assert_true(extra_new(&parts, &init.extra));
	i = mapper_make_own(w.engine, &init, false, w.round);
	extra_drop(init.extra);
	assert_int_not_equal(i, LEASE_NONE);
	settle();
	return i;
}

static void is(size_t i, enum record_type type, uint16_t internal, uint16_t external, bool held)
{
	assert_true(i < written_n);
	assert_int_equal(written[i].type, type);
	assert_int_equal(written[i].written_ms, w.now_ms);
	assert_int_equal(written[i].lease.internal_port, internal);
	assert_int_equal(written[i].lease.external_port, external);
	assert_int_equal(written[i].lease.held, held);
}

/* Made, renewed, told the same at the same time, and ended: then the port is held. */
static void test_life(void **state)
{
	(void)state;
	ask(10, 4000, 40000, 3600);
	assert_int_equal(written_n, 1);
	is(0, RECORD_LEASE, 4000, 40000, false);
	assert_int_equal(written[0].lease.expires_ms, w.now_ms + 3600000);
	assert_int_equal(written[0].lease.origin, ENGINE_ORIGIN_NATPMP);
	assert_int_equal(written[0].lease.listen, record_name("lan"));
	assert_int_equal(written[0].lease.external, record_name("wan"));
	assert_int_equal(written[0].lease.reply_port, 5000);
	/* nothing is another */
	ask(10, 4000, 40000, 3600);
	assert_int_equal(written_n, 0);
	w.now_ms += 1000;
	ask(10, 4000, 40000, 3600);
	assert_int_equal(written_n, 1);
	is(0, RECORD_LEASE, 4000, 40000, false);
	ask(10, 4000, 0, 0);
	assert_int_equal(written_n, 1);
	is(0, RECORD_LEASE, 4000, 40000, true);
	assert_int_equal(written[0].lease.expires_ms, w.now_ms + 120000);
}

/* In one round: what is there at its end counts, whatever is written before. */
static void test_ended_where_it_was_made(void **state)
{
	(void)state;
	round_clear(w.round);
	put(10, 4000, 40000, 3600);
	put(11, 4001, 40001, 3600);
	put(10, 4000, 0, 0);
	settle();
	assert_true(written_n >= 2);
	for (size_t i = 0; i < written_n; i++)
		is(i, RECORD_LEASE, written[i].lease.internal_port == 4001 ? 4001 : 4000,
		   written[i].lease.internal_port == 4001 ? 40001 : 40000, written[i].lease.internal_port == 4000);
	/* and back to life */
	round_clear(w.round);
	put(11, 4001, 0, 0);
	put(11, 4001, 40001, 3600);
	settle();
	assert_true(written_n >= 1);
	for (size_t i = 0; i < written_n; i++)
		is(i, RECORD_LEASE, 4001, 40001, false);
}

/* What the packet filter refused has not been, but what the engine itself ends is over. */
static void test_refused(void **state)
{
	(void)state;
	backend_memory_refuse(w.backend, 1, -ENOSPC);
	ask(10, 4000, 40000, 3600);
	assert_int_equal(written_n, 0);
	ask(10, 4000, 40000, 3600);
	assert_int_equal(written_n, 1);
	/* the client is told that it is not deleted */
	backend_memory_refuse(w.backend, 1, -EBUSY);
	ask(10, 4000, 0, 0);
	assert_int_equal(written_n, 0);
	backend_memory_refuse(w.backend, 1, -EBUSY);
	w.now_ms += 10;
	ask(10, 4000, 40000, 7200);
	assert_int_equal(written_n, 0);
	/* nobody asked */
	backend_memory_refuse(w.backend, 1, -EBUSY);
	round_clear(w.round);
	assert_true(mapper_end_own(w.engine, find(10, 4000), ROUND_EXPIRED, w.round));
	settle();
	assert_int_equal(written_n, 1);
	is(0, RECORD_END, 4000, 40000, false);
	assert_int_equal(lease_peek(w.engine->leases, find(10, 4000))->state, LEASE_REMOVING);
}

/* What is made of several mappings in the packet filter is one lease, and its ports are held together. */
static void test_sets(void **state)
{
	static const uint16_t external[] = {6000, 5000};
	uint32_t head;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		head = make_set(5000, external[i], 8);
		assert_int_equal(written_n, 1);
		is(0, RECORD_LEASE, 5000, external[i], false);
		assert_int_equal(written[0].lease.extra.more_ports, 7);
		round_clear(w.round);
		assert_true(mapper_end_own(w.engine, head, ROUND_EXPIRED, w.round));
		settle();
		assert_int_equal(written_n, 1);
		is(0, RECORD_LEASE, 5000, external[i], true);
		assert_int_equal(written[0].lease.extra.more_ports, 7);
	}
}

/* Little room: as many as fit, then those that are left. */
static void test_room(void **state)
{
	static uint8_t all[128 * RECORD_MAX], some[2 * RECORD_MAX];
	size_t cursor = 0, n = 0, got, whole;
	uint32_t at = 0;

	(void)state;
	round_clear(w.round);
	for (uint16_t i = 0; i < ROUND_REQUESTS_MAX; i++)
		put(20 + i, 4000, (uint16_t)(40000 + i), 3600);
	world_settle(&w);
	whole = engine_records(w.engine, w.round, &cursor, w.now_ms, all, sizeof(all));
	assert_int_equal(whole, ROUND_REQUESTS_MAX * RECORD_SIZE);
	assert_int_equal(engine_records(w.engine, w.round, &cursor, w.now_ms, all, sizeof(all)), 0);
	cursor = 0;
	assert_int_equal(engine_records(w.engine, w.round, &cursor, w.now_ms, some, RECORD_MAX - 1), 0);
	assert_int_equal(cursor, 0);
	while ((got = engine_records(w.engine, w.round, &cursor, w.now_ms, some, sizeof(some))) > 0) {
		assert_true(got <= sizeof(some));
		assert_memory_equal(some, all + n, got);
		n += got;
	}
	assert_int_equal(n, whole);
	/* all leases, with one that is held */
	ask(20, 4000, 0, 0);
	whole = engine_snapshot(w.engine, &at, w.now_ms, all, sizeof(all));
	assert_int_equal(engine_snapshot(w.engine, &at, w.now_ms, all, sizeof(all)), 0);
	assert_int_equal(whole, ROUND_REQUESTS_MAX * RECORD_SIZE);
	at = 0;
	for (n = 0; (got = engine_snapshot(w.engine, &at, w.now_ms, some, sizeof(some))) > 0; n += got)
		assert_memory_equal(some, all + n, got);
	assert_int_equal(n, whole);
}

/* Not the static ones, what is being removed, nor the ports of a set one by one. */
static void test_snapshot(void **state)
{
	static uint8_t all[64 * RECORD_MAX];
	uint32_t at = 0;

	(void)state;
	make_set(5000, 6000, 8);
	ask(11, 4000, 40000, 3600);
	ask(11, 4001, 40001, 3600);
	backend_memory_refuse(w.backend, 1, -EBUSY);
	round_clear(w.round);
	assert_true(mapper_end_own(w.engine, find(11, 4000), ROUND_REVOKED, w.round));
	settle();
	read_all(all, engine_snapshot(w.engine, &at, w.now_ms, all, sizeof(all)));
	assert_int_equal(written_n, 2);
	is(0, RECORD_LEASE, 5000, 6000, false);
	assert_int_equal(written[0].lease.extra.more_ports, 7);
	is(1, RECORD_LEASE, 4001, 40001, false);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_life),	TEST(test_ended_where_it_was_made),
	    TEST(test_refused), TEST(test_sets),
	    TEST(test_room),	TEST(test_snapshot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
