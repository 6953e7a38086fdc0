/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose chain would drop what we let in: an accept of ours does not overrule it, and comes too late in some. */
#include "backends/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "backends/nft_final.h"
#include "backends/nft_ruleset.h"

#define DUMP_TRIES 50
#define LIST_MAX   256

enum { CANDIDATES_MAX = 16, CANDIDATE_NAME_MAX = 64 };

struct chain {
	const char *table, *name;
	uint32_t hook, policy;
	int32_t priority;
};

/* A chain whose policy accepts, but whose rules may end with one that drops the rest. */
struct candidate {
	uint8_t family;
	char table[CANDIDATE_NAME_MAX], name[CANDIDATE_NAME_MAX];
	bool drops;
};

/* Chains that drop and that conf does not name, as conf would list them. */
struct search {
	const struct conf *conf;
	struct candidate candidates[CANDIDATES_MAX];
	size_t candidates_n;
	unsigned n;
	bool v6; /* the first one is of IPv6 alone */
	char names[LIST_MAX];
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

static void note(struct search *s, uint8_t family, const char *table, const char *name)
{
	size_t length = strlen(s->names);

	if (snprintf(s->names + length, sizeof(s->names) - length, "%s\"%s %s %s\"", length ? ", " : "",
		     family_name(family), table, name) >= (int)(sizeof(s->names) - length)) {
		s->names[length] = '\0'; /* whoever named those will hear of the others */
		return;
	}
	if (s->n++ == 0)
		s->v6 = family == NFPROTO_IPV6;
}

/* What rules say of the rest of the packets is looked at later. */
static void remember(struct search *s, uint8_t family, const struct chain *c)
{
	struct candidate *m = &s->candidates[s->candidates_n];

	if (s->candidates_n == CANDIDATES_MAX || strlen(c->table) >= sizeof(m->table) ||
	    strlen(c->name) >= sizeof(m->name))
		return;
	*m = (struct candidate){.family = family};
	strcpy(m->table, c->table);
	strcpy(m->name, c->name);
	s->candidates_n++;
}

static void look(void *context, const struct nlmsghdr *message)
{
	struct search *s = context;
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(message);
	struct chain c = {.hook = UINT32_MAX, .policy = NF_ACCEPT};
	const char *family = family_name(g->nfgen_family);

	if (!family || mnl_attr_parse(message, sizeof(*g), read_chain, &c) != MNL_CB_OK || !c.table || !c.name)
		return;
	if (c.hook != NF_INET_FORWARD || conf_chains_have(&s->conf->backend.forward, family, c.table, c.name))
		return;
	if (c.policy == NF_DROP)
		note(s, g->nfgen_family, c.table, c.name);
	else
		remember(s, g->nfgen_family, &c);
}

static void look_at_rule(void *context, const struct nlmsghdr *message)
{
	struct candidate *m = context;

	m->drops = m->drops || nft_final_drops(message);
}

static void look_at_rules(struct nft *n, struct candidate *m)
{
	int rc = -EINTR;

	for (int tries = 0; rc == -EINTR && tries < DUMP_TRIES; tries++) {
		m->drops = false;
		nft_question(n, NFT_MSG_GETRULE, NLM_F_DUMP, m->family, m->table, m->name);
		rc = nft_query(n, look_at_rule, m);
	}
}

/* What is to be written, so that all are named; as much of it as fits. */
static void advise(const struct search *s, char *why, size_t size)
{
	const struct conf_chains *named = &s->conf->backend.forward;
	char before[LIST_MAX] = "";
	bool list = named->n + s->n > 1;

	if (s->n == 1)
		snprintf(why, size, "chain %s drops what no rule of its own accepts%s", s->names,
			 s->v6 ? " of IPv6" : "");
	else
		snprintf(why, size, "chains %s drop what no rules of their own accept", s->names);
	nft_accept_names(s->conf, UINT_MAX, before, sizeof(before));
	size -= strlen(why);
	why += strlen(why);
	if (snprintf(why, size, ", mapped ports too: if %s none for them, write backend { forward-chain = %s%s%s%s%s }",
		     s->n == 1 ? "it has" : "they have", list ? "{ " : "", before, *before ? ", " : "", s->names,
		     list ? " }" : "") >= (int)size ||
	    strlen(before) + 1 == sizeof(before))
		snprintf(why, size, ", mapped ports too: name %s in backend.forward-chain, beside those that it names",
			 s->n == 1 ? "it" : "them");
}

void nft_drop_look(struct nft *n, const struct conf *conf, char *why, size_t size)
{
	struct search s = {.conf = conf};
	int rc = -EINTR;

	why[0] = '\0';
	for (int tries = 0; rc == -EINTR && tries < DUMP_TRIES; tries++) {
		s = (struct search){.conf = conf};
		n->batch.length = 0;
		nft_msg_close(&n->batch, nft_msg_open(&n->batch, NFT_MSG_GETCHAIN, NLM_F_DUMP, AF_UNSPEC, n->seq++));
		rc = nft_query(n, look, &s);
	}
	for (size_t i = 0; i < s.candidates_n; i++) {
		look_at_rules(n, &s.candidates[i]);
		if (s.candidates[i].drops)
			note(&s, s.candidates[i].family, s.candidates[i].table, s.candidates[i].name);
	}
	if (s.n)
		advise(&s, why, size);
}

static void read_named(void *context, const struct nlmsghdr *message)
{
	mnl_attr_parse(message, sizeof(struct nfgenmsg), read_chain, context);
}

static int check(struct nft *n, const struct conf_chain *chain, char *why, size_t size)
{
	struct chain c = {.hook = UINT32_MAX};

	nft_question(n, NFT_MSG_GETCHAIN, NLM_F_ACK, nft_ruleset_family(chain->family), chain->table, chain->chain);
	/* what is wrong with a chain that is not there is said by whoever puts our rule into it; one without a hook is
	 * reached from elsewhere */
	if (nft_query(n, read_named, &c) || c.hook == UINT32_MAX)
		return 0;
	if (c.hook != NF_INET_FORWARD) {
		snprintf(why, size,
			 "backend: forward-chain: forwarded packets do not pass \"%s %s %s\": it has another hook",
			 chain->family, chain->table, chain->chain);
		return -ENOENT;
	}
	/* in an inet table our rule looks at the connection, whose mark is older than the packet's */
	if (nft_ruleset_family(chain->family) == NFPROTO_INET || c.priority > NFT_RULESET_FORWARD_PRIORITY)
		return 0;
	snprintf(why, size,
		 "backend: forward-chain: \"%s %s %s\" has priority %d: packets are marked at %d, give it a higher one",
		 chain->family, chain->table, chain->chain, c.priority, NFT_RULESET_FORWARD_PRIORITY);
	return -ENOENT;
}

int nft_drop_check(struct nft *n, const struct conf *conf, char *why, size_t size)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < conf->backend.forward.n; i++)
		rc = check(n, &conf->backend.forward.v[i], why, size);
	return rc;
}
