/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/update.h"

#include <stdlib.h>

#include "server/core/pcp.h"

enum { BATCH = 512 };

struct update_entry {
	uint64_t at_ms;
	uint32_t lease;
	uint16_t external_port; /* another one: the lease moved again, and another entry tells of that */
	struct lease *failed;	/* what a lease was that ended instead, or NULL */
};

/* Before each copy. */
static const uint64_t waits_ms[UPDATE_COPIES] = {0, 250, 500};

static struct update_entry *at(const struct update_queue *q, size_t i)
{
	return &q->v[(q->first + i) % q->capacity];
}

static void forget(struct lease *failed)
{
	if (failed)
		extra_drop(failed->extra);
	free(failed);
}

void updates_clear(struct updates *u)
{
	for (unsigned i = 0; i < UPDATE_COPIES; i++) {
		for (size_t j = 0; j < u->queues[i].n; j++)
			forget(at(&u->queues[i], j)->failed);
		free(u->queues[i].v);
	}
	*u = (struct updates){0};
}

/* Out of memory: that copy is not sent. The client learns of the move by the announcements. */
static void push(struct update_queue *q, const struct update_entry *entry)
{
	if (q->n == q->capacity) {
		size_t capacity = q->capacity ? q->capacity * 2 : 64;
		struct update_entry *v = malloc(capacity * sizeof(*v));

		if (!v) {
			forget(entry->failed);
			return;
		}
		for (size_t i = 0; i < q->n; i++)
			v[i] = *at(q, i);
		free(q->v);
		q->v = v;
		q->first = 0;
		q->capacity = capacity;
	}
	*at(q, q->n++) = *entry;
}

/* To whom the last response went. */
static const struct in6_addr *client_of(const struct lease *l)
{
	return l->flags & LEASE_THIRD_PARTY ? &extra_parts(l->extra)->asker : &l->internal_address;
}

static bool can_tell(const struct lease *l)
{
	return l->origin == ENGINE_ORIGIN_PCP && l->reply_port != 0 && !IN6_IS_ADDR_UNSPECIFIED(client_of(l));
}

void update_begin(struct engine *e, uint32_t lease, uint64_t now_ms)
{
	struct lease *l = lease_at(e->leases, lease);

	if (!can_tell(l))
		return;
	l->flags |= LEASE_UPDATE;
	push(&e->updates.queues[0],
	     &(struct update_entry){.at_ms = now_ms + waits_ms[0], .lease = lease, .external_port = l->external_port});
}

void update_failed(struct engine *e, uint32_t lease, uint64_t now_ms)
{
	const struct lease *l = lease_peek(e->leases, lease);
	struct lease *failed = can_tell(l) ? malloc(sizeof(*failed)) : NULL;

	if (!failed)
		return;
	*failed = *l;
	extra_hold(failed->extra);
	push(&e->updates.queues[0],
	     &(struct update_entry){.at_ms = now_ms + waits_ms[0], .lease = LEASE_NONE, .failed = failed});
}

static void say(struct engine *e, const struct lease *l, bool failed, uint64_t now_ms, struct round *r)
{
	struct round_reply form = {.kind = ROUND_UNICAST,
				   .listen = l->listen,
				   .destination = *client_of(l),
				   .destination_port = l->reply_port};
	uint8_t data[CODEC_MESSAGE_MAX];
	size_t length = pcp_update(e, l, failed, now_ms, data, sizeof(data));

	round_say(r, &form, data, length);
}

/* A lease that was renewed, ended or replaced has not the flag any more; for one that failed, its client has another. */
static bool worth_telling(const struct engine *e, const struct update_entry *entry, const struct lease *l)
{
	if (l->listen >= e->conf->listens_n)
		return false;
	if (entry->failed) {
		uint32_t i = lease_find_internal(e->leases, l->protocol, &l->internal_address, l->internal_port);

		return i == LEASE_NONE || lease_peek(e->leases, i)->state != LEASE_ACTIVE;
	}
	return l->state == LEASE_ACTIVE && l->flags & LEASE_UPDATE && l->external_port == entry->external_port;
}

void update_tick(struct engine *e, uint64_t now_ms, struct round *r)
{
	for (unsigned copy = 0; copy < UPDATE_COPIES; copy++) {
		struct update_queue *q = &e->updates.queues[copy];

		for (unsigned i = 0; i < BATCH && q->n && at(q, 0)->at_ms <= now_ms; i++) {
			struct update_entry entry = *at(q, 0);
			const struct lease *l = entry.failed ? entry.failed : lease_peek(e->leases, entry.lease);
			bool worth = worth_telling(e, &entry, l);

			q->first = (q->first + 1) % q->capacity;
			q->n--;
			if (worth)
				say(e, l, entry.failed != NULL, now_ms, r);
			if (!worth || copy + 1 == UPDATE_COPIES) {
				forget(entry.failed);
				continue;
			}
			entry.at_ms = now_ms + waits_ms[copy + 1];
			push(&e->updates.queues[copy + 1], &entry);
		}
	}
}

uint64_t update_deadline(const struct updates *u)
{
	uint64_t deadline = UINT64_MAX;

	for (unsigned i = 0; i < UPDATE_COPIES; i++)
		if (u->queues[i].n && at(&u->queues[i], 0)->at_ms < deadline)
			deadline = at(&u->queues[i], 0)->at_ms;
	return deadline;
}
