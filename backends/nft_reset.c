/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nft_reset.h"

#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>

#include "backends/nft_rule.h"

/* The bit that nearly no connection has is looked at first, for this is done with every forwarded packet. */
static void put_reject(struct nft_rule_put *p, uint32_t marks)
{
	const uint8_t tcp = IPPROTO_TCP;
	struct nftnl_expr *e;
	struct nft_rule r;

	nft_rule_begin(&r, p->table, "forward");
	nft_rule_connection_any(&r, NFT_CT_STATUS, IPS_FIXED_TIMEOUT);
	nft_rule_connection_any(&r, NFT_CT_MARK, marks);
	nft_rule_family(&r, NFPROTO_IPV4);
	nft_rule_meta_get(&r, NFT_META_L4PROTO, NFT_RULE_REG_1);
	nft_rule_compare(&r, NFT_CMP_EQ, &tcp, sizeof(tcp));
	e = nft_rule_add(&r, "reject");
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_TCP_RST);
		nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, 0);
	}
	nft_rule_end(p, &r, NLM_F_APPEND, NFPROTO_INET);
}

static void put_untracked(struct nft_rule_put *p, uint32_t mark)
{
	struct nft_rule r;

	nft_rule_begin(&r, p->table, "output");
	nft_rule_packet_has(&r, mark);
	nft_rule_family(&r, NFPROTO_IPV4);
	nft_rule_add(&r, "notrack");
	nft_rule_end(p, &r, NLM_F_APPEND, NFPROTO_INET);
}

int nft_reset_put(struct nft_msg_batch *b, const struct conf *conf, uint32_t seq)
{
	struct nft_rule_put p = {.batch = b, .table = conf->backend.table, .seq = seq};

	nft_rule_chain(&p, "output", "filter", NF_INET_LOCAL_OUT, NF_IP_PRI_RAW);
	put_reject(&p, conf->backend.mark | conf->backend.hairpin_mark);
	put_untracked(&p, nft_reset_mark(conf));
	return p.error;
}

uint32_t nft_reset_mark(const struct conf *conf)
{
	return conf->backend.mark | conf->backend.hairpin_mark;
}
