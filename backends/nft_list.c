/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the maps have, and which maps there are. */
#include "backends/nft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "backends/nft_filter.h"
#include "backends/nft_map.h"
#include "codec/codec.h"

#define DUMP_TRIES 50 /* of a dump under which somebody changes rulesets all the time */

struct gather {
	const struct conf *conf;
	struct nft_msg_found *v;
	size_t n, capacity;
	bool failed;
};

static void gather(void *context, const struct nft_msg_found *found)
{
	struct gather *g = context;

	if (g->n == g->capacity) {
		size_t capacity = g->capacity ? g->capacity * 2 : 1024;
		struct nft_msg_found *v = realloc(g->v, capacity * sizeof(*v));

		if (!v) {
			g->failed = true;
			return;
		}
		g->v = v;
		g->capacity = capacity;
	}
	g->v[g->n++] = *found;
}

static void gather_elements(void *context, const struct nlmsghdr *message)
{
	struct gather *g = context;

	nft_msg_elements(message, g->conf, gather, g);
}

/* A query that names our table, until it was not disturbed: then what was found behind kept is all there is. */
static int dump(struct nft *n, uint16_t type, uint16_t table, uint16_t set, const char *name, nft_answer_fn *fn,
		void *context, size_t *found)
{
	size_t kept = *found;
	int rc = -EINTR;

	for (int tries = 0; rc == -EINTR && tries < DUMP_TRIES; tries++) {
		struct nlmsghdr *h;

		*found = kept;
		n->batch.length = 0;
		h = nft_msg_open(&n->batch, type, NLM_F_DUMP, NFPROTO_INET, n->seq++);
		mnl_attr_put_strz(h, table, n->conf->backend.table);
		if (name)
			mnl_attr_put_strz(h, set, name);
		nft_msg_close(&n->batch, h);
		rc = nft_query(n, fn, context);
	}
	return rc;
}

static int gather_maps(struct nft *n, bool mirrors, struct gather *g)
{
	char name[NFT_MSG_NAME_MAX];
	const struct nft_map *map;
	size_t external;
	int rc = 0;

	for (size_t i = 0; rc == 0 && (map = nft_map_at(n->conf, i, &external)); i++) {
		if (map->outside == mirrors)
			continue;
		nft_map_name(name, n->conf, map, external);
		rc = dump(n, NFT_MSG_GETSETELEM, NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET, name,
			  gather_elements, g, &g->n);
	}
	return rc == 0 && g->failed ? -ENOMEM : rc;
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
static int find_externals(struct nft *n, struct gather *g)
{
	struct gather mirrors = {.conf = n->conf};
	int rc = gather_maps(n, true, &mirrors);

	if (rc == 0 && mirrors.n)
		qsort(mirrors.v, mirrors.n, sizeof(*mirrors.v), compare_internal);
	for (size_t i = 0; rc == 0 && mirrors.n && i < g->n; i++) {
		const struct nft_msg_found *found =
		    bsearch(&g->v[i], mirrors.v, mirrors.n, sizeof(*mirrors.v), compare_internal);

		if (found && g->v[i].kind != NFT_MSG_PIECE && g->v[i].mapping.kind == MAPPING_NAT)
			g->v[i].mapping.external = found->mapping.external;
	}
	free(mirrors.v);
	return rc;
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
		fn(context, &m, v[mapping].remaining_ms);
	}
}

int nft_list(struct backend *b, backend_list_fn *fn, void *context)
{
	struct nft *n = (struct nft *)b;
	struct gather g = {.conf = n->conf};
	size_t filtered = 0;
	int rc = gather_maps(n, false, &g);

	if (rc == 0 && n->conf->externals_n > 1)
		rc = find_externals(n, &g);
	/* those with filters are few, and the others need not be sorted */
	for (size_t i = 0; rc == 0 && i < g.n; i++) {
		if (g.v[i].kind == NFT_MSG_WHOLE)
			fn(context, &g.v[i].mapping, g.v[i].remaining_ms);
		else
			g.v[filtered++] = g.v[i];
	}
	if (rc == 0 && filtered) {
		qsort(g.v, filtered, sizeof(*g.v), compare_external);
		tell_filtered(g.v, filtered, fn, context);
	}
	free(g.v);
	return rc;
}

struct search {
	const struct conf *conf;
	struct nft_strays *strays;
	const char *name;
};

static int read_name(const struct nlattr *a, void *context)
{
	struct search *s = context;

	if (mnl_attr_get_type(a) == NFTA_SET_NAME && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
		s->name = mnl_attr_get_str(a);
	return MNL_CB_OK;
}

static bool starts(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

static void find_stray(void *context, const struct nlmsghdr *message)
{
	struct search *s = context;
	struct nft_strays *v = s->strays;
	size_t external;

	s->name = NULL;
	if (mnl_attr_parse(message, sizeof(struct nfgenmsg), read_name, s) != MNL_CB_OK || !s->name ||
	    v->n == NFT_STRAYS_MAX || strlen(s->name) >= NFT_MSG_NAME_MAX)
		return;
	if (!starts(s->name, NFT_MSG_SNAT4 "-") && !starts(s->name, NFT_MSG_PEER_SNAT4 "-") &&
	    !starts(s->name, NFT_MSG_PORTS_SNAT4 "-"))
		return;
	if (nft_map_named(s->conf, s->name, &external))
		return;
	strcpy(v->names[v->n++], s->name);
}

int nft_strays(struct nft *n, const struct conf *conf, struct nft_strays *strays)
{
	struct search s = {.conf = conf, .strays = strays};
	int rc;

	strays->n = 0;
	rc = dump(n, NFT_MSG_GETSET, NFTA_SET_TABLE, 0, NULL, find_stray, &s, &strays->n);
	return rc == -ENOENT ? 0 : rc;
}
