/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A datagram on its way out, that may lie about where it comes from. */
#ifndef SERVER_LAB_PARCEL_H
#define SERVER_LAB_PARCEL_H

#include "server/io/udp.h"
#include "server/lab/alter.h"

struct parcel {
	int fd;
	bool ipv6;
	struct udp_outgoing out; /* its data points into data */
	uint16_t source_port;	 /* 0: the socket's */
	bool foreign;		 /* the source is no address of ours */
	uint8_t data[ALTER_ROOM];
};

/* A copy of the octets, ALTER_ROOM at most. */
void parcel_fill(struct parcel *p, int fd, bool ipv6, const struct udp_outgoing *out);
void parcel_copy(struct parcel *to, const struct parcel *from);
/* Lets it seem to come from wanted, or if that is :: or of the other family from a host of the LAN that is not there. */
void parcel_disguise(struct parcel *p, const struct in6_addr *wanted);
/* 0 or -errno. */
int parcel_send(const struct parcel *p);

#endif
