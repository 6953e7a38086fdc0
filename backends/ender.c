/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/ender.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>

#include "backends/ender_msg.h"

enum {
	RECEIVE_MAX = 65536,  /* octets: more than the kernel puts into one datagram of a dump */
	COMMANDS_MAX = 32768, /* octets that are sent at once */
	SILENCE_S = 10,	      /* an answer that does not go on for so long is lost */
};

/* The two kinds of connections: let in by a mapping; begun inside, where the mapping decided of the outside port. */
enum pass { PASS_LET_IN, PASS_BEGUN_INSIDE, PASSES };

struct ender {
	struct mnl_socket *socket;
	uint32_t mark, hairpin_mark;
	uint32_t seq;
	uint8_t *received, *commands;
	size_t commands_length;
};

/* What one search is about. */
struct search {
	struct ender_list *list;
	struct ender_seen *seen;
	uint64_t *ended;
};

int ender_open(struct ender **out, uint32_t mark, uint32_t hairpin_mark)
{
	const struct timeval silence = {.tv_sec = SILENCE_S};
	struct ender *e = calloc(1, sizeof(*e));
	int one = 1, rc;

	if (!e)
		return -ENOMEM;
	e->mark = mark;
	e->hairpin_mark = hairpin_mark;
	e->seq = 1;
	e->received = malloc(RECEIVE_MAX);
	e->commands = malloc(COMMANDS_MAX);
	e->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!e->socket || !e->received || !e->commands || mnl_socket_bind(e->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		rc = e->received && e->commands ? -errno : -ENOMEM;
		ender_close(e);
		return rc;
	}
	setsockopt(mnl_socket_get_fd(e->socket), SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));
	mnl_socket_setsockopt(e->socket, NETLINK_CAP_ACK, &one, sizeof(one));
	*out = e;
	return 0;
}

void ender_close(struct ender *e)
{
	if (!e)
		return;
	if (e->socket)
		mnl_socket_close(e->socket);
	free(e->received);
	free(e->commands);
	free(e);
}

/* Refusals come back as messages that are no part of the answer: the connection ended by itself. */
static int send_commands(struct ender *e)
{
	size_t length = e->commands_length;

	e->commands_length = 0;
	return length == 0 || mnl_socket_sendto(e->socket, e->commands, length) >= 0 ? 0 : -errno;
}

static int forget(struct ender *e, const struct ender_flow *f)
{
	int rc = 0;

	if (e->commands_length + ENDER_MSG_MAX > COMMANDS_MAX)
		rc = send_commands(e);
	memset(e->commands + e->commands_length, 0, ENDER_MSG_MAX);
	e->commands_length += ender_msg_forget(e->commands + e->commands_length, f, 0);
	return rc;
}

static int look(struct ender *e, const struct nlmsghdr *h, struct search *s)
{
	struct ender_flow f;
	unsigned what;

	if (!ender_msg_read(h, e->mark, &f))
		return 0;
	ender_seen_add(s->seen, &f);
	what = ender_list_meet(s->list, &f);
	if (!(what & 1u << ENDER_FORGET))
		return 0;
	++*s->ended;
	return forget(e, &f);
}

static int ask(struct ender *e, enum pass pass)
{
	_Alignas(8) uint8_t question[ENDER_MSG_MAX] = {0};
	uint32_t value = pass == PASS_LET_IN ? e->mark : e->hairpin_mark;
	uint32_t mask = pass == PASS_LET_IN ? e->mark : e->mark | e->hairpin_mark;
	size_t length;

	/* commands have the number 0 */
	e->seq += e->seq == UINT32_MAX ? 2 : 1;
	length = ender_msg_ask(question, value, mask, e->seq);
	return mnl_socket_sendto(e->socket, question, length) < 0 ? -errno : 0;
}

/* What one datagram says. 1: the answer goes on; 0: it is complete; -errno. */
static int take(struct ender *e, ssize_t length, struct search *s)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)e->received;
	int rest = (int)length, rc = 1;

	for (; rc > 0 && mnl_nlmsg_ok(h, rest); h = mnl_nlmsg_next(h, &rest)) {
		if (h->nlmsg_seq != e->seq)
			continue;
		if (h->nlmsg_type == NLMSG_DONE)
			rc = 0;
		else if (h->nlmsg_type == NLMSG_ERROR)
			rc = mnl_nlmsg_get_payload_len(h) < sizeof(struct nlmsgerr)
				 ? -EIO
				 : ((const struct nlmsgerr *)mnl_nlmsg_get_payload(h))->error;
		else if (look(e, h, s) < 0)
			rc = -EIO;
	}
	return rc;
}

static int do_pass(struct ender *e, enum pass pass, struct search *s)
{
	int rc = ask(e, pass), sent = 0;

	if (rc == 0)
		rc = 1;
	while (rc > 0 && sent == 0) {
		ssize_t length = recv(mnl_socket_get_fd(e->socket), e->received, RECEIVE_MAX, 0);

		/* ENOBUFS: refusals were lost; the answer itself waits for room */
		if (length < 0 && (errno == EINTR || errno == ENOBUFS))
			continue;
		rc = length < 0 ? -errno : take(e, length, s);
		sent = send_commands(e);
	}
	return rc ? rc : sent;
}

int ender_search(struct ender *e, struct ender_list *l, struct ender_seen *seen, uint64_t *ended)
{
	struct search s = {.list = l, .seen = seen, .ended = ended};
	int rc = 0;

	memset(seen, 0, sizeof(*seen));
	*ended = 0;
	ender_list_sort(l);
	for (enum pass pass = PASS_LET_IN; rc == 0 && pass < PASSES; pass++)
		rc = do_pass(e, pass, &s);
	e->commands_length = 0;
	return rc;
}
