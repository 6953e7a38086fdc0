/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel's neighbour table says of a client. */
#ifndef SERVER_IO_NEIGHBOUR_H
#define SERVER_IO_NEIGHBOUR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"

/* Its link-layer address. 0, -ENOENT if the kernel does not know it, or another -errno. */
int neighbour_mac(uint32_t ifindex, const struct in6_addr *client, struct conf_mac *mac);
/* True if the kernel has asked the link for it and has had no answer: what is sent to it would wait. False also for whom
 * the kernel does not know, such as hosts behind another router. */
bool neighbour_missing(uint32_t ifindex, const struct in6_addr *client);

#endif
