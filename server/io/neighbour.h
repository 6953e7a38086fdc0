/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel's neighbour table says of a client. */
#ifndef SERVER_IO_NEIGHBOUR_H
#define SERVER_IO_NEIGHBOUR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"

struct netlink;

/* Its link-layer address. 0, -ENOENT if the kernel does not know it, or another -errno. */
int neighbour_mac(uint32_t ifindex, const struct in6_addr *client, struct conf_mac *mac);
/*
 * True if the kernel has asked the link for the next hop on the way from source (unspecified: any) by ifindex (0: as
 * routed) to destination, and has had no answer: what is sent there would wait. False also where it has not asked yet.
 * n: of these questions alone.
 */
bool neighbour_missing(struct netlink *n, uint32_t ifindex, const struct in6_addr *source,
		       const struct in6_addr *destination);

#endif
