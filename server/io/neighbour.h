/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The link-layer address of a client, from the kernel's neighbour table. */
#ifndef SERVER_IO_NEIGHBOUR_H
#define SERVER_IO_NEIGHBOUR_H

#include <netinet/in.h>
#include <stdint.h>

#include "conf/conf.h"

/* 0, -ENOENT if the kernel does not know it, or another -errno. */
int neighbour_mac(uint32_t ifindex, const struct in6_addr *client, struct conf_mac *mac);

#endif
