/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The request sockets: for each interface of each listen section one of IPv4 and one of IPv6. */
#ifndef SERVER_IO_LISTEN_H
#define SERVER_IO_LISTEN_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "server/io/crowd.h"
#include "server/io/loop.h"
#include "server/io/wan.h"

struct listeners;

struct listener {
	int fd;
	bool ipv6;
	bool address_only;	     /* bound to address, not to an interface */
	uint16_t listen;	     /* index into conf.listens */
	uint32_t ifindex;	     /* where announcements leave; of address_only 0 if unknown */
	char interface[IF_NAMESIZE]; /* "" if unknown */
	struct in6_addr address;     /* address_only */
	struct crowd crowd;	     /* the user's, who reads from the socket */
};

/* A socket is readable. It may not call listeners_apply(). */
typedef void listener_fn(void *context, struct listener *l);

/* NULL if out of memory. loop must outlive it. */
struct listeners *listeners_new(struct loop *loop, listener_fn *fn, void *context);
void listeners_free(struct listeners *s);

/*
 * Makes the sockets those that conf and the interfaces ask for. Sockets that stay the same are kept, new ones are
 * opened before others are closed. An interface that does not exist is logged once and no error. Returns 0, or the
 * -errno of a socket that could not be opened, after it was logged and all others were.
 */
int listeners_apply(struct listeners *s, const struct conf *conf, const struct wan *wan);

size_t listeners_count(const struct listeners *s);
const struct listener *listeners_at(const struct listeners *s, size_t i);
/* The socket from which to send to a client behind ifindex (0: unknown) of a listen section; NULL if there is none. */
const struct listener *listeners_find(const struct listeners *s, uint16_t listen, bool ipv6, uint32_t ifindex);

#endif
