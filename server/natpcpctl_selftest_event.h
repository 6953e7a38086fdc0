/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A message of the kernel about a packet that is traced through nftables. Pure. */
#ifndef SERVER_NATPCPCTL_SELFTEST_EVENT_H
#define SERVER_NATPCPCTL_SELFTEST_EVENT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVENT_NAME 128 /* octets of a name with its NUL; the kernel's limit is 255, longer ones are cut */

/* Where a packet was dropped, or where it was seen last. */
struct event_place {
	uint8_t family; /* NFPROTO_* */
	char table[EVENT_NAME], chain[EVENT_NAME];
	uint64_t rule; /* handle; 0: the chain's policy */
};

/* One message of the kernel. */
struct event {
	uint32_t id;		/* of the packet */
	struct in6_addr source; /* v4-mapped; :: if it is not told */
	bool dropped, queued;
	struct event_place place;
};

/* "inet", "ip", ... */
const char *event_family(uint8_t family);

/* Reads one netlink message of length octets; false if it is no trace message. */
bool event_parse(const void *message, size_t length, struct event *e);

#endif
