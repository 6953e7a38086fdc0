/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose chain would drop what we let in: an accept of ours does not overrule it, and comes too late in some. */
#include "backends/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "backends/nft_ruleset.h"

#define DUMP_TRIES 50

struct chain {
	const char *table, *name;
	uint32_t hook, policy;
	int32_t priority;
};

struct search {
	const struct conf *conf;
	char *why;
	size_t size;
};

static int read_hook(const struct nlattr *a, void *context)
{
	struct chain *c = context;

	if (mnl_attr_get_type(a) == NFTA_HOOK_HOOKNUM && mnl_attr_get_payload_len(a) == sizeof(uint32_t))
		c->hook = ntohl(mnl_attr_get_u32(a));
	if (mnl_attr_get_type(a) == NFTA_HOOK_PRIORITY && mnl_attr_get_payload_len(a) == sizeof(uint32_t))
		c->priority = (int32_t)ntohl(mnl_attr_get_u32(a));
	return MNL_CB_OK;
}

static int read_chain(const struct nlattr *a, void *context)
{
	struct chain *c = context;

	switch (mnl_attr_get_type(a)) {
	case NFTA_CHAIN_TABLE:
		c->table = mnl_attr_get_str(a);
		break;
	case NFTA_CHAIN_NAME:
		c->name = mnl_attr_get_str(a);
		break;
	case NFTA_CHAIN_POLICY:
		if (mnl_attr_get_payload_len(a) == sizeof(uint32_t))
			c->policy = ntohl(mnl_attr_get_u32(a));
		break;
	case NFTA_CHAIN_HOOK:
		mnl_attr_parse_nested(a, read_hook, c);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static const char *family_name(uint8_t family)
{
	static const char *const names[] = {"inet", "ip", "ip6"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (nft_ruleset_family(names[i]) == family)
			return names[i];
	return NULL;
}

static bool is_named(const struct conf *conf, const char *family, const struct chain *c)
{
	return strcmp(conf->backend.forward_family, family) == 0 &&
	       strcmp(conf->backend.forward_table, c->table) == 0 && strcmp(conf->backend.forward_chain, c->name) == 0;
}

static void look(void *context, const struct nlmsghdr *message)
{
	struct search *s = context;
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(message);
	struct chain c = {.hook = UINT32_MAX, .policy = NF_ACCEPT};
	const char *family = family_name(g->nfgen_family);

	if (*s->why || !family || mnl_attr_parse(message, sizeof(*g), read_chain, &c) != MNL_CB_OK || !c.table ||
	    !c.name)
		return;
	if (c.hook != NF_INET_FORWARD || c.policy != NF_DROP || is_named(s->conf, family, &c))
		return;
	snprintf(
	    s->why, s->size,
	    "chain \"%s %s %s\" drops what no rule of its own accepts%s, mapped ports too: if it has none for them, "
	    "write backend { forward-chain = \"%s %s %s\" }",
	    family, c.table, c.name, g->nfgen_family == NFPROTO_IPV6 ? " of IPv6" : "", family, c.table, c.name);
}

void nft_drop_look(struct nft *n, const struct conf *conf, char *why, size_t size)
{
	struct search s = {.conf = conf, .why = why, .size = size};
	int rc = -EINTR;

	for (int tries = 0; rc == -EINTR && tries < DUMP_TRIES; tries++) {
		why[0] = '\0';
		n->batch.length = 0;
		nft_msg_close(&n->batch, nft_msg_open(&n->batch, NFT_MSG_GETCHAIN, NLM_F_DUMP, AF_UNSPEC, n->seq++));
		rc = nft_query(n, look, &s);
	}
}

static void read_named(void *context, const struct nlmsghdr *message)
{
	mnl_attr_parse(message, sizeof(struct nfgenmsg), read_chain, context);
}

int nft_drop_check(struct nft *n, const struct conf *conf, char *why, size_t size)
{
	const char *family = conf->backend.forward_family;
	struct chain c = {.hook = UINT32_MAX};
	struct nlmsghdr *h;

	if (conf->backend.forward_chain[0] == '\0')
		return 0;
	n->batch.length = 0;
	h = nft_msg_open(&n->batch, NFT_MSG_GETCHAIN, NLM_F_ACK, (uint8_t)nft_ruleset_family(family), n->seq++);
	mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, conf->backend.forward_table);
	mnl_attr_put_strz(h, NFTA_CHAIN_NAME, conf->backend.forward_chain);
	nft_msg_close(&n->batch, h);
	/* what is wrong with a chain that is not there is said by whoever puts our rule into it; one without a hook is
	 * reached from elsewhere */
	if (nft_query(n, read_named, &c) || c.hook == UINT32_MAX)
		return 0;
	if (c.hook != NF_INET_FORWARD) {
		snprintf(why, size,
			 "backend: forward-chain: forwarded packets do not pass \"%s %s %s\": it has another hook",
			 family, conf->backend.forward_table, conf->backend.forward_chain);
		return -ENOENT;
	}
	/* in an inet table our rule looks at the connection, whose mark is older than the packet's */
	if (nft_ruleset_family(family) == NFPROTO_INET || c.priority > NFT_RULESET_FORWARD_PRIORITY)
		return 0;
	snprintf(why, size,
		 "backend: forward-chain: \"%s %s %s\" has priority %d: packets are marked at %d, give it a higher one",
		 family, conf->backend.forward_table, conf->backend.forward_chain, c.priority,
		 NFT_RULESET_FORWARD_PRIORITY);
	return -ENOENT;
}
