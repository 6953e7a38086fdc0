/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Netlink messages for mappings: changes into bytes, dumped elements into mappings. Pure: no socket, no allocation.
 *
 * A mapping is one element of a pinhole set, or two elements of the NAT maps. Keys are concatenations of which each
 * field starts at a multiple of four octets:
 *   dnat4        protocol . external address . external port : internal address . internal port
 *   snat4-NAME   protocol . internal address . internal port : external address . external port
 *   pin4, pin6   protocol . address . port
 * A mapping for one peer has elements in maps of its own, whose keys have the peer's address and port behind these:
 *   peer-dnat4, peer-snat4-NAME, peer-pin4, peer-pin6
 * One with filters has its external element in maps of its own. Beside it there is an element for each piece of a filter
 * (nft_filter.h) in a set for prefixes of that length, keyed like that of a peer; port 0 stands for any. Its internal
 * element is like any other's:
 *   filter-dnat4, filter-pin4, filter-pin6
 *   from4-4, from4-8 ... from4-32, from6-4 ... from6-128
 * A set of ports is one element on each side, with a range of ports in its key; as the ports are the same on both sides,
 * only the address is data:
 *   ports-dnat4, ports-snat4-NAME, ports-pin4, ports-pin6
 * The kernel makes a map of intervals anew in each transaction that changes it, and in no other.
 * All ports of a protocol, or all of a host, are an element in sets of their own, and pinholes alone:
 *   protocol-pin4, protocol-pin6   protocol . address
 *   host-pin4, host-pin6           address
 * With filters they are in filter-protocol-pin4 and so on; the pieces have 0 for the port, and for the protocol, of all.
 * The mirrors, snat4 and those like it, are one for each external, whose section's name is NAME: what leaves by another one
 * must not get an address of this one. A name is what stays the same over a reload.
 *
 * Functions that append need room: nft_msg_room() for a change, NFT_MSG_FRAME for begin and end.
 */
#ifndef BACKENDS_NFT_MSG_H
#define BACKENDS_NFT_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/backend.h"
#include "backends/mapping.h"
#include "conf/conf.h"

struct nlmsghdr;

#define NFT_MSG_TABLE_MAX  256	/* octets of a table's name with its NUL, the kernel's limit */
#define NFT_MSG_CHANGE_MAX 2048 /* octets that one change without filters takes at most */
#define NFT_MSG_FRAME	   20	/* octets of the message that begins or ends a batch */

#define NFT_MSG_DNAT4		     "dnat4"
#define NFT_MSG_SNAT4		     "snat4"
#define NFT_MSG_PIN4		     "pin4"
#define NFT_MSG_PIN6		     "pin6"
#define NFT_MSG_PEER_DNAT4	     "peer-dnat4"
#define NFT_MSG_PEER_SNAT4	     "peer-snat4"
#define NFT_MSG_PEER_PIN4	     "peer-pin4"
#define NFT_MSG_PEER_PIN6	     "peer-pin6"
#define NFT_MSG_FILTER_DNAT4	     "filter-dnat4"
#define NFT_MSG_FILTER_PIN4	     "filter-pin4"
#define NFT_MSG_FILTER_PIN6	     "filter-pin6"
#define NFT_MSG_PORTS_DNAT4	     "ports-dnat4"
#define NFT_MSG_PORTS_SNAT4	     "ports-snat4"
#define NFT_MSG_PORTS_PIN4	     "ports-pin4"
#define NFT_MSG_PORTS_PIN6	     "ports-pin6"
#define NFT_MSG_PROTOCOL_PIN4	     "protocol-pin4"
#define NFT_MSG_PROTOCOL_PIN6	     "protocol-pin6"
#define NFT_MSG_FILTER_PROTOCOL_PIN4 "filter-protocol-pin4"
#define NFT_MSG_FILTER_PROTOCOL_PIN6 "filter-protocol-pin6"
#define NFT_MSG_FILTER_HOST_PIN4     "filter-host-pin4"
#define NFT_MSG_FILTER_HOST_PIN6     "filter-host-pin6"
#define NFT_MSG_HOST_PIN4	     "host-pin4"
#define NFT_MSG_HOST_PIN6	     "host-pin6"

#define NFT_MSG_NAME_MAX 256 /* octets of a set's name with its NUL, the kernel's limit */

/* The kernel's numbers that older headers lack. */
#define NFT_MSG_DESTROY_TABLE	26
#define NFT_MSG_DESTROY_CHAIN	27
#define NFT_MSG_DESTROY_RULE	28
#define NFT_MSG_DESTROY_ELEMENT 30 /* NFT_MSG_DESTROYSETELEM: delete, not an error if it is not there. Linux 6.3 */

/* The elements of a mapping. */
enum nft_msg_side {
	NFT_MSG_EXTERNAL = 0, /* in dnat4, pin4 or pin6, or the same for peers or with filters */
	NFT_MSG_INTERNAL = 1, /* in a mirror */
	NFT_MSG_SIDES = 2,
};

/* What the running kernel understands. */
struct nft_msg_kernel {
	bool destroy; /* deletes what may not be there: Linux 6.3 */
	bool update;  /* changes the timeout of an element that is there: Linux 6.12 */
};

/* Bytes of one batch. */
struct nft_msg_batch {
	uint8_t *data;
	size_t length, capacity;
	size_t last; /* where the last message begins */
};

/* Starts a batch over, with a first message numbered seq. */
void nft_msg_begin(struct nft_msg_batch *b, uint32_t seq);
/* Ends it, asks for an acknowledgement of its last message and returns the number of that one. */
uint32_t nft_msg_end(struct nft_msg_batch *b);
/* Opens a message at the end of the batch, to be filled with attributes, and takes it in when it is full. type is one
 * of the kernel's NFT_MSG_, flags are NLM_F_ without NLM_F_REQUEST, family is NFPROTO_. */
struct nlmsghdr *nft_msg_open(struct nft_msg_batch *b, uint16_t type, uint16_t flags, uint8_t family, uint32_t seq);
void nft_msg_close(struct nft_msg_batch *b, struct nlmsghdr *message);

#define NFT_MSG_SEQ_STEP 4 /* sequence numbers that one change takes */
/* Which element, and whether it was to be made, by the sequence number relative to the change's first. */
#define NFT_MSG_SEQ_SIDE(n) ((n)&1)
#define NFT_MSG_SEQ_MADE(n) ((n)&2)

/* Octets that a change takes at most. */
size_t nft_msg_room(const struct change *c);

/*
 * Appends the messages of one change, numbered from seq. The elements in skip (1 << enum nft_msg_side) are left out of
 * a removal. NAT is between IPv4 addresses. An ADD is refused with EEXIST if its key is there. A RENEW on a kernel that
 * updates makes an element that has vanished again; on others it is refused with ENOENT.
 */
void nft_msg_change(struct nft_msg_batch *b, const struct conf *conf, const struct nft_msg_kernel *kernel,
		    const struct change *c, uint32_t seq, unsigned skip);

/* Whether a change can be in a run: it has no filters, and takes one message for each of its elements. */
bool nft_msg_gathers(const struct nft_msg_kernel *kernel, const struct change *c);

/*
 * Appends n changes that can be in a run and are of one op, without those that have been refused: all elements that go
 * into one set in one message, as far as these changes stand beside each other. The kernel looks up table and set once
 * for all of them, and what it refuses it names by the message. The messages are numbered from seq, NFT_MSG_SEQ_STEP for
 * each change at most. False: there is no room, and the batch is spoilt.
 */
bool nft_msg_run(struct nft_msg_batch *b, const struct conf *conf, const struct change *changes, size_t n,
		 uint32_t seq);

/* Appends the deletion of all elements of a set. */
void nft_msg_flush(struct nft_msg_batch *b, const char *table, const char *set, uint32_t seq);

/* Appends the question for the external element of one mapping. */
void nft_msg_get(struct nft_msg_batch *b, const struct conf *conf, const struct mapping *m, uint32_t seq);

/* Appends the question for one side of a mapping without filters that is answered only by what is there, and by ENOENT. */
void nft_msg_ask(struct nft_msg_batch *b, const struct conf *conf, const struct mapping *m, enum nft_msg_side side,
		 uint32_t seq);

/* What an element is. */
enum nft_msg_kind {
	NFT_MSG_WHOLE,	  /* a mapping */
	NFT_MSG_FILTERED, /* a mapping whose filters are elsewhere */
	NFT_MSG_PIECE,	  /* of the filters of one: known are filter, protocol, external address and port */
};
struct nft_msg_found {
	enum nft_msg_kind kind;
	struct mapping mapping; /* without filters */
	struct mapping_filter filter;
	uint64_t remaining_ms; /* 0 = no timeout */
};
typedef void nft_msg_found_fn(void *context, const struct nft_msg_found *found);

/* Calls fn for every element in one message of an answer about one of the maps. Only a mirror knows the external. What
 * does not look like an element of ours is skipped. */
void nft_msg_elements(const struct nlmsghdr *message, const struct conf *conf, nft_msg_found_fn *fn, void *context);

#endif
