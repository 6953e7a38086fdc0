/* SPDX-License-Identifier: GPL-2.0-or-later */
/* By which interface the kernel would send to a client. */
#ifndef SERVER_IO_ROUTE_H
#define SERVER_IO_ROUTE_H

#include <netinet/in.h>
#include <stdint.h>

enum {
	ROUTE_CACHE_SIZE = 256,
	ROUTE_CACHE_MS = 1000, /* an answer is believed so long */
};

/* What was asked lately. Starts zeroed. */
struct route_cache {
	struct route_entry {
		struct in6_addr address;
		uint32_t ifindex;
		uint64_t until_ms;
	} v[ROUTE_CACHE_SIZE];
};

/* The interface, 0 if there is no route or it could not be asked. */
uint32_t route_interface(struct route_cache *c, const struct in6_addr *a, uint64_t now_ms);

#endif
