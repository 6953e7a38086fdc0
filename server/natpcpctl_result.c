/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_result.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What a record says of one side of a lease: its inside, with the peer if there is one, or an outside that is held.
 * Compared as octets, so there are none between its members or after them. */
struct side {
	struct in6_addr address, remote_address;
	uint16_t port, remote_port, protocol, held;
};
_Static_assert(sizeof(struct side) == 2 * sizeof(struct in6_addr) + 4 * sizeof(uint16_t), "octets of no member");

enum says { THERE, GONE, GONE_IF_OUTSIDE };

struct entry {
	struct side side;
	struct in6_addr outside_address;
	uint16_t outside_port;
	uint8_t says; /* enum says */
	uint64_t offset;
};

struct result {
	struct entry *v;
	size_t n, room;
	uint64_t *kept; /* offsets, in order */
	size_t kept_n;
};

struct result *result_new(void)
{
	return calloc(1, sizeof(struct result));
}

void result_free(struct result *r)
{
	if (!r)
		return;
	free(r->v);
	free(r->kept);
	free(r);
}

static bool add(struct result *r, uint64_t offset, const struct record_lease *l, bool held, enum says says)
{
	struct entry *e;

	if (r->n == r->room) {
		size_t room = r->room ? 2 * r->room : 256;
		struct entry *v = reallocarray(r->v, room, sizeof(*v));

		if (!v)
			return false;
		r->v = v;
		r->room = room;
	}
	e = &r->v[r->n++];
	memset(e, 0, sizeof(*e));
	e->side.address = held ? l->external_address : l->internal_address;
	e->side.port = held ? l->external_port : l->internal_port;
	e->side.protocol = l->protocol;
	e->side.held = held;
	if (!held && l->extra.remote_port) {
		e->side.remote_address = l->extra.remote_address;
		e->side.remote_port = l->extra.remote_port;
	}
	e->outside_address = l->external_address;
	e->outside_port = l->external_port;
	e->says = (uint8_t)says;
	e->offset = offset;
	return true;
}

int result_add(void *result, uint64_t offset, const struct record *record)
{
	const struct record_lease *l = &record->lease;
	bool good = true;

	if (record->type == RECORD_END)
		good = add(result, offset, l, l->held, GONE);
	else if (record->type == RECORD_LEASE && l->held) /* the lease that it was, and no other of that inside */
		good = add(result, offset, l, false, GONE_IF_OUTSIDE) && add(result, offset, l, true, THERE);
	else if (record->type == RECORD_LEASE)
		good = add(result, offset, l, true, GONE) && add(result, offset, l, false, THERE);
	return good ? 0 : -ENOMEM;
}

static int by_side(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = memcmp(&x->side, &y->side, sizeof(x->side));

	return order ? order : x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int by_offset(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool same_outside(const struct entry *a, const struct entry *b)
{
	return a->outside_port == b->outside_port &&
	       memcmp(&a->outside_address, &b->outside_address, sizeof(a->outside_address)) == 0;
}

bool result_settle(struct result *r)
{
	const struct entry *last = NULL;

	r->kept = malloc((r->n + 1) * sizeof(*r->kept));
	if (!r->kept)
		return false;
	if (r->n)
		qsort(r->v, r->n, sizeof(*r->v), by_side);
	for (size_t i = 0; i < r->n; i++) {
		const struct entry *e = &r->v[i];

		if (e->says == THERE)
			last = e;
		else if (e->says == GONE || (last && same_outside(last, e)))
			last = NULL;
		if (i + 1 == r->n || memcmp(&e->side, &e[1].side, sizeof(e->side)) != 0) {
			if (last)
				r->kept[r->kept_n++] = last->offset;
			last = NULL;
		}
	}
	qsort(r->kept, r->kept_n, sizeof(*r->kept), by_offset);
	free(r->v);
	r->v = NULL;
	return true;
}

bool result_has(const struct result *r, uint64_t offset)
{
	return r->kept_n && bsearch(&offset, r->kept, r->kept_n, sizeof(*r->kept), by_offset) != NULL;
}
