/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/ender.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>

#include "backends/ender_msg.h"
#include "backends/reset.h"
#include "codec/codec.h"

enum {
	RECEIVE_MAX = 65536,  /* octets: more than the kernel puts into one datagram of a dump */
	COMMANDS_MAX = 32768, /* octets that are sent at once */
	SILENCE_S = 10,	      /* an answer that does not go on for so long is lost */
	ELICIT_MAX = 128,     /* connections whose ends are made to say something at once, */
	ELICIT_PER_S = 1000,  /* and in a second */
};

/* The two kinds of connections: let in by a mapping; begun inside, where the mapping decided of the outside port. */
enum pass { PASS_LET_IN, PASS_BEGUN_INSIDE, PASSES };

struct ender {
	struct mnl_socket *socket;
	uint32_t mark, hairpin_mark;
	uint32_t seq;
	uint8_t *received, *commands;
	size_t commands_length;
	int raw; /* what reset_elicit() sends by; -1: there is none */
	/* The connections that commands are about and whose ends are then to say something: what who began sends, what the
	 * other one does. */
	struct conntrack_tuple elicit[2 * ELICIT_MAX];
	size_t elicit_n, elicit_left;
	time_t elicit_s;
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
	e->raw = -1;
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
	e->raw = reset_open(mark | hairpin_mark); /* nft_reset_mark() */
	*out = e;
	return 0;
}

void ender_close(struct ender *e)
{
	if (!e)
		return;
	if (e->socket)
		mnl_socket_close(e->socket);
	if (e->raw >= 0)
		close(e->raw);
	free(e->received);
	free(e->commands);
	free(e);
}

bool ender_elicits(const struct ender *e)
{
	return e->raw >= 0;
}

/* Refusals come back as messages that are no part of the answer: the connection ended by itself. */
static int send_commands(struct ender *e)
{
	size_t length = e->commands_length;
	int rc;

	e->commands_length = 0;
	rc = length == 0 || mnl_socket_sendto(e->socket, e->commands, length) >= 0 ? 0 : -errno;
	/* the kernel has done it when the send returns, so that the answers are met with a reset */
	for (size_t i = 0; rc == 0 && i < e->elicit_n; i++)
		reset_elicit(e->raw, &e->elicit[i], i & 1);
	e->elicit_n = 0;
	return rc;
}

/* Where the next command goes. Before it the others may be sent: 0 or -errno. */
static int next_command(struct ender *e, uint8_t **at)
{
	int rc = 0;

	if (e->commands_length + ENDER_MSG_MAX > COMMANDS_MAX || e->elicit_n == 2 * ELICIT_MAX)
		rc = send_commands(e);
	*at = e->commands + e->commands_length;
	memset(*at, 0, ENDER_MSG_MAX);
	return rc;
}

static int forget(struct ender *e, const struct ender_flow *f)
{
	uint8_t *at;
	int rc = next_command(e, &at);

	e->commands_length += ender_msg_forget(at, f, 0);
	return rc;
}

static int reset(struct ender *e, const struct ender_flow *f)
{
	uint8_t *at;
	int rc = next_command(e, &at);

	e->commands_length += ender_msg_doom(at, f, ENDER_RESET_S, 0);
	if (e->raw >= 0 && e->elicit_left > 0) {
		e->elicit_left--;
		e->elicit[e->elicit_n++] = f->original;
		e->elicit[e->elicit_n++] = f->reply;
	}
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
	if (!(what & (1u << ENDER_FORGET | 1u << ENDER_RESET)))
		return 0;
	if (!(what & 1u << ENDER_RESET) || !f.runs || !codec_is_v4(&f.remote_address)) {
		++*s->ended;
		return forget(e, &f);
	}
	if (f.status & IPS_FIXED_TIMEOUT) /* by the search before */
		return 0;
	++*s->ended;
	return reset(e, &f);
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
	struct timespec now;
	int rc = 0;

	memset(seen, 0, sizeof(*seen));
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec != e->elicit_s)
		e->elicit_left = ELICIT_PER_S;
	e->elicit_s = now.tv_sec;
	*ended = 0;
	ender_list_sort(l);
	for (enum pass pass = PASS_LET_IN; rc == 0 && pass < PASSES; pass++)
		rc = do_pass(e, pass, &s);
	e->commands_length = e->elicit_n = 0;
	return rc;
}
