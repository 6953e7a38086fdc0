/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What others do to the ruleset: is ours still there, and our rule in the operator's chains? A notification is only a
 * wake-up; what is there is then looked up.
 */
#include "backends/nft.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "backends/nft_ruleset.h"

#define RECEIVE_BUFFER (1 << 20) /* a large ruleset that somebody loads */

/* A query again until it was not disturbed. */
#define ASK_TRIES 50

struct handles {
	uint16_t handle_attribute, name_attribute;
	bool maps_only;
	uint64_t sum; /* order does not matter: handles are never used twice in a table */
	uint64_t handle;
	const char *name;
};

static int find_handle(const struct nlattr *a, void *context)
{
	struct handles *h = context;

	if (mnl_attr_get_type(a) == h->handle_attribute && mnl_attr_get_payload_len(a) == sizeof(uint64_t))
		h->handle = be64toh(mnl_attr_get_u64(a));
	if (h->name_attribute && mnl_attr_get_type(a) == h->name_attribute &&
	    mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
		h->name = mnl_attr_get_str(a);
	return MNL_CB_OK;
}

static void add_handle(void *context, const struct nlmsghdr *message)
{
	struct handles *h = context;

	h->handle = 0;
	h->name = "";
	if (mnl_attr_parse(message, sizeof(struct nfgenmsg), find_handle, h) == MNL_CB_OK &&
	    !(h->maps_only && (strcmp(h->name, "lan") == 0 || strcmp(h->name, "wan") == 0)))
		h->sum += (h->handle + 1) * 0x9e3779b97f4a7c15;
}

int nft_watch_print(struct nft *n, struct nft_print *print)
{
	const char *table = n->conf->backend.table;
	const struct {
		uint16_t type, flags, handle, name;
		uint64_t *sum;
	} queries[] = {
	    {NFT_MSG_GETTABLE, NLM_F_ACK, NFTA_TABLE_HANDLE, 0, &print->table},
	    {NFT_MSG_GETSET, NLM_F_DUMP, NFTA_SET_HANDLE, NFTA_SET_NAME, &print->maps},
	    {NFT_MSG_GETRULE, NLM_F_DUMP, NFTA_RULE_HANDLE, 0, &print->rules},
	};

	*print = (struct nft_print){0};
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		int rc = -EINTR;

		for (int tries = 0; rc == -EINTR && tries < ASK_TRIES; tries++) {
			struct handles h = {
			    .handle_attribute = queries[i].handle,
			    .name_attribute = queries[i].name,
			    .maps_only = queries[i].type == NFT_MSG_GETSET,
			};

			nft_question(n, queries[i].type, queries[i].flags, NFPROTO_INET, table, NULL);
			rc = nft_query(n, add_handle, &h);
			*queries[i].sum = h.sum;
		}
		if (rc == -ENOENT)
			return 0;
		if (rc)
			return rc;
	}
	return 0;
}

/* Notifications carry the port of the socket that caused them: ours need not wake us up. */
static int ignore_own(int fd, uint32_t portid)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_pid)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htobe32(portid), 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	    BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

int nft_watch_open(struct nft *n, char *why, size_t size)
{
	const int receive = RECEIVE_BUFFER;
	int rc = 0;

	n->monitor = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!n->monitor || mnl_socket_bind(n->monitor, 0, MNL_SOCKET_AUTOPID) < 0)
		rc = -errno;
	if (rc == 0) {
		setsockopt(mnl_socket_get_fd(n->monitor), SOL_SOCKET, SO_RCVBUFFORCE, &receive, sizeof(receive));
		rc = ignore_own(mnl_socket_get_fd(n->monitor), mnl_socket_get_portid(n->socket));
	}
	if (rc == 0)
		rc = nft_watch_subscribe(n, n->conf);
	if (rc)
		snprintf(why, size, "backend: cannot watch the ruleset: %s", strerror(-rc));
	return rc;
}

static int subscribe(struct nft *n, bool wanted)
{
	int group = NFNLGRP_NFTABLES;

	if (wanted == n->subscribed)
		return 0;
	if (mnl_socket_setsockopt(n->monitor, wanted ? NETLINK_ADD_MEMBERSHIP : NETLINK_DROP_MEMBERSHIP, &group,
				  sizeof(group)) < 0)
		return -errno;
	n->subscribed = wanted;
	return 0;
}

int nft_watch_subscribe(struct nft *n, const struct conf *conf)
{
	/* While our socket is open nobody else can touch a table that has it as owner. */
	return subscribe(n, n->table_flags == 0 || conf->backend.forward.n);
}

static int read_generation(const struct nlattr *a, void *context)
{
	uint32_t *generation = context;

	if (mnl_attr_get_type(a) == NFTA_GEN_ID && mnl_attr_get_payload_len(a) == sizeof(*generation))
		*generation = ntohl(mnl_attr_get_u32(a));
	return MNL_CB_OK;
}

static void see_generation(void *context, const struct nlmsghdr *message)
{
	mnl_attr_parse(message, sizeof(struct nfgenmsg), read_generation, context);
}

enum { GENERATION_LENGTH = 20 };

/* Asks how many transactions this namespace has seen. */
static void put_get_generation(struct nft_msg_batch *b, uint16_t flags, uint32_t seq)
{
	nft_msg_close(b, nft_msg_open(b, NFT_MSG_GETGEN, flags, AF_UNSPEC, seq));
}

/* How many they are, while the batch buffer is in use; 0: there is no telling. */
static uint32_t count(struct nft *n)
{
	_Alignas(struct nlmsghdr) uint8_t octets[GENERATION_LENGTH];
	const struct nft_msg_batch kept = n->batch;
	uint32_t found = 0;
	int rc;

	n->batch = (struct nft_msg_batch){.data = octets, .capacity = sizeof(octets)};
	put_get_generation(&n->batch, NLM_F_ACK, n->seq++);
	rc = nft_query(n, see_generation, &found);
	n->batch = kept;
	return rc == 0 ? found : 0;
}

uint32_t nft_watch_pause(struct nft *n)
{
	uint32_t before;

	/* without an owner others can take elements out, of which nothing else tells */
	if (!n->subscribed || n->table_flags == 0)
		return 0;
	before = count(n);
	return before && subscribe(n, false) == 0 ? before : 0;
}

void nft_watch_resume(struct nft *n, uint32_t before, bool done)
{
	_Alignas(struct nlmsghdr) uint8_t octets[GENERATION_LENGTH];
	struct nft_msg_batch question = {.data = octets, .capacity = sizeof(octets)};

	if (before == 0)
		return;
	if (subscribe(n, true) < 0 || count(n) != before + done)
		n->missed = true;
	if (!n->missed)
		return;
	/* the answer makes the descriptor readable */
	put_get_generation(&question, 0, 0);
	mnl_socket_sendto(n->monitor, octets, question.length);
}

void nft_watch_close(struct nft *n)
{
	if (n->monitor)
		mnl_socket_close(n->monitor);
	n->monitor = NULL;
}

int nft_watch_fd(const struct backend *b)
{
	const struct nft *n = (const struct nft *)b;

	return mnl_socket_get_fd(n->monitor);
}

struct notice {
	const char *table, *chain;
};

/* The table is the first attribute of whatever is in one, of the table itself too. */
static int read_notice(const struct nlattr *a, void *context)
{
	struct notice *t = context;

	if (mnl_attr_get_type(a) == NFTA_RULE_TABLE && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
		t->table = mnl_attr_get_str(a);
	if (mnl_attr_get_type(a) == NFTA_RULE_CHAIN && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
		t->chain = mnl_attr_get_str(a);
	return MNL_CB_OK;
}

/* Others' elements are many and never ours to repair, but those that they take out of our table. */
static bool concerns_table(struct nft *n, uint16_t type)
{
	switch (type) {
	case NFT_MSG_DELSETELEM:
	case NFT_MSG_DESTROY_ELEMENT:
		n->emptied = true;
		return true;
	case NFT_MSG_NEWSETELEM:
		return false;
	default:
		return true;
	}
}

/* What can take our rule away from a chain of the operator's, make the chain, or bring the rule in twice. */
static bool concerns_chain(const struct nft *n, const struct conf_chain *chain, const struct nlmsghdr *h,
			   const struct notice *t)
{
	uint16_t type = h->nlmsg_type & 0xff;

	switch (type) {
	case NFT_MSG_NEWTABLE:
	case NFT_MSG_DELTABLE:
	case NFT_MSG_DESTROY_TABLE:
	case NFT_MSG_NEWCHAIN:
	case NFT_MSG_DELCHAIN:
	case NFT_MSG_DESTROY_CHAIN:
		return true;
	case NFT_MSG_DELRULE:
	case NFT_MSG_DESTROY_RULE:
		return strcmp(t->chain, chain->chain) == 0;
	case NFT_MSG_NEWRULE:
		return nft_ruleset_is_accept(h, n->conf) != 0;
	default:
		return false;
	}
}

static bool concerns(struct nft *n, const struct nlmsghdr *h)
{
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
	const struct conf *conf = n->conf;
	uint16_t type = h->nlmsg_type & 0xff;
	struct notice t = {.table = "", .chain = ""};

	if (h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || type == NFT_MSG_NEWGEN ||
	    mnl_attr_parse(h, sizeof(*g), read_notice, &t) != MNL_CB_OK)
		return false;
	if (g->nfgen_family == NFPROTO_INET && strcmp(t.table, conf->backend.table) == 0)
		return concerns_table(n, type);
	for (size_t i = 0; i < conf->backend.forward.n; i++) {
		const struct conf_chain *chain = &conf->backend.forward.v[i];

		if (g->nfgen_family == nft_ruleset_family(chain->family) && strcmp(t.table, chain->table) == 0 &&
		    concerns_chain(n, chain, h, &t))
			return true;
	}
	return false;
}

bool nft_watch_drain(struct backend *b)
{
	struct nft *n = (struct nft *)b;
	bool concerned = n->missed;

	n->missed = false;
	for (;;) {
		ssize_t length = recv(mnl_socket_get_fd(n->monitor), n->received, NFT_RECEIVE_MAX, MSG_DONTWAIT);
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)n->received;
		int rest = (int)length;

		if (length < 0 && errno != EINTR && errno != ENOBUFS)
			return concerned;
		/* what did not fit may have been anything; of elements nothing else tells that they were removed */
		if (length < 0 && errno == ENOBUFS) {
			n->emptied = n->emptied || n->table_flags == 0;
			concerned = true;
		}
		for (; mnl_nlmsg_ok(h, rest); h = mnl_nlmsg_next(h, &rest))
			concerned = concerns(n, h) || concerned;
	}
}

int nft_watch(struct backend *b, char *why, size_t size)
{
	struct nft *n = (struct nft *)b;
	enum backend_event event = BACKEND_INTACT;
	struct nft_print print;
	unsigned missing, news;
	bool made;
	int rc;

	why[0] = '\0';
	nft_watch_drain(b);
	rc = nft_watch_print(n, &print);
	if (rc)
		return rc;
	if (print.table != n->print.table || print.maps != n->print.maps)
		n->emptied = true;
	if (print.table == 0)
		n->table_flags = NFT_RULESET_KEPT; /* a new one may get what the old one could not */
	if (!n->emptied && print.rules != n->print.rules) {
		n->emptied = nft_install(n, n->conf, NFT_INSTALL_KEEP, why, size) != 0;
		event = BACKEND_REPAIRED;
	}
	if (n->emptied)
		rc = nft_install(n, n->conf, NFT_INSTALL_EMPTY, why, size);
	if (rc == 0)
		rc = nft_watch_subscribe(n, n->conf);
	if (rc)
		return rc;
	if (n->emptied)
		event = BACKEND_EMPTIED;
	n->emptied = false;
	rc = nft_accept_keep(n, n->conf, &made, &missing);
	if (made && event == BACKEND_INTACT)
		event = BACKEND_REPAIRED;
	n->accept_missing &= missing;
	/* That mappings are gone is more important; then chains are told of by the next call. That one is gone is told
	 * once. */
	if (event == BACKEND_EMPTIED)
		return event;
	if (rc)
		return rc;
	news = missing & ~n->accept_missing;
	n->accept_missing = missing;
	if (news) {
		nft_accept_names(n->conf, news, why, size);
		return -ENOENT;
	}
	return event;
}
