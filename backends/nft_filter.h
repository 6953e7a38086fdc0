/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filters as the kernel has them: intervals of addresses and ports of which no two overlap, for it refuses those that
 * do, and back. Pure.
 */
#ifndef BACKENDS_NFT_FILTER_H
#define BACKENDS_NFT_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/mapping.h"

enum {
	NFT_FILTER_MAX = 32, /* filters of one mapping */
	/* 16 networks with any port, each within 16 networks with one port, which leave 17 pieces of it, and these */
	NFT_FILTER_INTERVALS_MAX = 16 * 17 + 16
};

struct nft_filter_interval {
	struct in6_addr first_address, last_address; /* of one prefix */
	uint16_t first_port, last_port;
};

/* Writes the intervals that admit whom the filters admit; n is at most NFT_FILTER_MAX. Returns how many. */
size_t nft_filter_intervals(const struct mapping_filter *filters, size_t n,
			    struct nft_filter_interval out[NFT_FILTER_INTERVALS_MAX]);

/* The filter of which an interval may be a piece: one with a single port has that port, all others any. False if the
 * addresses are not those of a prefix. */
bool nft_filter_from(const struct nft_filter_interval *i, struct mapping_filter *filter);

/* Leaves those out that admit nobody whom another one does not, in place. Returns how many are left. */
size_t nft_filter_reduce(struct mapping_filter *filters, size_t n);

#endif
