/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rule with which a chain ends for every packet, as firewalls write it instead of a policy. Pure. */
#ifndef BACKENDS_NFT_FINAL_H
#define BACKENDS_NFT_FINAL_H

#include <stdbool.h>

struct nlmsghdr;

/* True if a dumped rule drops or rejects whatever comes to it. */
bool nft_final_drops(const struct nlmsghdr *message);

#endif
