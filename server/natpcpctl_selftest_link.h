/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A way to send packets that arrive on an interface of this machine as if they came from outside of it: from a
 * namespace of our own, over a veth, whose end here hands everything to that interface's way in. Both live as long as
 * the process; nothing of the interface itself is changed.
 */
#ifndef SERVER_NATPCPCTL_SELFTEST_LINK_H
#define SERVER_NATPCPCTL_SELFTEST_LINK_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

struct link {
	int fd;	   /* a packet socket in the namespace */
	int index; /* of the end here; 0: there is none */
};

/* Opens a namespace; its descriptor, or -errno. It ends when the descriptor is closed and no link is left in it. */
int link_space(void);
/*
 * Makes a link into the namespace; what it sends arrives on the interface with the index target. name is that of its
 * end here. 0 or -errno, *why says then what could not be done; the link is to be closed in either case.
 */
int link_open(struct link *l, int space, const char *name, int target, const char **why);
void link_close(struct link *l);
/* Sends an IP packet; 0 or -errno. */
int link_send(const struct link *l, const uint8_t *packet, size_t length);

/*
 * Tells the kernel the link-layer address of a host that is not there (IPv4 v4-mapped), or forgets it. The kernel
 * forgets it by itself after some minutes, too. 0 or -errno.
 */
int link_neighbour(int index, const struct in6_addr *address);
int link_neighbour_forget(int index, const struct in6_addr *address);
/* The interface by which packets to the address leave, 0 if there is no route. */
int link_route(const struct in6_addr *address);

#endif
