/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/plan.h"

#include <stdio.h>
#include <string.h>

void plan_init(struct plan *p, uint64_t seed)
{
	memset(p, 0, sizeof(*p));
	p->random = seed;
}

/* splitmix64 */
uint64_t plan_random(struct plan *p)
{
	uint64_t z = p->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static void count_from(struct plan_entry *e, uint64_t now_ms)
{
	e->from_ms = now_ms + e->fault.at_ms;
	e->until_ms = e->fault.for_ms == FAULT_ALWAYS ? PLAN_NEVER : e->from_ms + e->fault.for_ms;
}

/* Without remark, and blanks before and behind; in notes, which are JSON, there are no tabs. */
static void text_keep(struct plan_entry *e, const char *text)
{
	const char *begin = text + strspn(text, " \t");
	size_t n;

	snprintf(e->text, sizeof(e->text), "%.*s", (int)strcspn(begin, "#\r\n"), begin);
	for (n = 0; e->text[n]; n++)
		if (e->text[n] == '\t')
			e->text[n] = ' ';
	while (n > 0 && e->text[n - 1] == ' ')
		e->text[--n] = '\0';
}

bool plan_add(struct plan *p, const char *text, uint64_t now_ms, char why[FAULT_WHY])
{
	struct plan_entry *e = &p->v[p->n];

	if (p->n == PLAN_MAX) {
		snprintf(why, FAULT_WHY, "more than %d faults", PLAN_MAX);
		return false;
	}
	*e = (struct plan_entry){.from_ms = PLAN_NEVER, .until_ms = PLAN_NEVER};
	if (!fault_parse(text, &e->fault, why))
		return false;
	text_keep(e, text);
	if (p->begun)
		count_from(e, now_ms);
	p->n++;
	return true;
}

void plan_begin(struct plan *p, uint64_t now_ms)
{
	if (p->begun)
		return;
	p->begun = true;
	for (size_t i = 0; i < p->n; i++)
		count_from(&p->v[i], now_ms);
}

static bool selective(const struct fault *f)
{
	return f->n_n || f->every || f->share;
}

/* A fault of the gateway is for requests if it says for which. */
static bool by_time(const struct fault *f)
{
	return fault_when(f->kind) == FAULT_OF_GATEWAY && !selective(f);
}

bool plan_holds(const struct plan *p, size_t i, uint64_t now_ms)
{
	return p->v[i].from_ms <= now_ms && now_ms < p->v[i].until_ms;
}

static bool selects(struct plan *p, const struct fault *f, uint32_t count)
{
	bool in = f->n_n == 0;

	for (size_t i = 0; i < f->n_n; i++)
		in = in || (count >= f->n[i].first && count <= f->n[i].last);
	if (f->every && count % f->every != 0)
		in = false;
	/* chance is taken each time, so that it does not depend on the rest */
	if (f->share && plan_random(p) % 1000000 >= f->share)
		in = false;
	return in;
}

bool plan_takes(struct plan *p, size_t i, const struct sight *s, const struct in6_addr *client, uint64_t now_ms)
{
	struct plan_entry *e = &p->v[i];

	if (!plan_holds(p, i, now_ms) || by_time(&e->fault) || !fault_fits(&e->fault, s, client))
		return false;
	return selects(p, &e->fault, ++e->count);
}

/* When the entry's next turn is. */
static uint64_t turn(const struct plan_entry *e)
{
	if (!by_time(&e->fault) || e->ended)
		return PLAN_NEVER;
	return e->begun ? e->until_ms : e->from_ms;
}

enum plan_turn plan_next(struct plan *p, uint64_t now_ms, size_t *i)
{
	for (*i = 0; *i < p->n; ++*i) {
		struct plan_entry *e = &p->v[*i];

		if (turn(e) > now_ms || turn(e) == PLAN_NEVER)
			continue;
		if (e->begun)
			e->ended = true;
		e->begun = true;
		return e->ended ? PLAN_ENDS : PLAN_BEGINS;
	}
	return PLAN_NOTHING;
}

uint64_t plan_deadline(const struct plan *p)
{
	uint64_t at = PLAN_NEVER;

	for (size_t i = 0; i < p->n; i++)
		if (turn(&p->v[i]) < at)
			at = turn(&p->v[i]);
	return at;
}
