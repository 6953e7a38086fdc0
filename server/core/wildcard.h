/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mappings of all ports of a protocol, also of one that has none, and of all that is sent to a host (RFC 6887 11.1: port
 * 0, protocol 0). Leases like others, with 0 for both ports; they stand beside those of single ports of the host.
 */
#ifndef SERVER_CORE_WILDCARD_H
#define SERVER_CORE_WILDCARD_H

#include "server/core/state.h"

static inline bool wildcard_is(const struct lease *l)
{
	return l->internal_port == 0;
}

/* How the mappings of an inside address are made on an external. */
static inline enum mapping_kind wildcard_kind(const struct engine *e, size_t external,
					      const struct in6_addr *internal_address)
{
	return codec_is_v4(internal_address) && e->conf->externals[external].nat ? MAPPING_NAT : MAPPING_PINHOLE;
}

/* NULL if the packet filter can let all of it through, else why not: then it is UNSUPP_PROTOCOL (RFC 6887 11.3). */
const char *wildcard_impossible(const struct engine *e, size_t external, const struct in6_addr *internal_address,
				uint8_t protocol);

#endif
