/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leases for one peer that share a side: a host may have any number of them at one of its ports. Entries of one hash would
 * stand in a row in the index, in the way of everybody whose place is among them. So they are numbered, without a gap,
 * and the number is part of the hash.
 */
#include "server/core/lease_self.h"

static struct lease *at(const struct lease_table *t, uint32_t i)
{
	return slab_at(&t->leases, i, sizeof(struct lease));
}

/* The last number: whoever comes when all others are taken shares it. */
enum { NTH_LAST = UINT16_MAX };

static uint16_t *nth_of(struct lease *l, enum lease_side side)
{
	return side == LEASE_INSIDE ? &l->inside_nth : &l->outside_nth;
}

static uint32_t peers_hash(const struct lease_table *t, const struct lease_peers *p)
{
	/* numbers that are near each other, far from each other in a table of any size */
	return (uint32_t)hash_again(t->memo, &t->key, p->address,
				    LEASE_PEER_SALT | (uint32_t)p->protocol << 16 | p->port) +
	       p->nth * UINT32_C(0x9e3779b1);
}

/* The next lease that has the number. */
static uint32_t next_with(const struct lease_table *t, struct lease_peers *p, enum lease_side side)
{
	const struct index *x = side == LEASE_INSIDE ? &t->by_peers : &t->by_external;
	uint32_t i = p->begun ? index_next(x, &p->cursor) : index_first(x, peers_hash(t, p), &p->cursor);

	p->begun = true;
	for (; i != INDEX_NONE; i = index_next(x, &p->cursor)) {
		struct lease *l = at(t, i);

		if (lease_is_peer(l) && *nth_of(l, side) == p->nth &&
		    (side == LEASE_INSIDE ? lease_has_internal(l, p->protocol, p->address, p->port)
					  : l->protocol == p->protocol && lease_has_external(l, p->address, p->port)))
			break;
	}
	return i;
}

static uint32_t with(const struct lease_table *t, struct lease_peers *p, enum lease_side side, uint32_t nth)
{
	p->nth = (uint16_t)nth;
	p->begun = false;
	return next_with(t, p, side);
}

/* The first number that is free, if those below n are taken: all below it are; NTH_LAST if none is. */
static uint16_t free_number(const struct lease_table *t, struct lease_peers *p, enum lease_side side, uint32_t n)
{
	uint32_t step = 1, end;

	while (n + step <= NTH_LAST && with(t, p, side, n + step - 1) != LEASE_NONE) {
		n += step;
		step *= 2;
	}
	end = n + step - 1 < NTH_LAST ? n + step - 1 : NTH_LAST;
	while (n < end) {
		uint32_t middle = n + (end - n) / 2;

		if (with(t, p, side, middle) != LEASE_NONE)
			n = middle + 1;
		else
			end = middle;
	}
	return (uint16_t)n;
}

static struct lease_peers peers_of(const struct lease *l, enum lease_side side)
{
	return (struct lease_peers){.protocol = l->protocol,
				    .address = side == LEASE_INSIDE ? &l->internal_address : &l->external_address,
				    .port = side == LEASE_INSIDE ? l->internal_port : l->external_port};
}

static void add_peer(struct lease_table *t, uint32_t i, struct lease_peers *p, enum lease_side side, uint16_t nth)
{
	*nth_of(at(t, i), side) = p->nth = nth;
	index_add(side == LEASE_INSIDE ? &t->by_peers : &t->by_external, peers_hash(t, p), i);
}

static void remove_peer(struct lease_table *t, uint32_t i, struct lease_peers *p, enum lease_side side)
{
	p->nth = *nth_of(at(t, i), side);
	index_remove(side == LEASE_INSIDE ? &t->by_peers : &t->by_external, peers_hash(t, p), i);
}

void lease_peers_join(struct lease_table *t, uint32_t i, enum lease_side side)
{
	struct lease_peers p = peers_of(at(t, i), side);

	add_peer(t, i, &p, side, free_number(t, &p, side, 0));
}

/* The last one gets its number, so that there is no gap. */
void lease_peers_leave(struct lease_table *t, uint32_t i, enum lease_side side)
{
	struct lease_peers p = peers_of(at(t, i), side);
	uint16_t nth = *nth_of(at(t, i), side);
	uint32_t last, end;

	remove_peer(t, i, &p, side);
	if (nth == NTH_LAST)
		return;
	last = with(t, &p, side, NTH_LAST);
	end = last == LEASE_NONE ? free_number(t, &p, side, nth + 1u) : 0;
	if (last == LEASE_NONE && end > nth + 1u)
		last = with(t, &p, side, end - 1);
	if (last == LEASE_NONE)
		return;
	remove_peer(t, last, &p, side);
	add_peer(t, last, &p, side, nth);
}

static uint32_t next_peer(const struct lease_table *t, struct lease_peers *p, enum lease_side side)
{
	uint32_t i = lease_has_peers(t) ? next_with(t, p, side) : LEASE_NONE;

	if (i != LEASE_NONE && p->nth < NTH_LAST) {
		p->nth++;
		p->begun = false;
	}
	return i;
}

uint32_t lease_next_peer(const struct lease_table *t, struct lease_peers *p)
{
	return next_peer(t, p, LEASE_INSIDE);
}

uint32_t lease_next_peer_outside(const struct lease_table *t, struct lease_peers *p)
{
	return next_peer(t, p, LEASE_OUTSIDE);
}
