/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions to the kernel over netlink, each with all of its answer. */
#ifndef SERVER_IO_NETLINK_H
#define SERVER_IO_NETLINK_H

struct mnl_socket;
struct nlmsghdr;

enum { NETLINK_MORE = 1, NETLINK_FAILED = -1 }; /* what a netlink_fn returns; FAILED with errno set */
typedef int netlink_fn(const struct nlmsghdr *h, void *context);

/*
 * Sends request (its type, flags and payload set) on bus (NETLINK_ROUTE, NETLINK_SOCK_DIAG) from a socket of its own,
 * and calls fn for each message of the answer. Without NLM_F_DUMP the first message ends it. Returns 0, -EAGAIN if the
 * kernel says that a dump is inconsistent and must be asked for again, or another -errno.
 */
int netlink_ask(int bus, struct nlmsghdr *request, netlink_fn *fn, void *context);

/* A socket for many questions. Starts zeroed: it is opened when the first is asked, and anew after one that failed. */
struct netlink {
	struct mnl_socket *socket;
};
/* As netlink_ask(), but over n's socket; always on the same bus. */
int netlink_ask_over(struct netlink *n, int bus, struct nlmsghdr *request, netlink_fn *fn, void *context);
/* n is zeroed again. */
void netlink_close(struct netlink *n);

#endif
