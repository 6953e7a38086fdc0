/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/ender_list.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int ender_list_add(struct ender_list *l, const struct mapping *m, enum ender_purpose purpose, void *context)
{
	struct ender_item *i;

	if (l->n == l->capacity) {
		size_t capacity = l->capacity ? l->capacity * 2 : 64;
		struct ender_item *v = realloc(l->v, capacity * sizeof(*v));

		if (!v)
			return -ENOMEM;
		l->v = v;
		l->capacity = capacity;
	}
	i = &l->v[l->n++];
	memset(i, 0, sizeof(*i));
	i->key.internal_address = m->internal_address;
	i->key.external_address = m->external_address;
	i->key.remote_address = m->remote_port ? m->remote_address : in6addr_any;
	i->key.remote_port = m->remote_port;
	i->key.protocol = m->protocol;
	i->external_port = m->external_port;
	i->more_ports = m->more_ports;
	i->internal_port = m->internal_port;
	i->purpose = (uint8_t)purpose;
	i->context = context;
	return 0;
}

void ender_list_clear(struct ender_list *l)
{
	free(l->v);
	*l = (struct ender_list){0};
}

/* By keys, then by external ports. */
static int compare(const void *a, const void *b)
{
	const struct ender_item *x = a, *y = b;
	int c = memcmp(&x->key, &y->key, sizeof(x->key));

	return c ? c : x->external_port - y->external_port;
}

static bool same_key(const struct ender_item *a, const struct ender_item *b)
{
	return memcmp(&a->key, &b->key, sizeof(a->key)) == 0;
}

void ender_list_sort(struct ender_list *l)
{
	if (l->n > 0)
		qsort(l->v, l->n, sizeof(*l->v), compare);
	for (size_t i = 0; i < l->n; i++) {
		struct ender_item *at = &l->v[i];

		at->reach = (uint16_t)(at->external_port + at->more_ports);
		if (i > 0 && same_key(at - 1, at) && at[-1].reach > at->reach)
			at->reach = at[-1].reach;
	}
}

/* How many items do not come after this one. */
static size_t count_upto(const struct ender_list *l, const struct ender_item *wanted)
{
	size_t first = 0, end = l->n;

	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (compare(&l->v[middle], wanted) <= 0)
			first = middle + 1;
		else
			end = middle;
	}
	return first;
}

static bool has_ports(const struct ender_item *i, const struct ender_flow *f)
{
	return f->external_port - i->external_port <= i->more_ports &&
	       f->internal_port - i->internal_port == f->external_port - i->external_port;
}

static unsigned meet(struct ender_list *l, const struct ender_flow *f, bool peer)
{
	struct ender_item wanted;
	unsigned met = 0;

	memset(&wanted, 0, sizeof(wanted));
	wanted.key.internal_address = f->internal_address;
	wanted.key.external_address = f->external_address;
	wanted.key.protocol = f->protocol;
	if (peer) {
		wanted.key.remote_address = f->remote_address;
		wanted.key.remote_port = f->remote_port;
	}
	wanted.external_port = f->external_port;
	for (size_t i = count_upto(l, &wanted); i-- > 0;) {
		struct ender_item *at = &l->v[i];

		if (!same_key(at, &wanted) || at->reach < f->external_port)
			break;
		if (!has_ports(at, f))
			continue;
		met |= 1u << at->purpose;
		if (at->left_s < f->left_s)
			at->left_s = f->left_s;
	}
	return met;
}

/* The same with a mapping of all ports of its protocol, or of all there is. */
static unsigned meet_all(struct ender_list *l, const struct ender_flow *f)
{
	struct ender_flow all = *f;
	unsigned met;

	all.internal_port = all.external_port = 0;
	met = meet(l, &all, false);
	all.protocol = 0;
	return met | meet(l, &all, false);
}

unsigned ender_list_meet(struct ender_list *l, const struct ender_flow *f)
{
	return l->n ? meet(l, f, false) | meet(l, f, true) | meet_all(l, f) : 0;
}
