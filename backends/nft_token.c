/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A number that goes where the mappings go: in the name of an empty chain of our table, to which nothing jumps. */
#include "backends/nft.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "backends/nft_rule.h"

#define TRIES 50 /* of a dump that others disturb */
#define NAME  "journal-%016" PRIx64

struct found {
	const char *wanted; /* our table */
	const char *table, *name;
	uint64_t token;
};

static int see(const struct nlattr *a, void *context)
{
	struct found *f = context;

	if (mnl_attr_validate(a, MNL_TYPE_NUL_STRING) < 0)
		return MNL_CB_OK;
	if (mnl_attr_get_type(a) == NFTA_CHAIN_TABLE)
		f->table = mnl_attr_get_str(a);
	if (mnl_attr_get_type(a) == NFTA_CHAIN_NAME)
		f->name = mnl_attr_get_str(a);
	return MNL_CB_OK;
}

static void chain(void *context, const struct nlmsghdr *message)
{
	struct found *f = context;
	uint64_t token;
	char end;

	f->table = f->name = "";
	if (mnl_attr_parse(message, sizeof(struct nfgenmsg), see, f) == MNL_CB_OK && !strcmp(f->table, f->wanted) &&
	    strlen(f->name) == strlen("journal-") + 16 && sscanf(f->name, "journal-%16" SCNx64 "%c", &token, &end) == 1)
		f->token = token;
}

int nft_token(struct backend *b, uint64_t *token)
{
	struct nft *n = (struct nft *)b;
	int rc = -EINTR;

	for (unsigned i = 0; rc == -EINTR && i < TRIES; i++) {
		struct found f = {.wanted = n->conf->backend.table};

		n->batch.length = 0;
		nft_msg_close(&n->batch, nft_msg_open(&n->batch, NFT_MSG_GETCHAIN, NLM_F_DUMP, NFPROTO_INET, n->seq++));
		rc = nft_query(n, chain, &f);
		*token = f.token;
	}
	return rc;
}

static void remove_chain(struct nft_rule_put *p, const char *name)
{
	struct nlmsghdr *h = nft_rule_open(p, NFT_MSG_DELCHAIN, 0, NFPROTO_INET);

	if (!h)
		return;
	mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, p->table);
	mnl_attr_put_strz(h, NFTA_CHAIN_NAME, name);
	nft_msg_close(p->batch, h);
}

int nft_set_token(struct backend *b, uint64_t token)
{
	struct nft *n = (struct nft *)b;
	struct nft_rule_put p = {.batch = &n->batch, .table = n->conf->backend.table};
	uint64_t old;
	char name[32];
	uint32_t first;
	int rc = nft_token(b, &old);

	if (rc || old == token)
		return rc;
	first = n->seq;
	n->seq += 10;
	nft_msg_begin(&n->batch, first);
	p.seq = first + 1;
	snprintf(name, sizeof(name), NAME, old);
	if (old)
		remove_chain(&p, name);
	snprintf(name, sizeof(name), NAME, token);
	nft_rule_chain(&p, name, NULL, 0, 0);
	return p.error ? p.error : nft_transact_all(n, first);
}
