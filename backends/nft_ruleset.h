/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ruleset in which the mappings are elements: made once, the same for one mapping and for a million. Pure: messages
 * into a batch, no socket.
 *
 *   table inet NAME
 *     lan, wan                  sets of interface names
 *     dnat4, pin4, pin6         the mappings, see nft_msg.h; those for one peer are looked for first
 *     snat4-...                 for each external
 *     peer-..., filter-..., ports-...
 *                               the same for single peers, with filters, and for sets of ports
 *     protocol-..., host-...    pinholes for all of a protocol, and for all there is
 *     from4-..., from6-...      whom filters admit, by the length of prefixes
 *     prerouting    nat, dstnat + 1 (an operator's own DNAT comes first): external address and port to internal
 *     postrouting   nat, srcnat - 1 (before an operator's masquerade): internal address and port to external
 *     filtered...   where new flows of mappings with filters go; admitted4 where those are translated that one admits
 *     flows         a counter: connections that came about by mappings
 *     forward       filter, filter - 10: marks the packets of mapped flows; accepts everything
 * and what nft_reset.h adds.
 *
 * Every rule is bound to its family, for a raw match of IPv4 fields would take crafted IPv6 packets too. Interfaces are
 * matched by name, for an index dies with its interface. Of the marks only our bits are touched.
 */
#ifndef BACKENDS_NFT_RULESET_H
#define BACKENDS_NFT_RULESET_H

#include <stdbool.h>
#include <stdint.h>

#include "backends/nft_msg.h"
#include "conf/conf.h"

struct nlmsghdr;

/* Of our chain that puts the connection's mark on forwarded packets: before "filter", which is 0. */
enum { NFT_RULESET_FORWARD_PRIORITY = -10 };

/*
 * The counter of connections that get a mark: only those that begin come to these rules. What it never comes to if it
 * is reset are the octets that it begins with.
 */
#define NFT_RULESET_COUNTER "flows"
#define NFT_RULESET_COUNTED ((uint64_t)1 << 62)

/*
 * NFT_TABLE_F_OWNER and NFT_TABLE_F_PERSIST: nobody else can change or flush the table while our socket is open, and
 * it stays when the socket is closed. Linux knows the first since 5.12 and the second since 6.9; before, a table with
 * an owner would end with the daemon, so it is both or none. A table that was made without cannot get them later.
 */
#define NFT_RULESET_KEPT 0x6

/*
 * Appends what makes the ruleset or, if it is there, brings it up to date: rules and interface names are replaced,
 * mappings stay. anew: a table of that name is deleted first, with its mappings. seq numbers the first message.
 * Returns 0; -ENOMEM, -EMSGSIZE if the batch is too small.
 */
int nft_ruleset_put(struct nft_msg_batch *b, const struct conf *conf, uint32_t table_flags, bool anew, uint32_t seq);

/*
 * NFT_TABLE_F_OWNER alone: the kernel removes the table when our socket is closed. It is made beside a table without an
 * owner, is called like it with "-hooks" behind, has no mappings, and a packet that passes it is not changed. While it is
 * there the kernel tracks and translates connections, so that those of mappings go on while somebody's flush of the
 * whole ruleset has taken ours away: else packets of theirs would be taken for the router's own, which refuses them.
 */
#define NFT_RULESET_OWNED 0x2
/* Appends what makes it. 0; -ENAMETOOLONG; -ENOMEM, -EMSGSIZE as above. */
int nft_ruleset_put_hooks(struct nft_msg_batch *b, const struct conf *conf, uint32_t seq);

/* Appends the deletion of the table. */
void nft_ruleset_delete(struct nft_msg_batch *b, const char *table, uint32_t seq);

/* NFPROTO_ number of a table family's name, or -1. */
int nft_ruleset_family(const char *name);

/*
 * The one rule in a chain of the operator's: it accepts packets whose connection has our mark, and is known by its comment,
 * which is our table's name. put inserts it at the top of the chain; delete removes the rule with that handle.
 */
int nft_ruleset_put_accept(struct nft_msg_batch *b, const struct conf *conf, const struct conf_chain *chain,
			   uint32_t seq);
void nft_ruleset_delete_accept(struct nft_msg_batch *b, const struct conf_chain *chain, uint64_t handle, uint32_t seq);

/* The handle of a dumped rule if its comment is the name of our table; else 0. */
uint64_t nft_ruleset_is_accept(const struct nlmsghdr *message, const struct conf *conf);

#endif
