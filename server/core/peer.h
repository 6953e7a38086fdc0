/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mappings for one peer each (RFC 6887 12): like those that a host's own flows make, but asked for. Those of one internal
 * side are seen at the same port outside, and so is its mapping for everybody; nobody else's lease comes there.
 */
#ifndef SERVER_CORE_PEER_H
#define SERVER_CORE_PEER_H

#include "server/core/mapper.h"

/* As mapper_plan(), for a request that names a peer. */
void peer_plan(const struct engine *e, const struct mapper_want *w, uint64_t now_ms, struct mapper_plan *p);

/* Where an internal side is seen from outside, by its lease for everybody or for one peer, except by the lease of that
 * index. False: there is none that is in force and translated. */
bool peer_side(const struct engine *e, uint8_t protocol, const struct in6_addr *internal_address,
	       uint16_t internal_port, uint32_t except, struct in6_addr *address, uint16_t *port);

/* True if the internal side that is wanted has a lease for some peer. */
bool peer_has_any(const struct engine *e, const struct mapper_want *w);

/* True if the lease, which is for a peer, is the only one on its external port. */
bool peer_is_alone(const struct engine *e, uint32_t i);

#endif
