/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/parking.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 256 };

struct parking_line {
	struct in6_addr host;
	struct parked *first, *last;
	size_t n;
	struct parking_line *next; /* of the bucket */
	bool ready;
	struct parking_line *ready_next;
};

struct parking {
	struct parking_line *buckets[BUCKETS];
	struct parking_line *ready, *ready_last;
	struct parked *swept; /* to be freed */
	size_t n;
};

struct parking *parking_new(void)
{
	return calloc(1, sizeof(struct parking));
}

static void drop_all(struct parked *v)
{
	while (v) {
		struct parked *next = v->next;

		free(v->asked);
		free(v);
		v = next;
	}
}

void parking_free(struct parking *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		while (p->buckets[i]) {
			struct parking_line *line = p->buckets[i];

			p->buckets[i] = line->next;
			drop_all(line->first);
			free(line);
		}
	drop_all(p->swept);
	free(p);
}

size_t parking_count(const struct parking *p)
{
	return p->n;
}

static size_t bucket_of(const struct in6_addr *host)
{
	uint64_t half[2];

	memcpy(half, host, sizeof(half));
	return ((half[0] ^ half[1]) * 0x9e3779b97f4a7c15) >> 32 & (BUCKETS - 1);
}

static struct parking_line *find(const struct parking *p, const struct in6_addr *host)
{
	struct parking_line *line = p->buckets[bucket_of(host)];

	while (line && memcmp(&line->host, host, sizeof(*host)) != 0)
		line = line->next;
	return line;
}

bool parking_has(const struct parking *p, const struct in6_addr *host)
{
	return p->n > 0 && find(p, host);
}

static size_t kept(const struct udp_datagram *d)
{
	return d->length < PARKING_DATA ? d->length : PARKING_DATA;
}

static bool same(const struct udp_datagram *a, const struct udp_datagram *b)
{
	return a->length == b->length && a->source_port == b->source_port && a->ifindex == b->ifindex &&
	       memcmp(&a->source, &b->source, sizeof(a->source)) == 0 &&
	       memcmp(&a->destination, &b->destination, sizeof(a->destination)) == 0 &&
	       memcmp(a->data, b->data, kept(a)) == 0;
}

static struct parked *copy_of(const struct udp_datagram *d)
{
	struct parked *v = calloc(1, sizeof(*v) + kept(d));
	uint8_t *data;

	if (!v)
		return NULL;
	data = (uint8_t *)(v + 1);
	memcpy(data, d->data, kept(d));
	v->datagram = *d;
	v->datagram.data = data;
	return v;
}

static struct parking_line *add_line(struct parking *p, const struct in6_addr *host)
{
	struct parking_line *line = calloc(1, sizeof(*line)), **bucket = &p->buckets[bucket_of(host)];

	if (!line)
		return NULL;
	line->host = *host;
	line->next = *bucket;
	*bucket = line;
	return line;
}

int parking_put(struct parking *p, const struct in6_addr *host, const struct udp_datagram *d, struct parked **out)
{
	struct parking_line *line = find(p, host);
	struct parked *v;

	/* Not one before it: what came in between may have been the opposite. */
	if (line && same(&line->last->datagram, d))
		return -EEXIST;
	if (p->n == PARKING_MAX || (line && line->n == PARKING_HOST_MAX))
		return -ENOSPC;
	v = copy_of(d);
	if (v && !line)
		line = add_line(p, host);
	if (!v || !line) {
		free(v);
		return -ENOMEM;
	}
	v->line = line;
	if (line->last)
		line->last->next = v;
	else
		line->first = v;
	line->last = v;
	line->n++;
	p->n++;
	*out = v;
	return 0;
}

void parking_ready(struct parking *p, struct parked *first)
{
	struct parking_line *line = first->line;

	if (line->ready)
		return;
	line->ready = true;
	line->ready_next = NULL;
	if (p->ready_last)
		p->ready_last->ready_next = line;
	else
		p->ready = line;
	p->ready_last = line;
}

struct parked *parking_next(const struct parking *p)
{
	return p->ready ? p->ready->first : NULL;
}

/* The line is the first of those that go on. */
static void unready(struct parking *p, struct parking_line *line)
{
	p->ready = line->ready_next;
	if (!p->ready)
		p->ready_last = NULL;
	line->ready = false;
}

void parking_hold(struct parking *p, struct parked *first)
{
	unready(p, first->line);
}

void parking_done(struct parking *p, struct parked *first)
{
	struct parking_line *line = first->line, **at = &p->buckets[bucket_of(&line->host)];

	line->first = first->next;
	line->n--;
	p->n--;
	first->next = p->swept;
	p->swept = first;
	if (line->first)
		return;
	unready(p, line);
	while (*at != line)
		at = &(*at)->next;
	*at = line->next;
	free(line);
}

void parking_sweep(struct parking *p)
{
	drop_all(p->swept);
	p->swept = NULL;
}
