/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <endian.h>
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
	const struct {
		const char *what;
		size_t offset, size;
		uint64_t value;
	} bad[] = {
	    {"kind", offsetof(struct record_lease, kind), 1, 9},
	    {"origin", offsetof(struct record_lease, origin), 1, 9},
	    {"static", offsetof(struct record_lease, origin), 1, ENGINE_ORIGIN_STATIC},
	    {"for ever", offsetof(struct record_lease, expires_ms), 8, UINT64_MAX},
	    {"over for so long that the packet filter has ended it", offsetof(struct record_lease, expires_ms), 8,
	     1000000 - ENGINE_GRACE_MS},
	    {"beyond the last port", offsetof(struct record_lease, extra.more_ports), 2, 64536},
	    {"a set that begins elsewhere", offsetof(struct record_lease, extra.more_ports), 2, 3},
	    {"IPv6 inside", offsetof(struct record_lease, internal_address), 8, htobe64(0x20010db800000000)},
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
		const uint16_t two = (uint16_t)bad[i].value;
		const uint8_t one = (uint8_t)two;

		open_world(&w);
		memcpy((uint8_t *)&r.lease + bad[i].offset,
		       bad[i].size == 1	  ? &one
		       : bad[i].size == 2 ? (const void *)&two
					  : &bad[i].value,
		       bad[i].size);
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

static size_t walk(const struct engine *e, struct mapping *v, size_t part)
{
	struct engine_missing at = {0};
	size_t n, all = 0;

	while ((n = engine_missing(e, &at, v + all, part)) > 0) {
		assert_true(n <= part);
		all += n;
	}
	return all;
}

/* All that should be there is asked for, in parts: what is held is not, a set is one mapping or one for each port, and a
 * static mapping is, unless a lease has its place. What was found is not asked for again, and is counted. */
static void test_missing(void **state)
{
	static const char statics[] =
	    "static \"a\" { protocol = \"tcp\" external-port = 443 to = \"192.0.2.20:443\" }\n"
	    "static \"b\" { protocol = \"tcp\" external-port = 444 to = \"192.0.2.10:1000\" }\n";
	struct record one = lease(10, 1000, 2000), held = lease(11, 1000, 2001), set = lease(12, 3000, 3000),
		      split = lease(13, 3000, 4000), over = lease(14, 1, 5000);
	const struct engine_past past = {.whole = true, .same_boot = true};
	struct mapping v[16];
	char text[1024];
	struct world w;

	(void)state;
	snprintf(text, sizeof(text), "%s%s", conf, statics);
	assert_true(world_open(&w, text));
	assert_false(engine_recalls(w.engine));
	held.lease.held = true;
	set.lease.extra.more_ports = split.lease.extra.more_ports = 2;
	set.lease.extra.first_port = split.lease.extra.first_port = 3000;
	over.lease.expires_ms = w.now_ms - 1;
	restored(&w, &one);
	restored(&w, &held);
	restored(&w, &set);
	restored(&w, &split);
	restored(&w, &over);
	engine_past(w.engine, &past);
	assert_true(engine_recalls(w.engine));
	for (size_t part = 1; part < 12; part++)
		assert_int_equal(walk(w.engine, v, part), 1 + 1 + 3 + 1 + 1);
	assert_int_equal(v[1].more_ports, 2);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(v[2 + i].more_ports, 0);
		assert_int_equal(v[2 + i].external_port, 4000 + i);
	}
	assert_int_equal(v[6].internal_port, 443);
	assert_true(codec_is_unspecified(&v[6].external_address));
	assert_int_equal(engine_installed(w.engine), 0);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(engine_adopt(w.engine, &v[i], i == 5 ? 14999 : 615000, w.now_ms, w.round), 0);
	assert_int_equal(w.round->changes_n, 0);
	assert_int_equal(engine_installed(w.engine), 6);
	assert_int_equal(walk(w.engine, v + 6, 4), 1);
	/* told of again, it is the same; another one in its place is a stray */
	assert_int_equal(engine_adopt(w.engine, &v[0], 615000, w.now_ms, w.round), 0);
	assert_int_equal(w.round->changes_n, 0);
	v[0].external_port++;
	assert_int_equal(engine_adopt(w.engine, &v[0], 615000, w.now_ms, w.round), 0);
	assert_int_equal(w.round->changes_n, 1);
	/* what was over meanwhile is removed, and counts no more when that is settled */
	assert_true(engine_end_over(w.engine, w.now_ms, w.round));
	assert_int_equal(w.round->changes_n, 2);
	assert_int_equal(w.round->changes[1].op, CHANGE_REMOVE);
	assert_int_equal(w.round->changes[1].mapping.external_port, 5000);
	assert_false(engine_end_over(w.engine, w.now_ms, w.round));
	world_settle(&w);
	assert_int_equal(engine_installed(w.engine), 5);
	world_close(&w);
}

#if FAILMALLOC
/* Whichever allocation fails, it is said, and nothing is half there. */
static void test_out_of_memory(void **state)
{
	struct record r = lease(10, 1000, 2000);
	int error = -ENOMEM;
	long n;

	(void)state;
	r.lease.external_port = r.lease.internal_port;
	r.lease.extra.more_ports = 3;
	r.lease.extra.first_port = 1000;
	for (n = 1; error; n++) {
		struct world w;

		open_world(&w);
		failmalloc_in = n;
		error = engine_restore(w.engine, &r, w.now_ms);
		failmalloc_in = 0;
		assert_int_equal(lease_count(w.engine->leases), error ? 0 : 4);
		assert_true(n < 1000);
		world_close(&w);
	}
	assert_true(n > 2); /* one that failed, and all went well */
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
		cmocka_unit_test(test_missing),
#if FAILMALLOC
		cmocka_unit_test(test_out_of_memory),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
