/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nft_ruleset.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>

#include "backends/nft_filter.h"
#include "backends/nft_map.h"
#include "backends/nft_rule.h"
#include "backends/nft_sets.h"

#define NAME_LENGTH 16 /* of an interface, with its NUL */

/* The chains that packets of mappings with filters go to, and the one where those whom a filter admits are translated. */
#define FILTERED4     "filtered4"
#define ADMITTED4     "admitted4"
#define FILTERED_PIN4 "filtered-pin4"
#define FILTERED_PIN6 "filtered-pin6"
/* The same for all of a protocol, and all of a host. */
#define FILTERED_PROTOCOL_PIN4 "filtered-protocol-pin4"
#define FILTERED_PROTOCOL_PIN6 "filtered-protocol-pin6"
#define FILTERED_HOST_PIN4     "filtered-host-pin4"
#define FILTERED_HOST_PIN6     "filtered-host-pin6"

static void put_table(struct nft_rule_put *p, uint32_t flags)
{
	struct nlmsghdr *h = nft_rule_open(p, NFT_MSG_NEWTABLE, NLM_F_CREATE, NFPROTO_INET);

	if (!h)
		return;
	mnl_attr_put_strz(h, NFTA_TABLE_NAME, p->table);
	/* Without flags of ours, those of a table that is there stay as they are. */
	if (flags)
		mnl_attr_put_u32(h, NFTA_TABLE_FLAGS, htonl(flags));
	nft_msg_close(p->batch, h);
}

/* Whatever is not counted after it was marked is not found by the daemon where it takes the count for the truth. */
static void add_mark(struct nft_rule *r, uint32_t mark)
{
	nft_rule_mark_connection(r, mark);
	nft_rule_count(r, NFT_RULESET_COUNTER);
}

static void put_counter(struct nft_rule_put *p)
{
	struct nlmsghdr *h = nft_rule_open(p, NFT_MSG_NEWOBJ, NLM_F_CREATE, NFPROTO_INET);
	struct nlattr *data;

	if (!h)
		return;
	mnl_attr_put_strz(h, NFTA_OBJ_TABLE, p->table);
	mnl_attr_put_strz(h, NFTA_OBJ_NAME, NFT_RULESET_COUNTER);
	mnl_attr_put_u32(h, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	data = mnl_attr_nest_start(h, NFTA_OBJ_DATA);
	mnl_attr_put_u64(h, NFTA_COUNTER_BYTES, htobe64(NFT_RULESET_COUNTED));
	mnl_attr_put_u64(h, NFTA_COUNTER_PACKETS, 0);
	mnl_attr_nest_end(h, data);
	nft_msg_close(p->batch, h);
}

/*
 * The key is looked up twice on a hit: as a match, so that the mark is set for mapped destinations only also after
 * "nft list" and "nft -f" have put the translation last, and for its data. A miss costs one lookup.
 */
static void put_prerouting(struct nft_rule_put *p, const char *chain, enum nft_lookup lan, const char *map,
			   uint32_t mark)
{
	bool port = strcmp(map, NFT_MSG_PORTS_DNAT4) != 0; /* ports of sets stay as they are */
	struct nft_rule r;

	nft_rule_begin(&r, p->table, chain);
	nft_rule_family(&r, NFPROTO_IPV4);
	nft_rule_interface(&r, NFT_META_IIFNAME, "lan", lan);
	nft_rule_key(&r, NFT_RULE_V4_DESTINATION, NFT_RULE_TH_DESTINATION);
	nft_rule_lookup(&r, map, NFT_LOOKUP_IN);
	add_mark(&r, mark);
	nft_rule_key(&r, NFT_RULE_V4_DESTINATION, NFT_RULE_TH_DESTINATION);
	nft_rule_lookup(&r, map, NFT_LOOKUP_DATA);
	nft_rule_nat(&r, NFT_NAT_DNAT, port);
	nft_rule_end(p, &r, NLM_F_APPEND, NFPROTO_INET);
}

/* From the one host that a mapping is for: RFC 6887 12. Not from the LAN, where hosts have other addresses than the peers
 * of each other's mappings. */
static void put_peer_prerouting(struct nft_rule_put *p, uint32_t mark)
{
	struct nft_rule r;

	nft_rule_begin(&r, p->table, "prerouting");
	nft_rule_family(&r, NFPROTO_IPV4);
	nft_rule_interface(&r, NFT_META_IIFNAME, "lan", NFT_LOOKUP_NOT_IN);
	nft_rule_peer_key(&r, true);
	nft_rule_lookup(&r, NFT_MSG_PEER_DNAT4, NFT_LOOKUP_IN);
	add_mark(&r, mark);
	nft_rule_peer_key(&r, true);
	nft_rule_lookup(&r, NFT_MSG_PEER_DNAT4, NFT_LOOKUP_DATA);
	nft_rule_nat(&r, NFT_NAT_DNAT, true);
	nft_rule_end(p, &r, NLM_F_APPEND, NFPROTO_INET);
}

/* Looks whether a filter admits the sender to a mapping: RFC 6887 13.3. A rule for each length of prefixes that
 * there are pieces of filters for, with the sender's port and with any. */
static void put_filters(struct nft_rule_put *p, const char *chain, bool v4, enum nft_map_reach reach, uint32_t mark)
{
	bool nat = strcmp(chain, FILTERED4) == 0;
	struct nft_rule r;

	for (unsigned length = v4 ? 32 : 128; length > 0; length -= NFT_FILTER_STEP)
		/* which port of the sender's would be meant, if not one of a protocol's? */
		for (int any_port = 1; any_port >= (reach == NFT_MAP_HOST ? 1 : 0); any_port--) {
			nft_rule_begin(&r, p->table, chain);
			nft_rule_family(&r, v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
			nft_rule_network_key(&r, v4, reach, length, any_port);
			nft_rule_lookup(&r, nft_map_from(v4, length), NFT_LOOKUP_IN);
			if (!nat)
				add_mark(&r, mark);
			nft_rule_verdict(&r, nat ? NFT_GOTO : NFT_RETURN, nat ? ADMITTED4 : NULL);
			nft_rule_end(p, &r, NLM_F_APPEND, NFPROTO_INET);
		}
}

/* Whom no filter admits is not translated, and so comes to the router itself. Of LAN hosts it is their own address that
 * counts. */
static void put_filtered(struct nft_rule_put *p, const struct conf *conf)
{
	uint32_t mark = conf->backend.mark;
	struct nft_rule r;

	nft_rule_begin(&r, p->table, "prerouting");
	nft_rule_family(&r, NFPROTO_IPV4);
	nft_rule_key(&r, NFT_RULE_V4_DESTINATION, NFT_RULE_TH_DESTINATION);
	nft_rule_lookup(&r, NFT_MSG_FILTER_DNAT4, NFT_LOOKUP_IN);
	nft_rule_verdict(&r, NFT_GOTO, FILTERED4);
	nft_rule_end(p, &r, NLM_F_APPEND, NFPROTO_INET);
	put_filters(p, FILTERED4, true, NFT_MAP_PORT, mark);
	put_filters(p, FILTERED_PIN4, true, NFT_MAP_PORT, mark);
	put_filters(p, FILTERED_PIN6, false, NFT_MAP_PORT, mark);
	put_filters(p, FILTERED_PROTOCOL_PIN4, true, NFT_MAP_PROTOCOL, mark);
	put_filters(p, FILTERED_PROTOCOL_PIN6, false, NFT_MAP_PROTOCOL, mark);
	put_filters(p, FILTERED_HOST_PIN4, true, NFT_MAP_HOST, mark);
	put_filters(p, FILTERED_HOST_PIN6, false, NFT_MAP_HOST, mark);
	put_prerouting(p, ADMITTED4, NFT_LOOKUP_IN, NFT_MSG_FILTER_DNAT4, mark | conf->backend.hairpin_mark);
	put_prerouting(p, ADMITTED4, NFT_LOOKUP_NOT_IN, NFT_MSG_FILTER_DNAT4, mark);
}

static void add_hairpin(struct nft_rule *r, uint32_t mark)
{
	nft_rule_connection_has(r, mark);
	nft_rule_connection_any(r, NFT_CT_STATUS, IPS_DST_NAT);
}

/* mark: 0, or a bit that the connection gets if there is a mapping; then the key is looked up twice, as in prerouting. */
static void add_mirror(struct nft_rule *r, const char *map, uint32_t mark)
{
	nft_rule_key(r, NFT_RULE_V4_SOURCE, NFT_RULE_TH_SOURCE);
	if (mark) {
		nft_rule_lookup(r, map, NFT_LOOKUP_IN);
		add_mark(r, mark);
		nft_rule_key(r, NFT_RULE_V4_SOURCE, NFT_RULE_TH_SOURCE);
	}
	nft_rule_lookup(r, map, NFT_LOOKUP_DATA);
	nft_rule_nat(r, NFT_NAT_SNAT, true);
}

static void add_ports_mirror(struct nft_rule *r, const char *map, uint32_t mark)
{
	nft_rule_key(r, NFT_RULE_V4_SOURCE, NFT_RULE_TH_SOURCE);
	if (mark) {
		nft_rule_lookup(r, map, NFT_LOOKUP_IN);
		add_mark(r, mark);
		nft_rule_key(r, NFT_RULE_V4_SOURCE, NFT_RULE_TH_SOURCE);
	}
	nft_rule_lookup(r, map, NFT_LOOKUP_DATA);
	nft_rule_nat(r, NFT_NAT_SNAT, false);
}

/* The peer's address is the one that the host inside knows: behind a hairpin the packet has another already. So it may be
 * with the port, but nft 1.0.6 lists a rule with "ct original proto-dst" in a key and cannot read it. */
static void add_peer_mirror_key(struct nft_rule *r)
{
	nft_rule_key(r, NFT_RULE_V4_SOURCE, NFT_RULE_TH_SOURCE);
	nft_rule_ct_get_into(r, NFT_CT_DST_IP, NFT_RULE_REG_1D);
	nft_rule_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, NFT_RULE_TH_DESTINATION, 2, NFT_RULE_REG_1E);
}

static void add_peer_mirror(struct nft_rule *r, const char *map, uint32_t mark)
{
	add_peer_mirror_key(r);
	if (mark) {
		nft_rule_lookup(r, map, NFT_LOOKUP_IN);
		add_mark(r, mark);
		add_peer_mirror_key(r);
	}
	nft_rule_lookup(r, map, NFT_LOOKUP_DATA);
	nft_rule_nat(r, NFT_NAT_SNAT, true);
}

/* By which interface a packet leaves for an external. One that names none is where neither the LAN nor another is. */
static void add_way_out(struct nft_rule *r, const struct conf_external *external)
{
	char name[NAME_LENGTH] = {0};

	if (external->interface[0] == '\0') {
		nft_rule_interface(r, NFT_META_OIFNAME, "lan", NFT_LOOKUP_NOT_IN);
		nft_rule_interface(r, NFT_META_OIFNAME, "wan", NFT_LOOKUP_NOT_IN);
		return;
	}
	memcpy(name, external->interface, strnlen(external->interface, sizeof(name) - 1));
	nft_rule_meta_get(r, NFT_META_OIFNAME, NFT_RULE_REG_1);
	nft_rule_compare(r, NFT_CMP_EQ, name, sizeof(name));
}

/* Packets from a mapped port get the mapping's outside: of each external by itself, peers first. */
static void put_mirrors(struct nft_rule_put *p, const struct conf *conf, bool hairpin)
{
	static const char *const maps[] = {NFT_MSG_PEER_SNAT4, NFT_MSG_SNAT4, NFT_MSG_PORTS_SNAT4};
	uint32_t mark = hairpin ? 0 : conf->backend.hairpin_mark;

	for (size_t i = 0; i < conf->externals_n; i++)
		for (size_t k = 0; k < sizeof(maps) / sizeof(maps[0]); k++) {
			char map[NFT_MSG_NAME_MAX];
			struct nft_rule r;

			nft_map_mirror(map, maps[k], &conf->externals[i]);
			nft_rule_begin(&r, p->table, "postrouting");
			nft_rule_family(&r, NFPROTO_IPV4);
			if (hairpin)
				add_hairpin(&r, conf->backend.hairpin_mark);
			else
				add_way_out(&r, &conf->externals[i]);
			if (k == 0)
				add_peer_mirror(&r, map, mark);
			else if (k == 1)
				add_mirror(&r, map, mark);
			else
				add_ports_mirror(&r, map, mark);
			nft_rule_end(p, &r, NLM_F_APPEND, NFPROTO_INET);
		}
}

static void put_postrouting(struct nft_rule_put *p, const struct conf *conf)
{
	struct nft_rule r;

	/* The interface that a packet came in on is not known here, hence the mark. From a LAN host with a mapping. */
	put_mirrors(p, conf, true);
	/* From another one: the host that is asked sees the address that was asked. */
	nft_rule_begin(&r, p->table, "postrouting");
	nft_rule_family(&r, NFPROTO_IPV4);
	add_hairpin(&r, conf->backend.hairpin_mark);
	nft_rule_ct_get(&r, NFT_CT_DST_IP);
	nft_rule_nat(&r, NFT_NAT_SNAT, false);
	nft_rule_end(p, &r, NLM_F_APPEND, NFPROTO_INET);
	/* RFC 6886 3.9, RFC 6887 11: what goes out from a mapped port has the mapping's external port. The bit without the
	 * other one says so of the connection when the mapping ends. */
	put_mirrors(p, conf, false);
}

/* Which pinholes a rule is for, with the sets that they are in and the chains where filters are looked at: IPv6, IPv4. */
static const struct pinholes {
	const char *sets[2];
	const char *chains[2];
	enum nft_map_reach reach;
	bool peer;
} pinholes[] = {
    {.sets = {NFT_MSG_PIN6, NFT_MSG_PIN4}},
    {.sets = {NFT_MSG_PEER_PIN6, NFT_MSG_PEER_PIN4}, .peer = true},
    {.sets = {NFT_MSG_FILTER_PIN6, NFT_MSG_FILTER_PIN4}, .chains = {FILTERED_PIN6, FILTERED_PIN4}},
    {.sets = {NFT_MSG_PORTS_PIN6, NFT_MSG_PORTS_PIN4}},
    {.sets = {NFT_MSG_PROTOCOL_PIN6, NFT_MSG_PROTOCOL_PIN4}, .reach = NFT_MAP_PROTOCOL},
    {.sets = {NFT_MSG_HOST_PIN6, NFT_MSG_HOST_PIN4}, .reach = NFT_MAP_HOST},
    {.sets = {NFT_MSG_FILTER_PROTOCOL_PIN6, NFT_MSG_FILTER_PROTOCOL_PIN4},
     .chains = {FILTERED_PROTOCOL_PIN6, FILTERED_PROTOCOL_PIN4},
     .reach = NFT_MAP_PROTOCOL},
    {.sets = {NFT_MSG_FILTER_HOST_PIN6, NFT_MSG_FILTER_HOST_PIN4},
     .chains = {FILTERED_HOST_PIN6, FILTERED_HOST_PIN4},
     .reach = NFT_MAP_HOST},
};

static void put_pinhole(struct nft_rule_put *p, const struct pinholes *which, bool v4, uint32_t mark)
{
	struct nft_rule r;

	nft_rule_begin(&r, p->table, "forward");
	nft_rule_family(&r, v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
	nft_rule_connection_any(&r, NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_NEW));
	if (which->peer)
		nft_rule_peer_key(&r, v4);
	else if (which->reach == NFT_MAP_PROTOCOL)
		nft_rule_protocol_key(&r, v4);
	else if (which->reach == NFT_MAP_HOST)
		nft_rule_host_key(&r, v4);
	else
		nft_rule_key(&r, v4 ? NFT_RULE_V4_DESTINATION : NFT_RULE_V6_DESTINATION, NFT_RULE_TH_DESTINATION);
	nft_rule_lookup(&r, which->sets[v4], NFT_LOOKUP_IN);
	if (which->chains[v4])
		nft_rule_verdict(&r, NFT_JUMP, which->chains[v4]);
	else
		add_mark(&r, mark);
	nft_rule_end(p, &r, NLM_F_APPEND, NFPROTO_INET);
}

static void put_forward(struct nft_rule_put *p, uint32_t mark)
{
	struct nft_rule r;

	for (size_t i = 0; i < sizeof(pinholes) / sizeof(pinholes[0]); i++) {
		put_pinhole(p, &pinholes[i], true, mark);
		put_pinhole(p, &pinholes[i], false, mark);
	}
	nft_rule_begin(&r, p->table, "forward");
	nft_rule_connection_has(&r, mark);
	nft_rule_mark_packet(&r, mark);
	nft_rule_end(p, &r, NLM_F_APPEND, NFPROTO_INET);
}

int nft_ruleset_put(struct nft_msg_batch *b, const struct conf *conf, uint32_t table_flags, bool anew, uint32_t seq)
{
	static const char *const chains[] = {FILTERED4,
					     ADMITTED4,
					     FILTERED_PIN4,
					     FILTERED_PIN6,
					     FILTERED_PROTOCOL_PIN4,
					     FILTERED_PROTOCOL_PIN6,
					     FILTERED_HOST_PIN4,
					     FILTERED_HOST_PIN6};
	struct nft_rule_put p = {.batch = b, .table = conf->backend.table, .seq = seq};
	uint32_t mark = conf->backend.mark;
	struct nlmsghdr *h;

	if (anew) {
		/* Made first, so that there is one to delete. */
		put_table(&p, 0);
		if (p.error == 0)
			nft_ruleset_delete(b, p.table, p.seq++);
	}
	put_table(&p, table_flags);
	nft_sets_put(&p, conf);
	put_counter(&p);
	for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++)
		nft_rule_chain(&p, chains[i], NULL, 0, 0);
	nft_rule_chain(&p, "prerouting", "nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST + 1);
	nft_rule_chain(&p, "postrouting", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC - 1);
	nft_rule_chain(&p, "forward", "filter", NF_INET_FORWARD, NFT_RULESET_FORWARD_PRIORITY);
	h = nft_rule_open(&p, NFT_MSG_DELRULE, 0, NFPROTO_INET);
	if (h) {
		mnl_attr_put_strz(h, NFTA_RULE_TABLE, p.table);
		nft_msg_close(b, h);
	}
	put_peer_prerouting(&p, mark);
	put_prerouting(&p, "prerouting", NFT_LOOKUP_IN, NFT_MSG_DNAT4, mark | conf->backend.hairpin_mark);
	put_prerouting(&p, "prerouting", NFT_LOOKUP_NOT_IN, NFT_MSG_DNAT4, mark);
	put_prerouting(&p, "prerouting", NFT_LOOKUP_IN, NFT_MSG_PORTS_DNAT4, mark | conf->backend.hairpin_mark);
	put_prerouting(&p, "prerouting", NFT_LOOKUP_NOT_IN, NFT_MSG_PORTS_DNAT4, mark);
	put_filtered(&p, conf);
	put_postrouting(&p, conf);
	put_forward(&p, mark);
	return p.error;
}

int nft_ruleset_put_hooks(struct nft_msg_batch *b, const struct conf *conf, uint32_t seq)
{
	char name[NFT_MSG_TABLE_MAX];
	struct nft_rule_put p = {.batch = b, .table = name, .seq = seq};
	struct nft_rule r;

	if (snprintf(name, sizeof(name), "%s-hooks", conf->backend.table) >= (int)sizeof(name))
		return -ENAMETOOLONG;
	put_table(&p, NFT_RULESET_OWNED);
	/* one chain is enough for translation at all hooks, one look at a connection for the tracking of both families */
	nft_rule_chain(&p, "prerouting", "nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST + 1);
	nft_rule_begin(&r, name, "prerouting");
	nft_rule_ct_get(&r, NFT_CT_MARK);
	nft_rule_end(&p, &r, NLM_F_APPEND, NFPROTO_INET);
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

int nft_ruleset_put_accept(struct nft_msg_batch *b, const struct conf *conf, const struct conf_chain *chain,
			   uint32_t seq)
{
	struct nft_rule_put p = {.batch = b, .seq = seq};
	uint8_t comment[2 + NFTNL_UDATA_COMMENT_MAXLEN];
	size_t length = strlen(conf->backend.table) + 1;
	struct nftnl_expr *e;
	struct nft_rule r;

	if (length > NFTNL_UDATA_COMMENT_MAXLEN)
		return -ENAMETOOLONG;
	comment[0] = NFTNL_UDATA_RULE_COMMENT;
	comment[1] = (uint8_t)length;
	memcpy(comment + 2, conf->backend.table, length);
	nft_rule_begin(&r, chain->table, chain->chain);
	/* iptables-nft refuses to work with a table of its own in which a rule looks at the connection; it knows this one as
	 * "-m mark". Our forward chain, which comes before, has put the connection's mark on the packet. */
	if (nft_ruleset_family(chain->family) == NFPROTO_INET)
		nft_rule_connection_has(&r, conf->backend.mark);
	else
		nft_rule_packet_has(&r, conf->backend.mark);
	e = nft_rule_add(&r, "immediate");
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
		nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, NF_ACCEPT);
	}
	if (!r.failed && nftnl_rule_set_data(r.rule, NFTNL_RULE_USERDATA, comment, (uint32_t)length + 2) < 0)
		r.failed = true;
	nft_rule_end(&p, &r, 0, (uint8_t)nft_ruleset_family(chain->family));
	return p.error;
}

void nft_ruleset_delete_accept(struct nft_msg_batch *b, const struct conf_chain *chain, uint64_t handle, uint32_t seq)
{
	uint8_t family = (uint8_t)nft_ruleset_family(chain->family);
	struct nlmsghdr *h = nft_msg_open(b, NFT_MSG_DELRULE, 0, family, seq);

	mnl_attr_put_strz(h, NFTA_RULE_TABLE, chain->table);
	mnl_attr_put_strz(h, NFTA_RULE_CHAIN, chain->chain);
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
