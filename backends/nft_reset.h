/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules that reset TCP connections whose mapping has ended: RFC 6886 3.4. They go where nft_ruleset.h's ruleset is.
 *
 *   forward       what is sent over a connection of ours that has a fixed timeout is answered by a reset; both ends are
 *                 seen here, before and after translation, and what the kernel answers is translated as what it answers
 *   output        filter, raw: the segments that make the ends answer are none of connection tracking's
 *
 * Pure.
 */
#ifndef BACKENDS_NFT_RESET_H
#define BACKENDS_NFT_RESET_H

#include <stdint.h>

#include "backends/nft_msg.h"
#include "conf/conf.h"

enum { NFT_RESET_MESSAGES = 3 }; /* numbers that they take */

/* Appends them, behind the ruleset. 0; -ENOMEM; -EMSGSIZE if the batch is too small. */
int nft_reset_put(struct nft_msg_batch *b, const struct conf *conf, uint32_t seq);

/* The mark of packets that the second rule is for. No packet that is forwarded has it. */
uint32_t nft_reset_mark(const struct conf *conf);

#endif
