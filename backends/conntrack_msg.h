/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctnetlink's messages about one flow. Pure: no socket, no allocation. */
#ifndef BACKENDS_CONNTRACK_MSG_H
#define BACKENDS_CONNTRACK_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "backends/conntrack.h"

struct nlattr;
struct nlmsghdr;

#define CONNTRACK_MSG_MAX 128 /* octets of a question */

/* Writes the question for the flow with f's key into CONNTRACK_MSG_MAX octets of zeros. */
struct nlmsghdr *conntrack_msg_get(void *buffer, const struct conntrack_flow *f, uint32_t seq);

/* Reads the answer into what is to be found of f. False if it is about another flow than f's key, or no answer. */
bool conntrack_msg_flow(const struct nlmsghdr *message, struct conntrack_flow *f);

/* One direction of a flow. */
struct conntrack_tuple {
	struct in6_addr source, destination;
	uint16_t source_port, destination_port;
	uint8_t protocol;
};

/* Reads CTA_TUPLE_ORIG or CTA_TUPLE_REPLY. False if it has no ports, or is none of them. */
bool conntrack_msg_tuple(const struct nlattr *a, struct conntrack_tuple *t);

#endif
