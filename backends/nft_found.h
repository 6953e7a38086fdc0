/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Elements that the kernel told of, put together into the mappings that they are of. */
#ifndef BACKENDS_NFT_FOUND_H
#define BACKENDS_NFT_FOUND_H

#include "backends/nft_msg.h"

struct nlmsghdr;

/* Zero but for conf: none yet. */
struct nft_found {
	const struct conf *conf; /* borrowed */
	struct nft_msg_found *v; /* remaining_ms is when it ends, by a clock of ours */
	size_t n, capacity;
	uint64_t now_ms; /* when the last ones were told of */
	bool failed;	 /* out of memory: some are missing */
};

/* Takes the elements of a message; context is the struct nft_found. */
void nft_found_take(void *context, const struct nlmsghdr *message);
/* Calls fn for each mapping, with the time that it has left by now. mirrors know the externals, and may be none if there
 * is but one. Leaves both in another order. fn may use the backend. */
void nft_found_tell(struct nft_found *f, struct nft_found *mirrors, backend_list_fn *fn, void *context);
void nft_found_clear(struct nft_found *f);

#endif
