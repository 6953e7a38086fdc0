/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What rules are put together from, expression by expression, in the way nft does so that it can list them. Pure. */
#ifndef BACKENDS_NFT_RULE_H
#define BACKENDS_NFT_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/netfilter/nf_tables.h>

#include "backends/nft_map.h"

struct nftnl_expr;
struct nftnl_rule;
struct nlmsghdr;

/* Registers of four octets, as nft counts them: the first, and those behind it. */
enum {
	NFT_RULE_REG_1 = NFT_REG_1,
	NFT_RULE_REG_1B = NFT_REG32_01,
	NFT_RULE_REG_1C = NFT_REG32_02,
	NFT_RULE_REG_1D = NFT_REG32_03,
	NFT_RULE_REG_1E = NFT_REG32_04,
	NFT_RULE_REG_1F = NFT_REG32_05,
	NFT_RULE_REG_1G = NFT_REG32_06,
	NFT_RULE_REG_1K = NFT_REG32_10
};

/* Offsets in headers. */
enum {
	NFT_RULE_V4_SOURCE = 12,
	NFT_RULE_V4_DESTINATION = 16,
	NFT_RULE_V6_SOURCE = 8,
	NFT_RULE_V6_DESTINATION = 24,
	NFT_RULE_TH_SOURCE = 0,
	NFT_RULE_TH_DESTINATION = 2
};

/* Where messages are put. */
struct nft_rule_put {
	struct nft_msg_batch *batch;
	const char *table;
	uint32_t seq;
	int error; /* the first one; then nothing more is put */
};

/* Opens a message. NULL: an error came before, or there is no room. */
struct nlmsghdr *nft_rule_open(struct nft_rule_put *p, uint16_t type, uint16_t flags, uint8_t family);

/* Puts an empty chain that accepts. type NULL: one that rules go to. */
void nft_rule_chain(struct nft_rule_put *p, const char *name, const char *type, uint32_t hook, int32_t priority);

/* A rule that is being put together; failed: some memory could not be had. */
struct nft_rule {
	struct nftnl_rule *rule;
	bool failed;
};

/* Appends an expression, empty. NULL: some memory could not be had. */
struct nftnl_expr *nft_rule_add(struct nft_rule *r, const char *name);
void nft_rule_meta_get(struct nft_rule *r, uint32_t key, uint32_t reg);
void nft_rule_meta_set(struct nft_rule *r, uint32_t key);
void nft_rule_ct_get_into(struct nft_rule *r, uint32_t key, uint32_t reg);
void nft_rule_ct_get(struct nft_rule *r, uint32_t key);
void nft_rule_ct_set(struct nft_rule *r, uint32_t key);
void nft_rule_payload(struct nft_rule *r, uint32_t base, uint32_t offset, uint32_t length, uint32_t reg);
void nft_rule_compare(struct nft_rule *r, uint32_t op, const void *data, uint32_t length);
/* reg = (reg & mask) ^ xor */
void nft_rule_bits(struct nft_rule *r, uint32_t mask, uint32_t xor);

enum nft_lookup { NFT_LOOKUP_IN, NFT_LOOKUP_NOT_IN, NFT_LOOKUP_DATA };
void nft_rule_lookup(struct nft_rule *r, const char *set, enum nft_lookup how);
/* Translates to the address and, if port, to the port in the registers. */
void nft_rule_nat(struct nft_rule *r, uint32_t type, bool port);
/* NFT_GOTO or NFT_JUMP to a chain, NFT_RETURN with NULL. */
void nft_rule_verdict(struct nft_rule *r, int verdict, const char *chain);
void nft_rule_family(struct nft_rule *r, uint8_t family);
void nft_rule_interface(struct nft_rule *r, uint32_t key, const char *set, enum nft_lookup how);
void nft_rule_connection_has(struct nft_rule *r, uint32_t mark);
void nft_rule_packet_has(struct nft_rule *r, uint32_t mark);
void nft_rule_connection_any(struct nft_rule *r, uint32_t key, uint32_t bits);
void nft_rule_mark_connection(struct nft_rule *r, uint32_t mark);
/* Counts the packet in a named counter of the table. */
void nft_rule_count(struct nft_rule *r, const char *counter);
void nft_rule_mark_packet(struct nft_rule *r, uint32_t mark);
/* Protocol, one address and one port of the packet, as the sets of mappings are keyed. */
void nft_rule_key(struct nft_rule *r, uint32_t address_offset, uint32_t port_offset);
/* Protocol and destination alone; the destination alone. */
void nft_rule_protocol_key(struct nft_rule *r, bool v4);
void nft_rule_host_key(struct nft_rule *r, bool v4);
/* The whole key for an incoming packet, with its sender behind. */
void nft_rule_peer_key(struct nft_rule *r, bool v4);
/* The same with the sender's network instead; any_port: with 0 for its port. reach: with 0 for the destination's, and
 * for the protocol, where these do not matter. */
void nft_rule_network_key(struct nft_rule *r, bool v4, enum nft_map_reach reach, unsigned prefix_length, bool any_port);

/* Starts a rule in a chain; puts it into the batch and forgets it, with the flags of the message. */
void nft_rule_begin(struct nft_rule *r, const char *table, const char *chain);
void nft_rule_end(struct nft_rule_put *p, struct nft_rule *r, uint16_t flags, uint8_t family);

#endif
