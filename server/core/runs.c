/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/runs.h"

#include <stdlib.h>

/* Of some ports in a row: how many are free from the first one on, how many up to the last one, and the longest run that
 * begins with an even and with an odd one. Not all of them are ever free, since port 0 is not: 16 bits will do. */
struct span {
	uint16_t head, tail, best[2];
};

struct runs {
	const uint64_t *words;
	/* the whole is 1, the halves of i are 2 i and 2 i + 1; the last are the words */
	struct span spans[2 * RUNS_WORDS];
};

static uint16_t more(uint16_t a, uint32_t b)
{
	return a > b ? a : (uint16_t)b;
}

/* A run, from a first port on, for both ways to begin. */
static void count_run(struct span *s, uint32_t first, uint32_t n)
{
	if (n == 0)
		return;
	s->best[first & 1] = more(s->best[first & 1], n);
	s->best[~first & 1] = more(s->best[~first & 1], n - 1);
}

/* The next run of a word at or behind a bit: false if there is none. */
static bool next_run(uint64_t word, uint32_t *bit, uint32_t *n)
{
	uint64_t left = *bit < 64 ? word >> *bit << *bit : 0, taken;

	if (!left)
		return false;
	*bit = (uint32_t)__builtin_ctzll(left);
	taken = ~word >> *bit;
	*n = taken ? (uint32_t)__builtin_ctzll(taken) : 64 - *bit;
	return true;
}

/* The longest run of a word that begins at one of some bits: all runs of some length at once, and that length by halves. */
static uint16_t longest_in(uint64_t word, uint64_t bits)
{
	uint64_t runs[6] = {word}, begin = bits; /* where runs of 1, 2, 4, ... 32 begin */
	unsigned n = 0;

	if (word == UINT64_MAX)
		return bits & 1 ? 64 : 63;
	for (unsigned i = 0; i < 5; i++)
		runs[i + 1] = runs[i] & runs[i] >> (1u << i);
	for (unsigned i = 6; i-- > 0;)
		if (begin & runs[i] >> n) {
			begin &= runs[i] >> n;
			n += 1u << i;
		}
	return (uint16_t)n;
}

static struct span span_of(uint64_t word)
{
	return (struct span){
	    .head = word == UINT64_MAX ? 64 : (uint16_t)__builtin_ctzll(~word),
	    .tail = word == UINT64_MAX ? 64 : (uint16_t)__builtin_clzll(~word),
	    .best = {longest_in(word, UINT64_C(0x5555555555555555)), longest_in(word, UINT64_C(0xaaaaaaaaaaaaaaaa))}};
}

/* Two neighbours of a_n and b_n ports as one; the second begins with a port. */
static struct span join(const struct span *a, uint32_t a_n, const struct span *b, uint32_t b_n, uint32_t port)
{
	struct span s = {.head = a->head, .tail = b->tail};

	if (a->head == a_n)
		s.head = (uint16_t)(a_n + b->head);
	if (b->tail == b_n)
		s.tail = (uint16_t)(b_n + a->tail);
	for (unsigned odd = 0; odd < 2; odd++)
		s.best[odd] = more(a->best[odd], b->best[odd]);
	count_run(&s, port - a->tail, (uint32_t)a->tail + b->head);
	return s;
}

static void join_halves(struct runs *r, uint32_t i, uint32_t port, uint32_t half)
{
	r->spans[i] = join(&r->spans[2 * i], half, &r->spans[2 * i + 1], half, port + half);
}

struct runs *runs_new(const uint64_t *words)
{
	struct runs *r = malloc(sizeof(*r));

	if (!r)
		return NULL;
	r->words = words;
	for (uint32_t i = 0; i < RUNS_WORDS; i++)
		r->spans[RUNS_WORDS + i] = span_of(words[i]);
	for (uint32_t n = RUNS_WORDS / 2, half = 64; n > 0; n /= 2, half *= 2)
		for (uint32_t i = 0; i < n; i++)
			join_halves(r, n + i, 2 * half * i, half);
	return r;
}

void runs_free(struct runs *r)
{
	free(r);
}

void runs_changed(struct runs *r, uint16_t port)
{
	uint32_t i = RUNS_WORDS + port / 64u, half = 64;

	r->spans[i] = span_of(r->words[port / 64]);
	for (i /= 2; i > 0; i /= 2, half *= 2)
		join_halves(r, i, port / (2 * half) * (2 * half), half);
}

uint32_t runs_usable(const struct runs_want *want, uint32_t *first, uint32_t n)
{
	if (n > 0 && want->parity && (*first & 1) != want->odd) {
		(*first)++;
		n--;
	}
	return n < want->n ? n : want->n;
}

/* A walk over ports from left to right. */
struct walk {
	const struct runs *r;
	const struct runs_want *want;
	uint32_t from, end;
	uint32_t aim;	    /* the length that ends it */
	struct span passed; /* what all that was passed is like together */
	uint32_t passed_n;
	uint32_t first; /* of the run that was found */
};

static uint32_t longest(const struct walk *w, const struct span *s)
{
	if (w->want->parity)
		return s->best[w->want->odd];
	return more(s->best[0], s->best[1]);
}

static bool is_long(struct walk *w, uint32_t first, uint32_t n)
{
	w->first = first;
	return runs_usable(w->want, &w->first, n) >= w->aim;
}

/* The run that makes a word the end of the walk: what comes into it from the left, or else the first in it that will do. */
static void settle_in(struct walk *w, uint64_t word, const struct span *s, uint32_t port)
{
	if (is_long(w, port - w->passed.tail, (uint32_t)w->passed.tail + s->head))
		return;
	for (uint32_t bit = 0, n; next_run(word, &bit, &n) && !is_long(w, port + bit, n);)
		bit += n;
}

/* The word with only those ports free that are walked over. */
static uint64_t clipped(const struct walk *w, uint32_t port)
{
	uint64_t word = w->r->words[port / 64];

	if (port < w->from)
		word = word >> (w->from - port) << (w->from - port);
	if (port + 64 > w->end)
		word = word << (port + 64 - w->end) >> (port + 64 - w->end);
	return word;
}

/* Passes the n ports of a node, or finds a run that ends in them. What is inside as a whole is entered only if it has one. */
static bool find(struct walk *w, uint32_t node, uint32_t port, uint32_t n)
{
	bool whole = port >= w->from && port + n <= w->end, is_word = node >= RUNS_WORDS;

	if (port + n <= w->from || port >= w->end)
		return false;
	if (whole || is_word) {
		uint64_t word = is_word ? clipped(w, port) : 0;
		struct span s = whole ? w->r->spans[node] : span_of(word);
		struct span joined = join(&w->passed, w->passed_n, &s, n, port);

		if (longest(w, &joined) < w->aim) {
			w->passed = joined;
			w->passed_n += n;
			return false;
		}
		if (is_word) {
			settle_in(w, word, &s, port);
			return true;
		}
	}
	return find(w, 2 * node, port, n / 2) || find(w, 2 * node + 1, port + n / 2, n / 2);
}

static bool walk(struct walk *w, uint32_t aim)
{
	w->aim = aim;
	w->passed = (struct span){0};
	w->passed_n = 0;
	return find(w, 1, 0, RUNS_PORTS);
}

uint32_t runs_find(const struct runs *r, const struct runs_want *want, uint32_t from, uint32_t end, uint32_t enough,
		   uint16_t *first)
{
	struct walk w = {.r = r, .want = want, .from = from, .end = end};

	if (!walk(&w, want->n)) {
		uint32_t most = longest(&w, &w.passed);

		if (most <= enough || !walk(&w, most))
			return 0;
	}
	*first = (uint16_t)w.first;
	return w.aim;
}
