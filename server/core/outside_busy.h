/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports on which somebody else is: the gateway's own sockets, and what the packet filter refused to give us. */
#ifndef SERVER_CORE_OUTSIDE_BUSY_H
#define SERVER_CORE_OUTSIDE_BUSY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;
struct engine_busy;
struct ports;

struct outside_busy {
	struct engine_busy *v; /* sorted */
	size_t n;
	struct outside_foreign {
		struct in6_addr address;
		uint64_t until_ms; /* 0: unused */
		uint16_t port;
		uint8_t protocol;
	} foreign[32];
	unsigned foreign_next;
	unsigned foreign_n; /* in use: hardly ever any, and asked for with each port that is looked at */
};

bool outside_busy_has(const struct outside_busy *b, const struct in6_addr *address, uint8_t protocol, uint16_t port);
/* Marks them as taken, of one protocol on an address. */
void outside_busy_mark(const struct outside_busy *b, const struct in6_addr *address, uint8_t protocol,
		       struct ports *ports);

/* As engine_busy(). */
int outside_busy_set(struct engine *e, const struct engine_busy *v, size_t n);
/* Keeps a port that the packet filter refused as taken out of the way for a while; forgets those that are over. */
void outside_busy_foreign(struct engine *e, size_t external, const struct in6_addr *address, uint8_t protocol,
			  uint16_t port, uint64_t now_ms);
void outside_busy_forget(struct engine *e, uint64_t now_ms);

#endif
