/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nft_rule.h"

#include <errno.h>

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>

/* Octets that are left free for one message; the longest rule takes about 1100. */
#define ROOM 4096

struct nlmsghdr *nft_rule_open(struct nft_rule_put *p, uint16_t type, uint16_t flags, uint8_t family)
{
	if (p->error == 0 && p->batch->capacity - p->batch->length < ROOM)
		p->error = -EMSGSIZE;
	return p->error ? NULL : nft_msg_open(p->batch, type, flags, family, p->seq++);
}

void nft_rule_chain(struct nft_rule_put *p, const char *name, const char *type, uint32_t hook, int32_t priority)
{
	struct nftnl_chain *c = nftnl_chain_alloc();
	struct nlmsghdr *h;

	if (!c) {
		p->error = p->error ? p->error : -ENOMEM;
		return;
	}
	if (nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, p->table) < 0 ||
	    nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, name) < 0 ||
	    (type && nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, type) < 0))
		p->error = p->error ? p->error : -ENOMEM;
	if (type) {
		nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, hook);
		nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, priority);
		nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	}
	h = nft_rule_open(p, NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFPROTO_INET);
	if (h) {
		nftnl_chain_nlmsg_build_payload(h, c);
		nft_msg_close(p->batch, h);
	}
	nftnl_chain_free(c);
}

struct nftnl_expr *nft_rule_add(struct nft_rule *r, const char *name)
{
	struct nftnl_expr *e = r->failed ? NULL : nftnl_expr_alloc(name);

	if (!e)
		r->failed = true;
	else
		nftnl_rule_add_expr(r->rule, e);
	return e;
}

void nft_rule_meta_get(struct nft_rule *r, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *e = nft_rule_add(r, "meta");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
		nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, reg);
	}
}

void nft_rule_meta_set(struct nft_rule *r, uint32_t key)
{
	struct nftnl_expr *e = nft_rule_add(r, "meta");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
		nftnl_expr_set_u32(e, NFTNL_EXPR_META_SREG, NFT_RULE_REG_1);
	}
}

void nft_rule_ct_get_into(struct nft_rule *r, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *e = nft_rule_add(r, "ct");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, key);
		nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, reg);
		if (key == NFT_CT_DST_IP)
			nftnl_expr_set_u8(e, NFTNL_EXPR_CT_DIR, IP_CT_DIR_ORIGINAL);
	}
}

void nft_rule_ct_get(struct nft_rule *r, uint32_t key)
{
	nft_rule_ct_get_into(r, key, NFT_RULE_REG_1);
}

void nft_rule_ct_set(struct nft_rule *r, uint32_t key)
{
	struct nftnl_expr *e = nft_rule_add(r, "ct");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, key);
		nftnl_expr_set_u32(e, NFTNL_EXPR_CT_SREG, NFT_RULE_REG_1);
	}
}

void nft_rule_payload(struct nft_rule *r, uint32_t base, uint32_t offset, uint32_t length, uint32_t reg)
{
	struct nftnl_expr *e = nft_rule_add(r, "payload");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, reg);
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, length);
	}
}

void nft_rule_compare(struct nft_rule *r, uint32_t op, const void *data, uint32_t length)
{
	struct nftnl_expr *e = nft_rule_add(r, "cmp");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_RULE_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
		if (nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, length) < 0)
			r->failed = true;
	}
}

void nft_rule_bits(struct nft_rule *r, uint32_t mask, uint32_t xor)
{
	struct nftnl_expr *e = nft_rule_add(r, "bitwise");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_RULE_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_RULE_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, sizeof(mask));
		if (nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, &mask, sizeof(mask)) < 0 ||
		    nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, &xor, sizeof(xor)) < 0)
			r->failed = true;
	}
}

void nft_rule_lookup(struct nft_rule *r, const char *set, enum nft_lookup how)
{
	struct nftnl_expr *e = nft_rule_add(r, "lookup");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, NFT_RULE_REG_1);
		if (nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set) < 0)
			r->failed = true;
		if (how == NFT_LOOKUP_DATA)
			nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_DREG, NFT_RULE_REG_1);
		if (how == NFT_LOOKUP_NOT_IN)
			nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	}
}

void nft_rule_nat(struct nft_rule *r, uint32_t type, bool port)
{
	struct nftnl_expr *e = nft_rule_add(r, "nat");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, type);
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, NFPROTO_IPV4);
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_RULE_REG_1);
		if (port)
			nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MIN, NFT_RULE_REG_1B);
	}
}

void nft_rule_verdict(struct nft_rule *r, int verdict, const char *chain)
{
	struct nftnl_expr *e = nft_rule_add(r, "immediate");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
		nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
		if (chain && nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain) < 0)
			r->failed = true;
	}
}

void nft_rule_family(struct nft_rule *r, uint8_t family)
{
	nft_rule_meta_get(r, NFT_META_NFPROTO, NFT_RULE_REG_1);
	nft_rule_compare(r, NFT_CMP_EQ, &family, sizeof(family));
}

void nft_rule_interface(struct nft_rule *r, uint32_t key, const char *set, enum nft_lookup how)
{
	nft_rule_meta_get(r, key, NFT_RULE_REG_1);
	nft_rule_lookup(r, set, how);
}

void nft_rule_connection_has(struct nft_rule *r, uint32_t mark)
{
	nft_rule_ct_get(r, NFT_CT_MARK);
	nft_rule_bits(r, mark, 0);
	nft_rule_compare(r, NFT_CMP_EQ, &mark, sizeof(mark));
}

void nft_rule_packet_has(struct nft_rule *r, uint32_t mark)
{
	nft_rule_meta_get(r, NFT_META_MARK, NFT_RULE_REG_1);
	nft_rule_bits(r, mark, 0);
	nft_rule_compare(r, NFT_CMP_EQ, &mark, sizeof(mark));
}

void nft_rule_connection_any(struct nft_rule *r, uint32_t key, uint32_t bits)
{
	const uint32_t none = 0;

	nft_rule_ct_get(r, key);
	nft_rule_bits(r, bits, 0);
	nft_rule_compare(r, NFT_CMP_NEQ, &none, sizeof(none));
}

void nft_rule_mark_connection(struct nft_rule *r, uint32_t mark)
{
	nft_rule_ct_get(r, NFT_CT_MARK);
	nft_rule_bits(r, ~mark, mark);
	nft_rule_ct_set(r, NFT_CT_MARK);
}

void nft_rule_count(struct nft_rule *r, const char *counter)
{
	struct nftnl_expr *e = nft_rule_add(r, "objref");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
		if (nftnl_expr_set_str(e, NFTNL_EXPR_OBJREF_IMM_NAME, counter) < 0)
			r->failed = true;
	}
}

void nft_rule_mark_packet(struct nft_rule *r, uint32_t mark)
{
	nft_rule_meta_get(r, NFT_META_MARK, NFT_RULE_REG_1);
	nft_rule_bits(r, ~mark, mark);
	nft_rule_meta_set(r, NFT_META_MARK);
}

void nft_rule_key(struct nft_rule *r, uint32_t address_offset, uint32_t port_offset)
{
	bool v6 = address_offset == NFT_RULE_V6_DESTINATION;

	nft_rule_meta_get(r, NFT_META_L4PROTO, NFT_RULE_REG_1);
	nft_rule_payload(r, NFT_PAYLOAD_NETWORK_HEADER, address_offset, v6 ? 16 : 4, NFT_RULE_REG_1B);
	nft_rule_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, port_offset, 2, v6 ? NFT_RULE_REG_1F : NFT_RULE_REG_1C);
}

static void destination(struct nft_rule *r, bool v4, uint32_t reg)
{
	nft_rule_payload(r, NFT_PAYLOAD_NETWORK_HEADER, v4 ? NFT_RULE_V4_DESTINATION : NFT_RULE_V6_DESTINATION,
			 v4 ? 4 : 16, reg);
}

void nft_rule_protocol_key(struct nft_rule *r, bool v4)
{
	nft_rule_meta_get(r, NFT_META_L4PROTO, NFT_RULE_REG_1);
	destination(r, v4, NFT_RULE_REG_1B);
}

void nft_rule_host_key(struct nft_rule *r, bool v4)
{
	destination(r, v4, NFT_RULE_REG_1);
}

static void mask(struct nft_rule *r, uint32_t reg, uint32_t length, const uint8_t bits[16])
{
	static const uint8_t none[16];
	struct nftnl_expr *e = nft_rule_add(r, "bitwise");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, reg);
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, reg);
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, length);
		if (nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, bits, length) < 0 ||
		    nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, none, length) < 0)
			r->failed = true;
	}
}

void nft_rule_network_key(struct nft_rule *r, bool v4, enum nft_map_reach reach, unsigned prefix_length, bool any_port)
{
	static const uint8_t none[16];
	unsigned octets = v4 ? 4 : 16;
	uint8_t bits[16] = {0};

	for (unsigned i = 0; i < prefix_length; i++)
		bits[i / 8] |= (uint8_t)(0x80 >> i % 8);
	nft_rule_meta_get(r, NFT_META_L4PROTO, NFT_RULE_REG_1);
	if (reach == NFT_MAP_HOST)
		mask(r, NFT_RULE_REG_1, 1, none);
	destination(r, v4, NFT_RULE_REG_1B);
	nft_rule_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, NFT_RULE_TH_DESTINATION, 2,
			 v4 ? NFT_RULE_REG_1C : NFT_RULE_REG_1F);
	if (reach != NFT_MAP_PORT)
		mask(r, v4 ? NFT_RULE_REG_1C : NFT_RULE_REG_1F, 2, none);
	nft_rule_payload(r, NFT_PAYLOAD_NETWORK_HEADER, v4 ? NFT_RULE_V4_SOURCE : NFT_RULE_V6_SOURCE, octets,
			 v4 ? NFT_RULE_REG_1D : NFT_RULE_REG_1G);
	if (prefix_length < octets * 8)
		mask(r, v4 ? NFT_RULE_REG_1D : NFT_RULE_REG_1G, octets, bits);
	nft_rule_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, NFT_RULE_TH_SOURCE, 2,
			 v4 ? NFT_RULE_REG_1E : NFT_RULE_REG_1K);
	if (any_port)
		mask(r, v4 ? NFT_RULE_REG_1E : NFT_RULE_REG_1K, 2, none);
}

void nft_rule_peer_key(struct nft_rule *r, bool v4)
{
	nft_rule_key(r, v4 ? NFT_RULE_V4_DESTINATION : NFT_RULE_V6_DESTINATION, NFT_RULE_TH_DESTINATION);
	nft_rule_payload(r, NFT_PAYLOAD_NETWORK_HEADER, v4 ? NFT_RULE_V4_SOURCE : NFT_RULE_V6_SOURCE, v4 ? 4 : 16,
			 v4 ? NFT_RULE_REG_1D : NFT_RULE_REG_1G);
	nft_rule_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, NFT_RULE_TH_SOURCE, 2,
			 v4 ? NFT_RULE_REG_1E : NFT_RULE_REG_1K);
}

void nft_rule_begin(struct nft_rule *r, const char *table, const char *chain)
{
	r->rule = nftnl_rule_alloc();
	r->failed = !r->rule;
	if (r->failed || nftnl_rule_set_str(r->rule, NFTNL_RULE_TABLE, table) < 0 ||
	    nftnl_rule_set_str(r->rule, NFTNL_RULE_CHAIN, chain) < 0)
		r->failed = true;
}

void nft_rule_end(struct nft_rule_put *p, struct nft_rule *r, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *h;

	if (r->failed && p->error == 0)
		p->error = -ENOMEM;
	h = nft_rule_open(p, NFT_MSG_NEWRULE, NLM_F_CREATE | flags, family);
	if (h) {
		nftnl_rule_nlmsg_build_payload(h, r->rule);
		nft_msg_close(p->batch, h);
	}
	if (r->rule)
		nftnl_rule_free(r->rule);
}
