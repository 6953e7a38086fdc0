/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/tally.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { TCP, UDP, SCTP, DCCP, UDPLITE, OTHER };

static const char *const names[TALLY_PROTOCOLS] = {"tcp", "udp", "sctp", "dccp", "udplite", "other"};

bool tally_init(struct tally *t, size_t rules)
{
	t->rules = rules;
	t->v = calloc(rules + 2, sizeof(*t->v));
	return t->v != NULL;
}

void tally_clear(struct tally *t)
{
	free(t->v);
	memset(t, 0, sizeof(*t));
}

static void add(struct tally_rule *to, const struct tally_rule *from)
{
	to->hits += from->hits;
	to->refused += from->refused;
	for (unsigned i = 0; i < TALLY_PROTOCOLS; i++)
		for (unsigned j = 0; j < TALLY_ORIGINS; j++)
			to->mappings[i][j] += from->mappings[i][j];
}

void tally_renumber(struct tally *t, const struct tally *from, const uint16_t *map)
{
	for (size_t i = 0; i < from->rules; i++) {
		struct tally_rule gone = from->v[i];

		/* what a rule decided that is no more is not what no rule did */
		if (map[i] == UINT16_MAX)
			gone.hits = gone.refused = 0;
		add(tally_of(t, map[i]), &gone);
	}
	add(tally_of(t, UINT16_MAX), tally_of(from, UINT16_MAX));
	add(tally_static(t), tally_static(from));
}

unsigned tally_protocol(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return TCP;
	case IPPROTO_UDP:
		return UDP;
	case IPPROTO_SCTP:
		return SCTP;
	case IPPROTO_DCCP:
		return DCCP;
	case IPPROTO_UDPLITE:
		return UDPLITE;
	default:
		return OTHER;
	}
}

const char *tally_protocol_name(unsigned i)
{
	return names[i];
}

size_t tally_mappings(const struct tally_rule *r)
{
	size_t n = 0;

	for (unsigned i = 0; i < TALLY_PROTOCOLS; i++)
		for (unsigned j = 0; j < TALLY_ORIGINS; j++)
			n += r->mappings[i][j];
	return n;
}
