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

#define DUMP_TRIES 50 /* of a dump under which somebody changes rulesets all the time */

struct gathered {
	struct mapping mapping;
	struct mapping_filter filter; /* if it has one: one of the mapping's */
	uint64_t remaining_ms;
};

struct gather {
	const struct conf *conf;
	struct gathered *v;
	size_t n, capacity;
	bool failed;
};

static void gather(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	struct gather *g = context;

	if (g->n == g->capacity) {
		size_t capacity = g->capacity ? g->capacity * 2 : 1024;
		struct gathered *v = realloc(g->v, capacity * sizeof(*v));

		if (!v) {
			g->failed = true;
			return;
		}
		g->v = v;
		g->capacity = capacity;
	}
	g->v[g->n] = (struct gathered){.mapping = *m, .remaining_ms = remaining_ms};
	if (m->filters_n)
		g->v[g->n].filter = m->filters[0];
	g->v[g->n++].mapping.filters = NULL; /* not its own */
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
	struct nft_msg_map map;
	int rc = 0;

	for (size_t i = 0; rc == 0 && nft_msg_map(n->conf, i, &map); i++)
		if (map.mirror == mirrors)
			rc = dump(n, NFT_MSG_GETSETELEM, NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET, map.name,
				  gather_elements, g, &g->n);
	return rc == 0 && g->failed ? -ENOMEM : rc;
}

/* By all that is the same in a mapping and its mirror. */
static int compare_internal(const void *a, const void *b)
{
	const struct mapping *x = &((const struct gathered *)a)->mapping, *y = &((const struct gathered *)b)->mapping;
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
		const struct gathered *found =
		    bsearch(&g->v[i], mirrors.v, mirrors.n, sizeof(*mirrors.v), compare_internal);

		if (found && g->v[i].mapping.kind == MAPPING_NAT)
			g->v[i].mapping.external = found->mapping.external;
	}
	free(mirrors.v);
	return rc;
}

/* Elements of one mapping stand together. */
static int compare_external(const void *a, const void *b)
{
	const struct mapping *m = &((const struct gathered *)a)->mapping, *n = &((const struct gathered *)b)->mapping;
	int by_address = memcmp(&m->external_address, &n->external_address, sizeof(m->external_address));

	if (by_address || m->kind != n->kind)
		return by_address ? by_address : m->kind - n->kind;
	if (m->protocol != n->protocol || m->external_port != n->external_port)
		return m->protocol != n->protocol ? m->protocol - n->protocol : m->external_port - n->external_port;
	by_address = memcmp(&m->internal_address, &n->internal_address, sizeof(m->internal_address));
	return by_address ? by_address : m->internal_port - n->internal_port;
}

/* Tells of the mappings that have filters. An element is a piece of a filter or a whole one, and pieces that look like
 * filters of their own are covered by what the others give. */
static void tell_filtered(const struct gathered *v, size_t n, backend_list_fn *fn, void *context)
{
	struct mapping_filter filters[NFT_FILTER_INTERVALS_MAX];
	size_t end;

	for (size_t i = 0; i < n; i = end) {
		struct mapping m = v[i].mapping;
		uint64_t remaining_ms = v[i].remaining_ms;
		size_t filters_n = 0;

		for (end = i; end < n && compare_external(&v[i], &v[end]) == 0; end++) {
			if (filters_n == NFT_FILTER_INTERVALS_MAX)
				continue;
			filters[filters_n++] = v[end].filter;
			/* 0 = for ever */
			if (remaining_ms && (v[end].remaining_ms == 0 || v[end].remaining_ms > remaining_ms))
				remaining_ms = v[end].remaining_ms;
		}
		m.filters_n = (uint16_t)nft_filter_reduce(filters, filters_n);
		m.filters = filters;
		fn(context, &m, remaining_ms);
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
		if (g.v[i].mapping.filters_n == 0)
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
	struct nft_msg_map map;

	s->name = NULL;
	if (mnl_attr_parse(message, sizeof(struct nfgenmsg), read_name, s) != MNL_CB_OK || !s->name ||
	    v->n == NFT_STRAYS_MAX || strlen(s->name) >= NFT_MSG_NAME_MAX)
		return;
	if (!starts(s->name, NFT_MSG_SNAT4 "-") && !starts(s->name, NFT_MSG_PEER_SNAT4 "-") &&
	    !starts(s->name, NFT_MSG_PORTS_SNAT4 "-"))
		return;
	for (size_t i = 0; nft_msg_map(s->conf, i, &map); i++)
		if (strcmp(map.name, s->name) == 0)
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
