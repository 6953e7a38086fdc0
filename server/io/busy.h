/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ports on which this machine itself listens, by sock_diag. */
#ifndef SERVER_IO_BUSY_H
#define SERVER_IO_BUSY_H

#include <stddef.h>
#include <stdint.h>

#include "server/core/engine.h"

struct busy {
	struct engine_busy *v;
	size_t n, room;
};

/*
 * Reads TCP, SCTP and DCCP sockets that listen and UDP and UDP-Lite sockets that are not connected, IPv4 and IPv6, into b
 * (starts zeroed, its memory is used again). Left out are those that cannot stand in a mapping's way: bound to loopback, bound to an interface
 * that is not one of outside[n], and IPv6 wildcards that take no IPv4. 0 or -errno.
 */
int busy_read(struct busy *b, const uint32_t *outside, size_t n);
void busy_clear(struct busy *b);

#endif
