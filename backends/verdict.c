/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/verdict.h"

#include <string.h>

/* Mappings of single peers stand beside each other and beside the one for everybody. */
static bool same_peer(const struct mapping *a, const struct mapping *b)
{
	return a->remote_port == b->remote_port &&
	       (a->remote_port == 0 || memcmp(&a->remote_address, &b->remote_address, sizeof(a->remote_address)) == 0);
}

static bool same_ports(uint16_t a, uint16_t b, const struct mapping *x, const struct mapping *y)
{
	return a <= b + (uint32_t)y->more_ports && b <= a + (uint32_t)x->more_ports;
}

bool verdict_same_external(const struct mapping *a, const struct mapping *b)
{
	return same_ports(a->external_port, b->external_port, a, b) && a->protocol == b->protocol &&
	       a->kind == b->kind && same_peer(a, b) &&
	       memcmp(&a->external_address, &b->external_address, sizeof(a->external_address)) == 0;
}

bool verdict_same_internal(const struct mapping *a, const struct mapping *b)
{
	/* each external has a mirror of its own */
	return (a->kind != MAPPING_NAT || a->external == b->external) &&
	       same_ports(a->internal_port, b->internal_port, a, b) && a->protocol == b->protocol &&
	       a->kind == b->kind && same_peer(a, b) &&
	       memcmp(&a->internal_address, &b->internal_address, sizeof(a->internal_address)) == 0;
}

bool verdict_same_mapping(const struct mapping *a, const struct mapping *b)
{
	return verdict_same_external(a, b) && verdict_same_internal(a, b);
}

/* Refuses the group that stands around change i. Returns the index of its last member; *first is the first one. */
static size_t refuse_group(struct change *changes, size_t n, size_t i, int error, size_t *first)
{
	size_t from = i, to = i;

	while (from > 0 && changes[from - 1].group == changes[i].group)
		from--;
	while (to + 1 < n && changes[to + 1].group == changes[i].group)
		to++;
	for (size_t j = from; j <= to; j++)
		if (changes[j].verdict == 0)
			changes[j].verdict = error;
	*first = from;
	return to;
}

void verdict_refuse(struct change *changes, size_t n, size_t i, int error)
{
	size_t from, ignored;
	size_t to = refuse_group(changes, n, i, error, &from);

	for (size_t j = from; j <= to; j++) {
		if (changes[j].verdict == 0)
			continue;
		for (size_t k = j + 1; k < n; k++)
			if (changes[k].verdict == 0 && verdict_same_mapping(&changes[j].mapping, &changes[k].mapping)) {
				size_t end = refuse_group(changes, n, k, error, &ignored);

				to = end > to ? end : to;
			}
	}
}
