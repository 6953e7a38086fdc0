/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An engine, a memory backend and a clock that is turned by hand: for scenarios, unit tests and fuzzing. */
#ifndef TESTS_SCENARIO_WORLD_H
#define TESTS_SCENARIO_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/backend.h"
#include "codec/codec.h"
#include "server/core/engine.h"
#include "server/core/portset.h"
#include "server/core/record.h"
#include "server/core/state.h"
#include "tests/scenario/words.h"

struct world {
	struct conf *conf, *old_conf;
	struct engine *engine;
	struct backend *backend;
	struct round *round;
	uint64_t now_ms;
	const char *interface;	 /* that requests come over */
	struct engine_flow flow; /* what connection tracking has of whatever is asked for */
	uint32_t flows_left_s;	 /* and of those that engine_asks_left() asks for */
	uint8_t *journal;	 /* the records of all rounds */
	size_t journal_length, journal_capacity;
	char why[CONF_LOCATION_MAX];
};

/* Makes room in the journal for RECORD_MAX octets. */
static inline bool world_journal_room(struct world *w)
{
	uint8_t *grown;

	if (w->journal_length + RECORD_MAX <= w->journal_capacity)
		return true;
	grown = realloc(w->journal, 2 * (w->journal_capacity + RECORD_MAX));
	if (!grown)
		return false;
	w->journal = grown;
	w->journal_capacity = 2 * (w->journal_capacity + RECORD_MAX);
	return true;
}

/* Remembers what the settled round changed. */
static inline void world_remember(struct world *w)
{
	size_t cursor = 0, n = 1;

	while (n > 0 && world_journal_room(w)) {
		n = engine_records(w->engine, w->round, &cursor, w->now_ms, w->journal + w->journal_length, RECORD_MAX);
		w->journal_length += n;
	}
}

/* Commits and settles what the round holds; the round stays to be looked at. */
static inline void world_settle(struct world *w)
{
	size_t n;
	struct change *changes = round_changes(w->round, &n);

	backend_memory_time(w->backend, w->now_ms);
	if (n)
		w->backend->ops->commit(w->backend, changes, n);
	engine_settle(w->engine, w->now_ms, w->round);
	world_remember(w);
}

/* Everything at time 1,000,000 ms; not started, and no address told. False: w->why. */
static inline bool world_open(struct world *w, const char *conf)
{
	static const uint8_t seed[ENGINE_SEED_LENGTH] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

	*w = (struct world){.now_ms = 1000000, .interface = "lan0"};
	w->conf = conf_parse(conf, strlen(conf), "conf", w->why);
	if (!w->conf)
		return false;
	w->engine = engine_new(w->conf, seed, w->now_ms);
	w->round = round_new();
	return w->engine && w->round && backend_memory_open(&w->backend) == 0;
}

static inline void world_close(struct world *w)
{
	engine_free(w->engine);
	round_free(w->round);
	if (w->backend)
		w->backend->ops->close(w->backend, true);
	conf_free(w->conf);
	conf_free(w->old_conf);
	free(w->journal);
}

/* Tells the address of the first external (NULL: none) and starts. */
static inline void world_start(struct world *w, const struct in6_addr *address)
{
	engine_wan(w->engine, 0, address, address ? 1 : 0, w->now_ms, w->round);
	engine_start(w->engine, w->now_ms, w->round);
	world_settle(w);
	round_clear(w->round);
}

/* One datagram, in the round that is being filled. */
static inline void world_put(struct world *w, const struct in6_addr *from, uint16_t port, const void *data,
			     size_t length)
{
	struct engine_datagram d = {.data = data,
				    .length = length,
				    .source = *from,
				    .destination = codec_is_v4(from) ? codec_from_v4(0xc0000201) : in6addr_loopback,
				    .source_port = port,
				    .ifindex = 1,
				    .interface = w->interface};
	struct mapping asked[ENGINE_ASKS_MAX];
	struct engine_flow_key key;

	if (engine_asks_flow(w->engine, &d, &key))
		d.flow = w->flow;
	if (engine_asks_left(w->engine, &d, w->now_ms, asked) > 0)
		d.flows_left_s = w->flows_left_s;
	engine_request(w->engine, &d, w->now_ms, w->round);
}

/* One datagram in a round of its own. Returns the reply's length, 0 = silence; *reply lives until the next round. */
static inline size_t world_ask(struct world *w, const struct in6_addr *from, uint16_t port, const void *data,
			       size_t length, const uint8_t **reply)
{
	static const uint8_t none[CODEC_MESSAGE_MAX];
	const struct round_reply *replies;
	size_t n;

	round_clear(w->round);
	world_put(w, from, port, data, length);
	world_settle(w);
	replies = round_replies(w->round, &n);
	*reply = n ? replies[0].data : none;
	return n ? replies[0].length : 0;
}

struct world_compare {
	const struct mapping *v;
	size_t n, missing;
};

static inline int world_compare_mappings(const void *a, const void *b)
{
	return memcmp(a, b, offsetof(struct mapping, filters_n));
}

static inline void world_find(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	struct world_compare *c = context;
	struct mapping key, *found;

	(void)remaining_ms;
	memset(&key, 0, sizeof(key));
	key.internal_address = m->internal_address;
	key.external_address = m->external_address;
	key.internal_port = m->internal_port;
	key.external_port = m->external_port;
	key.protocol = m->protocol;
	key.kind = m->kind;
	key.more_ports = m->more_ports;
	key.remote_port = m->remote_port;
	key.remote_address = m->remote_address;
	found = bsearch(&key, c->v, c->n, sizeof(key), world_compare_mappings);
	if (!found || !words_same_filters(found, m))
		c->missing++;
}

/* True if what is counted as leases come and go is what there is: by rule, and by IPv6 network. */
static inline bool world_shares(const struct world *w)
{
	const struct lease_table *t = w->engine->leases;
	uint32_t rules = (uint32_t)w->engine->conf->rules_n, *n = calloc(rules + 1, sizeof(*n));
	bool same = n != NULL;

	for (uint32_t i = 0; same && (i = lease_walk(t, i)) != LEASE_NONE; i++) {
		const struct lease *l = lease_peek(t, i);
		uint32_t of_network = 0;

		if (l->state == LEASE_HELD)
			continue;
		if (l->origin != ENGINE_ORIGIN_STATIC)
			n[l->rule < rules ? l->rule : rules]++;
		if (codec_is_v4(&l->internal_address))
			continue;
		for (uint32_t k = 0; (k = lease_walk(t, k)) != LEASE_NONE; k++)
			of_network += lease_peek(t, k)->state != LEASE_HELD &&
				      memcmp(&lease_peek(t, k)->internal_address, &l->internal_address, 8) == 0 &&
				      !codec_is_v4(&lease_peek(t, k)->internal_address);
		same = of_network == lease_network_active(t, &l->internal_address);
	}
	for (uint32_t i = 0; same && i < rules; i++)
		same = n[i] == lease_rule_active(t, (uint16_t)i);
	same = same && n[rules] == lease_rule_active(t, UINT16_MAX);
	free(n);
	return same;
}

/* What is counted by rule, protocol and origin is what there is. */
static inline bool world_counts(const struct world *w)
{
	const struct engine *e = w->engine;
	struct tally t = {0};
	bool same = tally_init(&t, e->conf->rules_n) && e->tally.rules == t.rules;

	for (uint32_t i = 0; same && (i = lease_walk(e->leases, i)) != LEASE_NONE; i++) {
		const struct lease *l = lease_peek(e->leases, i);
		struct tally_rule *r = l->origin == ENGINE_ORIGIN_STATIC ? tally_static(&t) : tally_of(&t, l->rule);

		if (l->state != LEASE_HELD && !portset_follows(l))
			r->mappings[tally_protocol(l->protocol)][l->origin]++;
	}
	for (size_t i = 0; same && i < t.rules + 2; i++)
		same = !memcmp(t.v[i].mappings, e->tally.v[i].mappings, sizeof(t.v[i].mappings));
	tally_clear(&t);
	return same;
}

/* The invariant: after each settled round the engine's leases are what the packet filter has. */
static inline bool world_agrees(const struct world *w)
{
	size_t n = 0, capacity = backend_memory_count(w->backend) + 1;
	struct mapping *v = calloc(capacity, sizeof(*v));
	struct world_compare c = {.v = v};
	struct engine_lease l;
	bool same = v != NULL;

	for (uint32_t cursor = 0; same && engine_lease_next(w->engine, &cursor, w->now_ms, &l);) {
		/* a set whose ports differ outside, or with filters, is a mapping for each */
		bool split =
		    l.mapping.more_ports && (l.mapping.internal_port != l.mapping.external_port || l.mapping.filters_n);
		size_t mappings = split ? l.mapping.more_ports + 1u : 1;

		same = n + mappings < capacity;
		for (size_t i = 0; same && i < mappings; i++, n++) {
			v[n].internal_address = l.mapping.internal_address;
			v[n].external_address = l.mapping.external_address;
			v[n].internal_port = (uint16_t)(l.mapping.internal_port + i);
			v[n].external_port = (uint16_t)(l.mapping.external_port + i);
			v[n].protocol = l.mapping.protocol;
			v[n].kind = l.mapping.kind;
			v[n].more_ports = split ? 0 : l.mapping.more_ports;
			v[n].remote_port = l.mapping.remote_port;
			v[n].remote_address = l.mapping.remote_address;
			v[n].filters_n = l.mapping.filters_n;
			v[n].filters = l.mapping.filters;
		}
	}
	same = same && n == backend_memory_count(w->backend);
	if (same) {
		qsort(v, n, sizeof(*v), world_compare_mappings);
		c.n = n;
		w->backend->ops->list(w->backend, world_find, &c);
		same = c.missing == 0;
	}
	free(v);
	return same && world_counts(w) && world_shares(w);
}

/* Lets time pass up to now_ms: a tick whenever the engine wants one, each in a round of its own. after (may be NULL) is
 * called with each settled round. False if the engine keeps asking for ticks without end. */
static inline bool world_pass(struct world *w, uint64_t now_ms, void (*after)(struct world *, void *), void *context)
{
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t deadline = engine_deadline(w->engine);

		if (deadline > now_ms) {
			w->now_ms = now_ms;
			return true;
		}
		if (deadline > w->now_ms)
			w->now_ms = deadline;
		round_clear(w->round);
		engine_tick(w->engine, w->now_ms, w->round);
		world_settle(w);
		if (after)
			after(w, context);
	}
	return false;
}

#endif
