/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many connections came about by mappings: the ruleset counts them, and one counter is read. */
#include "backends/nft.h"

#include <endian.h>
#include <errno.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "backends/nft_ruleset.h"

struct reading {
	uint64_t table, packets, bytes;
};

static int read_number(const struct nlattr *a, uint64_t *n)
{
	if (mnl_attr_get_payload_len(a) == sizeof(uint64_t))
		*n = be64toh(mnl_attr_get_u64(a));
	return MNL_CB_OK;
}

static int read_table(const struct nlattr *a, void *context)
{
	struct reading *r = context;

	return mnl_attr_get_type(a) == NFTA_TABLE_HANDLE ? read_number(a, &r->table) : MNL_CB_OK;
}

static int read_counter(const struct nlattr *a, void *context)
{
	struct reading *r = context;

	if (mnl_attr_get_type(a) == NFTA_COUNTER_PACKETS)
		return read_number(a, &r->packets);
	return mnl_attr_get_type(a) == NFTA_COUNTER_BYTES ? read_number(a, &r->bytes) : MNL_CB_OK;
}

static int read_object(const struct nlattr *a, void *context)
{
	return mnl_attr_get_type(a) == NFTA_OBJ_DATA ? mnl_attr_parse_nested(a, read_counter, context) : MNL_CB_OK;
}

static void take(void *context, const struct nlmsghdr *message)
{
	mnl_attr_parse(message, sizeof(struct nfgenmsg),
		       (message->nlmsg_type & 0xff) == NFT_MSG_NEWTABLE ? read_table : read_object, context);
}

int nft_flows(struct backend *b, struct backend_flows *flows)
{
	struct nft *n = (struct nft *)b;
	struct reading r = {0};
	struct nlmsghdr *h;
	int rc;

	n->batch.length = 0;
	h = nft_msg_open(&n->batch, NFT_MSG_GETOBJ, NLM_F_ACK, NFPROTO_INET, n->seq++);
	mnl_attr_put_strz(h, NFTA_OBJ_TABLE, n->conf->backend.table);
	mnl_attr_put_strz(h, NFTA_OBJ_NAME, NFT_RULESET_COUNTER);
	mnl_attr_put_u32(h, NFTA_OBJ_TYPE, htobe32(NFT_OBJECT_COUNTER));
	nft_msg_close(&n->batch, h);
	rc = nft_query(n, take, &r);
	if (rc)
		return rc;
	/* a table that was made anew counts from the start again, so the number of the table is told with the count */
	n->batch.length = 0;
	h = nft_msg_open(&n->batch, NFT_MSG_GETTABLE, NLM_F_ACK, NFPROTO_INET, n->seq++);
	mnl_attr_put_strz(h, NFTA_TABLE_NAME, n->conf->backend.table);
	nft_msg_close(&n->batch, h);
	rc = nft_query(n, take, &r);
	if (rc)
		return rc;
	/* somebody reset the counter, which may come to the same count again */
	if (r.table == 0 || r.bytes < NFT_RULESET_COUNTED)
		return -ESTALE;
	*flows = (struct backend_flows){.v = {r.table, r.packets, r.bytes}};
	return 0;
}
