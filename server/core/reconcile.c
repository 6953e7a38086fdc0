/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/reconcile.h"

#include <errno.h>

#include "server/core/record.h"
#include "server/core/upkeep.h"

/* By how much a timeout in the packet filter may differ from the lease's, without a word: it is read and set at other
 * moments. */
enum { TOLERANCE_MS = 1500 };
/* No protocol can say a longer one. */
#define LIFETIME_MAX_MS (UINT32_MAX * 1000ull)

static uint16_t listen_named(const struct conf *conf, uint32_t name)
{
	for (size_t i = 0; i < conf->listens_n; i++)
		if (record_name(conf->listens[i].name) == name)
			return (uint16_t)i;
	return UINT16_MAX;
}

/* UINT8_MAX: there is none of that name. */
static uint8_t external_named(const struct conf *conf, uint32_t name)
{
	for (size_t i = 0; i < conf->externals_n; i++)
		if (record_name(conf->externals[i].name) == name)
			return (uint8_t)i;
	return UINT8_MAX;
}

static struct lease from_words(const struct engine *e, const struct record_lease *w)
{
	struct lease l = {.internal_address = w->internal_address,
			  .external_address = w->external_address,
			  .expires_ms = w->expires_ms,
			  .nonce = w->nonce,
			  .internal_port = w->internal_port,
			  .external_port = w->external_port,
			  .protocol = w->protocol,
			  .kind = w->kind,
			  .origin = w->origin,
			  .flags = w->flags & LEASE_KEPT,
			  .external = external_named(e->conf, w->external),
			  .rule = UINT16_MAX,
			  .listen = listen_named(e->conf, w->listen),
			  .reply_port = w->reply_port};
	struct mapping m = engine_mapping(&l);

	if (l.external == UINT8_MAX)
		l.external = (uint8_t)upkeep_guess_external(e, &m);
	/* nothing of what the packet filter has is known yet */
	engine_set_generation(&l, ENGINE_LOST);
	return l;
}

static uint32_t find(const struct engine *e, const struct record_lease *w)
{
	if (w->extra.remote_port)
		return lease_find_peer(e->leases, w->protocol, &w->internal_address, w->internal_port,
				       &w->extra.remote_address, w->extra.remote_port);
	return lease_find_internal(e->leases, w->protocol, &w->internal_address, w->internal_port);
}

static void forget(struct engine *e, uint32_t i)
{
	if (i != LEASE_NONE)
		portset_free(e, portset_head(e, i));
}

/* Nobody else may have the outside ports of a lease: what is older gives way. */
static void clear_outside(struct engine *e, const struct lease *l)
{
	for (uint32_t n = 0; !lease_is_peer(l) && n <= portset_more(l); n++) {
		uint32_t i =
		    lease_find_external(e->leases, l->protocol, &l->external_address, (uint16_t)(l->external_port + n));

		if (i == LEASE_NONE)
			continue;
		if (lease_peek(e->leases, i)->state == LEASE_HELD)
			lease_free(e->leases, i);
		else
			forget(e, i);
	}
}

static int restore_held(struct engine *e, const struct record_lease *w, uint64_t now_ms)
{
	struct lease l = from_words(e, w);
	uint32_t ended = find(e, w);

	if (ended != LEASE_NONE && lease_peek(e->leases, ended)->external_port == l.external_port &&
	    engine_same_address(&lease_peek(e->leases, ended)->external_address, &l.external_address))
		forget(e, ended);
	for (uint32_t n = 0; l.expires_ms > now_ms && n <= w->extra.more_ports; n++) {
		uint32_t i =
		    lease_find_external(e->leases, l.protocol, &l.external_address, (uint16_t)(w->external_port + n));

		if (i != LEASE_NONE && lease_peek(e->leases, i)->state != LEASE_HELD)
			continue;
		if (i != LEASE_NONE)
			lease_free(e->leases, i);
		l.internal_port = (uint16_t)(w->internal_port + n);
		l.external_port = (uint16_t)(w->external_port + n);
		i = lease_new(e->leases, &l);
		if (i == LEASE_NONE)
			return -ENOMEM;
		lease_state(e->leases, i, LEASE_HELD);
		lease_due(e->leases, i, l.expires_ms);
		engine_refresh(e, lease_peek(e->leases, i));
	}
	return 0;
}

static int restore_lease(struct engine *e, const struct record_lease *w, uint64_t now_ms)
{
	struct lease l = from_words(e, w);
	uint32_t i;

	forget(e, find(e, w));
	/* until then the packet filter may have it: it is to be ended there */
	if (l.expires_ms + ENGINE_GRACE_MS <= now_ms)
		return 0;
	if (!extra_new(&w->extra, &l.extra))
		return -ENOMEM;
	for (uint32_t n = 0; n <= portset_more(&l) && !lease_is_peer(&l); n++)
		forget(e, lease_find_internal(e->leases, l.protocol, &l.internal_address,
					      (uint16_t)(l.internal_port + n)));
	clear_outside(e, &l);
	i = portset_new(e, &l);
	extra_drop(l.extra);
	if (i == LEASE_NONE)
		return -ENOMEM;
	portset_refresh(e, i);
	return 0;
}

static bool is_sane_filter(const struct mapping_filter *f, bool v4)
{
	return codec_is_v4(&f->address) == v4 && (!v4 || f->prefix_length >= 96);
}

static bool are_sane_parts(const struct record_lease *w, bool v4)
{
	const struct extra_parts *x = &w->extra;

	for (size_t i = 0; i < x->filters_n; i++)
		if (!is_sane_filter(&x->filters[i], v4))
			return false;
	if (x->remote_port)
		return x->more_ports == 0 && codec_is_v4(&x->remote_address) == v4;
	return x->more_ports == 0 || x->first_port == w->internal_port;
}

/* All ports are open as they are; of a single one the packet filter can tell what belongs to it. */
static bool are_sane_ports(const struct record_lease *w)
{
	uint32_t more = w->extra.more_ports;

	if (w->internal_port == 0)
		return w->kind == MAPPING_PINHOLE && w->external_port == 0 && !w->extra.remote_port && more == 0;
	return outside_mappable(w->protocol) && w->external_port != 0 && w->internal_port + more <= UINT16_MAX &&
	       w->external_port + more <= UINT16_MAX;
}

static bool are_sane_sides(const struct record_lease *w, bool v4)
{
	if (IN6_IS_ADDR_UNSPECIFIED(&w->internal_address) || IN6_IS_ADDR_MULTICAST(&w->internal_address))
		return false;
	if (w->kind == MAPPING_NAT)
		return v4 && codec_is_v4(&w->external_address);
	/* nothing is translated */
	return w->kind == MAPPING_PINHOLE && w->external_port == w->internal_port &&
	       engine_same_address(&w->external_address, &w->internal_address);
}

/* What cannot be a lease whatever the configuration says. */
static bool is_sane(const struct record_lease *w, uint64_t now_ms)
{
	bool v4 = codec_is_v4(&w->internal_address);

	return w->origin <= ENGINE_ORIGIN_ADOPTED && w->origin != ENGINE_ORIGIN_STATIC &&
	       w->expires_ms <= now_ms + LIFETIME_MAX_MS && are_sane_sides(w, v4) && are_sane_ports(w) &&
	       are_sane_parts(w, v4);
}

int engine_restore(struct engine *e, const struct record *r, uint64_t now_ms)
{
	if (r->type == RECORD_END) {
		forget(e, find(e, &r->lease));
		return 0;
	}
	if (r->type != RECORD_LEASE || !is_sane(&r->lease, now_ms))
		return 0;
	return r->lease.held ? restore_held(e, &r->lease, now_ms) : restore_lease(e, &r->lease, now_ms);
}

void engine_past(struct engine *e, const struct engine_past *past)
{
	e->past = *past;
	if (past->pcp_goes_on)
		return;
	/* the epoch will start anew: a client may come with a new nonce, once */
	for (uint32_t i = 0; (i = lease_walk(e->leases, i)) != LEASE_NONE; i++)
		if (lease_peek(e->leases, i)->origin == ENGINE_ORIGIN_PCP)
			lease_at(e->leases, i)->flags |= LEASE_NONCE_OPEN;
}

/* The packet filter tells of filters in any order, and of some in more pieces than they were given in: those are put in
 * anew. */
static bool same_filters(const struct extra_parts *x, const struct mapping *m)
{
	for (size_t i = 0; i < m->filters_n; i++) {
		const struct mapping_filter *f = &m->filters[i];
		size_t k = 0;

		while (k < x->filters_n &&
		       !(x->filters[k].port == f->port && x->filters[k].prefix_length == f->prefix_length &&
			 engine_same_address(&x->filters[k].address, &f->address)))
			k++;
		if (k == x->filters_n)
			return false;
	}
	return x->filters_n == m->filters_n;
}

static struct round_step own_step(const struct engine *e, uint32_t i)
{
	const struct lease *l = lease_peek(e->leases, i);

	return (struct round_step){
	    .lease = i, .answer = ROUND_NONE, .flags = ROUND_STEP_OWN, .before = *l, .extra = l->extra};
}

static uint64_t timeout_of(const struct lease *l, uint64_t now_ms)
{
	return (l->expires_ms > now_ms ? l->expires_ms - now_ms : 0) + ENGINE_GRACE_MS;
}

/* In one group the packet filter's mapping gives way to the lease's: they differ, but both are of one internal side. */
static enum reconcile_match put_right(struct engine *e, uint32_t i, const struct mapping *m, uint64_t now_ms,
				      struct round *r)
{
	struct lease *l = lease_at(e->leases, i);
	struct round_step removal = {.lease = LEASE_NONE, .answer = ROUND_NONE}, addition = own_step(e, i);
	struct extra_parts parts = {.filters_n = m->filters_n, .filters = m->filters};
	struct mapping kept = *m;

	if (!round_reserve(r, 2) || !extra_new(&parts, &removal.extra))
		return RECONCILE_NOMEM;
	kept.filters = extra_parts(removal.extra)->filters;
	engine_set_generation(l, e->generation);
	round_group(r);
	round_change(r, CHANGE_REMOVE, &kept, 0, &removal);
	portset_change(r, CHANGE_ADD, l, timeout_of(l, now_ms), &addition);
	extra_drop(removal.extra);
	return RECONCILE_MATCHED;
}

/* The journal lacks something, and the packet filter has gone on since: it knows what was answered last. */
static bool is_behind(const struct engine *e)
{
	return e->past.same_boot && !e->past.whole;
}

/* What stands in the way of a mapping by the journal alone gives way. */
static void make_way(struct engine *e, const struct mapping *m)
{
	for (uint32_t n = 0; m->remote_port == 0 && n <= m->more_ports; n++) {
		uint32_t inner =
		    lease_find_internal(e->leases, m->protocol, &m->internal_address, (uint16_t)(m->internal_port + n));
		uint32_t outer;

		if (inner != LEASE_NONE && engine_lost(e, lease_peek(e->leases, inner)))
			forget(e, inner);
		outer =
		    lease_find_external(e->leases, m->protocol, &m->external_address, (uint16_t)(m->external_port + n));
		if (outer != LEASE_NONE && engine_lost(e, lease_peek(e->leases, outer)))
			forget(e, outer);
	}
}

static enum reconcile_match believe(struct engine *e, uint32_t i, const struct mapping *m)
{
	if (m->remote_port)
		forget(e, i);
	make_way(e, m);
	return RECONCILE_STRANGER;
}

static bool is_same(const struct lease *l, const struct mapping *m)
{
	return l->kind == m->kind && l->external_port == m->external_port &&
	       engine_same_address(&l->external_address, &m->external_address) &&
	       (l->kind != MAPPING_NAT || l->external == m->external) && same_filters(extra_parts(l->extra), m) &&
	       (portset_is_split(l) ? 0 : portset_more(l)) == m->more_ports;
}

enum reconcile_match reconcile_match(struct engine *e, const struct mapping *m, uint64_t remaining_ms, uint64_t now_ms,
				     struct round *r)
{
	struct record_lease key = {.protocol = m->protocol,
				   .internal_port = m->internal_port,
				   .internal_address = m->internal_address,
				   .extra = {.remote_address = m->remote_address, .remote_port = m->remote_port}};
	uint32_t i = find(e, &key);
	struct lease *l = i == LEASE_NONE ? NULL : lease_at(e->leases, i);
	uint64_t timeout_ms = l ? timeout_of(l, now_ms) : 0;
	bool split = l && portset_is_split(l);
	struct round_step s;

	if (!l)
		return is_behind(e) ? believe(e, LEASE_NONE, m) : RECONCILE_STRANGER;
	if (!engine_lost(e, l)) /* told of again, after it was asked for */
		return is_same(l, m) ? RECONCILE_MATCHED : RECONCILE_STRAY;
	if (!is_same(l, m)) {
		if (is_behind(e))
			return believe(e, i, m);
		return split || portset_more(l) || m->more_ports ? RECONCILE_STRAY : put_right(e, i, m, now_ms, r);
	}
	engine_set_generation(l, e->generation);
	if (is_behind(e)) {
		if (remaining_ms)
			lease_due(e->leases, portset_head(e, i),
				  now_ms + (remaining_ms > ENGINE_GRACE_MS ? remaining_ms - ENGINE_GRACE_MS : 0));
		return RECONCILE_MATCHED;
	}
	/* what is over will be ended */
	if (split || l->expires_ms <= now_ms ||
	    (remaining_ms + TOLERANCE_MS > timeout_ms && remaining_ms < timeout_ms + TOLERANCE_MS))
		return RECONCILE_MATCHED;
	if (!round_reserve(r, 1))
		return RECONCILE_NOMEM;
	s = own_step(e, i);
	round_group(r);
	portset_change(r, CHANGE_RENEW, l, timeout_ms, &s);
	return RECONCILE_MATCHED;
}

/* True if the packet filter has a mapping for the lease, and not only for the first of its set. */
static bool has_mapping(const struct lease *l)
{
	return (l->state == LEASE_ACTIVE || l->state == LEASE_REMOVING) && (portset_is_split(l) || !portset_follows(l));
}

static struct mapping static_mapping(const struct engine *e, const struct conf_static *s)
{
	bool nat = codec_is_v4(&s->to_address) && e->conf->externals[s->external].nat;

	/* where it is outside, the packet filter knows */
	return (struct mapping){.internal_address = s->to_address,
				.external_address = nat ? codec_from_v4(0) : s->to_address,
				.internal_port = s->to_port,
				.external_port = s->external_port,
				.protocol = s->protocol,
				.kind = nat ? MAPPING_NAT : MAPPING_PINHOLE,
				.external = (uint8_t)s->external};
}

bool engine_recalls(const struct engine *e)
{
	return e->past.whole && e->past.same_boot;
}

size_t engine_missing(const struct engine *e, struct engine_missing *at, struct mapping *v, size_t max)
{
	size_t n = 0;

	while (n < max && at->lease != LEASE_NONE) {
		uint32_t i = lease_walk(e->leases, at->lease);
		const struct lease *l = i == LEASE_NONE ? NULL : lease_peek(e->leases, i);

		at->lease = l ? i + 1 : LEASE_NONE;
		if (!l || !has_mapping(l) || !engine_lost(e, l) || extra_parts(l->extra)->filters_n)
			continue;
		v[n] = engine_mapping(l);
		if (portset_is_split(l))
			v[n].more_ports = 0;
		n++;
	}
	for (; n < max && at->statics < e->conf->statics_n; at->statics++) {
		const struct conf_static *s = &e->conf->statics[at->statics];

		if (lease_find_internal(e->leases, s->protocol, &s->to_address, s->to_port) == LEASE_NONE)
			v[n++] = static_mapping(e, s);
	}
	return n;
}

size_t engine_installed(const struct engine *e)
{
	size_t n = 0;

	for (uint32_t i = 0; (i = lease_walk(e->leases, i)) != LEASE_NONE; i++) {
		const struct lease *l = lease_peek(e->leases, i);

		n += has_mapping(l) && !engine_lost(e, l);
	}
	return n;
}

bool engine_end_over(struct engine *e, uint64_t now_ms, struct round *r)
{
	size_t before = r->changes_n;

	return upkeep_due(e, now_ms, r) && r->changes_n > before;
}

/* The ports of a split set are in the packet filter one by one: some are not enough. False if out of memory. */
static bool whole_set(struct engine *e, uint32_t head, struct round *r)
{
	struct lease *l = lease_at(e->leases, head);
	struct round_step s = {.lease = LEASE_NONE, .answer = ROUND_NONE, .extra = l->extra};
	uint32_t n = portset_more(l) + 1u, there = 0;

	for (uint32_t k = 0; k < n; k++)
		there += !engine_lost(e, lease_peek(e->leases, portset_at(e, head, k)));
	if (there == n)
		return true;
	engine_set_generation(l, ENGINE_LOST);
	if (there == 0)
		return true;
	if (!round_reserve(r, n))
		return false;
	round_group(r);
	portset_change(r, CHANGE_REMOVE, l, 0, &s);
	return true;
}

/* The journal lacks something, and the packet filter goes on from before: what is not there had been ended. */
static void end_missing(struct engine *e, uint32_t i, struct round *r)
{
	const struct lease *l = lease_peek(e->leases, i);

	round_event(r, &(struct round_event){.kind = ROUND_ENDED,
					     .mapping = engine_mapping(l),
					     .client = l->internal_address,
					     .why = "the packet filter has it no more, and the journal is not whole"});
	forget(e, i);
}

int engine_adopted(struct engine *e, bool any, struct round *r)
{
	for (uint32_t i = 0; (i = lease_walk(e->leases, i)) != LEASE_NONE; i++) {
		const struct lease *l = lease_peek(e->leases, i);

		if (l->state != LEASE_ACTIVE || portset_follows(l))
			continue;
		if (portset_is_split(l) && !whole_set(e, i, r))
			return -ENOMEM;
		if (engine_lost(e, l) && any && is_behind(e))
			end_missing(e, i, r);
	}
	return 0;
}
