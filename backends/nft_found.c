/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nft_found.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/nft_filter.h"
#include "codec/codec.h"

static uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* To find all may take long: until they are told of, it is kept when each ends. */
static void take(void *context, const struct nft_msg_found *found)
{
	struct nft_found *f = context;

	if (f->n == f->capacity) {
		size_t capacity = f->capacity ? f->capacity * 2 : 1024;
		struct nft_msg_found *v = realloc(f->v, capacity * sizeof(*v));

		if (!v) {
			f->failed = true;
			return;
		}
		f->v = v;
		f->capacity = capacity;
	}
	f->v[f->n] = *found;
	if (found->remaining_ms)
		f->v[f->n].remaining_ms += f->now_ms;
	f->n++;
}

void nft_found_take(void *context, const struct nlmsghdr *message)
{
	struct nft_found *f = context;

	f->now_ms = clock_ms();
	nft_msg_elements(message, f->conf, take, f);
}

static uint64_t remaining(const struct nft_msg_found *found)
{
	uint64_t now_ms = found->remaining_ms ? clock_ms() : 0;

	return found->remaining_ms > now_ms ? found->remaining_ms - now_ms : found->remaining_ms != 0;
}

/* By all that is the same in a mapping and its mirror. */
static int compare_internal(const void *a, const void *b)
{
	const struct mapping *x = &((const struct nft_msg_found *)a)->mapping,
			     *y = &((const struct nft_msg_found *)b)->mapping;
	int order = memcmp(&x->internal_address, &y->internal_address, sizeof(x->internal_address));

	if (order == 0)
		order = (x->internal_port > y->internal_port) - (x->internal_port < y->internal_port);
	if (order == 0)
		order = (x->protocol > y->protocol) - (x->protocol < y->protocol);
	if (order == 0)
		order = (x->remote_port > y->remote_port) - (x->remote_port < y->remote_port);
	if (order == 0)
		order = memcmp(&x->remote_address, &y->remote_address, sizeof(x->remote_address));
	if (order == 0)
		order = memcmp(&x->external_address, &y->external_address, sizeof(x->external_address));
	if (order == 0)
		order = (x->external_port > y->external_port) - (x->external_port < y->external_port);
	return order;
}

/* Which external a mapping is of, its mirror knows. */
static void find_externals(struct nft_found *f, struct nft_found *mirrors)
{
	if (mirrors->n)
		qsort(mirrors->v, mirrors->n, sizeof(*mirrors->v), compare_internal);
	for (size_t i = 0; mirrors->n && i < f->n; i++) {
		const struct nft_msg_found *found =
		    bsearch(&f->v[i], mirrors->v, mirrors->n, sizeof(*mirrors->v), compare_internal);

		if (found && f->v[i].kind != NFT_MSG_PIECE && f->v[i].mapping.kind == MAPPING_NAT)
			f->v[i].mapping.external = found->mapping.external;
	}
}

static int compare_place(const struct mapping *m, const struct mapping *n)
{
	int by_address = memcmp(&m->external_address, &n->external_address, sizeof(m->external_address));

	if (by_address)
		return by_address;
	return m->protocol != n->protocol ? m->protocol - n->protocol : m->external_port - n->external_port;
}

/* A mapping with filters stands before their pieces. */
static int compare_external(const void *a, const void *b)
{
	const struct nft_msg_found *m = a, *n = b;
	int by_place = compare_place(&m->mapping, &n->mapping);

	return by_place ? by_place : (int)m->kind - (int)n->kind;
}

/* Tells of the mappings that have filters. Pieces without a mapping let nobody in and end by themselves. */
static void tell_filtered(const struct nft_msg_found *v, size_t n, backend_list_fn *fn, void *context)
{
	struct mapping_filter filters[NFT_FILTER_PIECES_MAX];

	for (size_t i = 0; i < n;) {
		struct mapping m = v[i].mapping;
		size_t mapping = i, filters_n = 0;

		for (i++; i < n && v[i].kind == NFT_MSG_PIECE && compare_place(&m, &v[i].mapping) == 0; i++)
			if (filters_n < NFT_FILTER_PIECES_MAX)
				filters[filters_n++] = v[i].filter;
		if (v[mapping].kind != NFT_MSG_FILTERED)
			continue;
		filters_n = nft_filter_join(filters, filters_n);
		/* who has lost all of them is open for nobody; without a filter it would be for everybody */
		if (filters_n == 0)
			filters[filters_n++] = (struct mapping_filter){
			    .address = codec_is_v4(&m.internal_address) ? codec_from_v4(0) : in6addr_any,
			    .prefix_length = 128};
		m.filters_n = (uint16_t)filters_n;
		m.filters = filters;
		fn(context, &m, remaining(&v[mapping]));
	}
}

void nft_found_tell(struct nft_found *f, struct nft_found *mirrors, backend_list_fn *fn, void *context)
{
	size_t filtered = 0;

	find_externals(f, mirrors);
	/* those with filters are few, and the others need not be sorted */
	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i].kind == NFT_MSG_WHOLE)
			fn(context, &f->v[i].mapping, remaining(&f->v[i]));
		else
			f->v[filtered++] = f->v[i];
	}
	if (filtered) {
		qsort(f->v, filtered, sizeof(*f->v), compare_external);
		tell_filtered(f->v, filtered, fn, context);
	}
}

void nft_found_clear(struct nft_found *f)
{
	free(f->v);
	f->v = NULL;
	f->n = f->capacity = 0;
}
