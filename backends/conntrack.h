/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows that the kernel knows, one at a time by ctnetlink: never a dump of the table. */
#ifndef BACKENDS_CONNTRACK_H
#define BACKENDS_CONNTRACK_H

#include <netinet/in.h>
#include <stdint.h>

/* Addresses are v4-mapped for IPv4, ports in host byte order. */
struct conntrack_flow {
	/* the key: what the host inside knows of it; both addresses are of one family */
	struct in6_addr internal_address;
	struct in6_addr remote_address;
	uint16_t internal_port;
	uint16_t remote_port;
	uint8_t protocol; /* IANA number */
	/* found: as the other end sees the host, the internal side itself if nothing is translated */
	uint16_t external_port;
	struct in6_addr external_address;
	uint32_t left_s; /* until it ends if no packet comes */
};

struct conntrack;

/* A socket for questions. Needs CAP_NET_ADMIN when it is used. 0 or -errno. */
int conntrack_open(struct conntrack **c);
void conntrack_close(struct conntrack *c);

/* Looks for the flow with this key, begun by either end, and fills in the rest. 0, -ENOENT or another -errno. */
int conntrack_find(struct conntrack *c, struct conntrack_flow *f);

#endif
