/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The outside addresses of each external, as they were told to the engine. */
#ifndef SERVER_EXTERNAL_H
#define SERVER_EXTERNAL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "server/io/wan.h"

/*
 * What differs from before has to stand for so long: an address that is taken away and given again at once, as some DHCP
 * clients do, or that flaps, is no other address, restarts no epoch and is not announced. But if it does not come to rest,
 * what is there after the longer time is told.
 */
#define EXTERNAL_HOLD_MS     250
#define EXTERNAL_HOLD_MAX_MS 2000

struct external {
	struct in6_addr *v; /* IPv4 first */
	size_t n;
	bool known;   /* was read once */
	bool refused; /* there is no IPv4 address but this one, which is not used for what it is */
	struct in6_addr refused_address;
	uint64_t since_ms;     /* when what is there was first read */
	bool differs;	       /* the last reading did, and is kept */
	struct in6_addr *next; /* that reading */
	size_t next_n;
	bool next_refused;
	struct in6_addr next_refused_address;
	uint64_t differs_ms, next_ms; /* since when something else is read, and since when next is */
};

/*
 * Reads the addresses of x anew. 1 if they are others than before, or it is the first time: then a line is logged; 0 if
 * not; -ENOMEM with o as it was. at_once: the configuration may have changed, nothing is waited for. *again_ms is when to
 * call it again though nothing happens, UINT64_MAX: need not be.
 */
int external_read(struct external *o, const struct conf_external *x, const struct wan *w, bool at_once, uint64_t now_ms,
		  uint64_t *again_ms);
/* "ok"; "no-address"; or "private": there is an IPv4 address, but not one that the internet knows. *why says so in words,
 * "" if it is ok. */
const char *external_state(const struct external *o, const char **why);
/* The addresses that the engine is told of: also one that is refused, so that it can say so to those who ask. */
const struct in6_addr *external_told(const struct external *o, size_t *n);
void external_clear(struct external *o);

#endif
