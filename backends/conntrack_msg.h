/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctnetlink's messages about one flow. Pure: no socket, no allocation. */
#ifndef BACKENDS_CONNTRACK_MSG_H
#define BACKENDS_CONNTRACK_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "backends/conntrack.h"

struct nlmsghdr;

#define CONNTRACK_MSG_MAX 128 /* octets of a question */

/* Writes the question for the flow with f's key into CONNTRACK_MSG_MAX octets of zeros. */
struct nlmsghdr *conntrack_msg_get(void *buffer, const struct conntrack_flow *f, uint32_t seq);

/* Reads the answer into what is to be found of f. False if it is about another flow than f's key, or no answer. */
bool conntrack_msg_flow(const struct nlmsghdr *message, struct conntrack_flow *f);

#endif
