/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "server/io/loop.h"
#include "server/io/wall.h"

enum {
	HEAD_MAX = 64,	       /* octets before the data of an event */
	PIECE_MAX = 32 * 1024, /* octets that are given to a reader at a time, about */
	SECOND_MS = 1000,
	TEXT_MAX = 96, /* octets kept of a refusal's rule and reason */
};

/* An event as it is sent; of a kind that nobody wants it has no text. */
struct kept {
	uint16_t length;
	uint8_t kind;
	char text[HEAD_MAX + EVENT_TEXT_MAX];
};

struct refusal {
	struct round_event event; /* of which the texts are these: */
	char rule[TEXT_MAX], why[TEXT_MAX];
	uint64_t at_ms; /* of the loop's clock */
};

struct reader {
	LIST_ENTRY(reader) others;
	struct events *events;
	struct control_stream *stream;
	uint64_t next; /* the number of the event that it has not seen */
	uint32_t kinds;
	uint64_t said_ms;
	bool greeted;
};

struct events {
	struct loop *loop;
	struct loop_event *gather, *second;
	events_stats_fn *stats;
	void *context;
	uint64_t last;	   /* number of the last event */
	uint64_t first;	   /* of the oldest one that is kept */
	struct kept *kept; /* by number; NULL: nobody reads */
	uint32_t kinds;	   /* that anybody wants */
	bool gathering;	   /* the timer is armed */
	LIST_HEAD(, reader) readers;
	unsigned readers_n;
	struct refusal refusals[EVENTS_REFUSALS];
	uint64_t refusals_n; /* ever */
};

static uint64_t oldest(const struct events *e)
{
	return e->last >= e->first + EVENTS_KEPT ? e->last + 1 - EVENTS_KEPT : e->first;
}

static struct kept *kept_at(const struct events *e, uint64_t number)
{
	return &e->kept[number % EVENTS_KEPT];
}

/* Room for the text of the next event, EVENT_TEXT_MAX octets, to be finished by put_end(); NULL: nobody wants it. */
static char *put(struct events *e, enum event_kind kind)
{
	struct kept *k;

	e->last++;
	if (!e->kept)
		return NULL;
	k = kept_at(e, e->last);
	k->kind = (uint8_t)kind;
	k->length = 0;
	if (!(e->kinds >> kind & 1))
		return NULL;
	k->length = (uint16_t)snprintf(k->text, HEAD_MAX, "event: %s\nid: %llu\ndata: ", event_name(kind),
				       (unsigned long long)e->last);
	return k->text + k->length;
}

static void put_end(struct events *e, size_t length)
{
	struct kept *k = kept_at(e, e->last);

	if (length == 0) {
		k->length = 0;
		return;
	}
	k->length = (uint16_t)(k->length + length);
	k->text[k->length++] = '\n';
	k->text[k->length++] = '\n';
	if (e->gathering)
		return;
	e->gathering = true;
	loop_timer_set(e->gather, loop_now_ms(e->loop) + EVENTS_GATHER_MS);
}

static void refusal_keep(struct events *e, const struct round_event *v, uint64_t now_ms)
{
	struct refusal *r = &e->refusals[e->refusals_n++ % EVENTS_REFUSALS];

	r->event = *v;
	r->event.mapping.filters = NULL;
	r->event.mapping.filters_n = 0;
	r->at_ms = now_ms;
	if (v->rule)
		r->event.rule = strncpy(r->rule, v->rule, TEXT_MAX - 1);
	if (v->why)
		r->event.why = strncpy(r->why, v->why, TEXT_MAX - 1);
}

void events_round(struct events *e, const struct round_event *v, size_t n, uint64_t now_ms)
{
	uint64_t at_ms = n && e->kept ? wall_now_ms() : 0;

	for (size_t i = 0; i < n; i++) {
		char *text = put(e, (enum event_kind)v[i].kind);

		if (v[i].kind == ROUND_REFUSED)
			refusal_keep(e, &v[i], now_ms);
		if (text)
			put_end(e, event_text_round(text, EVENT_TEXT_MAX, &v[i], at_ms));
	}
}

void events_external(struct events *e, const struct event_external *x)
{
	char *text = put(e, EVENT_EXTERNAL);

	if (text)
		put_end(e, event_text_external(text, EVENT_TEXT_MAX, x, wall_now_ms()));
}

void events_reload(struct events *e, bool ok, const char *why)
{
	char *text = put(e, EVENT_RELOAD);

	if (text)
		put_end(e, event_text_reload(text, EVENT_TEXT_MAX, ok, why, wall_now_ms()));
}

void events_backend(struct events *e, const char *state, const char *why)
{
	char *text = put(e, EVENT_BACKEND);

	if (text)
		put_end(e, event_text_backend(text, EVENT_TEXT_MAX, state, why, wall_now_ms()));
}

size_t events_refusal(const struct events *e, size_t i, char out[EVENT_TEXT_MAX])
{
	const struct refusal *r;

	if (i >= e->refusals_n || i >= EVENTS_REFUSALS)
		return 0;
	r = &e->refusals[(e->refusals_n - 1 - i) % EVENTS_REFUSALS];
	return event_text_round(out, EVENT_TEXT_MAX, &r->event, wall_now_ms() - (loop_now_ms(e->loop) - r->at_ms));
}

/* Readers */

/* One may end, and be gone, by being woken. */
static void wake(struct events *e)
{
	struct reader *next;

	for (struct reader *r = LIST_FIRST(&e->readers); r; r = next) {
		next = LIST_NEXT(r, others);
		control_wake(r->stream);
	}
}

static void gathered(void *context)
{
	struct events *e = context;

	e->gathering = false;
	wake(e);
}

static void second(void *context)
{
	struct events *e = context;
	char *text = put(e, EVENT_STATS);
	struct event_stats s = {0};

	/* also for nobody: a second's figures are those since the last call */
	e->stats(e->context, &s);
	if (text)
		put_end(e, event_text_stats(text, EVENT_TEXT_MAX, &s, wall_now_ms()));
	loop_timer_set(e->second, loop_now_ms(e->loop) + SECOND_MS);
	wake(e);
}

static size_t say_lost(struct reader *r, char *out)
{
	struct events *e = r->events;
	uint64_t count = oldest(e) - r->next;
	char data[EVENT_TEXT_MAX];
	size_t n = event_text_lost(data, sizeof(data), count, wall_now_ms());

	r->next = oldest(e);
	if (!(r->kinds >> EVENT_LOST & 1))
		return 0;
	/* whoever comes again from here has been told */
	return (size_t)sprintf(out, "event: lost\nid: %llu\ndata: %.*s\n\n", (unsigned long long)(r->next - 1), (int)n,
			       data);
}

static char *reader_next(void *context, size_t *length)
{
	static const char greeting[] = "retry: 2000\n: natpcpd\n\n", comment[] = ": \n\n";
	struct reader *r = context;
	struct events *e = r->events;
	uint64_t now_ms = loop_now_ms(e->loop);
	char *out;
	size_t n = 0;

	*length = CONTROL_LATER;
	if (r->greeted && r->next > e->last && now_ms - r->said_ms < EVENTS_QUIET_MS)
		return NULL;
	out = malloc(PIECE_MAX + sizeof(struct kept));
	if (!out)
		return NULL; /* the next time that something happens */
	if (!r->greeted)
		n += (size_t)sprintf(out, "%s", greeting);
	r->greeted = true;
	if (r->next < oldest(e))
		n += say_lost(r, out + n);
	while (n < PIECE_MAX && r->next <= e->last) {
		const struct kept *k = kept_at(e, r->next++);

		if (!(r->kinds >> k->kind & 1))
			continue;
		memcpy(out + n, k->text, k->length);
		n += k->length;
	}
	if (n == 0 && now_ms - r->said_ms >= EVENTS_QUIET_MS)
		n = (size_t)sprintf(out, "%s", comment);
	if (n == 0) {
		free(out);
		return NULL;
	}
	r->said_ms = now_ms;
	*length = n;
	return out;
}

static void readers_changed(struct events *e)
{
	const struct reader *r;

	e->kinds = 0;
	LIST_FOREACH(r, &e->readers, others)
	{
		e->kinds |= r->kinds;
	}
	if (e->readers_n)
		return;
	loop_timer_set(e->second, UINT64_MAX);
	loop_timer_set(e->gather, UINT64_MAX);
	e->gathering = false;
	free(e->kept);
	e->kept = NULL;
}

static void reader_gone(void *context)
{
	struct reader *r = context;
	struct events *e = r->events;

	LIST_REMOVE(r, others);
	e->readers_n--;
	free(r);
	readers_changed(e);
}

static bool wanted(const char *types, uint32_t *kinds)
{
	*kinds = types ? 0 : UINT32_MAX;
	while (types) {
		const char *comma = strchr(types, ',');
		enum event_kind kind = event_named(types, comma ? (size_t)(comma - types) : strlen(types));

		if (kind == EVENT_KINDS)
			return false;
		*kinds |= 1u << kind;
		types = comma ? comma + 1 : NULL;
	}
	/* that something is missing is told to everybody */
	*kinds |= 1u << EVENT_LOST;
	return true;
}

/* Behind the last one that a reader has seen, if it says so and can have seen it. */
static uint64_t place(const struct events *e, const char *last_id)
{
	char *end = NULL;
	unsigned long long id = last_id && *last_id >= '0' && *last_id <= '9' ? strtoull(last_id, &end, 10) : 0;

	return end && !*end && id < e->last ? id + 1 : e->last + 1;
}

int events_serve(struct events *e, struct control_request *q, const char *types)
{
	struct control_stream *stream;
	struct event_stats s;
	struct reader *r;
	uint32_t kinds;

	if (!wanted(types, &kinds))
		return -EINVAL;
	if (e->readers_n >= EVENTS_READERS)
		return -EUSERS;
	r = calloc(1, sizeof(*r));
	if (r && !e->kept) {
		e->kept = malloc(EVENTS_KEPT * sizeof(*e->kept));
		e->first = e->last + 1;
	}
	if (!r || !e->kept) {
		free(r);
		return -ENOMEM;
	}
	*r = (struct reader){.events = e,
			     .next = place(e, control_header(q, "Last-Event-ID")),
			     .kinds = kinds,
			     .said_ms = loop_now_ms(e->loop)};
	LIST_INSERT_HEAD(&e->readers, r, others);
	if (e->readers_n++ == 0) {
		e->stats(e->context, &s);
		loop_timer_set(e->second, loop_now_ms(e->loop) + SECOND_MS);
	}
	readers_changed(e);
	stream = control_stream(q, CONTROL_EVENTS, reader_next, reader_gone, r);
	if (stream) { /* else it is over, and the reader gone */
		r->stream = stream;
		control_wake(stream);
	}
	return 0;
}

unsigned events_readers(const struct events *e)
{
	return e->readers_n;
}

struct events *events_new(struct loop *loop, events_stats_fn *stats, void *context)
{
	struct events *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	LIST_INIT(&e->readers);
	e->loop = loop;
	e->stats = stats;
	e->context = context;
	e->first = 1;
	e->gather = loop_timer(loop, gathered, e);
	e->second = loop_timer(loop, second, e);
	if (!e->gather || !e->second) {
		events_free(e);
		return NULL;
	}
	return e;
}

void events_free(struct events *e)
{
	if (!e)
		return;
	loop_forget(e->gather);
	loop_forget(e->second);
	free(e->kept);
	free(e);
}
