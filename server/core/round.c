/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/round.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/state.h"

/* A block is never moved, so that replies can point into it; blocks are kept from round to round. */
struct round_block {
	struct round_block *next;
	size_t used;
	uint8_t octets[64 * 1024];
};

static bool grow(void *array, size_t *capacity, size_t need, size_t size)
{
	void *grown, **v = array;
	size_t n = *capacity ? *capacity : 64;

	if (need <= *capacity)
		return true;
	while (n < need)
		n *= 2;
	grown = realloc(*v, n * size);
	if (!grown)
		return false;
	*v = grown;
	*capacity = n;
	return true;
}

static bool reserve_changes(struct round *r, size_t need)
{
	size_t changes = r->changes_capacity, steps = r->changes_capacity;

	if (!grow(&r->changes, &changes, need, sizeof(*r->changes)) ||
	    !grow(&r->steps, &steps, need, sizeof(*r->steps)))
		return false;
	r->changes_capacity = steps;
	return true;
}

static bool reserve_replies(struct round *r, size_t need)
{
	size_t replies = r->replies_capacity, answers = r->replies_capacity;

	if (!grow(&r->replies, &replies, need, sizeof(*r->replies)) ||
	    !grow(&r->answers, &answers, need, sizeof(*r->answers)))
		return false;
	r->replies_capacity = answers;
	return true;
}

struct round *round_new(void)
{
	struct round *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->blocks = r->block = calloc(1, sizeof(*r->blocks));
	/* an ordinary request needs two changes at most: a removal and an addition in its place */
	if (!r->block || !round_reserve(r, 2 * ROUND_REQUESTS_MAX) || !reserve_replies(r, ROUND_REQUESTS_MAX)) {
		round_free(r);
		return NULL;
	}
	return r;
}

static void drop_extras(struct round *r)
{
	for (size_t i = 0; i < r->changes_n; i++) {
		extra_drop(r->steps[i].before.extra);
		extra_drop(r->steps[i].extra);
	}
}

void round_free(struct round *r)
{
	struct round_block *next;

	if (!r)
		return;
	for (struct round_block *b = r->blocks; b; b = next) {
		next = b->next;
		free(b);
	}
	drop_extras(r);
	free(r->changes);
	free(r->steps);
	free(r->replies);
	free(r->answers);
	free(r->events);
	free(r);
}

void round_clear(struct round *r)
{
	drop_extras(r);
	for (struct round_block *b = r->blocks; b; b = b->next)
		b->used = 0;
	r->block = r->blocks;
	r->changes_n = r->replies_n = r->events_n = 0;
	r->group = 0;
}

struct change *round_changes(struct round *r, size_t *n)
{
	*n = r->changes_n;
	return r->changes;
}

const struct round_reply *round_replies(const struct round *r, size_t *n)
{
	*n = r->replies_n;
	return r->replies;
}

const struct round_event *round_events(const struct round *r, size_t *n)
{
	*n = r->events_n;
	return r->events;
}

enum round_flows round_flows_next(const struct round *r, size_t *cursor, struct mapping *m)
{
	while (*cursor < r->changes_n) {
		const struct round_step *s = &r->steps[(*cursor)++];

		if (s->flows != ROUND_FLOWS_KEEP) {
			*m = engine_mapping(&s->before);
			return s->flows;
		}
	}
	return ROUND_FLOWS_KEEP;
}

bool round_reserve(struct round *r, size_t changes)
{
	/* settling needs an event for each change, and one for each answer that turns out to be a refusal */
	size_t events = r->events_n + r->changes_n + changes + r->replies_n + 1;

	return reserve_changes(r, r->changes_n + changes) &&
	       grow(&r->events, &r->events_capacity, events, sizeof(*r->events));
}

void round_group(struct round *r)
{
	r->group++;
}

void round_change(struct round *r, enum change_op op, const struct mapping *m, uint64_t timeout_ms,
		  const struct round_step *s)
{
	assert(r->changes_n < r->changes_capacity);
	r->changes[r->changes_n] =
	    (struct change){.mapping = *m, .timeout_ms = timeout_ms, .group = r->group, .op = (uint8_t)op};
	r->steps[r->changes_n++] = *s;
	extra_hold(s->before.extra);
	extra_hold(s->extra);
}

void round_event(struct round *r, const struct round_event *e)
{
	if (grow(&r->events, &r->events_capacity, r->events_n + 1, sizeof(*r->events)))
		r->events[r->events_n++] = *e;
}

static uint8_t *take(struct round *r, size_t size)
{
	struct round_block *b = r->block;
	uint8_t *at;

	assert(size <= sizeof(b->octets));
	if (size > sizeof(b->octets) - b->used) {
		if (!b->next)
			b->next = calloc(1, sizeof(*b));
		if (!b->next)
			return NULL;
		b = r->block = b->next;
	}
	at = b->octets + b->used;
	b->used += size;
	return at;
}

uint32_t round_answer(struct round *r, const struct round_request *q, size_t capacity)
{
	uint8_t *buffer = reserve_replies(r, r->replies_n + 1) ? take(r, capacity) : NULL;
	size_t i = r->replies_n;

	if (!buffer)
		return ROUND_NONE;
	r->replies[i] = (struct round_reply){.data = buffer,
					     .kind = ROUND_UNICAST,
					     .listen = q->listen,
					     .source = q->destination,
					     .destination = q->source,
					     .destination_port = q->source_port,
					     .ifindex = q->ifindex};
	r->answers[i] = (struct round_answer){
	    .request = *q, .buffer = buffer, .capacity = capacity, .first = r->changes_n, .lease = LEASE_NONE};
	r->replies_n++;
	return (uint32_t)i;
}

bool round_say(struct round *r, const struct round_reply *form, const uint8_t *data, size_t length)
{
	uint8_t *buffer = reserve_replies(r, r->replies_n + 1) ? take(r, length) : NULL;

	if (!buffer)
		return false;
	memcpy(buffer, data, length);
	r->replies[r->replies_n] = *form;
	r->replies[r->replies_n].data = buffer;
	r->replies[r->replies_n].length = length;
	r->answers[r->replies_n++] = (struct round_answer){.lease = LEASE_NONE};
	return true;
}
