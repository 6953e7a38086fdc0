/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IP packets of the self-test, from the IP header on. Pure. Numbers in host byte order, IPv4 addresses v4-mapped. */
#ifndef SERVER_NATPCPCTL_SELFTEST_PACKET_H
#define SERVER_NATPCPCTL_SELFTEST_PACKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct packet {
	struct in6_addr source, destination; /* of one family */
	uint8_t protocol;		     /* IPPROTO_UDP, or IPPROTO_TCP: a SYN */
	uint16_t source_port, destination_port;
	const uint8_t *payload; /* borrowed */
	size_t payload_length;
};

#define PACKET_MAX 1500

/* Writes the packet with its checksums; its length, 0 if it does not fit. */
size_t packet_write(const struct packet *p, uint8_t *out, size_t capacity);
/* Reads a packet that is whole, no fragment, and UDP or TCP without an IPv6 extension header; payload points into data. */
bool packet_read(struct packet *p, const uint8_t *data, size_t length);

#endif
