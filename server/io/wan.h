/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interfaces of this machine and their addresses, as rtnetlink tells them. A message on the watched descriptor is the
 * signal to read the tables anew; what it says is only remembered for wan_was_there().
 */
#ifndef SERVER_IO_WAN_H
#define SERVER_IO_WAN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"

#define WAN_ADDRESSES_MAX 4096 /* of one external, as many as a pool may have */

struct wan;

/* Opens and reads for the first time. 0 or -errno. */
int wan_open(struct wan **w);
void wan_close(struct wan *w);
/* Becomes readable when a link or an address changed. */
int wan_fd(const struct wan *w);
/* Empties that descriptor. True if anything was there. */
bool wan_drain(struct wan *w);
/* Reads the tables anew. 1 if they differ from before, 0 if not, -errno with the tables as they were. */
int wan_refresh(struct wan *w);

/* 0 if there is no interface of that name. */
uint32_t wan_ifindex(const struct wan *w, const char *interface);
/* "" if there is none; valid until the next wan_refresh(). */
const char *wan_interface(const struct wan *w, uint32_t ifindex);
/* True if a is a unicast address of that interface. */
bool wan_has(const struct wan *w, uint32_t ifindex, const struct in6_addr *a);
/* All addresses of that interface, IPv4 first, at most max. */
size_t wan_addresses(const struct wan *w, uint32_t ifindex, struct in6_addr *v, size_t max);
/* True if a host of this interface may have a: no interface has a narrower subnet with a in it than this one has. */
bool wan_on_link(const struct wan *w, uint32_t ifindex, const struct in6_addr *a);
/* The interface that has address a or, failing that, a subnet with it; 0 if none. */
uint32_t wan_interface_of(const struct wan *w, const struct in6_addr *a);
/* The address of an interface from which announcements leave: IPv4 the first, IPv6 the link-local. False if none. */
bool wan_primary(const struct wan *w, uint32_t ifindex, bool ipv6, struct in6_addr *a);

/*
 * The addresses of an external as the outside has them, IPv4 first, at most max. Of an interface that is not there or
 * down it has none. *refused (may be NULL) is set to true and *private_address to one of them if addresses were left
 * out because they are private (private-address).
 */
size_t wan_external(const struct wan *w, const struct conf_external *x, struct in6_addr *v, size_t max, bool *refused,
		    struct in6_addr *private_address);

/* True if messages say that the external had address a, as wan_external() would find it, some time between the last two
 * wan_refresh(), though neither may have found it. */
bool wan_was_there(const struct wan *w, const struct conf_external *x, const struct in6_addr *a);

/* True for addresses that the internet does not route: RFC 1918, 100.64/10, link-local, loopback, multicast, unique
 * local, unspecified. Documentation prefixes count as public. */
bool wan_private(const struct in6_addr *a);

#endif
