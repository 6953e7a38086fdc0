/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_selftest_trace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"

#ifndef NFT_TABLE_F_OWNER
#define NFT_TABLE_F_OWNER 2
#endif

static const char table_name[] = "natpcp-selftest", chain_name[] = "mark";

#define PRIORITY (-500) /* before what a ruleset has there, raw and connection tracking */
#define BUFFER	 65536
#define IDS	 64

struct trace {
	struct mnl_socket *own;	   /* whose table it is, and which takes it away when it is closed */
	struct mnl_socket *events; /* what the kernel tells */
	bool delete_it;		   /* the kernel knows no owners of tables */
	struct in6_addr source;
	uint32_t ids[IDS]; /* of packets of source */
	size_t ids_n;
	struct trace_seen seen;
};

static bool is_ours(struct trace *t, const struct event *e)
{
	for (size_t i = 0; i < t->ids_n; i++)
		if (t->ids[i] == e->id)
			return true;
	/* only the first message of each hook has the header */
	if (codec_is_unspecified(&e->source) || memcmp(&e->source, &t->source, 16) || t->ids_n == IDS)
		return false;
	t->ids[t->ids_n++] = e->id;
	return true;
}

static void take(struct trace *t, const struct event *e)
{
	if (!is_ours(t, e) || !strcmp(e->place.table, table_name))
		return;
	t->seen.any = true;
	t->seen.queued = t->seen.queued || e->queued;
	/* the first drop of several packets is as good as the next */
	if (t->seen.dropped)
		return;
	t->seen.dropped = e->dropped;
	t->seen.place = e->place;
}

void trace_begin(struct trace *t, const struct in6_addr *from)
{
	trace_look(t);
	memset(&t->seen, 0, sizeof(t->seen));
	t->ids_n = 0;
	t->source = *from;
}

const struct trace_seen *trace_look(struct trace *t)
{
	static char b[BUFFER] __attribute__((aligned(8)));
	ssize_t n;

	while ((n = recv(mnl_socket_get_fd(t->events), b, sizeof(b), MSG_DONTWAIT)) > 0 || (n < 0 && errno == EINTR)) {
		struct nlmsghdr *h = (struct nlmsghdr *)(void *)b;
		int left = (int)n;
		struct event e;

		for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
			if (event_parse(h, (size_t)left, &e))
				take(t, &e);
	}
	return &t->seen;
}

/* The table */

static void *need(void *p, bool *good)
{
	*good = *good && p;
	return p;
}

static void expr(struct nftnl_rule *r, const char *name, const uint32_t (*v)[2], size_t n, const void *data,
		 uint32_t length, uint16_t key, bool *good)
{
	struct nftnl_expr *e = need(nftnl_expr_alloc(name), good);

	if (!e)
		return;
	for (size_t i = 0; i < n; i++)
		nftnl_expr_set_u32(e, (uint16_t)v[i][0], v[i][1]);
	if (data)
		nftnl_expr_set(e, key, data, length);
	nftnl_rule_add_expr(r, e);
}

#define EXPR(r, name, good, ...)                                                                                       \
	expr(r, name, (const uint32_t[][2]){__VA_ARGS__}, sizeof((const uint32_t[][2]){__VA_ARGS__}) / 8, NULL, 0, 0,  \
	     good)

/* meta nfproto ipv4 ip saddr ADDRESS meta nftrace set 1, or the same of IPv6 */
static struct nftnl_rule *rule_new(const struct in6_addr *address)
{
	bool good = true;
	struct nftnl_rule *r = need(nftnl_rule_alloc(), &good);
	const bool v4 = codec_is_v4(address);
	const uint8_t family = v4 ? NFPROTO_IPV4 : NFPROTO_IPV6, one = 1;
	const uint32_t length = v4 ? 4 : 16;

	if (!r)
		return NULL;
	nftnl_rule_set_u32(r, NFTNL_RULE_FAMILY, NFPROTO_INET);
	nftnl_rule_set_str(r, NFTNL_RULE_TABLE, table_name);
	nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, chain_name);
	EXPR(r, "meta", &good, {NFTNL_EXPR_META_KEY, NFT_META_NFPROTO}, {NFTNL_EXPR_META_DREG, NFT_REG_1});
	expr(r, "cmp", (const uint32_t[][2]){{NFTNL_EXPR_CMP_SREG, NFT_REG_1}, {NFTNL_EXPR_CMP_OP, NFT_CMP_EQ}}, 2,
	     &family, sizeof(family), NFTNL_EXPR_CMP_DATA, &good);
	EXPR(r, "payload", &good, {NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER},
	     {NFTNL_EXPR_PAYLOAD_OFFSET, v4 ? 12 : 8}, {NFTNL_EXPR_PAYLOAD_LEN, length},
	     {NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1});
	expr(r, "cmp", (const uint32_t[][2]){{NFTNL_EXPR_CMP_SREG, NFT_REG_1}, {NFTNL_EXPR_CMP_OP, NFT_CMP_EQ}}, 2,
	     address->s6_addr + 16 - length, length, NFTNL_EXPR_CMP_DATA, &good);
	expr(r, "immediate", (const uint32_t[][2]){{NFTNL_EXPR_IMM_DREG, NFT_REG_1}}, 1, &one, sizeof(one),
	     NFTNL_EXPR_IMM_DATA, &good);
	EXPR(r, "meta", &good, {NFTNL_EXPR_META_KEY, NFT_META_NFTRACE}, {NFTNL_EXPR_META_SREG, NFT_REG_1});
	if (good)
		return r;
	nftnl_rule_free(r);
	return NULL;
}

static struct nlmsghdr *message(struct mnl_nlmsg_batch *b, uint16_t type, uint16_t flags, uint32_t sequence)
{
	return nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(b), type, NFPROTO_INET, flags, sequence);
}

/* Sends a batch of one to several messages; 0 or -errno of the first that was refused. */
static int commit(struct mnl_socket *s, struct mnl_nlmsg_batch *b)
{
	char answer[4096];
	int error = 0;
	ssize_t n;

	if (mnl_socket_sendto(s, mnl_nlmsg_batch_head(b), mnl_nlmsg_batch_size(b)) < 0)
		return -errno;
	/* the kernel has done it when send returns, and asked for no acknowledgements it only tells of errors */
	while ((n = recv(mnl_socket_get_fd(s), answer, sizeof(answer), MSG_DONTWAIT)) > 0) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)(void *)answer;
		int left = (int)n;

		for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
			if (h->nlmsg_type == NLMSG_ERROR && !error)
				error = ((const struct nlmsgerr *)mnl_nlmsg_get_payload(h))->error;
	}
	return error;
}

static void table_put(struct mnl_nlmsg_batch *b, uint16_t type, uint16_t flags, uint32_t owner, bool *good)
{
	struct nftnl_table *t = need(nftnl_table_alloc(), good);

	if (!t)
		return;
	nftnl_table_set_u32(t, NFTNL_TABLE_FAMILY, NFPROTO_INET);
	nftnl_table_set_str(t, NFTNL_TABLE_NAME, table_name);
	if (owner)
		nftnl_table_set_u32(t, NFTNL_TABLE_FLAGS, owner);
	nftnl_table_nlmsg_build_payload(message(b, type, flags, 0), t);
	mnl_nlmsg_batch_next(b);
	nftnl_table_free(t);
}

static void chain_put(struct mnl_nlmsg_batch *b, bool *good)
{
	struct nftnl_chain *c = need(nftnl_chain_alloc(), good);

	if (!c)
		return;
	nftnl_chain_set_u32(c, NFTNL_CHAIN_FAMILY, NFPROTO_INET);
	nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, table_name);
	nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, chain_name);
	nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, "filter");
	nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, NF_INET_PRE_ROUTING);
	nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, PRIORITY);
	nftnl_chain_nlmsg_build_payload(message(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, 0), c);
	mnl_nlmsg_batch_next(b);
	nftnl_chain_free(c);
}

static void rule_put(struct mnl_nlmsg_batch *b, const struct in6_addr *address, bool *good)
{
	struct nftnl_rule *r = need(rule_new(address), good);

	if (!r)
		return;
	nftnl_rule_nlmsg_build_payload(message(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, 0), r);
	mnl_nlmsg_batch_next(b);
	nftnl_rule_free(r);
}

static int table_make(struct trace *t, uint32_t owner, const struct in6_addr *a, const struct in6_addr *b)
{
	static char buffer[BUFFER];
	struct mnl_nlmsg_batch *batch = mnl_nlmsg_batch_start(buffer, sizeof(buffer) / 2);
	bool good = batch != NULL;
	int error = -ENOMEM;

	if (!batch)
		return error;
	nftnl_batch_begin(mnl_nlmsg_batch_current(batch), 0);
	mnl_nlmsg_batch_next(batch);
	table_put(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, owner, &good);
	chain_put(batch, &good);
	rule_put(batch, a, &good);
	rule_put(batch, b, &good);
	nftnl_batch_end(mnl_nlmsg_batch_current(batch), 0);
	mnl_nlmsg_batch_next(batch);
	if (good)
		error = commit(t->own, batch);
	mnl_nlmsg_batch_stop(batch);
	return error;
}

static void table_delete(struct trace *t)
{
	char buffer[4096];
	struct mnl_nlmsg_batch *batch = mnl_nlmsg_batch_start(buffer, sizeof(buffer) / 2);
	bool good = true;

	if (!batch)
		return;
	nftnl_batch_begin(mnl_nlmsg_batch_current(batch), 0);
	mnl_nlmsg_batch_next(batch);
	table_put(batch, NFT_MSG_DELTABLE, 0, 0, &good);
	nftnl_batch_end(mnl_nlmsg_batch_current(batch), 0);
	mnl_nlmsg_batch_next(batch);
	if (good)
		commit(t->own, batch);
	mnl_nlmsg_batch_stop(batch);
}

static int sockets_open(struct trace *t)
{
	int group = NFNLGRP_NFTRACE, size = 1 << 20;

	t->own = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!t->own || mnl_socket_bind(t->own, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	t->events = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!t->events || mnl_socket_bind(t->events, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_setsockopt(t->events, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return -errno;
	setsockopt(mnl_socket_get_fd(t->events), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return 0;
}

int trace_open(struct trace **out, const struct in6_addr *a, const struct in6_addr *b)
{
	struct trace *t = calloc(1, sizeof(*t));
	int error;

	*out = t;
	if (!t)
		return -ENOMEM;
	error = sockets_open(t);
	if (!error)
		error = table_make(t, NFT_TABLE_F_OWNER, a, b);
	if (error == -EOPNOTSUPP || error == -EINVAL) {
		error = table_make(t, 0, a, b);
		t->delete_it = !error;
	}
	return error;
}

void trace_close(struct trace *t)
{
	if (!t)
		return;
	if (t->delete_it)
		table_delete(t);
	if (t->own)
		mnl_socket_close(t->own);
	if (t->events)
		mnl_socket_close(t->events);
	free(t);
}

/* Chains */

struct search {
	const struct event_place *place;
	char *chain;
	bool found;
};

static int chain(const struct nlmsghdr *h, void *context)
{
	struct search *s = context;
	struct nftnl_chain *c = nftnl_chain_alloc();

	if (c && nftnl_chain_nlmsg_parse(h, c) == 0 && !s->found && nftnl_chain_is_set(c, NFTNL_CHAIN_HOOKNUM) &&
	    nftnl_chain_get_u32(c, NFTNL_CHAIN_HOOKNUM) == NF_INET_FORWARD &&
	    !strcmp(nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE), s->place->table)) {
		snprintf(s->chain, EVENT_NAME, "%s", nftnl_chain_get_str(c, NFTNL_CHAIN_NAME));
		s->found = true;
	}
	if (c)
		nftnl_chain_free(c);
	return MNL_CB_OK;
}

bool trace_forward_chain(const struct event_place *p, char name[EVENT_NAME])
{
	char b[BUFFER / 4] __attribute__((aligned(8)));
	struct mnl_socket *s = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	struct nlmsghdr *h;
	struct search search = {.place = p, .chain = name};
	uint32_t port;
	ssize_t n;
	int more = MNL_CB_OK;

	if (!s)
		return false;
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) == 0) {
		port = mnl_socket_get_portid(s);
		h = nftnl_nlmsg_build_hdr(b, NFT_MSG_GETCHAIN, p->family, NLM_F_DUMP, 1);
		if (mnl_socket_sendto(s, h, h->nlmsg_len) > 0)
			while (more == MNL_CB_OK && (n = mnl_socket_recvfrom(s, b, sizeof(b))) > 0)
				more = mnl_cb_run(b, (size_t)n, 1, port, chain, &search);
	}
	mnl_socket_close(s);
	return search.found;
}
