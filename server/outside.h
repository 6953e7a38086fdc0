/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The outside addresses of each external, as they were told to the engine. */
#ifndef SERVER_OUTSIDE_H
#define SERVER_OUTSIDE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"
#include "server/io/wan.h"

struct outside {
	struct in6_addr *v; /* IPv4 first */
	size_t n;
	bool known; /* was read once */
};

/*
 * Reads the addresses of x anew. 1 if they differ from before, or it is the first time: then a line is logged; 0 if
 * not; -ENOMEM with o as it was.
 */
int outside_read(struct outside *o, const struct conf_external *x, const struct wan *w);
void outside_clear(struct outside *o);

#endif
