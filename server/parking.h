/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Datagrams that wait: in a line for each host that they are about, in the order in which they came. The first of a line
 * is what is waited for; when it goes on, so do those behind it. The lot is bounded; what finds no room is sent again by
 * its client.
 */
#ifndef SERVER_PARKING_H
#define SERVER_PARKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/mapping.h"
#include "server/io/udp.h"

enum {
	PARKING_MAX = 1024,	/* datagrams in all */
	PARKING_HOST_MAX = 128, /* of them, about one host */
	PARKING_DATA = 1104,	/* octets kept of each: as many as the engine looks at */
};

struct parking_line;

struct parked {
	struct udp_datagram datagram; /* its data is the parking's */
	/* the owner's: what was asked for it, and what is known by now */
	struct mapping *asked; /* from malloc(), or NULL; freed with it */
	size_t asked_n, unanswered;
	uint32_t left_s;
	/* the parking's */
	struct parking_line *line;
	struct parked *next;
};

struct parking;

/* NULL if out of memory. */
struct parking *parking_new(void);
/* Drops what is there. NULL is allowed. */
void parking_free(struct parking *p);

size_t parking_count(const struct parking *p);
/* True if something about this host waits. */
bool parking_has(const struct parking *p, const struct in6_addr *host);
/* Puts a copy at the end of the host's line. 0; -EEXIST: the last one there is the same, from the same sender; -ENOSPC;
 * -ENOMEM. */
int parking_put(struct parking *p, const struct in6_addr *host, const struct udp_datagram *d, struct parked **out);

/* The line that this one is the first of goes on. */
void parking_ready(struct parking *p, struct parked *first);
/* The first of a line that goes on, NULL = there is none. It stays the first until one of the next two is called. */
struct parked *parking_next(const struct parking *p);
/* The line waits again for its first. */
void parking_hold(struct parking *p, struct parked *first);
/* It is dealt with: the next one of the line is its first. Its memory stays until parking_sweep(). */
void parking_done(struct parking *p, struct parked *first);
void parking_sweep(struct parking *p);

#endif
