/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nft_sets.h"

#include <errno.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "backends/nft_filter.h"
#include "backends/nft_map.h"

#define NAME_LENGTH 16 /* of an interface, with its NUL */

/* What nft calls the types of keys and data, so that it can list them: six bits for each field of a concatenation. */
enum { TYPE_V4 = 7, TYPE_V6 = 8, TYPE_PROTOCOL = 12, TYPE_SERVICE = 13, TYPE_IFNAME = 41 };
#define CONCAT2(a, b)	 ((a) << 6 | (b))
#define CONCAT3(a, b, c) ((a) << 12 | (b) << 6 | (c))
#define CONCAT5(a, b, c) ((a) << 24 | CONCAT2(b, c) << 12 | CONCAT2(b, c))

struct set {
	const char *name;
	uint32_t key_type, key_length, data_type, data_length;
	bool intervals;
};

/* Most mappings are in these, and in the mirrors. */
static const struct set common[] = {
    {NFT_MSG_DNAT4, CONCAT3(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 12, CONCAT2(TYPE_V4, TYPE_SERVICE), 8, false},
    {NFT_MSG_PIN4, CONCAT3(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 12, 0, 0, false},
    {NFT_MSG_PIN6, CONCAT3(TYPE_PROTOCOL, TYPE_V6, TYPE_SERVICE), 24, 0, 0, false},
};

static const struct set sets[] = {
    {"lan", TYPE_IFNAME, NAME_LENGTH, 0, 0, false},
    {"wan", TYPE_IFNAME, NAME_LENGTH, 0, 0, false},
    {NFT_MSG_PEER_DNAT4, CONCAT5(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 20, CONCAT2(TYPE_V4, TYPE_SERVICE), 8, false},
    {NFT_MSG_PEER_PIN4, CONCAT5(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 20, 0, 0, false},
    {NFT_MSG_PEER_PIN6, CONCAT5(TYPE_PROTOCOL, TYPE_V6, TYPE_SERVICE), 44, 0, 0, false},
    {NFT_MSG_FILTER_DNAT4, CONCAT3(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 12, CONCAT2(TYPE_V4, TYPE_SERVICE), 8, false},
    {NFT_MSG_FILTER_PIN4, CONCAT3(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 12, 0, 0, false},
    {NFT_MSG_FILTER_PIN6, CONCAT3(TYPE_PROTOCOL, TYPE_V6, TYPE_SERVICE), 24, 0, 0, false},
    {NFT_MSG_PORTS_DNAT4, CONCAT3(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 12, TYPE_V4, 4, true},
    {NFT_MSG_PORTS_PIN4, CONCAT3(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 12, 0, 0, true},
    {NFT_MSG_PORTS_PIN6, CONCAT3(TYPE_PROTOCOL, TYPE_V6, TYPE_SERVICE), 24, 0, 0, true},
    {NFT_MSG_PROTOCOL_PIN4, CONCAT2(TYPE_PROTOCOL, TYPE_V4), 8, 0, 0, false},
    {NFT_MSG_PROTOCOL_PIN6, CONCAT2(TYPE_PROTOCOL, TYPE_V6), 20, 0, 0, false},
    {NFT_MSG_HOST_PIN4, TYPE_V4, 4, 0, 0, false},
    {NFT_MSG_HOST_PIN6, TYPE_V6, 16, 0, 0, false},
    {NFT_MSG_FILTER_PROTOCOL_PIN4, CONCAT2(TYPE_PROTOCOL, TYPE_V4), 8, 0, 0, false},
    {NFT_MSG_FILTER_PROTOCOL_PIN6, CONCAT2(TYPE_PROTOCOL, TYPE_V6), 20, 0, 0, false},
    {NFT_MSG_FILTER_HOST_PIN4, TYPE_V4, 4, 0, 0, false},
    {NFT_MSG_FILTER_HOST_PIN6, TYPE_V6, 16, 0, 0, false},
};

/* One for each length of the pieces of filters. */
static const struct set from4 = {NULL, CONCAT5(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 20, 0, 0, false};
static const struct set from6 = {NULL, CONCAT5(TYPE_PROTOCOL, TYPE_V6, TYPE_SERVICE), 44, 0, 0, false};

/* One for each external. */
static const struct set mirrors[] = {
    {NFT_MSG_SNAT4, CONCAT3(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 12, CONCAT2(TYPE_V4, TYPE_SERVICE), 8, false},
    {NFT_MSG_PEER_SNAT4, CONCAT5(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 20, CONCAT2(TYPE_V4, TYPE_SERVICE), 8, false},
    {NFT_MSG_PORTS_SNAT4, CONCAT3(TYPE_PROTOCOL, TYPE_V4, TYPE_SERVICE), 12, TYPE_V4, 4, true},
};

/*
 * The sets of mappings have no size: the number of leases is limited by the daemon, and a size would make the kernel
 * allot the whole hash table at once. The kernel's collection of expired elements stays at once a second, though it
 * walks all elements and costs 17 % of a processor with a million mappings: nft 1.0.6 prints a map's gc-interval and
 * cannot read it, and an operator's saved ruleset must load.
 */
static void put_set(struct nft_rule_put *p, const struct set *t, const char *name, uint32_t id)
{
	const uint8_t fields[] = {1, t->key_length == 12 ? 4 : 16, 2};
	bool names = t->key_type == TYPE_IFNAME;
	bool address = t->key_type == TYPE_V4 || t->key_type == TYPE_V6;
	/* Byte order of key and data as nft notes it for itself, in the host's order: 1 = the host's, 2 = the net's. */
	const uint32_t key_order = names ? 1 : address ? 2 : 0;
	uint8_t order[12] = {[0] = NFTNL_UDATA_SET_KEYBYTEORDER, [1] = 4, [6] = NFTNL_UDATA_SET_DATABYTEORDER, [7] = 4};
	struct nftnl_set *s = nftnl_set_alloc();
	struct nlmsghdr *h;

	memcpy(order + 2, &key_order, sizeof(key_order));
	if (!s) {
		p->error = p->error ? p->error : -ENOMEM;
		return;
	}
	if (nftnl_set_set_str(s, NFTNL_SET_TABLE, p->table) < 0 || nftnl_set_set_str(s, NFTNL_SET_NAME, name) < 0 ||
	    nftnl_set_set_data(s, NFTNL_SET_USERDATA, order, t->data_length ? 12 : 6) < 0)
		p->error = p->error ? p->error : -ENOMEM;
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS,
			  (names ? 0 : NFT_SET_TIMEOUT) | (t->data_length ? NFT_SET_MAP : 0) |
			      (t->intervals ? NFT_SET_INTERVAL | NFT_SET_CONCAT : 0));
	/* a concatenation of intervals is compared field by field, so the kernel wants to know them */
	if (t->intervals && nftnl_set_set_data(s, NFTNL_SET_DESC_CONCAT, fields, sizeof(fields)) < 0)
		p->error = p->error ? p->error : -ENOMEM;
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, t->key_type);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, t->key_length);
	if (t->data_length) {
		nftnl_set_set_u32(s, NFTNL_SET_DATA_TYPE, t->data_type);
		nftnl_set_set_u32(s, NFTNL_SET_DATA_LEN, t->data_length);
	}
	nftnl_set_set_u32(s, NFTNL_SET_ID, id);
	h = nft_rule_open(p, NFT_MSG_NEWSET, NLM_F_CREATE, NFPROTO_INET);
	if (h) {
		nftnl_set_nlmsg_build_payload(h, s);
		nft_msg_close(p->batch, h);
	}
	nftnl_set_free(s);
}

static void put_name(struct nft_rule_put *p, const char *set, const char *interface)
{
	char key[NAME_LENGTH] = {0};
	struct nlmsghdr *h;
	struct nlattr *list, *element, *value;

	if (interface[0] == '\0' || strlen(interface) >= sizeof(key))
		return;
	h = nft_rule_open(p, NFT_MSG_NEWSETELEM, NLM_F_CREATE, NFPROTO_INET);
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

static void put_flush(struct nft_rule_put *p, const char *set)
{
	if (p->error == 0)
		nft_msg_flush(p->batch, p->table, set, p->seq++);
}

static void put_names(struct nft_rule_put *p, const struct conf *conf)
{
	put_flush(p, "lan");
	for (size_t i = 0; i < conf->listens_n; i++)
		for (size_t j = 0; j < conf->listens[i].interfaces.n; j++)
			put_name(p, "lan", conf->listens[i].interfaces.v[j]);
	put_flush(p, "wan");
	for (size_t i = 0; i < conf->externals_n; i++)
		put_name(p, "wan", conf->externals[i].interface);
}

/* The kernel finds a set by name, in a list in the order that they were made in: those that are changed most come first. */
void nft_sets_put(struct nft_rule_put *p, const struct conf *conf)
{
	char name[NFT_MSG_NAME_MAX];
	uint32_t id = 0;

	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		put_set(p, &common[i], common[i].name, ++id);
	for (size_t i = 0; i < conf->externals_n; i++)
		for (size_t j = 0; j < sizeof(mirrors) / sizeof(mirrors[0]); j++) {
			nft_map_mirror(name, mirrors[j].name, &conf->externals[i]);
			put_set(p, &mirrors[j], name, ++id);
		}
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		put_set(p, &sets[i], sets[i].name, ++id);
	for (unsigned length = NFT_FILTER_STEP; length <= 32; length += NFT_FILTER_STEP)
		put_set(p, &from4, nft_map_from(true, length), ++id);
	for (unsigned length = NFT_FILTER_STEP; length <= 128; length += NFT_FILTER_STEP)
		put_set(p, &from6, nft_map_from(false, length), ++id);
	put_names(p, conf);
}

void nft_sets_delete(struct nft_msg_batch *b, const char *table, const char *set, uint32_t seq)
{
	struct nlmsghdr *h = nft_msg_open(b, NFT_MSG_DELSET, 0, NFPROTO_INET, seq);

	mnl_attr_put_strz(h, NFTA_SET_TABLE, table);
	mnl_attr_put_strz(h, NFTA_SET_NAME, set);
	nft_msg_close(b, h);
}
