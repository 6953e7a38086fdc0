/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In which order what arrived together is served: many clients before one twice. */
#ifndef SERVER_IO_TURNS_H
#define SERVER_IO_TURNS_H

#include <stddef.h>
#include <stdint.h>

#include "server/io/udp.h"

/*
 * Writes into order the indexes of the n datagrams of v, at most UDP_INBOX: the first one of each client, then the second
 * ones, and so on, each row as it came, so that those of one client stay in their order. A client is an IPv4 address or
 * the /64 of an IPv6 one, as for the limits.
 */
void turns_order(const struct udp_datagram *v, size_t n, uint16_t *order);

#endif
