/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The outside addresses of each external, as they were told to the engine. */
#ifndef SERVER_EXTERNAL_H
#define SERVER_EXTERNAL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"
#include "server/io/wan.h"

struct external {
	struct in6_addr *v; /* IPv4 first */
	size_t n;
	bool known; /* was read once */
};

/*
 * Reads the addresses of x anew. 1 if they differ from before, or it is the first time: then a line is logged; 0 if
 * not; -ENOMEM with o as it was.
 */
int external_read(struct external *o, const struct conf_external *x, const struct wan *w);
void external_clear(struct external *o);

#endif
