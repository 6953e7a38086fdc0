/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UDP datagrams in batches, with the address they were sent to and the interface they came in on. */
#ifndef SERVER_IO_UDP_H
#define SERVER_IO_UDP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	UDP_INBOX = 256,    /* datagrams that are taken at once */
	UDP_BATCH = 64,	    /* datagrams that are sent at once */
	UDP_CAPTURE = 2048, /* octets kept of each */
	/* octets the kernel may queue: who asks waits behind some 2,500 requests at most, or 900 long ones */
	UDP_RECEIVE_BUFFER = 1 << 20,
	/* and of answers to hosts that it is still looking for on their link */
	UDP_SEND_BUFFER = 1 << 20,
};

/* Where a socket listens. */
struct udp_where {
	bool ipv6;
	const char *interface;	 /* bound to this interface, every address of the family; NULL: bound to address */
	struct in6_addr address; /* v4-mapped for IPv4; used if interface is NULL */
	uint32_t ifindex;	 /* of a link-local address; 0 if it is not one */
	uint16_t port;
};

/* A nonblocking socket, or -errno. The caller closes it. */
int udp_open(const struct udp_where *w);

struct udp_inbox; /* buffers for UDP_INBOX datagrams */

struct udp_datagram {
	const uint8_t *data;
	size_t length; /* as sent; data holds min(length, UDP_CAPTURE) octets */
	struct in6_addr source;
	struct in6_addr destination; /* :: if the kernel did not tell */
	uint16_t source_port;
	uint32_t ifindex; /* 0 if the kernel did not tell */
};

/* NULL if out of memory. */
struct udp_inbox *udp_inbox_new(void);
void udp_inbox_free(struct udp_inbox *in);
/*
 * Takes up to UDP_INBOX datagrams from fd. Returns how many (0 = none there), *v pointing to them until the next call;
 * or -errno.
 */
int udp_receive(struct udp_inbox *in, int fd, const struct udp_datagram **v);

struct udp_outgoing {
	const uint8_t *data;
	size_t length;
	struct in6_addr source; /* unspecified: the kernel chooses */
	struct in6_addr destination;
	uint16_t destination_port;
	uint32_t ifindex; /* leave by this interface; 0: as routed */
};

/*
 * Sends n datagrams, any number, from fd, a socket of family ipv6. What cannot be sent is left out: returns how many
 * were, and *error (may be NULL) is 0 or the last -errno.
 */
size_t udp_send(int fd, bool ipv6, const struct udp_outgoing *v, size_t n, int *error);
/* True if half of what fd may send waits in the kernel. It does so for hosts whose link-layer address is looked for: for
 * seconds, if nobody has the address. */
bool udp_half_full(int fd);

#endif
