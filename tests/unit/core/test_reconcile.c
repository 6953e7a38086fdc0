/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/core/state.h"
#include "tests/scenario/restart.h"
#include "tests/unit/core/failmalloc.h"

static const char conf[] = "external \"wan\" { interface = \"wan0\" }\n"
			   "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
			   "rule \"all\" { action = allow }\n";

static struct in6_addr inside(unsigned n)
{
	return codec_from_v4(0xc0000200 + n);
}

static struct record lease(unsigned host, uint16_t internal, uint16_t external)
{
	return (struct record){.type = RECORD_LEASE,
			       .lease = {.protocol = 6,
					 .kind = MAPPING_NAT,
					 .origin = ENGINE_ORIGIN_PCP,
					 .internal_port = internal,
					 .external_port = external,
					 .internal_address = inside(host),
					 .external_address = codec_from_v4(0xc6336401),
					 .expires_ms = 1600000,
					 .listen = record_name("lan"),
					 .external = record_name("wan")}};
}

static void open_world(struct world *w)
{
	assert_true(world_open(w, conf));
}

static size_t restored(const struct world *w, const struct record *r)
{
	assert_int_equal(engine_restore(w->engine, r, w->now_ms), 0);
	return lease_count(w->engine->leases);
}

/* Of what cannot be a lease nothing comes, whatever a file says. */
static void test_insane(void **state)
{
	static const struct {
		const char *what;
		size_t offset, size;
		uint64_t value;
	} bad[] = {
	    {"kind", offsetof(struct record_lease, kind), 1, 9},
	    {"origin", offsetof(struct record_lease, origin), 1, 9},
	    {"static", offsetof(struct record_lease, origin), 1, ENGINE_ORIGIN_STATIC},
	    {"for ever", offsetof(struct record_lease, expires_ms), 8, UINT64_MAX},
	    {"over", offsetof(struct record_lease, expires_ms), 8, 1000000},
	    {"beyond the last port", offsetof(struct record_lease, extra.more_ports), 2, 64536},
	    {"a set that begins elsewhere", offsetof(struct record_lease, extra.more_ports), 2, 3},
	    {"IPv6 inside", offsetof(struct record_lease, internal_address), 8, 0xb80d0120},
	    {"nobody inside", offsetof(struct record_lease, internal_address) + 8, 8, 0},
	    {"longer than can be told", offsetof(struct record_lease, expires_ms), 8,
	     1000000 + UINT32_MAX * 1000ull + 1},
	    {"about for ever", offsetof(struct record_lease, expires_ms), 8, UINT64_MAX - 1},
	    {"a protocol without ports", offsetof(struct record_lease, protocol), 1, 1},
	    {"all protocols", offsetof(struct record_lease, protocol), 1, 0},
	    {"all ports, translated", offsetof(struct record_lease, internal_port), 2, 0},
	    {"no port outside", offsetof(struct record_lease, external_port), 2, 0},
	    {"a pinhole to elsewhere", offsetof(struct record_lease, kind), 1, MAPPING_PINHOLE},
	    {"a peer of another family", offsetof(struct record_lease, extra.remote_port), 2, 80},
	};
	struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct record r = lease(10, 1000, 2000);

		open_world(&w);
		memcpy((uint8_t *)&r.lease + bad[i].offset, &bad[i].value, bad[i].size);
		if (restored(&w, &r) != 0)
			fail_msg("%s", bad[i].what);
		world_close(&w);
	}
}

/* A filter that can fit no packet of the host's is none, and one of less than IPv4's bits is not IPv4's. */
static void test_insane_filters(void **state)
{
	struct mapping_filter filters[] = {{.address = codec_from_v4(0xcb007100), .prefix_length = 120},
					   {.address = codec_from_v4(0xcb007100), .prefix_length = 120}};
	struct record r = lease(10, 1000, 2000);
	struct world w;

	(void)state;
	open_world(&w);
	r.lease.extra.filters_n = 2;
	r.lease.extra.filters = filters;
	for (unsigned length = 0; length < 96; length++) {
		filters[1].prefix_length = (uint8_t)length;
		assert_int_equal(restored(&w, &r), 0);
	}
	filters[1].prefix_length = 96;
	filters[1].address.s6_addr[0] = 0x20;
	assert_int_equal(restored(&w, &r), 0);
	filters[1].address.s6_addr[0] = 0;
	assert_int_equal(restored(&w, &r), 1);
	world_close(&w);
}

/* What the engine notes for itself is not taken over from a file: an update that is on its way is on no list here. */
static void test_insane_flags(void **state)
{
	struct record r = lease(10, 1000, 2000);
	struct world w;

	(void)state;
	open_world(&w);
	r.lease.flags = UINT8_MAX;
	assert_int_equal(restored(&w, &r), 1);
	assert_int_equal(lease_peek(w.engine->leases, lease_walk(w.engine->leases, 0))->flags & ~LEASE_GENERATION,
			 LEASE_NONCE_OPEN | LEASE_PREFER_FAILURE | LEASE_THIRD_PARTY);
	world_close(&w);
}

/* What is written later counts: by its internal side, and for the place outside. */
static void test_order(void **state)
{
	struct record a = lease(10, 1000, 2000), b = lease(10, 1000, 2001), c = lease(11, 1000, 2001), end = a,
		      held = c;
	const struct lease *l;
	struct world w;

	(void)state;
	open_world(&w);
	assert_int_equal(restored(&w, &a), 1);
	assert_int_equal(restored(&w, &b), 1);
	l = lease_peek(w.engine->leases, lease_find_internal(w.engine->leases, 6, &a.lease.internal_address, 1000));
	assert_int_equal(l->external_port, 2001);
	assert_int_equal(l->external, 0);
	assert_int_equal(l->listen, 0);
	assert_true(engine_lost(w.engine, l));
	assert_int_equal(restored(&w, &c), 1);
	assert_int_equal(lease_find_internal(w.engine->leases, 6, &a.lease.internal_address, 1000), LEASE_NONE);
	/* held: the lease is over, and nobody else's comes of it */
	held.lease.held = true;
	assert_int_equal(restored(&w, &held), 0);
	assert_int_not_equal(lease_find_external(w.engine->leases, 6, &c.lease.external_address, 2001), LEASE_NONE);
	assert_int_equal(restored(&w, &a), 1);
	end.type = RECORD_END;
	assert_int_equal(restored(&w, &end), 0);
	world_close(&w);
}

/* A port that somebody has in force is not held for another. */
static void test_held_elsewhere(void **state)
{
	struct record a = lease(10, 1000, 2000), b = lease(11, 1000, 2000);
	struct world w;

	(void)state;
	open_world(&w);
	b.lease.held = true;
	assert_int_equal(restored(&w, &a), 1);
	assert_int_equal(restored(&w, &b), 1);
	assert_int_equal(lease_clients(w.engine->leases), 1);
	world_close(&w);
}

/* What is open at an address at which others are translated would not be kept from them. */
static void test_pinhole_outside(void **state)
{
	const struct engine_past past = {.whole = true};
	struct record r = lease(10, 1000, 1000);
	struct in6_addr address = r.lease.external_address;
	struct world w;

	(void)state;
	open_world(&w);
	r.lease.kind = MAPPING_PINHOLE;
	r.lease.internal_address = address;
	r.lease.listen = 0;
	assert_int_equal(restored(&w, &r), 1);
	engine_past(w.engine, &past);
	assert_int_equal(engine_adopted(w.engine, false, w.round), 0);
	world_start(&w, &address);
	assert_true(world_pass(&w, w.now_ms + 1000, NULL, NULL));
	assert_int_equal(lease_count(w.engine->leases), 0);
	assert_int_equal(backend_memory_count(w.backend), 0);
	world_close(&w);
}

/* One lease is revoked, not what else its client has at the same place outside. */
static void test_revoke_one(void **state)
{
	struct record r = lease(10, 1000, 2000), peer = r;
	struct mapping m = {.internal_address = inside(10), .internal_port = 1000, .protocol = 6};
	struct world w;

	(void)state;
	open_world(&w);
	peer.lease.extra.remote_address = codec_from_v4(0xcb007101);
	peer.lease.extra.remote_port = 80;
	assert_int_equal(restored(&w, &r), 1);
	assert_int_equal(restored(&w, &peer), 2);
	m.remote_address = peer.lease.extra.remote_address;
	m.remote_port = 81;
	assert_int_equal(engine_revoke_mapping(w.engine, &m, w.now_ms, w.round), 0);
	m.remote_port = 80;
	assert_int_equal(engine_revoke_mapping(w.engine, &m, w.now_ms, w.round), 1);
	assert_int_equal(engine_revoke_mapping(w.engine, &m, w.now_ms, w.round), 0);
	world_settle(&w);
	round_clear(w.round);
	assert_int_equal(
	    lease_peek(w.engine->leases, lease_find_internal(w.engine->leases, 6, &m.internal_address, 1000))->state,
	    LEASE_ACTIVE);
	m.remote_port = 0;
	assert_int_equal(engine_revoke_mapping(w.engine, &m, w.now_ms, w.round), 1);
	world_settle(&w);
	world_close(&w);
}

#if FAILMALLOC
/* Whichever allocation fails, it is said, and nothing is half there. */
static void test_out_of_memory(void **state)
{
	struct record r = lease(10, 1000, 2000);
	int error = -ENOMEM;

	(void)state;
	r.lease.external_port = r.lease.internal_port;
	r.lease.extra.more_ports = 3;
	r.lease.extra.first_port = 1000;
	for (long n = 1; error; n++) {
		struct world w;

		open_world(&w);
		failmalloc_in = n;
		error = engine_restore(w.engine, &r, w.now_ms);
		failmalloc_in = 0;
		assert_int_equal(lease_count(w.engine->leases), error ? 0 : 4);
		assert_true(n < 1000);
		world_close(&w);
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_insane),
		cmocka_unit_test(test_insane_filters),
		cmocka_unit_test(test_insane_flags),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_held_elsewhere),
		cmocka_unit_test(test_pinhole_outside),
		cmocka_unit_test(test_revoke_one),
#if FAILMALLOC
		cmocka_unit_test(test_out_of_memory),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
