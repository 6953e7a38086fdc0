/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/conntrack.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>

#include "backends/conntrack_msg.h"

#define ANSWER_MAX 4096 /* octets: an entry with all that can be told of it takes less than 1000 */

struct conntrack {
	struct mnl_socket *socket;
	uint32_t seq;
};

int conntrack_open(struct conntrack **c)
{
	struct conntrack *n = calloc(1, sizeof(*n));
	int rc;

	if (!n)
		return -ENOMEM;
	n->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!n->socket || mnl_socket_bind(n->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		rc = -errno;
		conntrack_close(n);
		return rc;
	}
	*c = n;
	return 0;
}

void conntrack_close(struct conntrack *c)
{
	if (c && c->socket)
		mnl_socket_close(c->socket);
	free(c);
}

/* 0: this was the answer, -ENOENT or another -errno: so was this; 1: it belongs to an earlier question. */
static int read_answer(const struct nlmsghdr *h, uint32_t seq, struct conntrack_flow *f)
{
	if (h->nlmsg_seq != seq)
		return 1;
	if (h->nlmsg_type == NLMSG_ERROR && mnl_nlmsg_get_payload_len(h) >= sizeof(struct nlmsgerr)) {
		int error = ((const struct nlmsgerr *)mnl_nlmsg_get_payload(h))->error;

		/* an acknowledgement says nothing of where the connection is seen */
		return error ? error : -ENOENT;
	}
	return conntrack_msg_flow(h, f) ? 0 : -ENOENT;
}

int conntrack_find(struct conntrack *c, struct conntrack_flow *f)
{
	_Alignas(8) char question[CONNTRACK_MSG_MAX] = {0}, answer[ANSWER_MAX];
	uint32_t seq = ++c->seq;
	const struct nlmsghdr *h = conntrack_msg_get(question, f, seq);

	if (mnl_socket_sendto(c->socket, h, h->nlmsg_len) < 0)
		return -errno;
	/* The kernel has answered when it is sent. */
	for (;;) {
		ssize_t n = recv(mnl_socket_get_fd(c->socket), answer, sizeof(answer), MSG_DONTWAIT);
		int rest = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -EIO : -errno;
		for (h = (const struct nlmsghdr *)(const void *)answer; mnl_nlmsg_ok(h, rest);
		     h = mnl_nlmsg_next(h, &rest)) {
			int rc = read_answer(h, seq, f);

			if (rc <= 0)
				return rc;
		}
	}
}
