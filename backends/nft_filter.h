/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filters as the kernel has them, and back. Hash tables know no prefixes, so there is one for each length that is a
 * multiple of four bits, and a filter of another length is cut into as many pieces as it takes, eight at most (16 for any
 * IPv4 address). Sets of intervals, which know prefixes, take 7 ms to remove one of 1,000 elements (Linux 6.18). Pure.
 */
#ifndef BACKENDS_NFT_FILTER_H
#define BACKENDS_NFT_FILTER_H

#include <stddef.h>

#include "backends/mapping.h"

enum {
	NFT_FILTER_MAX = 32, /* filters of one mapping */
	NFT_FILTER_STEP = 4, /* bits */
	NFT_FILTER_PIECES_MAX = 16 * NFT_FILTER_MAX,
};

/*
 * Writes the pieces that admit whom the filters admit: filters with lengths that are multiples of four (for IPv4: of the
 * 32 bits, and none is 0), no two the same. n is at most NFT_FILTER_MAX. Returns how many.
 */
size_t nft_filter_pieces(const struct mapping_filter *filters, size_t n,
			 struct mapping_filter out[NFT_FILTER_PIECES_MAX]);

/* Makes filters of pieces again, in place: as few as say the same, and such as have these pieces. Returns how many. */
size_t nft_filter_join(struct mapping_filter *pieces, size_t n);

#endif
