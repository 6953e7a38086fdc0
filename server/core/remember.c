/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engine wants remembered over its end, in the words of record.h. */
#include "server/core/portset.h"
#include "server/core/record.h"

static struct record_lease to_words(const struct engine *e, const struct lease *l)
{
	const struct conf *conf = e->conf;

	return (struct record_lease){
	    .held = l->state == LEASE_HELD,
	    .protocol = l->protocol,
	    .kind = l->kind,
	    .origin = l->origin,
	    .flags = l->flags & LEASE_KEPT,
	    .internal_port = l->internal_port,
	    .external_port = l->external_port,
	    .reply_port = l->reply_port,
	    .internal_address = l->internal_address,
	    .external_address = l->external_address,
	    .nonce = l->nonce,
	    .expires_ms = l->expires_ms,
	    .listen = l->listen < conf->listens_n ? record_name(conf->listens[l->listen].name) : 0,
	    .external = l->kind == MAPPING_NAT && l->external < conf->externals_n
			    ? record_name(conf->externals[l->external].name)
			    : 0,
	    .extra = *extra_parts(l->extra),
	};
}

static bool same_side(const struct lease *a, const struct lease *b)
{
	return a->external_port == b->external_port && engine_same_address(&a->external_address, &b->external_address);
}

/* True if what the step did to its lease makes no difference to one who reads of it later. */
static bool is_the_same(const struct round_step *s, const struct lease *now)
{
	const struct lease *b = &s->before;

	return !(s->flags & ROUND_STEP_NEW) && now->state == b->state && same_side(now, b) &&
	       now->expires_ms == b->expires_ms && now->extra == b->extra && now->origin == b->origin &&
	       now->external == b->external && now->listen == b->listen && now->reply_port == b->reply_port &&
	       (now->flags & LEASE_KEPT) == (b->flags & LEASE_KEPT) &&
	       __builtin_memcmp(&now->nonce, &b->nonce, sizeof(b->nonce)) == 0;
}

/* The side of an ended lease by which it is found, and what of a set is held. */
static struct extra_parts key_of(const struct lease *before)
{
	const struct extra_parts *x = extra_parts(before->extra);

	return (struct extra_parts){.remote_address = x->remote_address,
				    .remote_port = x->remote_port,
				    .more_ports = x->more_ports,
				    .first_port = x->first_port};
}

/* What is to be written of a step. The lease may be free by now, but it is no other: no lease is made while a round is
 * settled. False: nothing. */
static bool record_of(const struct engine *e, const struct change *c, const struct round_step *s, struct record *r)
{
	const struct lease *l = s->lease == LEASE_NONE ? NULL : lease_peek(e->leases, s->lease);

	/* the operator's own are in his configuration; one that he took away may be its host's before it is gone */
	if (!l || (l->state == LEASE_ACTIVE ? l->origin : s->before.origin) == ENGINE_ORIGIN_STATIC)
		return false;
	/* what the engine ends has ended, though the packet filter may need another try */
	if (c->verdict != 0 && !(s->flags & ROUND_STEP_END && l->state == LEASE_REMOVING))
		return false;
	r->type = RECORD_LEASE;
	switch (l->state) {
	case LEASE_ACTIVE:
		if (is_the_same(s, l))
			return false;
		r->lease = to_words(e, l);
		return true;
	case LEASE_HELD:
		/* a set is held port by port, and remembered in one */
		r->lease = to_words(e, l);
		r->lease.extra = key_of(&s->before);
		return true;
	default:
		r->type = RECORD_END;
		r->lease = to_words(e, &s->before);
		return true;
	}
}

size_t engine_records(const struct engine *e, const struct round *r, size_t *cursor, uint64_t now_ms, uint8_t *out,
		      size_t room)
{
	size_t used = 0;

	for (; *cursor < r->changes_n && room - used >= RECORD_MAX; ++*cursor) {
		struct record record = {.written_ms = now_ms};

		if (record_of(e, &r->changes[*cursor], &r->steps[*cursor], &record))
			used += record_put(&record, out + used, room - used);
	}
	return used;
}

size_t engine_snapshot(const struct engine *e, uint32_t *cursor, uint64_t now_ms, uint8_t *out, size_t room)
{
	size_t used = 0;

	while (room - used >= RECORD_MAX && (*cursor = lease_walk(e->leases, *cursor)) != LEASE_NONE) {
		const struct lease *l = lease_peek(e->leases, *cursor);
		struct record record = {.type = RECORD_LEASE, .written_ms = now_ms, .lease = to_words(e, l)};

		++*cursor;
		/* what is being removed is none any more; the first port of a set speaks for the others */
		if (l->state != LEASE_REMOVING && l->origin != ENGINE_ORIGIN_STATIC && !portset_follows(l))
			used += record_put(&record, out + used, room - used);
	}
	return used;
}
