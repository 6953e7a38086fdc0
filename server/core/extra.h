/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What few leases have, apart from them so that the others need not carry it: filters, a set of ports, a single peer, a
 * description. A value that is never changed, only replaced as a whole; those who keep it count its references.
 */
#ifndef SERVER_CORE_EXTRA_H
#define SERVER_CORE_EXTRA_H

#include <stdbool.h>
#include <stdint.h>

#include "backends/mapping.h"

/* Zero in each means that there is none. */
struct extra_parts {
	struct in6_addr remote_address; /* a single peer: RFC 6887 12 */
	uint16_t remote_port;
	struct in6_addr asker; /* who asked for another host: RFC 6887 13.1 */
	uint16_t more_ports;   /* of a set, behind the first: RFC 7753 */
	uint16_t first_port;   /* of the set, inside */
	uint16_t filters_n;
	uint16_t description_length;
	const struct mapping_filter *filters;
	const uint8_t *description; /* UTF-8 without a NUL: RFC 7220 */
};

struct extra {
	struct extra_parts parts; /* its arrays are part of the same allocation */
	uint32_t references;
};

/* Makes a value with one reference, the caller's, and copies what the parts point to. *x is NULL if the parts are empty.
 * False if out of memory. */
bool extra_new(const struct extra_parts *parts, struct extra **x);
/* One reference more, one less; the last one frees it. NULL is nothing. */
struct extra *extra_hold(struct extra *x);
void extra_drop(struct extra *x);

/* What there is; for NULL: empty parts. */
extern const struct extra_parts extra_none;
static inline const struct extra_parts *extra_parts(const struct extra *x)
{
	return x ? &x->parts : &extra_none;
}

#endif
