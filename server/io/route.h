/* SPDX-License-Identifier: GPL-2.0-or-later */
/* By which interface the kernel would send to a client. */
#ifndef SERVER_IO_ROUTE_H
#define SERVER_IO_ROUTE_H

#include <netinet/in.h>
#include <stdint.h>

struct route;

/* 0 or -errno. */
int route_open(struct route **r);
/* NULL is allowed. */
void route_close(struct route *r);

/* The interface, 0 if there is no route or it could not be asked. An answer is believed for a second. */
uint32_t route_interface(struct route *r, const struct in6_addr *a, uint64_t now_ms);

#endif
