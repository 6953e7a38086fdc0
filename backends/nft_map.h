/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which maps and sets there are for mappings, by name and by what their elements are. Pure. */
#ifndef BACKENDS_NFT_MAP_H
#define BACKENDS_NFT_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/nft_filter.h"
#include "backends/nft_msg.h"

/* Sets of the pieces of IPv6 filters: more than there are for IPv4. */
enum { NFT_MAP_FROM6_N = 128 / NFT_FILTER_STEP };

/* Whom an element is for: everybody, one peer, those whom filters admit; or it is a set of ports, or a piece of a filter. */
enum nft_map_shape { NFT_MAP_FOR_ALL, NFT_MAP_FOR_PEER, NFT_MAP_FOR_FILTER, NFT_MAP_OF_PORTS, NFT_MAP_PIECE };

/* What it opens: a port, or ports; all of a protocol; all of a host. */
enum nft_map_reach { NFT_MAP_PORT, NFT_MAP_PROTOCOL, NFT_MAP_HOST };

struct nft_map {
	const char *name; /* of a mirror, before that of its external */
	enum nft_map_shape shape;
	enum nft_map_reach reach;
	bool nat, v4;
	bool outside;	/* keyed by the external side; else it is a mirror, one for each external */
	uint8_t length; /* of a prefix, in bits */
};

/* Where one side of a mapping belongs. */
const struct nft_map *nft_map_of(const struct mapping *m, bool v4, bool outside);
/* The i-th of all, and of which external. NULL at the end. */
const struct nft_map *nft_map_at(const struct conf *conf, size_t i, size_t *external);
/* The one of that name, and of which external; NULL if it is none of ours. */
const struct nft_map *nft_map_named(const struct conf *conf, const char *name, size_t *external);
/* Its whole name; external counts for a mirror alone. */
void nft_map_name(char name[NFT_MSG_NAME_MAX], const struct conf *conf, const struct nft_map *map, size_t external);

/* The mirror that belongs to an external: base is NFT_MSG_SNAT4 or one like it. Octets of the section's name that
 * nft could not read back are written as a dot and two hexadecimal digits. */
void nft_map_mirror(char name[NFT_MSG_NAME_MAX], const char *base, const struct conf_external *external);
/* The set of the pieces of that length: a multiple of four, up to 32 or 128. */
const char *nft_map_from(bool v4, unsigned length);

#endif
