/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether more comes in on a socket than can be served. A burst is no crowd: only if the socket is found full again and
 * again, for longer than a burst takes that its queue has room for, must some go. After that, for a while, it is one as
 * soon as there is a quarter of what is taken at once, so that a flood does not fill the queue each time that it has been
 * emptied.
 */
#ifndef SERVER_IO_CROWD_H
#define SERVER_IO_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CROWD_MS = 25, CROWD_AFTER_MS = 2000 };

/* Starts zeroed. */
struct crowd {
	bool full, was;
	uint64_t since_ms; /* if full: when it was found so first */
	uint64_t last_ms;  /* if it was one: when */
};

/* To be called with each read, which took n datagrams and could take most. */
bool crowd_is(struct crowd *c, size_t n, size_t most, uint64_t now_ms);

#endif
