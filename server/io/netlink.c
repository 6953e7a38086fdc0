/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <sys/socket.h>

#define SEQUENCE 1

static int answer_read(struct mnl_socket *s, bool whole, netlink_fn *fn, void *context)
{
	char buffer[32768] __attribute__((aligned(8)));
	unsigned port = mnl_socket_get_portid(s);
	ssize_t n;
	int run;

	do {
		do
			n = mnl_socket_recvfrom(s, buffer, sizeof(buffer));
		while (n < 0 && errno == EINTR);
		if (n < 0) /* some of the answer was lost */
			return errno == ENOBUFS ? -EAGAIN : -errno;
		run = mnl_cb_run(buffer, (size_t)n, SEQUENCE, port, fn, context);
		if (run < 0) /* libmnl says EINTR when a dump was disturbed */
			return errno == EINTR ? -EAGAIN : -errno;
	} while (run > MNL_CB_STOP && whole);
	return 0;
}

static int question_put(struct netlink *n, int bus, struct nlmsghdr *request)
{
	if (!n->socket) {
		n->socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
		if (!n->socket || mnl_socket_bind(n->socket, 0, MNL_SOCKET_AUTOPID) < 0)
			return -errno;
	}
	request->nlmsg_flags |= NLM_F_REQUEST;
	request->nlmsg_seq = SEQUENCE;
	return mnl_socket_sendto(n->socket, request, request->nlmsg_len) < 0 ? -errno : 0;
}

int netlink_ask_over(struct netlink *n, int bus, struct nlmsghdr *request, netlink_fn *fn, void *context)
{
	int error = question_put(n, bus, request);

	if (!error)
		error = answer_read(n->socket, (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP, fn, context);
	if (error) /* what is left of an answer that was given up goes with the socket */
		netlink_close(n);
	return error;
}

void netlink_close(struct netlink *n)
{
	if (n->socket)
		mnl_socket_close(n->socket);
	n->socket = NULL;
}

int netlink_ask(int bus, struct nlmsghdr *request, netlink_fn *fn, void *context)
{
	struct netlink n = {0};
	int error = netlink_ask_over(&n, bus, request, fn, context);

	netlink_close(&n);
	return error;
}
