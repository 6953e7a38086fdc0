/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/ports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = 3, PORTS = RUNS_PORTS, WORDS = PORTS / 64, GROUPS = WORDS / 64 };

/* Where the words of a level begin, and how many bits it has. Bit n of level 0 is set if port n is free, bit n of a
 * higher level if word n of the level below is not zero. */
static const struct {
	uint32_t at, bits;
} levels[LEVELS] = {{0, PORTS}, {WORDS, WORDS}, {WORDS + GROUPS, GROUPS}};

struct map {
	uint64_t words[WORDS + GROUPS + 1];
	uint32_t left;	   /* free ones of ours */
	struct runs *runs; /* NULL until one is asked for */
};

struct ports {
	const struct conf_ranges *ours;
	struct map every;	/* free for every protocol */
	struct map *maps[256];	/* by protocol; NULL: nothing but port 0 is taken */
	uint8_t protocols[256]; /* those that have a map */
	size_t protocols_n;
};

static void map_init(struct map *m, const struct conf_ranges *ours)
{
	memset(m->words, 0xff, sizeof(m->words));
	m->left = ports_total(ours);
	m->runs = NULL;
	m->words[0] &= ~UINT64_C(1);
	m->words[levels[LEVELS - 1].at] = (UINT64_C(1) << GROUPS) - 1;
}

static bool map_has(const struct map *m, uint32_t port)
{
	return m->words[port / 64] >> port % 64 & 1;
}

static void map_set(struct map *m, uint32_t port, bool is_free)
{
	uint32_t n = port;
	for (int level = 0; level < LEVELS; level++, n /= 64) {
		uint64_t *word = &m->words[levels[level].at + n / 64];
		if (is_free)
			*word |= UINT64_C(1) << n % 64;
		else
			*word &= ~(UINT64_C(1) << n % 64);
		if (!is_free && *word)
			break;
	}
}

/* The first free port at or behind port, or PORTS: up until a word has a later bit, then down along first bits. */
static uint32_t map_next(const struct map *m, uint32_t port)
{
	uint32_t n = port;
	int level = 0;
	for (; level < LEVELS; level++, n = n / 64 + 1) {
		if (n >= levels[level].bits)
			return PORTS;
		uint64_t word = m->words[levels[level].at + n / 64] >> n % 64;
		if (word) {
			n += (uint32_t)__builtin_ctzll(word);
			break;
		}
	}
	if (level == LEVELS)
		return PORTS;
	while (level-- > 0)
		n = n * 64 + (uint32_t)__builtin_ctzll(m->words[levels[level].at + n]);
	return n;
}

uint32_t ports_total(const struct conf_ranges *ranges)
{
	uint32_t n = ranges->n ? 0 : UINT16_MAX;

	for (size_t i = 0; i < ranges->n; i++)
		n += (uint32_t)(ranges->v[i].last - ranges->v[i].first) + (ranges->v[i].first > 0);
	return n;
}

struct ports *ports_new(const struct conf_ranges *ours)
{
	struct ports *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->ours = ours;
	map_init(&p->every, ours);
	return p;
}

uint32_t ports_left(const struct ports *p, uint8_t protocol)
{
	return p->maps[protocol] ? p->maps[protocol]->left : ports_total(p->ours);
}

void ports_free(struct ports *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->protocols_n; i++) {
		runs_free(p->maps[p->protocols[i]]->runs);
		free(p->maps[p->protocols[i]]);
	}
	free(p);
}

int ports_set(struct ports *p, uint8_t protocol, uint16_t port, bool taken)
{
	if (port == 0)
		return 0;
	struct map *m = p->maps[protocol];
	if (!m) {
		if (!taken)
			return 0;
		m = malloc(sizeof(*m));
		if (!m)
			return -ENOMEM;
		map_init(m, p->ours);
		p->maps[protocol] = m;
		p->protocols[p->protocols_n++] = protocol;
	}
	if (map_has(m, port) == taken && (p->ours->n == 0 || conf_ranges_have(p->ours, port)))
		m->left += taken ? UINT32_MAX : 1;
	map_set(m, port, !taken);
	if (m->runs)
		runs_changed(m->runs, port);
	bool every = !taken;
	for (size_t i = 0; every && i < p->protocols_n; i++)
		every = map_has(p->maps[p->protocols[i]], port);
	map_set(&p->every, port, every);
	return 0;
}

bool ports_taken(const struct ports *p, uint8_t protocol, uint16_t port)
{
	const struct map *m = p->maps[protocol];
	return m ? !map_has(m, port) : port == 0;
}

static const struct conf_range whole = {1, UINT16_MAX};

/* Walks the ranges that two sorted lists have in common. */
struct overlap {
	const struct conf_range *a, *b, *a_end, *b_end;
};

static struct overlap overlap_of(const struct conf_ranges *a, const struct conf_ranges *b)
{
	const struct conf_range *first = a->n ? a->v : &whole, *second = b->n ? b->v : &whole;

	return (struct overlap){first, second, first + (a->n ? a->n : 1), second + (b->n ? b->n : 1)};
}

static bool overlap_next(struct overlap *o, struct conf_range *r)
{
	while (o->a < o->a_end && o->b < o->b_end) {
		r->first = o->a->first > o->b->first ? o->a->first : o->b->first;
		r->last = o->a->last < o->b->last ? o->a->last : o->b->last;
		if (r->first == 0)
			r->first = 1;
		if (o->a->last < o->b->last)
			o->a++;
		else
			o->b++;
		if (r->first <= r->last)
			return true;
	}
	return false;
}

/* The first free port of the ranges at or behind start, else their first one at all, else 0. */
static uint16_t find(const struct map *m, struct overlap o, uint32_t start)
{
	struct conf_range r;
	uint32_t wrapped = 0;
	while (overlap_next(&o, &r)) {
		uint32_t port;
		if (wrapped == 0 && r.first < start) {
			port = map_next(m, r.first);
			if (port <= r.last)
				wrapped = port;
		}
		if (r.last < start)
			continue;
		port = map_next(m, r.first < start ? start : r.first);
		if (port <= r.last)
			return (uint16_t)port;
	}
	return (uint16_t)wrapped;
}

uint16_t ports_pick(const struct ports *p, uint8_t protocol, const struct conf_ranges *a, const struct conf_ranges *b,
		    uint32_t random)
{
	struct overlap o = overlap_of(a, b);
	struct conf_range r;
	uint32_t total = 0;
	for (struct overlap walk = o; overlap_next(&walk, &r);)
		total += (uint32_t)(r.last - r.first) + 1;
	if (total == 0)
		return 0;
	uint32_t skip = (uint32_t)((uint64_t)random * total >> 32);
	for (struct overlap walk = o; overlap_next(&walk, &r);) {
		uint32_t n = (uint32_t)(r.last - r.first) + 1;
		if (skip < n)
			break;
		skip -= n;
	}
	uint32_t start = r.first + skip;
	uint16_t port = find(&p->every, o, start);
	if (port == 0)
		port = p->maps[protocol] ? find(p->maps[protocol], o, start) : (uint16_t)start;
	return port;
}

/* A run in a range, from a port on, that is longer than *most, which becomes its length. */
static void longer_run(const struct map *m, const struct conf_range *r, const struct runs_want *want, uint32_t from,
		       uint32_t *most, uint16_t *first)
{
	uint32_t at = r->first > from ? r->first : from, end = r->last + 1u, n;

	if (at >= end)
		return;
	if (m) {
		n = runs_find(m->runs, want, at, end, *most, first);
	} else {
		n = runs_usable(want, &at, end - at);
		if (n > *most)
			*first = (uint16_t)at;
	}
	if (n > *most)
		*most = n;
}

uint32_t ports_find_run(struct ports *p, uint8_t protocol, const struct conf_ranges *a, const struct conf_ranges *b,
			const struct runs_want *want, uint32_t random, uint16_t *first)
{
	struct overlap o = overlap_of(a, b);
	uint32_t most = 0, starts[] = {random >> 16, 0};
	struct map *m = p->maps[protocol];
	struct conf_range r;

	if (m && !m->runs)
		m->runs = runs_new(m->words);
	if (want->n == 0 || (m && !m->runs))
		return 0;
	for (unsigned i = 0; i < 2; i++)
		for (struct overlap walk = o; most < want->n && overlap_next(&walk, &r);)
			longer_run(m, &r, want, starts[i], &most, first);
	return most;
}
