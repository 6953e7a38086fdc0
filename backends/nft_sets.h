/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sets and maps of our table: those of interface names, and the empty ones of mappings. Pure. */
#ifndef BACKENDS_NFT_SETS_H
#define BACKENDS_NFT_SETS_H

#include <stdint.h>

#include "backends/nft_msg.h"
#include "backends/nft_rule.h"
#include "conf/conf.h"

/* Appends what makes them, if they are not there, and replaces the names. */
void nft_sets_put(struct nft_rule_put *p, const struct conf *conf);

/* Appends the deletion of one. */
void nft_sets_delete(struct nft_msg_batch *b, const char *table, const char *set, uint32_t seq);

#endif
