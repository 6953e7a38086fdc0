/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What leaves this machine by an interface for one address, which need not be there. */
#ifndef SERVER_NATPCPCTL_SELFTEST_TAP_H
#define SERVER_NATPCPCTL_SELFTEST_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include "server/natpcpctl_selftest_packet.h"

/* A packet socket for what goes to the address (IPv4 v4-mapped); -errno. */
int tap_open(int index, const struct in6_addr *address);
/* Takes the next packet that left, its payload in buffer; false if there is none now. */
bool tap_read(int fd, uint8_t buffer[PACKET_MAX], struct packet *p);
/*
 * Asks by ARP whether somebody has the IPv4 address (host byte order): 1 yes, 0 nobody answered within wait_ms, -errno. *ended (may be set by a
 * signal) ends the wait.
 */
int tap_somebody(int index, uint32_t address, int wait_ms, const volatile int *ended);

#endif
