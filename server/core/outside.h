/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The outside as it is now: the addresses of each external, and which of their ports can be given away. Only IPv4 that
 * is translated has an outside; a pinhole has none.
 */
#ifndef SERVER_CORE_OUTSIDE_H
#define SERVER_CORE_OUTSIDE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "server/core/ports.h"

struct engine;

/* The ports of one external address, made when the first is used. */
struct outside_place {
	struct in6_addr address;
	struct ports *ports;
	uint8_t prepared; /* protocols of which the ports that nobody may have are marked, by outside_mappable() - 1 */
};

struct outside {
	struct in6_addr *given; /* IPv4 addresses that the interface has */
	size_t given_n;
	bool told;		 /* by engine_wan() */
	struct in6_addr *usable; /* those of them that may be used; with a pool: none */
	size_t usable_n;
	bool pool_up;
	size_t spill; /* the address that had a port last when the others had none, as outside_at() counts */
	struct outside_place *places; /* sorted by address */
	size_t places_n, places_capacity;
	struct conf_range *high; /* the external's ports from 1024 up */
	size_t high_n;
};

/* The outsides of conf; what old ones (may be NULL) know of an interface is taken over. NULL if out of memory. */
struct outside *outside_new(const struct conf *conf, const struct conf *old_conf, const struct outside *old);
void outside_free(struct outside *v, size_t n);

/* 1 to 5 for a protocol with ports that a NAT can map (TCP, UDP, SCTP, DCCP, UDP-Lite), 0 for any other. */
unsigned outside_mappable(uint8_t protocol);

/* What is wrong with an IPv4 address as an outside one, in words: nobody on the internet can send to it. NULL = nothing.
 * The documentation ranges count as public: labs use them. */
const char *outside_private(const struct in6_addr *address);
/* Why an external has no address to give: there is none, or what keeps the one that there is from being used. */
const char *outside_none(const struct engine *e, size_t external);

/* Takes what the interface has. Returns 1 if addresses that can be used changed since the last time, 0 if not or if
 * it is the first time, -ENOMEM with nothing changed. */
int outside_tell(struct engine *e, size_t external, const struct in6_addr *addresses, size_t n);
/* True if both can give the same addresses. */
bool outside_same(const struct conf_external *ca, const struct outside *a, const struct conf_external *cb,
		  const struct outside *b);

/* True if ports of the address can be given away now. */
bool outside_has(const struct engine *e, size_t external, const struct in6_addr *address);
/* The n-th address that can be used; false at the end. The 0th is the one that NAT-PMP uses (RFC 6886 4.3.2). */
bool outside_at(const struct engine *e, size_t external, size_t n, struct in6_addr *address);
/* NULL if the Internet can have a host of this address as its peer without translation, else why not: RFC 6092 3.1. */
const char *outside_unreachable(const struct engine *e, size_t external, const struct in6_addr *internal_address);
/* The external that has the address, SIZE_MAX if none has. */
size_t outside_owner(const struct engine *e, const struct in6_addr *address);

/* True if nobody inside may have the port: reserved, static, the gateway's own, or refused by the packet filter. */
bool outside_barred(const struct engine *e, size_t external, const struct in6_addr *address, uint8_t protocol,
		    uint16_t port);
/* True if the client may have the port: not barred, nobody else's, and not kept for the holder of the other transport's
 * (RFC 6886 3.3). Held ports are free for those who had them, those of peers for the internal port that has them (0 = for
 * none). */
bool outside_free_for(const struct engine *e, size_t external, const struct in6_addr *address, uint8_t protocol,
		      uint16_t port, const struct in6_addr *client, uint16_t internal_port);
/* True if leases for one peer each, of another internal side, are on the port. */
bool outside_has_peers(const struct engine *e, const struct in6_addr *address, uint8_t protocol, uint16_t port,
		       const struct in6_addr *client, uint16_t internal_port);
/* True if the other transport's port is not another client's, so that this client could have both. */
bool outside_pair_free(const struct engine *e, const struct in6_addr *address, uint8_t protocol, uint16_t port,
		       const struct in6_addr *client);

/* True if no more of the address's ports are free than are kept for clients with few mappings. */
bool outside_scarce(const struct engine *e, size_t external, const struct in6_addr *address, uint8_t protocol);

/* Makes the marks of a port, its companion's too, what they should be by outside_barred() and the leases. */
void outside_refresh(struct engine *e, size_t external, const struct in6_addr *address, uint8_t protocol,
		     uint16_t port);
/* A free port of the address in the ranges (none: all of the external's), a high one if there is; 0 = none. */
uint16_t outside_pick(struct engine *e, size_t external, const struct in6_addr *address, uint8_t protocol,
		      const struct conf_ranges *ranges);
/* The same for consecutive ports, as ports_find_run(). */
uint32_t outside_find_run(struct engine *e, size_t external, const struct in6_addr *address, uint8_t protocol,
			  const struct conf_ranges *ranges, const struct runs_want *want, uint16_t *first);

#endif
