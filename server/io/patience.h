/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long those who connect may take over a request. Who says nothing is ended by an idle limit; who says an octet now
 * and then would stay for hours, and so could as many of his kind as there are descriptors.
 */
#ifndef SERVER_IO_PATIENCE_H
#define SERVER_IO_PATIENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct patience_one {
	uint64_t socket;   /* which one the descriptor is */
	uint64_t since_ms; /* when the first octets of a request came; 0 = there are none yet */
};

/* Starts zeroed; by descriptor. */
struct patience {
	struct patience_one *v;
	size_t n;
};

/* Octets of a request came. socket tells sockets apart that have the same descriptor one after the other (its inode).
 * False if the request has taken more than most_ms so far. */
bool patience_more(struct patience *p, int fd, uint64_t socket, uint64_t now_ms, uint32_t most_ms);
/* It is whole: there is no limit while it is answered. */
void patience_whole(struct patience *p, int fd);
/* It is answered: what comes next is another one. */
void patience_answered(struct patience *p, int fd);

#endif
