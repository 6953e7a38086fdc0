/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctnetlink's messages for finding and ending connections. Pure: no socket, no allocation. */
#ifndef BACKENDS_ENDER_MSG_H
#define BACKENDS_ENDER_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/conntrack_msg.h"
#include "backends/mapping.h"

struct nlattr;
struct nlmsghdr;

#define ENDER_MSG_MAX 256 /* octets that one message takes at most */

/* One connection that came about by a mapping. */
struct ender_flow {
	/* the mapping: the remote side is that of the connection, set whether the mapping is for one peer or not */
	struct in6_addr internal_address, external_address, remote_address;
	uint16_t internal_port, external_port, remote_port;
	uint8_t protocol;
	/* what the host inside sent keeps it for so long if nothing more is sent, rounded up; UINT32_MAX = not known; 0: the
	 * host never sent anything */
	uint32_t left_s;
	bool runs;	 /* TCP: neither end has closed it for good */
	uint32_t status; /* the kernel's IPS_ bits */
	/* what either end sends; what it gets comes from where that goes to */
	struct conntrack_tuple original, reply;
	/* what names it to the kernel; they point into the message */
	const struct nlattr *tuple, *zone, *id; /* zone, id: NULL = it has none */
};

/* These write one message to out, which has room for ENDER_MSG_MAX octets, and return its length. */

/* The question for all connections whose mark has value in the bits of mask. */
size_t ender_msg_ask(void *out, uint32_t value, uint32_t mask, uint32_t seq);
/* Forgets a connection, if it is still the same one. */
size_t ender_msg_forget(void *out, const struct ender_flow *f, uint32_t seq);

/*
 * Lets it end after so many seconds, whatever is sent, and bear until then a sign that the ruleset knows: IPS_FIXED_TIMEOUT
 * of the connection's status.
 */
size_t ender_msg_doom(void *out, const struct ender_flow *f, uint32_t left_s, uint32_t seq);

/*
 * Reads a connection from one message of the answer. mark: the bit that those have which a mapping let in, whose other
 * end is then the one that began; those without it began inside and were translated to the mapping's outside. False for
 * those that no mapping has to do with.
 */
bool ender_msg_read(const struct nlmsghdr *message, uint32_t mark, struct ender_flow *f);

#endif
