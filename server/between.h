/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may stand between the server and its sockets. Nothing does in natpcpd; the lab's server (server/lab) puts its
 * faults there.
 */
#ifndef SERVER_BETWEEN_H
#define SERVER_BETWEEN_H

#include <stdbool.h>
#include <stddef.h>

#include "server/io/udp.h"

struct loop;

struct between {
	/* The server begins, before it has sockets: what it wants of the loop it asks for here. 0 or -errno. */
	int (*open)(void *context, struct loop *loop);
	/* It ends; called once after each open() that was tried, while its sockets and the loop are still there. */
	void (*close)(void *context);
	/* As udp_receive(); fewer datagrams, or other ones, may come of it. */
	int (*receive)(void *context, struct udp_inbox *in, int fd, const struct udp_datagram **v);
	/* As udp_send(). */
	size_t (*send)(void *context, int fd, bool ipv6, const struct udp_outgoing *v, size_t n, int *error);
	void *context; /* what they are called with */
};

static inline int between_receive(const struct between *b, struct udp_inbox *in, int fd, const struct udp_datagram **v)
{
	return b ? b->receive(b->context, in, fd, v) : udp_receive(in, fd, v);
}

static inline size_t between_send(const struct between *b, int fd, bool ipv6, const struct udp_outgoing *v, size_t n,
				  int *error)
{
	return b ? b->send(b->context, fd, ipv6, v, n, error) : udp_send(fd, ipv6, v, n, error);
}

#endif
