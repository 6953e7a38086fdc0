/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nft_ruleset.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>

/* Octets that are left free for one message; the longest rule takes about 1100. */
#define ROOM	    4096
#define NAME_LENGTH 16 /* of an interface, with its NUL */

/* What nft calls the types of keys and data, so that it can list them: six bits for each field of a concatenation. */
enum { TYPE_V4 = 7, TYPE_V6 = 8, TYPE_PROTOCOL = 12, TYPE_SERVICE = 13, TYPE_IFNAME = 41 };
#define CONCAT2(a, b)	 ((a) << 6 | (b))
#define CONCAT3(a, b, c) ((a) << 12 | (b) << 6 | (c))
#define CONCAT5(a, b, c) ((a) << 24 | CONCAT2(b, c) << 12 | CONCAT2(b, c))

/* Registers of four octets, as nft counts them: the first, and those behind it. */
enum {
	REG_1 = NFT_REG_1,
	REG_1B = NFT_REG32_01,
	REG_1C = NFT_REG32_02,
	REG_1D = NFT_REG32_03,
	REG_1E = NFT_REG32_04,
	REG_1F = NFT_REG32_05,
	REG_1G = NFT_REG32_06,
	REG_1K = NFT_REG32_10
};

#define FILTERED "filtered" /* the chain that packets of mappings with filters go to */

/* Offsets in headers. */
enum { V4_SOURCE = 12, V4_DESTINATION = 16, V6_SOURCE = 8, V6_DESTINATION = 24, TH_SOURCE = 0, TH_DESTINATION = 2 };

struct put {
	struct nft_msg_batch *batch;
	const char *table;
	uint32_t seq;
	int error; /* the first one; then nothing more is put */
};

static struct nlmsghdr *open_message(struct put *p, uint16_t type, uint16_t flags, uint8_t family)
{
	if (p->error == 0 && p->batch->capacity - p->batch->length < ROOM)
		p->error = -EMSGSIZE;
	return p->error ? NULL : nft_msg_open(p->batch, type, flags, family, p->seq++);
}

static void put_table(struct put *p, uint32_t flags)
{
	struct nlmsghdr *h = open_message(p, NFT_MSG_NEWTABLE, NLM_F_CREATE, NFPROTO_INET);

	if (!h)
		return;
	mnl_attr_put_strz(h, NFTA_TABLE_NAME, p->table);
	/* Without flags of ours, those of a table that is there stay as they are. */
	if (flags)
		mnl_attr_put_u32(h, NFTA_TABLE_FLAGS, htonl(flags));
	nft_msg_close(p->batch, h);
}

struct set {
	const char *name;
	uint32_t key_type, key_length, data_type, data_length;
	bool intervals;
};

static const struct set sets[] = {
    {"lan", TYPE_IFNAME, NAME_LENGTH, 0, 0, false},
    {"wan", TYPE_IFNAME, NAME_LENGTH, 0, 0, false},
    {NFT_MSG_DNAT4, CONCAT3(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 12, CONCAT2(TYPE_V4, TYPE_SERVICE), 8, false},
    {NFT_MSG_SNAT4, CONCAT3(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 12, CONCAT2(TYPE_V4, TYPE_SERVICE), 8, false},
    {NFT_MSG_PIN4, CONCAT3(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 12, 0, 0, false},
    {NFT_MSG_PIN6, CONCAT3(TYPE_PROTOCOL, TYPE_V6, TYPE_SERVICE), 24, 0, 0, false},
    {NFT_MSG_PEER_DNAT4, CONCAT5(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 20, CONCAT2(TYPE_V4, TYPE_SERVICE), 8, false},
    {NFT_MSG_PEER_SNAT4, CONCAT5(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 20, CONCAT2(TYPE_V4, TYPE_SERVICE), 8, false},
    {NFT_MSG_PEER_PIN4, CONCAT5(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 20, 0, 0, false},
    {NFT_MSG_PEER_PIN6, CONCAT5(TYPE_PROTOCOL, TYPE_V6, TYPE_SERVICE), 44, 0, 0, false},
    {NFT_MSG_FILTER_DNAT4, CONCAT5(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 20, CONCAT2(TYPE_V4, TYPE_SERVICE), 8, true},
    {NFT_MSG_FILTER_PIN4, CONCAT5(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 20, 0, 0, true},
    {NFT_MSG_FILTER_PIN6, CONCAT5(TYPE_PROTOCOL, TYPE_V6, TYPE_SERVICE), 44, 0, 0, true},
    {NFT_MSG_PORTS_DNAT4, CONCAT3(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 12, TYPE_V4, 4, true},
    {NFT_MSG_PORTS_SNAT4, CONCAT3(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 12, TYPE_V4, 4, true},
    {NFT_MSG_PORTS_PIN4, CONCAT3(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 12, 0, 0, true},
    {NFT_MSG_PORTS_PIN6, CONCAT3(TYPE_PROTOCOL, TYPE_V6, TYPE_SERVICE), 24, 0, 0, true},
};

/*
 * The sets of mappings have no size: the number of leases is limited by the daemon, and a size would make the kernel
 * allot the whole hash table at once. The kernel's collection of expired elements stays at once a second, though it
 * walks all elements and costs 17 % of a processor with a million mappings: nft 1.0.6 prints a map's gc-interval and
 * cannot read it, and an operator's saved ruleset must load.
 */
static void put_set(struct put *p, const struct set *t, uint32_t id)
{
	const uint8_t address = t->key_length == 12 || t->key_length == 20 ? 4 : 16;
	const uint8_t fields[] = {1, address, 2, address, 2};
	const uint32_t fields_n = t->key_length == 12 || t->key_length == 24 ? 3 : 5;
	bool names = t->key_type == TYPE_IFNAME;
	/* Byte order of key and data as nft notes it for itself, in the host's order: 1 = the host's. */
	const uint32_t key_order = names;
	uint8_t order[12] = {[0] = NFTNL_UDATA_SET_KEYBYTEORDER, [1] = 4, [6] = NFTNL_UDATA_SET_DATABYTEORDER, [7] = 4};
	struct nftnl_set *s = nftnl_set_alloc();
	struct nlmsghdr *h;

	memcpy(order + 2, &key_order, sizeof(key_order));
	if (!s) {
		p->error = p->error ? p->error : -ENOMEM;
		return;
	}
	if (nftnl_set_set_str(s, NFTNL_SET_TABLE, p->table) < 0 || nftnl_set_set_str(s, NFTNL_SET_NAME, t->name) < 0 ||
	    nftnl_set_set_data(s, NFTNL_SET_USERDATA, order, t->data_length ? 12 : 6) < 0)
		p->error = p->error ? p->error : -ENOMEM;
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS,
			  (names ? 0 : NFT_SET_TIMEOUT) | (t->data_length ? NFT_SET_MAP : 0) |
			      (t->intervals ? NFT_SET_INTERVAL | NFT_SET_CONCAT : 0));
	/* a concatenation of intervals is compared field by field, so the kernel wants to know them */
	if (t->intervals && nftnl_set_set_data(s, NFTNL_SET_DESC_CONCAT, fields, fields_n) < 0)
		p->error = p->error ? p->error : -ENOMEM;
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, t->key_type);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, t->key_length);
	if (t->data_length) {
		nftnl_set_set_u32(s, NFTNL_SET_DATA_TYPE, t->data_type);
		nftnl_set_set_u32(s, NFTNL_SET_DATA_LEN, t->data_length);
	}
	nftnl_set_set_u32(s, NFTNL_SET_ID, id);
	h = open_message(p, NFT_MSG_NEWSET, NLM_F_CREATE, NFPROTO_INET);
	if (h) {
		nftnl_set_nlmsg_build_payload(h, s);
		nft_msg_close(p->batch, h);
	}
	nftnl_set_free(s);
}

static void put_name(struct put *p, const char *set, const char *interface)
{
	char key[NAME_LENGTH] = {0};
	struct nlmsghdr *h;
	struct nlattr *list, *element, *value;

	if (interface[0] == '\0' || strlen(interface) >= sizeof(key))
		return;
	h = open_message(p, NFT_MSG_NEWSETELEM, NLM_F_CREATE, NFPROTO_INET);
	if (!h)
		return;
	memcpy(key, interface, strlen(interface));
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, p->table);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, set);
	list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
	element = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
	value = mnl_attr_nest_start(h, NFTA_SET_ELEM_KEY);
	mnl_attr_put(h, NFTA_DATA_VALUE, sizeof(key), key);
	mnl_attr_nest_end(h, value);
	mnl_attr_nest_end(h, element);
	mnl_attr_nest_end(h, list);
	nft_msg_close(p->batch, h);
}

static void put_flush(struct put *p, const char *set)
{
	if (p->error == 0)
		nft_msg_flush(p->batch, p->table, set, p->seq++);
}

static void put_names(struct put *p, const struct conf *conf)
{
	put_flush(p, "lan");
	for (size_t i = 0; i < conf->listens_n; i++)
		for (size_t j = 0; j < conf->listens[i].interfaces.n; j++)
			put_name(p, "lan", conf->listens[i].interfaces.v[j]);
	put_flush(p, "wan");
	for (size_t i = 0; i < conf->externals_n; i++)
		put_name(p, "wan", conf->externals[i].interface);
}

/* type NULL: a chain that rules go to. */
static void put_chain(struct put *p, const char *name, const char *type, uint32_t hook, int32_t priority)
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
	h = open_message(p, NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFPROTO_INET);
	if (h) {
		nftnl_chain_nlmsg_build_payload(h, c);
		nft_msg_close(p->batch, h);
	}
	nftnl_chain_free(c);
}

/* A rule that is being put together; failed: some memory could not be had. */
struct rule {
	struct nftnl_rule *rule;
	bool failed;
};

static struct nftnl_expr *add(struct rule *r, const char *name)
{
	struct nftnl_expr *e = r->failed ? NULL : nftnl_expr_alloc(name);

	if (!e)
		r->failed = true;
	else
		nftnl_rule_add_expr(r->rule, e);
	return e;
}

static void add_meta_get(struct rule *r, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *e = add(r, "meta");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
		nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, reg);
	}
}

static void add_meta_set(struct rule *r, uint32_t key)
{
	struct nftnl_expr *e = add(r, "meta");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
		nftnl_expr_set_u32(e, NFTNL_EXPR_META_SREG, REG_1);
	}
}

static void add_ct_get_into(struct rule *r, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *e = add(r, "ct");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, key);
		nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, reg);
		if (key == NFT_CT_DST_IP)
			nftnl_expr_set_u8(e, NFTNL_EXPR_CT_DIR, IP_CT_DIR_ORIGINAL);
	}
}

static void add_ct_get(struct rule *r, uint32_t key)
{
	add_ct_get_into(r, key, REG_1);
}

static void add_ct_set(struct rule *r, uint32_t key)
{
	struct nftnl_expr *e = add(r, "ct");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, key);
		nftnl_expr_set_u32(e, NFTNL_EXPR_CT_SREG, REG_1);
	}
}

static void add_payload(struct rule *r, uint32_t base, uint32_t offset, uint32_t length, uint32_t reg)
{
	struct nftnl_expr *e = add(r, "payload");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, reg);
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, length);
	}
}

static void add_compare(struct rule *r, uint32_t op, const void *data, uint32_t length)
{
	struct nftnl_expr *e = add(r, "cmp");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
		if (nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, length) < 0)
			r->failed = true;
	}
}

/* reg = (reg & mask) ^ xor */
static void add_bits(struct rule *r, uint32_t mask, uint32_t xor)
{
	struct nftnl_expr *e = add(r, "bitwise");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, sizeof(mask));
		if (nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, &mask, sizeof(mask)) < 0 ||
		    nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, &xor, sizeof(xor)) < 0)
			r->failed = true;
	}
}

enum lookup { LOOKUP_IN, LOOKUP_NOT_IN, LOOKUP_DATA };

static void add_lookup(struct rule *r, const char *set, enum lookup how)
{
	struct nftnl_expr *e = add(r, "lookup");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, REG_1);
		if (nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set) < 0)
			r->failed = true;
		if (how == LOOKUP_DATA)
			nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_DREG, REG_1);
		if (how == LOOKUP_NOT_IN)
			nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	}
}

/* Translates to the address and, if port, to the port in the registers. */
static void add_nat(struct rule *r, uint32_t type, bool port)
{
	struct nftnl_expr *e = add(r, "nat");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, type);
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, NFPROTO_IPV4);
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, REG_1);
		if (port)
			nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MIN, REG_1B);
	}
}

static void add_goto(struct rule *r, const char *chain)
{
	struct nftnl_expr *e = add(r, "immediate");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
		nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, (uint32_t)NFT_GOTO);
		if (nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain) < 0)
			r->failed = true;
	}
}

static void add_family(struct rule *r, uint8_t family)
{
	add_meta_get(r, NFT_META_NFPROTO, REG_1);
	add_compare(r, NFT_CMP_EQ, &family, sizeof(family));
}

static void add_interface(struct rule *r, uint32_t key, const char *set, enum lookup how)
{
	add_meta_get(r, key, REG_1);
	add_lookup(r, set, how);
}

static void add_connection_has(struct rule *r, uint32_t mark)
{
	add_ct_get(r, NFT_CT_MARK);
	add_bits(r, mark, 0);
	add_compare(r, NFT_CMP_EQ, &mark, sizeof(mark));
}

static void add_packet_has(struct rule *r, uint32_t mark)
{
	add_meta_get(r, NFT_META_MARK, REG_1);
	add_bits(r, mark, 0);
	add_compare(r, NFT_CMP_EQ, &mark, sizeof(mark));
}

static void add_connection_any(struct rule *r, uint32_t key, uint32_t bits)
{
	const uint32_t none = 0;

	add_ct_get(r, key);
	add_bits(r, bits, 0);
	add_compare(r, NFT_CMP_NEQ, &none, sizeof(none));
}

static void add_mark_connection(struct rule *r, uint32_t mark)
{
	add_ct_get(r, NFT_CT_MARK);
	add_bits(r, ~mark, mark);
	add_ct_set(r, NFT_CT_MARK);
}

static void add_mark_packet(struct rule *r, uint32_t mark)
{
	add_meta_get(r, NFT_META_MARK, REG_1);
	add_bits(r, ~mark, mark);
	add_meta_set(r, NFT_META_MARK);
}

/* Protocol, one address and one port of the packet, as the sets of mappings are keyed. */
static void add_key(struct rule *r, uint32_t address_offset, uint32_t port_offset)
{
	bool v6 = address_offset == V6_DESTINATION;

	add_meta_get(r, NFT_META_L4PROTO, REG_1);
	add_payload(r, NFT_PAYLOAD_NETWORK_HEADER, address_offset, v6 ? 16 : 4, REG_1B);
	add_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, port_offset, 2, v6 ? REG_1F : REG_1C);
}

/* The same for an incoming packet, with its sender behind. */
static void add_peer_key(struct rule *r, bool v4)
{
	add_key(r, v4 ? V4_DESTINATION : V6_DESTINATION, TH_DESTINATION);
	add_payload(r, NFT_PAYLOAD_NETWORK_HEADER, v4 ? V4_SOURCE : V6_SOURCE, v4 ? 4 : 16, v4 ? REG_1D : REG_1G);
	add_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, TH_SOURCE, 2, v4 ? REG_1E : REG_1K);
}

static void begin_rule(struct rule *r, const char *table, const char *chain)
{
	r->rule = nftnl_rule_alloc();
	r->failed = !r->rule;
	if (r->failed || nftnl_rule_set_str(r->rule, NFTNL_RULE_TABLE, table) < 0 ||
	    nftnl_rule_set_str(r->rule, NFTNL_RULE_CHAIN, chain) < 0)
		r->failed = true;
}

static void end_rule(struct put *p, struct rule *r, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *h;

	if (r->failed && p->error == 0)
		p->error = -ENOMEM;
	h = open_message(p, NFT_MSG_NEWRULE, NLM_F_CREATE | flags, family);
	if (h) {
		nftnl_rule_nlmsg_build_payload(h, r->rule);
		nft_msg_close(p->batch, h);
	}
	if (r->rule)
		nftnl_rule_free(r->rule);
}

/*
 * The key is looked up twice on a hit: as a match, so that the mark is set for mapped destinations only also after
 * "nft list" and "nft -f" have put the translation last, and for its data. A miss costs one lookup.
 */
static void put_prerouting(struct put *p, enum lookup lan, const char *map, uint32_t mark)
{
	bool port = strcmp(map, NFT_MSG_DNAT4) == 0; /* ports of sets stay as they are */
	struct rule r;

	begin_rule(&r, p->table, "prerouting");
	add_family(&r, NFPROTO_IPV4);
	add_interface(&r, NFT_META_IIFNAME, "lan", lan);
	add_key(&r, V4_DESTINATION, TH_DESTINATION);
	add_lookup(&r, map, LOOKUP_IN);
	add_mark_connection(&r, mark);
	add_key(&r, V4_DESTINATION, TH_DESTINATION);
	add_lookup(&r, map, LOOKUP_DATA);
	add_nat(&r, NFT_NAT_DNAT, port);
	end_rule(p, &r, NLM_F_APPEND, NFPROTO_INET);
}

/* From the one host that a mapping is for: RFC 6887 12. Not from the LAN, where hosts have other addresses than the peers
 * of each other's mappings. */
static void put_peer_prerouting(struct put *p, uint32_t mark)
{
	struct rule r;

	begin_rule(&r, p->table, "prerouting");
	add_family(&r, NFPROTO_IPV4);
	add_interface(&r, NFT_META_IIFNAME, "lan", LOOKUP_NOT_IN);
	add_peer_key(&r, true);
	add_lookup(&r, NFT_MSG_PEER_DNAT4, LOOKUP_IN);
	add_mark_connection(&r, mark);
	add_peer_key(&r, true);
	add_lookup(&r, NFT_MSG_PEER_DNAT4, LOOKUP_DATA);
	add_nat(&r, NFT_NAT_DNAT, true);
	end_rule(p, &r, NLM_F_APPEND, NFPROTO_INET);
}

/* From the hosts that a mapping has filters for: RFC 6887 13.3. What no filter admits is not translated, and so comes to
 * the router itself. From the LAN it is the host's own address that counts. */
static void put_filter_prerouting(struct put *p, enum lookup lan, uint32_t mark)
{
	struct rule r;

	begin_rule(&r, p->table, "prerouting");
	add_family(&r, NFPROTO_IPV4);
	add_interface(&r, NFT_META_IIFNAME, "lan", lan);
	add_peer_key(&r, true);
	add_lookup(&r, NFT_MSG_FILTER_DNAT4, LOOKUP_IN);
	add_mark_connection(&r, mark);
	add_goto(&r, FILTERED);
	end_rule(p, &r, NLM_F_APPEND, NFPROTO_INET);
}

/* nft 1.0.6 cannot read back a rule that translates by a map of intervals if it does not say for which protocol. */
static void put_filtered(struct put *p)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_DCCP, IPPROTO_UDPLITE};
	struct rule r;

	for (size_t i = 0; i < sizeof(protocols); i++) {
		begin_rule(&r, p->table, FILTERED);
		add_family(&r, NFPROTO_IPV4);
		add_meta_get(&r, NFT_META_L4PROTO, REG_1);
		add_compare(&r, NFT_CMP_EQ, &protocols[i], sizeof(protocols[i]));
		add_peer_key(&r, true);
		add_lookup(&r, NFT_MSG_FILTER_DNAT4, LOOKUP_DATA);
		add_nat(&r, NFT_NAT_DNAT, true);
		end_rule(p, &r, NLM_F_APPEND, NFPROTO_INET);
	}
}

static void add_hairpin(struct rule *r, uint32_t mark)
{
	add_connection_has(r, mark);
	add_connection_any(r, NFT_CT_STATUS, IPS_DST_NAT);
}

/* mark: 0, or a bit that the connection gets if there is a mapping; then the key is looked up twice, as in prerouting. */
static void add_mirror(struct rule *r, uint32_t mark)
{
	add_key(r, V4_SOURCE, TH_SOURCE);
	if (mark) {
		add_lookup(r, NFT_MSG_SNAT4, LOOKUP_IN);
		add_mark_connection(r, mark);
		add_key(r, V4_SOURCE, TH_SOURCE);
	}
	add_lookup(r, NFT_MSG_SNAT4, LOOKUP_DATA);
	add_nat(r, NFT_NAT_SNAT, true);
}

static void add_ports_mirror(struct rule *r)
{
	add_key(r, V4_SOURCE, TH_SOURCE);
	add_lookup(r, NFT_MSG_PORTS_SNAT4, LOOKUP_DATA);
	add_nat(r, NFT_NAT_SNAT, false);
}

/* The peer's address is the one that the host inside knows: behind a hairpin the packet has another already. So it may be
 * with the port, but nft 1.0.6 lists a rule with "ct original proto-dst" in a key and cannot read it. */
static void add_peer_mirror_key(struct rule *r)
{
	add_key(r, V4_SOURCE, TH_SOURCE);
	add_ct_get_into(r, NFT_CT_DST_IP, REG_1D);
	add_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, TH_DESTINATION, 2, REG_1E);
}

static void add_peer_mirror(struct rule *r, uint32_t mark)
{
	add_peer_mirror_key(r);
	if (mark) {
		add_lookup(r, NFT_MSG_PEER_SNAT4, LOOKUP_IN);
		add_mark_connection(r, mark);
		add_peer_mirror_key(r);
	}
	add_lookup(r, NFT_MSG_PEER_SNAT4, LOOKUP_DATA);
	add_nat(r, NFT_NAT_SNAT, true);
}

static void put_postrouting(struct put *p, const struct conf *conf)
{
	bool wan = conf->externals_n > 0;
	struct rule r;

	for (size_t i = 0; i < conf->externals_n; i++)
		wan = wan && conf->externals[i].interface[0] != '\0';
	/* The interface that a packet came in on is not known here, hence the mark. From a LAN host with a mapping. */
	begin_rule(&r, p->table, "postrouting");
	add_family(&r, NFPROTO_IPV4);
	add_hairpin(&r, conf->backend.hairpin_mark);
	add_peer_mirror(&r, 0);
	end_rule(p, &r, NLM_F_APPEND, NFPROTO_INET);
	begin_rule(&r, p->table, "postrouting");
	add_family(&r, NFPROTO_IPV4);
	add_hairpin(&r, conf->backend.hairpin_mark);
	add_mirror(&r, 0);
	end_rule(p, &r, NLM_F_APPEND, NFPROTO_INET);
	begin_rule(&r, p->table, "postrouting");
	add_family(&r, NFPROTO_IPV4);
	add_hairpin(&r, conf->backend.hairpin_mark);
	add_ports_mirror(&r);
	end_rule(p, &r, NLM_F_APPEND, NFPROTO_INET);
	/* From another one: the host that is asked sees the address that was asked. */
	begin_rule(&r, p->table, "postrouting");
	add_family(&r, NFPROTO_IPV4);
	add_hairpin(&r, conf->backend.hairpin_mark);
	add_ct_get(&r, NFT_CT_DST_IP);
	add_nat(&r, NFT_NAT_SNAT, false);
	end_rule(p, &r, NLM_F_APPEND, NFPROTO_INET);
	/* RFC 6886 3.9, RFC 6887 11: what goes out from a mapped port has the mapping's external port. The bit without the
	 * other one says so of the connection when the mapping ends. */
	begin_rule(&r, p->table, "postrouting");
	add_family(&r, NFPROTO_IPV4);
	add_interface(&r, NFT_META_OIFNAME, wan ? "wan" : "lan", wan ? LOOKUP_IN : LOOKUP_NOT_IN);
	add_peer_mirror(&r, conf->backend.hairpin_mark);
	end_rule(p, &r, NLM_F_APPEND, NFPROTO_INET);
	begin_rule(&r, p->table, "postrouting");
	add_family(&r, NFPROTO_IPV4);
	add_interface(&r, NFT_META_OIFNAME, wan ? "wan" : "lan", wan ? LOOKUP_IN : LOOKUP_NOT_IN);
	add_mirror(&r, conf->backend.hairpin_mark);
	end_rule(p, &r, NLM_F_APPEND, NFPROTO_INET);
	begin_rule(&r, p->table, "postrouting");
	add_family(&r, NFPROTO_IPV4);
	add_interface(&r, NFT_META_OIFNAME, wan ? "wan" : "lan", wan ? LOOKUP_IN : LOOKUP_NOT_IN);
	add_ports_mirror(&r);
	end_rule(p, &r, NLM_F_APPEND, NFPROTO_INET);
}

/* Which pinholes a rule is for. */
enum pinholes { FOR_ALL, FOR_PEER, FOR_FILTERED, OF_PORTS };

static void put_pinhole(struct put *p, uint8_t family, enum pinholes which, uint32_t mark)
{
	static const char *const sets_of[][2] = {[FOR_ALL] = {NFT_MSG_PIN6, NFT_MSG_PIN4},
						 [FOR_PEER] = {NFT_MSG_PEER_PIN6, NFT_MSG_PEER_PIN4},
						 [FOR_FILTERED] = {NFT_MSG_FILTER_PIN6, NFT_MSG_FILTER_PIN4},
						 [OF_PORTS] = {NFT_MSG_PORTS_PIN6, NFT_MSG_PORTS_PIN4}};
	bool v4 = family == NFPROTO_IPV4;
	struct rule r;

	begin_rule(&r, p->table, "forward");
	add_family(&r, family);
	add_connection_any(&r, NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_NEW));
	if (which == FOR_ALL || which == OF_PORTS)
		add_key(&r, v4 ? V4_DESTINATION : V6_DESTINATION, TH_DESTINATION);
	else
		add_peer_key(&r, v4);
	add_lookup(&r, sets_of[which][v4], LOOKUP_IN);
	add_mark_connection(&r, mark);
	end_rule(p, &r, NLM_F_APPEND, NFPROTO_INET);
}

static void put_forward(struct put *p, uint32_t mark)
{
	struct rule r;

	for (enum pinholes which = FOR_ALL; which <= OF_PORTS; which++) {
		put_pinhole(p, NFPROTO_IPV4, which, mark);
		put_pinhole(p, NFPROTO_IPV6, which, mark);
	}
	begin_rule(&r, p->table, "forward");
	add_connection_has(&r, mark);
	add_mark_packet(&r, mark);
	end_rule(p, &r, NLM_F_APPEND, NFPROTO_INET);
}

int nft_ruleset_put(struct nft_msg_batch *b, const struct conf *conf, uint32_t table_flags, bool anew, uint32_t seq)
{
	struct put p = {.batch = b, .table = conf->backend.table, .seq = seq};
	uint32_t mark = conf->backend.mark;
	struct nlmsghdr *h;

	if (anew) {
		/* Made first, so that there is one to delete. */
		put_table(&p, 0);
		if (p.error == 0)
			nft_ruleset_delete(b, p.table, p.seq++);
	}
	put_table(&p, table_flags);
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		put_set(&p, &sets[i], (uint32_t)i + 1);
	put_names(&p, conf);
	put_chain(&p, FILTERED, NULL, 0, 0);
	put_chain(&p, "prerouting", "nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST + 1);
	put_chain(&p, "postrouting", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC - 1);
	put_chain(&p, "forward", "filter", NF_INET_FORWARD, NFT_RULESET_FORWARD_PRIORITY);
	h = open_message(&p, NFT_MSG_DELRULE, 0, NFPROTO_INET);
	if (h) {
		mnl_attr_put_strz(h, NFTA_RULE_TABLE, p.table);
		nft_msg_close(b, h);
	}
	put_peer_prerouting(&p, mark);
	put_prerouting(&p, LOOKUP_IN, NFT_MSG_DNAT4, mark | conf->backend.hairpin_mark);
	put_prerouting(&p, LOOKUP_NOT_IN, NFT_MSG_DNAT4, mark);
	put_prerouting(&p, LOOKUP_IN, NFT_MSG_PORTS_DNAT4, mark | conf->backend.hairpin_mark);
	put_prerouting(&p, LOOKUP_NOT_IN, NFT_MSG_PORTS_DNAT4, mark);
	put_filter_prerouting(&p, LOOKUP_IN, mark | conf->backend.hairpin_mark);
	put_filter_prerouting(&p, LOOKUP_NOT_IN, mark);
	put_filtered(&p);
	put_postrouting(&p, conf);
	put_forward(&p, mark);
	return p.error;
}

void nft_ruleset_delete(struct nft_msg_batch *b, const char *table, uint32_t seq)
{
	struct nlmsghdr *h = nft_msg_open(b, NFT_MSG_DELTABLE, 0, NFPROTO_INET, seq);

	mnl_attr_put_strz(h, NFTA_TABLE_NAME, table);
	nft_msg_close(b, h);
}

int nft_ruleset_family(const char *name)
{
	static const struct {
		const char *name;
		int family;
	} families[] = {{"inet", NFPROTO_INET}, {"ip", NFPROTO_IPV4}, {"ip6", NFPROTO_IPV6}};

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (strcmp(families[i].name, name) == 0)
			return families[i].family;
	return -1;
}

int nft_ruleset_put_accept(struct nft_msg_batch *b, const struct conf *conf, uint32_t seq)
{
	struct put p = {.batch = b, .seq = seq};
	uint8_t comment[2 + NFTNL_UDATA_COMMENT_MAXLEN];
	size_t length = strlen(conf->backend.table) + 1;
	struct nftnl_expr *e;
	struct rule r;

	if (length > NFTNL_UDATA_COMMENT_MAXLEN)
		return -ENAMETOOLONG;
	comment[0] = NFTNL_UDATA_RULE_COMMENT;
	comment[1] = (uint8_t)length;
	memcpy(comment + 2, conf->backend.table, length);
	begin_rule(&r, conf->backend.forward_table, conf->backend.forward_chain);
	/* iptables-nft refuses to work with a table of its own in which a rule looks at the connection; it knows this one as
	 * "-m mark". Our forward chain, which comes before, has put the connection's mark on the packet. */
	if (nft_ruleset_family(conf->backend.forward_family) == NFPROTO_INET)
		add_connection_has(&r, conf->backend.mark);
	else
		add_packet_has(&r, conf->backend.mark);
	e = add(&r, "immediate");
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
		nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, NF_ACCEPT);
	}
	if (!r.failed && nftnl_rule_set_data(r.rule, NFTNL_RULE_USERDATA, comment, (uint32_t)length + 2) < 0)
		r.failed = true;
	end_rule(&p, &r, 0, (uint8_t)nft_ruleset_family(conf->backend.forward_family));
	return p.error;
}

void nft_ruleset_delete_accept(struct nft_msg_batch *b, const struct conf *conf, uint64_t handle, uint32_t seq)
{
	uint8_t family = (uint8_t)nft_ruleset_family(conf->backend.forward_family);
	struct nlmsghdr *h = nft_msg_open(b, NFT_MSG_DELRULE, 0, family, seq);

	mnl_attr_put_strz(h, NFTA_RULE_TABLE, conf->backend.forward_table);
	mnl_attr_put_strz(h, NFTA_RULE_CHAIN, conf->backend.forward_chain);
	mnl_attr_put_u64(h, NFTA_RULE_HANDLE, htobe64(handle));
	nft_msg_close(b, h);
}

struct found {
	const struct nlattr *userdata, *handle;
};

static int find(const struct nlattr *a, void *context)
{
	struct found *f = context;

	if (mnl_attr_get_type(a) == NFTA_RULE_USERDATA)
		f->userdata = a;
	else if (mnl_attr_get_type(a) == NFTA_RULE_HANDLE && mnl_attr_get_payload_len(a) == sizeof(uint64_t))
		f->handle = a;
	return MNL_CB_OK;
}

uint64_t nft_ruleset_is_accept(const struct nlmsghdr *message, const struct conf *conf)
{
	size_t length = strlen(conf->backend.table) + 1;
	struct found f = {0};
	const uint8_t *u;

	if (mnl_attr_parse(message, sizeof(struct nfgenmsg), find, &f) != MNL_CB_OK || !f.userdata || !f.handle)
		return 0;
	u = mnl_attr_get_payload(f.userdata);
	if (mnl_attr_get_payload_len(f.userdata) != length + 2 || u[0] != NFTNL_UDATA_RULE_COMMENT || u[1] != length ||
	    memcmp(u + 2, conf->backend.table, length) != 0)
		return 0;
	return be64toh(mnl_attr_get_u64(f.handle));
}
