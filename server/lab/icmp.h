/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ICMP port unreachable, as a gateway without a server sends it. */
#ifndef SERVER_LAB_ICMP_H
#define SERVER_LAB_ICMP_H

#include <stddef.h>
#include <stdint.h>

#include "server/io/udp.h"

#define ICMP_OCTETS 56 /* of the longer form */

/* Writes the message about a datagram; its length. The checksum of the IPv6 form is 0: the kernel puts it in. Pure. */
size_t icmp_unreachable(const struct udp_datagram *d, uint16_t port, uint8_t out[ICMP_OCTETS]);
/* Sends it to where the datagram, which came to port, came from. 0 or -errno. */
int icmp_send_unreachable(const struct udp_datagram *d, uint16_t port);

#endif
