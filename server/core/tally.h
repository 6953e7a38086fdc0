/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How often each rule decided, and how many mappings are in force by it: kept as they change, never counted out. */
#ifndef SERVER_CORE_TALLY_H
#define SERVER_CORE_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TALLY_PROTOCOLS = 6, /* those with ports, and all others in one: clients choose among 256 */
	TALLY_ORIGINS = 4,   /* as enum engine_origin */
};

struct tally_rule {
	uint64_t hits;					   /* requests that it decided; of none: that no rule matched */
	uint64_t refused;				   /* of them, those that got no mapping */
	uint32_t mappings[TALLY_PROTOCOLS][TALLY_ORIGINS]; /* in force; a set of ports is one */
};

struct tally {
	struct tally_rule *v; /* of each rule; then of none, or one that is unknown; then of static mappings */
	size_t rules;
};

/* All zero. False if out of memory. */
bool tally_init(struct tally *t, size_t rules);
void tally_clear(struct tally *t);
/* Adds what from has to t. map[i] is what rule i of from is in t, UINT16_MAX = gone. */
void tally_renumber(struct tally *t, const struct tally *from, const uint16_t *map);

/* The entry of a rule; UINT16_MAX = none. */
static inline struct tally_rule *tally_of(const struct tally *t, uint16_t rule)
{
	return &t->v[rule < t->rules ? rule : t->rules];
}
static inline struct tally_rule *tally_static(const struct tally *t)
{
	return &t->v[t->rules + 1];
}

/* A request was decided by a rule. */
static inline void tally_decided(const struct tally *t, uint16_t rule, bool refused)
{
	struct tally_rule *r = tally_of(t, rule);

	r->hits++;
	r->refused += refused;
}

/* Which of the TALLY_PROTOCOLS it is; their names. */
unsigned tally_protocol(uint8_t protocol);
const char *tally_protocol_name(unsigned i);

/* In force, all of one rule. */
size_t tally_mappings(const struct tally_rule *r);

#endif
