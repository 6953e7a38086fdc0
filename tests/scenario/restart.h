/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end of an engine and the start of the next one, with what was remembered
 * in between. */
#ifndef TESTS_SCENARIO_RESTART_H
#define TESTS_SCENARIO_RESTART_H

#include "server/core/lease.h"
#include "server/core/record.h"
#include "tests/scenario/world.h"

/* Gives an engine all records of a journal. */
static inline bool restart_replay(struct engine *e, const uint8_t *journal, size_t length, uint64_t now_ms)
{
	static struct record_storage storage;
	struct record r;
	const char *why;
	size_t n;

	for (size_t at = 0; at < length; at += n) {
		n = record_get(journal + at, length - at, &storage, &r, &why);
		if (n == 0 || engine_restore(e, &r, now_ms) != 0)
			return false;
	}
	return true;
}

/* Another engine in place of the first: it has the journal's leases and knows
 * the past, but not yet what the packet filter has. */
static inline bool restart_engine(struct world *w, const struct engine_past *past)
{
	static const uint8_t seed[ENGINE_SEED_LENGTH] = {16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1};

	round_clear(w->round);
	engine_free(w->engine);
	w->engine = engine_new(w->conf, seed, w->now_ms);
	if (!w->engine || !restart_replay(w->engine, w->journal, w->journal_length, w->now_ms))
		return false;
	engine_past(w->engine, past);
	return true;
}

struct restart_list {
	struct world *w;
	bool any, failed;
};

static inline void restart_adopt(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	struct restart_list *l = context;

	l->any = true;
	l->failed = l->failed || engine_adopt(l->w->engine, m, remaining_ms, l->w->now_ms, l->w->round) != 0;
}

/* Puts into the round what comes of the packet filter's mappings: first of those that should be there, asked for one by
 * one, in such parts, 0 = not at all; then, unless settling makes that all of them, of what a list tells. */
static inline bool restart_take(struct world *w, size_t part, bool (*settle)(void *context), void *context)
{
	struct restart_list l = {.w = w};
	struct engine_missing at = {0};
	struct mapping v[8];
	size_t n, count;

	part = engine_recalls(w->engine) ? part : 0;
	backend_memory_time(w->backend, w->now_ms);
	while (part && (n = engine_missing(w->engine, &at, v, part)) > 0)
		w->backend->ops->ask(w->backend, v, n, restart_adopt, &l);
	if (part)
		w->backend->ops->list_filtered(w->backend, restart_adopt, &l);
	while (part && engine_end_over(w->engine, w->now_ms, w->round))
		;
	if (part && !settle(context))
		return false;
	w->backend->ops->count(w->backend, &count);
	if (!part || count != engine_installed(w->engine))
		w->backend->ops->list(w->backend, restart_adopt, &l);
	if (l.failed || engine_adopted(w->engine, l.any, w->round) != 0)
		return false;
	while (engine_end_over(w->engine, w->now_ms, w->round))
		;
	return true;
}

/* What is remembered when a file is begun anew. */
static inline bool restart_snapshot(struct world *w)
{
	uint32_t cursor = 0;
	size_t n;

	w->journal_length = 0;
	do {
		if (!world_journal_room(w))
			return false;
		n = engine_snapshot(w->engine, &cursor, w->now_ms, w->journal + w->journal_length, RECORD_MAX);
		w->journal_length += n;
	} while (n > 0);
	return true;
}

/* Records are compared without the time at which they were written, without what a new epoch allows, and without the
 * sections, of which one that was gone for a while may be known again. */
static inline bool restart_find(const uint8_t *journal, size_t length, const struct record *wanted)
{
	static struct record_storage storage;
	static uint8_t a[RECORD_MAX], b[RECORD_MAX];
	struct record r = *wanted;
	const char *why;
	size_t n, size;

	r.written_ms = 0;
	r.lease.flags &= (uint8_t)~LEASE_NONCE_OPEN;
	r.lease.external = r.lease.listen = 0;
	size = record_put(&r, a, sizeof(a));
	for (size_t at = 0; at < length; at += n) {
		n = record_get(journal + at, length - at, &storage, &r, &why);
		r.written_ms = 0;
		r.lease.flags &= (uint8_t)~LEASE_NONCE_OPEN;
		r.lease.external = r.lease.listen = 0;
		if (n == 0)
			return false;
		if (record_put(&r, b, sizeof(b)) == size && memcmp(a, b, size) == 0)
			return true;
	}
	return false;
}

static inline size_t restart_snapshot_of(const struct engine *e, uint64_t now_ms, uint8_t **out)
{
	uint32_t cursor = 0;
	size_t n, length = 0;

	*out = NULL;
	do {
		*out = realloc(*out, length + RECORD_MAX);
		n = engine_snapshot(e, &cursor, now_ms, *out + length, RECORD_MAX);
		length += n;
	} while (n > 0);
	return length;
}

/* True if a static mapping takes the lease's place as soon as it can. */
static inline bool restart_is_in_the_way(const struct conf *conf, const struct record_lease *l)
{
	for (size_t i = 0; i < conf->statics_n; i++) {
		const struct conf_static *s = &conf->statics[i];

		if (s->protocol == l->protocol &&
		    (s->external_port == l->external_port ||
		     (s->to_port == l->internal_port &&
		      memcmp(&s->to_address, &l->internal_address, sizeof(s->to_address)) == 0)))
			return true;
	}
	return false;
}

static inline bool restart_miss(const struct record_lease *l, uint64_t now_ms)
{
	char a[CODEC_ADDRESS_TEXT], b[CODEC_ADDRESS_TEXT];

	fprintf(
	    stderr,
	    "missing: protocol %u %s:%u %s:%u more=%u peer=%u origin=%u flags=%u listen=%x external=%x left_ms=%lld\n",
	    l->protocol, codec_address_text(&l->internal_address, a), l->internal_port,
	    codec_address_text(&l->external_address, b), l->external_port, l->extra.more_ports, l->extra.remote_port,
	    l->origin, l->flags, l->listen, l->external, (long long)(l->expires_ms - now_ms));
	return false;
}

/* True if every lease in force that a first snapshot has, and that does not end
 * of itself, is in the second in the same words. */
static inline bool restart_has(const struct conf *conf, const uint8_t *first, size_t length, const uint8_t *second,
			       size_t second_length, uint64_t now_ms)
{
	static struct record_storage storage;
	struct record r;
	const char *why;
	size_t n;

	for (size_t at = 0; at < length; at += n) {
		n = record_get(first + at, length - at, &storage, &r, &why);
		if (n == 0) {
			fprintf(stderr, "a snapshot cannot be read: %s\n", why);
			return false;
		}
		if (!r.lease.held && r.lease.expires_ms > now_ms && !restart_is_in_the_way(conf, &r.lease) &&
		    !restart_find(second, second_length, &r))
			return restart_miss(&r.lease, now_ms);
	}
	return true;
}

/* The invariant: after each settled round, the journal has the leases that the
 * engine has, and no others. Held ports may be more: they are let go without a
 * word. */
static inline bool restart_remembers(const struct world *w)
{
	static const uint8_t seed[ENGINE_SEED_LENGTH] = {7};
	struct engine *e = engine_new(w->conf, seed, w->now_ms);
	uint8_t *have = NULL, *remembered = NULL;
	size_t n, m = 0;
	bool same;

	n = restart_snapshot_of(w->engine, w->now_ms, &have);
	same = e && restart_replay(e, w->journal, w->journal_length, w->now_ms);
	if (same)
		m = restart_snapshot_of(e, w->now_ms, &remembered);
	same = same && restart_has(w->conf, have, n, remembered, m, w->now_ms) &&
	       restart_has(w->conf, remembered, m, have, n, w->now_ms);
	free(have);
	free(remembered);
	engine_free(e);
	return same;
}

#endif
