/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the maps have, and which maps there are. */
#include "backends/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "backends/nft_found.h"
#include "backends/nft_map.h"

#define DUMP_TRIES 50 /* of a dump under which somebody changes rulesets all the time */

static int ask(struct nft *n, uint16_t type, uint16_t table, uint16_t set, const char *name, nft_answer_fn *fn,
	       void *context)
{
	struct nlmsghdr *h;

	n->batch.length = 0;
	h = nft_msg_open(&n->batch, type, NLM_F_DUMP, NFPROTO_INET, n->seq++);
	mnl_attr_put_strz(h, table, n->conf->backend.table);
	if (name)
		mnl_attr_put_strz(h, set, name);
	nft_msg_close(&n->batch, h);
	return nft_query(n, fn, context);
}

/* A query that names our table, until it was not disturbed: then what was found behind kept is all there is. */
static int dump(struct nft *n, uint16_t type, uint16_t table, uint16_t set, const char *name, nft_answer_fn *fn,
		void *context, size_t *found)
{
	size_t kept = *found;
	int rc = -EINTR;

	for (int tries = 0; rc == -EINTR && tries < DUMP_TRIES; tries++) {
		*found = kept;
		rc = ask(n, type, table, set, name, fn, context);
	}
	return rc;
}

enum which { OUTSIDES, FILTERED, MIRRORS };

static bool is_of(const struct nft_map *map, enum which which)
{
	if (which == MIRRORS || !map->outside)
		return which == MIRRORS && !map->outside;
	return which == OUTSIDES || map->shape == NFT_MAP_FOR_FILTER || map->shape == NFT_MAP_PIECE;
}

static int gather_maps(struct nft *n, enum which which, struct nft_found *f)
{
	char name[NFT_MSG_NAME_MAX];
	const struct nft_map *map;
	size_t external;
	int rc = 0;

	for (size_t i = 0; rc == 0 && (map = nft_map_at(n->conf, i, &external)); i++) {
		if (!is_of(map, which))
			continue;
		nft_map_name(name, n->conf, map, external);
		rc = dump(n, NFT_MSG_GETSETELEM, NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET, name, nft_found_take,
			  f, &f->n);
	}
	return rc == 0 && f->failed ? -ENOMEM : rc;
}

static int list(struct nft *n, enum which which, backend_list_fn *fn, void *context)
{
	struct nft_found f = {.conf = n->conf}, mirrors = {.conf = n->conf};
	int rc = gather_maps(n, which, &f);

	if (rc == 0 && f.n && n->conf->externals_n > 1)
		rc = gather_maps(n, MIRRORS, &mirrors);
	if (rc == 0)
		nft_found_tell(&f, &mirrors, fn, context);
	nft_found_clear(&mirrors);
	nft_found_clear(&f);
	return rc;
}

int nft_list(struct backend *b, backend_list_fn *fn, void *context)
{
	return list((struct nft *)b, OUTSIDES, fn, context);
}

int nft_list_filtered(struct backend *b, backend_list_fn *fn, void *context)
{
	return list((struct nft *)b, FILTERED, fn, context);
}

/* The kernel's attribute that older headers lack: the number of a set's elements, with those that have ended and are not
 * yet cleared away. 6.18 has it, old kernels do not. */
enum { SET_COUNT = 20 };

struct sum {
	const struct conf *conf;
	size_t n, told; /* elements; maps that told of theirs */
	const char *name;
	const struct nlattr *count;
};

static int read_count(const struct nlattr *a, void *context)
{
	struct sum *s = context;

	if (mnl_attr_get_type(a) == NFTA_SET_NAME && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
		s->name = mnl_attr_get_str(a);
	else if (mnl_attr_get_type(a) == SET_COUNT && mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
		s->count = a;
	return MNL_CB_OK;
}

static void add_count(void *context, const struct nlmsghdr *message)
{
	struct sum *s = context;
	const struct nft_map *map;
	size_t external;

	s->name = NULL;
	s->count = NULL;
	if (mnl_attr_parse(message, sizeof(struct nfgenmsg), read_count, s) != MNL_CB_OK || !s->name || !s->count)
		return;
	map = nft_map_named(s->conf, s->name, &external);
	if (!map || !map->outside || map->shape == NFT_MAP_PIECE)
		return;
	s->n += ntohl(mnl_attr_get_u32(s->count));
	s->told++;
}

int nft_count(struct backend *b, size_t *count)
{
	struct nft *n = (struct nft *)b;
	int rc = -EINTR;

	for (int tries = 0; rc == -EINTR && tries < DUMP_TRIES; tries++) {
		struct sum s = {.conf = n->conf};

		rc = ask(n, NFT_MSG_GETSET, NFTA_SET_TABLE, 0, NULL, add_count, &s);
		*count = s.n;
		if (rc == 0 && s.told == 0)
			rc = -EOPNOTSUPP;
	}
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
