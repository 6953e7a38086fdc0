/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The nftables backend: its socket, its life, and what is done once. */
#include "backends/nft.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "backends/nft_map.h"
#include "backends/nft_reset.h"
#include "backends/nft_ruleset.h"
#include "backends/nft_sets.h"

#define BATCH_START    (256 << 10) /* octets of the batch buffer at first */
#define SEND_BUFFER    (20 << 20)  /* above the largest batch */
#define SEND_OVERHEAD  1024	   /* of that, not for the batch */
#define RECEIVE_BUFFER (16 << 20)  /* a refusal of every message of a batch fits: each takes about 800 octets */

/* Numbers of messages that making the ruleset takes, with as many externals as there can be: sets, names and rules, and
 * from SEQ_FLUSH on what is flushed and deleted. */
enum { SEQ_FLUSH = 10000, SEQ_RULESET = 20000 };

/* One message of an acknowledgement: its number and error. False if it is something else. */
static bool read_ack(const struct nlmsghdr *h, uint32_t *seq, int *error)
{
	if (h->nlmsg_type != NLMSG_ERROR || mnl_nlmsg_get_payload_len(h) < sizeof(struct nlmsgerr))
		return false;
	*seq = h->nlmsg_seq;
	*error = ((const struct nlmsgerr *)mnl_nlmsg_get_payload(h))->error;
	return true;
}

int nft_transact(struct nft *n, uint32_t first, nft_refused_fn *refused, void *context)
{
	int fd = mnl_socket_get_fd(n->socket), whole = 0;
	uint32_t last = nft_msg_end(&n->batch);
	bool done = false, any = false, lost = false;

	if (mnl_socket_sendto(n->socket, n->batch.data, n->batch.length) < 0)
		return -errno;
	/* The kernel works in send: refusals are queued in the order of the messages, the asked-for one comes last. */
	while (!done) {
		ssize_t length = recv(fd, n->received, NFT_RECEIVE_MAX, MSG_DONTWAIT);
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)n->received;
		int rest = (int)length, error;
		uint32_t seq;

		lost = lost || (length < 0 && errno == ENOBUFS);
		if (length < 0 && (errno == EINTR || errno == ENOBUFS))
			continue;
		if (length < 0 && errno == EAGAIN)
			break;
		if (length < 0)
			return -errno;
		for (; mnl_nlmsg_ok(h, rest); h = mnl_nlmsg_next(h, &rest)) {
			if (!read_ack(h, &seq, &error) || seq - first > last - first)
				continue;
			done = done || seq == last;
			if (error && seq == first) {
				whole = error;
			} else if (error) {
				any = true;
				refused(context, seq, error);
			}
		}
	}
	if (whole)
		return whole;
	/* If a refusal was lost and there were others, the batch is tried again; if not, this may have been the only one. */
	return any ? 0 : lost ? -ENOBUFS : done ? 0 : -EIO;
}

static void note_first(void *context, uint32_t seq, int error)
{
	int *first = context;

	(void)seq;
	if (*first == 0)
		*first = error;
}

int nft_transact_all(struct nft *n, uint32_t first)
{
	int error = 0;
	int rc = nft_transact(n, first, note_first, &error);

	return rc ? rc : error;
}

/* What the end of a dump says of it: a negative error if it is not whole. */
static int read_done(const struct nlmsghdr *h)
{
	const int *error = mnl_nlmsg_get_payload(h);

	return mnl_nlmsg_get_payload_len(h) >= sizeof(*error) && *error < 0 ? *error : 0;
}

int nft_query(struct nft *n, nft_answer_fn *fn, void *context)
{
	const struct nlmsghdr *request = (const struct nlmsghdr *)(const void *)n->batch.data;
	uint32_t asked = request->nlmsg_seq;
	bool dump = (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP, interrupted = false;
	int fd = mnl_socket_get_fd(n->socket);

	if (mnl_socket_sendto(n->socket, n->batch.data, n->batch.length) < 0)
		return -errno;
	/* The kernel answers in send, and goes on with a dump whenever some of it was taken: nothing is waited for. */
	for (;;) {
		ssize_t length = recv(fd, n->received, NFT_RECEIVE_MAX, MSG_DONTWAIT);
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)n->received;
		int rest = (int)length, error;
		uint32_t seq;

		/* some of the answer was lost, or all that was left of it */
		if (length < 0 && errno == EAGAIN)
			return -EINTR;
		if (length < 0 && errno != EINTR && errno != ENOBUFS)
			return -errno;
		interrupted = interrupted || (length < 0 && errno == ENOBUFS);
		for (; mnl_nlmsg_ok(h, rest); h = mnl_nlmsg_next(h, &rest)) {
			if (h->nlmsg_seq != asked)
				continue;
			interrupted = interrupted || h->nlmsg_flags & NLM_F_DUMP_INTR;
			if (h->nlmsg_type == NLMSG_DONE)
				return interrupted ? -EINTR : read_done(h);
			/* a dump that was given up is still under way; each question drives it on */
			if (read_ack(h, &seq, &error))
				return error == -EBUSY && dump ? -EINTR : error;
			if (fn)
				fn(context, h);
		}
	}
}

void nft_question(struct nft *n, uint16_t type, uint16_t flags, int family, const char *table, const char *chain)
{
	struct nlmsghdr *h;

	n->batch.length = 0;
	h = nft_msg_open(&n->batch, type, flags, (uint8_t)family, n->seq++);
	/* the table is the first attribute of whatever is in one, of the table itself too; in a chain's own message its
	 * name is elsewhere than in that of a rule */
	mnl_attr_put_strz(h, NFTA_RULE_TABLE, table);
	if (chain)
		mnl_attr_put_strz(h, type == NFT_MSG_GETCHAIN ? (uint16_t)NFTA_CHAIN_NAME : (uint16_t)NFTA_RULE_CHAIN,
				  chain);
	nft_msg_close(&n->batch, h);
}

/* One change as a transaction of its own. */
static int change_one(struct nft *n, const struct change *c)
{
	uint32_t first = n->seq;

	nft_msg_begin(&n->batch, first);
	nft_msg_change(&n->batch, n->conf, &n->kernel, c, first + 1, 0);
	n->seq += 2 + NFT_MSG_SEQ_STEP;
	return nft_transact_all(n, first);
}

struct seen {
	const struct conf *conf;
	unsigned n;
	uint64_t remaining_ms;
};

static void see(void *context, const struct nft_msg_found *found)
{
	struct seen *s = context;

	s->n++;
	s->remaining_ms = found->remaining_ms;
}

static void see_elements(void *context, const struct nlmsghdr *message)
{
	struct seen *s = context;

	nft_msg_elements(message, s->conf, see, s);
}

/*
 * Learns what the kernel can do, with an element that no packet matches: protocol 0, address 0.0.0.0, port 0. Kernels
 * before 6.12 take the new timeout without an error and ignore it, so it is read back.
 */
static int probe(struct nft *n)
{
	const struct in6_addr none = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
	struct change c = {
	    .mapping = {.internal_address = none, .external_address = none, .kind = MAPPING_PINHOLE},
	    .op = CHANGE_REMOVE,
	};
	struct seen seen = {.conf = n->conf};
	int rc;

	n->kernel = (struct nft_msg_kernel){.destroy = true, .update = true};
	if (change_one(n, &c) < 0) {
		n->kernel.destroy = false;
		change_one(n, &c); /* what an interrupted probe may have left */
	}
	c.op = CHANGE_ADD;
	c.timeout_ms = 10000;
	rc = change_one(n, &c);
	if (rc)
		return rc;
	c.op = CHANGE_RENEW;
	c.timeout_ms = 100000;
	if (change_one(n, &c) < 0)
		n->kernel.update = false;
	n->batch.length = 0;
	nft_msg_get(&n->batch, n->conf, &c.mapping, n->seq++);
	rc = nft_query(n, see_elements, &seen);
	if (rc || seen.n != 1 || seen.remaining_ms <= 10000)
		n->kernel.update = false;
	c.op = CHANGE_REMOVE;
	return change_one(n, &c);
}

/* What the ruleset is made of, in the batch that was begun with number first. */
static int fill_ruleset(struct nft *n, const struct conf *conf, uint32_t table_flags, bool anew, bool empty,
			const struct nft_strays *strays, uint32_t first)
{
	const char *table = conf->backend.table;
	char name[NFT_MSG_NAME_MAX];
	const struct nft_map *map;
	size_t external;
	uint32_t seq = first + SEQ_FLUSH;
	int rc;

	nft_msg_begin(&n->batch, first);
	rc = nft_ruleset_put(&n->batch, conf, table_flags, anew, first + 1);
	if (rc == 0 && conf->backend.reset_flows && !n->no_reset)
		rc = nft_reset_put(&n->batch, conf, seq);
	seq += NFT_RESET_MESSAGES;
	for (size_t i = 0; empty && rc == 0 && (map = nft_map_at(conf, i, &external)); i++) {
		if (n->batch.capacity - n->batch.length < 2 * NFT_MSG_NAME_MAX + 64)
			return -EMSGSIZE;
		nft_map_name(name, conf, map, external);
		nft_msg_flush(&n->batch, table, name, seq++);
	}
	/* no rule has them any more */
	for (size_t i = 0; !anew && rc == 0 && i < strays->n; i++) {
		if (n->batch.capacity - n->batch.length < 2 * NFT_MSG_NAME_MAX + 64)
			return -EMSGSIZE;
		nft_sets_delete(&n->batch, table, strays->names[i], seq++);
	}
	return rc;
}

static int put_all(struct nft *n, const struct conf *conf, uint32_t table_flags, bool anew, bool empty)
{
	struct nft_strays strays;
	uint32_t first;
	int rc = nft_strays(n, conf, &strays);

	if (rc)
		return rc;
	first = n->seq;
	n->seq += SEQ_RULESET;
	do
		rc = fill_ruleset(n, conf, table_flags, anew, empty, &strays, first);
	while (rc == -EMSGSIZE && (rc = nft_grow(n)) == 0);
	return rc ? rc : nft_transact_all(n, first);
}

/* ENOENT: the kernel may lack what resets connections; without that all else works. */
static int put_ruleset(struct nft *n, const struct conf *conf, uint32_t table_flags, bool anew, bool empty)
{
	int rc;

	n->no_reset = false;
	rc = put_all(n, conf, table_flags, anew, empty);
	if (rc != -ENOENT || !conf->backend.reset_flows)
		return rc;
	n->no_reset = true;
	return put_all(n, conf, table_flags, anew, empty);
}

/* The ruleset with the flags that are wanted; without any where the kernel refuses them. */
static int put_with_flags(struct nft *n, const struct conf *conf, bool anew, bool empty)
{
	int rc = put_ruleset(n, conf, n->table_flags, anew, empty);

	/* EINVAL, EOPNOTSUPP: a kernel before 6.9, or a table that was made without flags */
	if ((rc == -EOPNOTSUPP || rc == -EINVAL) && n->table_flags) {
		n->table_flags = 0;
		rc = put_ruleset(n, conf, 0, anew, empty);
	}
	return rc;
}

/* Where the kernel knows no owners, it cannot be had, and is missed only when somebody flushes everything. */
static void keep_hooks(struct nft *n, const struct conf *conf)
{
	uint32_t first = n->seq;

	if (n->hooks || n->table_flags)
		return;
	nft_msg_begin(&n->batch, first);
	n->seq += 10;
	n->hooks = nft_ruleset_put_hooks(&n->batch, conf, first + 1) == 0 && nft_transact_all(n, first) == 0;
}

int nft_install(struct nft *n, const struct conf *conf, enum nft_install how, char *why, size_t size)
{
	int rc = put_with_flags(n, conf, false, how == NFT_INSTALL_EMPTY);

	/* A table of that name whose sets or chains are not like ours: another version's, or somebody's copy. */
	if ((rc == -EEXIST || rc == -EBUSY || rc == -EINVAL || rc == -EOPNOTSUPP) && how != NFT_INSTALL_KEEP) {
		n->table_flags = NFT_RULESET_KEPT;
		rc = put_with_flags(n, conf, true, false);
	}
	/* with -ENOENT the fault would be in the configuration */
	if (rc == -ENOENT || rc == -EAFNOSUPPORT)
		rc = -EPROTONOSUPPORT;
	if (rc == 0) {
		keep_hooks(n, conf);
		rc = nft_watch_print(n, &n->print);
	}
	if (rc == -EPERM)
		snprintf(
		    why, size,
		    "backend: table: no permission to change table \"inet %s\": start as root or with CAP_NET_ADMIN, "
		    "and stop the other process if one owns the table",
		    conf->backend.table);
	else if (rc)
		snprintf(
		    why, size, "backend: table: cannot make table \"inet %s\": %s", conf->backend.table,
		    rc == -EPROTONOSUPPORT
			? "the kernel lacks nf_tables or its NAT (modules nf_tables, nft_chain_nat, nft_nat, nft_ct)"
			: strerror(-rc));
	return rc;
}

/* What the operator has to mend in his configuration is -ENOENT, whatever the kernel said. */
static int put_accept(struct nft *n, const struct conf *conf, char *why, size_t size)
{
	int rc = nft_drop_check(n, conf, why, size);

	if (rc == 0)
		rc = nft_accept_put(n, conf, why, size);
	return rc == 0 || rc == -EPERM || rc == -ENOMEM ? rc : -ENOENT;
}

/* What works less well than it could, "" if nothing. */
static void look(struct nft *n, const struct conf *conf, char *why, size_t size)
{
	nft_drop_look(n, conf, why, size);
	if (why[0] == '\0' && n->no_reset)
		snprintf(
		    why, size,
		    "backend: natpmp-reset: the kernel lacks what resets connections (module nft_reject_inet): they "
		    "only end");
}

static int nft_reload(struct backend *b, const struct conf *conf, char *why, size_t size)
{
	struct nft *n = (struct nft *)b;
	const struct conf *old = n->conf;
	int rc;

	if (strcmp(conf->backend.table, old->backend.table) != 0) {
		snprintf(why, size, "backend: table: another table needs a restart");
		return -EINVAL;
	}
	/* First what can fail by the operator's ruleset. */
	rc = put_accept(n, conf, why, size);
	if (rc)
		return rc;
	rc = nft_install(n, conf, NFT_INSTALL_KEEP, why, size);
	if (rc == 0) {
		rc = nft_watch_subscribe(n, conf);
		if (rc)
			snprintf(why, size, "backend: cannot watch the ruleset: %s", strerror(-rc));
	}
	/* Chains that only one of the two names lose their rule. The new configuration is borrowed only when nothing can
	 * fail any more. */
	nft_accept_remove(n, rc ? conf : old, rc ? old : conf);
	if (rc)
		return rc;
	n->conf = conf;
	n->accept_missing = 0;
	look(n, conf, why, size);
	return 0;
}

static void nft_close(struct backend *b, bool clear)
{
	struct nft *n = (struct nft *)b;

	if (clear && n->socket) {
		uint32_t first;

		nft_accept_remove(n, n->conf, NULL);
		first = n->seq;
		nft_msg_begin(&n->batch, first);
		nft_ruleset_delete(&n->batch, n->conf->backend.table, first + 1);
		n->seq += 10;
		nft_transact_all(n, first);
	}
	nft_watch_close(n);
	if (n->socket)
		mnl_socket_close(n->socket);
	free(n->batch.data);
	free(n->received);
	free(n->slots);
	free(n);
}

static const struct backend_ops nft_ops = {
    .name = "nftables",
    .commit = nft_commit,
    .list = nft_list,
    .list_filtered = nft_list_filtered,
    .ask = nft_ask,
    .count = nft_count,
    .reload = nft_reload,
    .watch_fd = nft_watch_fd,
    .drain = nft_watch_drain,
    .watch = nft_watch,
    .flows = nft_flows,
    .token = nft_token,
    .set_token = nft_set_token,
    .close = nft_close,
};

static int open_socket(struct nft *n, char *why, size_t size)
{
	const int send = SEND_BUFFER, receive = RECEIVE_BUFFER;
	int one = 1, fd, room;
	socklen_t size_of_room = sizeof(room);

	n->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!n->socket || mnl_socket_bind(n->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int rc = -errno;

		snprintf(why, size, "backend: no netlink socket for netfilter: %s", strerror(-rc));
		return rc;
	}
	fd = mnl_socket_get_fd(n->socket);
	/* Without privileges these fail, and so will the first transaction, with a better reason. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &send, sizeof(send));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive, sizeof(receive));
	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, &size_of_room) == 0 && room > SEND_OVERHEAD)
		n->batch_max = (size_t)(room - SEND_OVERHEAD);
	if (n->batch.capacity > n->batch_max)
		n->batch.capacity = n->batch_max / 8 * 8;
	mnl_socket_setsockopt(n->socket, NETLINK_CAP_ACK, &one, sizeof(one));
	return 0;
}

int backend_nft_open(struct backend **b, const struct conf *conf, char *why, size_t size)
{
	struct nft *n = calloc(1, sizeof(*n));
	int rc;

	if (n) {
		n->batch.data = calloc(1, BATCH_START); /* the gaps between attributes are sent too */
		n->received = malloc(NFT_RECEIVE_MAX);
	}
	if (!n || !n->batch.data || !n->received) {
		if (n)
			nft_close(&n->backend, false);
		snprintf(why, size, "backend: out of memory");
		return -ENOMEM;
	}
	n->backend.ops = &nft_ops;
	n->conf = conf;
	n->batch.capacity = BATCH_START;
	n->batch_max = NFT_BATCH_MAX;
	n->seq = 1;
	n->table_flags = NFT_RULESET_KEPT;
	rc = open_socket(n, why, size);
	/* First what can fail by the operator's ruleset: then nothing of ours is left behind. */
	if (rc == 0)
		rc = put_accept(n, conf, why, size);
	if (rc == 0)
		rc = nft_install(n, conf, NFT_INSTALL_ADOPT, why, size);
	if (rc == 0) {
		rc = probe(n);
		if (rc)
			snprintf(why, size, "backend: cannot change table \"inet %s\": %s", conf->backend.table,
				 strerror(-rc));
		if (rc == -ENOENT) /* somebody took the table away at once */
			rc = -EIO;
	}
	if (rc == 0)
		rc = nft_watch_open(n, why, size);
	if (rc) {
		nft_close(&n->backend, false);
		return rc;
	}
	look(n, conf, why, size);
	*b = &n->backend;
	return 0;
}
