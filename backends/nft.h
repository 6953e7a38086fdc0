/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the nftables backend share: its state and its transport. */
#ifndef BACKENDS_NFT_H
#define BACKENDS_NFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/backend.h"
#include "backends/nft_msg.h"
#include "conf/conf.h"

struct nlmsghdr;
struct mnl_socket;

/* Tells rulesets apart: what the kernel numbers anew whenever it is made anew. */
struct nft_print {
	uint64_t table; /* 0: there is none */
	uint64_t maps, rules;
};

/* What a transaction said about one change. */
struct nft_slot {
	int error;	/* of its first failed message */
	uint8_t failed; /* 1 << enum nft_msg_side: elements that failed */
	uint8_t skip;	/* the same: elements to leave out */
	bool sent;
};

struct nft {
	struct backend backend;
	const struct conf *conf;   /* borrowed */
	struct mnl_socket *socket; /* owns the table */
	struct mnl_socket *monitor;
	bool subscribed;      /* the monitor is told of changes */
	uint32_t seq;	      /* the next one to be used */
	uint32_t table_flags; /* 0 or NFT_RULESET_KEPT */
	struct nft_msg_kernel kernel;
	struct nft_print print;
	bool no_reset;		 /* the kernel lacks what nft_reset.h's rules are made of */
	bool hooks;		 /* nft_ruleset_put_hooks()'s table is there */
	bool missed;		 /* somebody else may have changed something while nobody listened */
	bool emptied;		 /* mappings were lost, and nobody was told yet */
	unsigned accept_missing; /* which of the operator's chains were not there when it was last told */
	struct nft_msg_batch batch;
	size_t batch_max; /* octets that the socket can send at once */
	struct nft_slot *slots;
	size_t slots_capacity;
	uint8_t *received;
};

#define NFT_RECEIVE_MAX 65536 /* octets of n->received: more than the kernel puts into one datagram of a dump */

/* Called for each message that the kernel refused. */
typedef void nft_refused_fn(void *context, uint32_t seq, int error);

/*
 * Sends the batch that was begun with number first and reads the acknowledgements, which are there when it is sent.
 * Returns 0 if all is done or refused was called for each refused message (then nothing is done); -errno if the
 * kernel refused the batch as such.
 */
int nft_transact(struct nft *n, uint32_t first, nft_refused_fn *refused, void *context);
/* The same for batches that are done as a whole or not: returns the first refusal. */
int nft_transact_all(struct nft *n, uint32_t first);

/*
 * Sends the request in the batch buffer (one message without begin and end) and calls fn for every message of its
 * answer, a dump or not. 0; -EINTR: a dump changed under way, or some of the answer was lost: ask again; -errno.
 */
typedef void nft_answer_fn(void *context, const struct nlmsghdr *message);
int nft_query(struct nft *n, nft_answer_fn *fn, void *context);
/* Puts a request about a table into the batch buffer, or about one of its chains unless that is NULL. */
void nft_question(struct nft *n, uint16_t type, uint16_t flags, int family, const char *table, const char *chain);

/* nft_ruleset.h's ruleset into the kernel. */
enum nft_install {
	NFT_INSTALL_KEEP,  /* mappings stay, or it fails */
	NFT_INSTALL_ADOPT, /* mappings stay, unless a table of that name is unlike ours: then it is made anew */
	NFT_INSTALL_EMPTY, /* the maps are empty afterwards */
};
int nft_install(struct nft *n, const struct conf *conf, enum nft_install how, char *why, size_t size);

/* backend_ops.commit */
int nft_commit(struct backend *b, struct change *changes, size_t n);
/* Makes the batch buffer twice as large. 0; -ENOMEM; -EMSGSIZE: no transaction is that large, or can be sent. */
#define NFT_BATCH_MAX (16 << 20)
int nft_grow(struct nft *n);

/* backend_ops.flows */
int nft_flows(struct backend *b, struct backend_flows *flows);

/* backend_ops.token and set_token */
int nft_token(struct backend *b, uint64_t *token);
int nft_set_token(struct backend *b, uint64_t token);

/* backend_ops.list */
int nft_list(struct backend *b, backend_list_fn *fn, void *context);
/* backend_ops.list_filtered */
int nft_list_filtered(struct backend *b, backend_list_fn *fn, void *context);
/* backend_ops.count */
int nft_count(struct backend *b, size_t *count);
/* backend_ops.ask */
int nft_ask(struct backend *b, const struct mapping *v, size_t n, backend_list_fn *fn, void *context);
/* Mirrors in our table of externals that conf does not have. Of more than fit the rest stays for the next time. */
#define NFT_STRAYS_MAX 32
struct nft_strays {
	char names[NFT_STRAYS_MAX][NFT_MSG_NAME_MAX];
	size_t n;
};
int nft_strays(struct nft *n, const struct conf *conf, struct nft_strays *strays);

/*
 * Our rule in each of the operator's chains that conf names. Sets of these chains are bits: 1 << index in conf.
 * put makes it anew in all of them, or in none: 0, or -errno with the reason in why.
 */
int nft_accept_put(struct nft *n, const struct conf *conf, char *why, size_t size);
/* Makes it in each where it is not there exactly once; *made tells if that was so in any, *missing which chains are not
 * there. 0, or the -errno of another one. */
int nft_accept_keep(struct nft *n, const struct conf *conf, bool *made, unsigned *missing);
/* Removes it from those that are not named by but, too; NULL: from all. */
void nft_accept_remove(struct nft *n, const struct conf *conf, const struct conf *but);
/* The names of the chains of a set, in quotes with commas between; cut to size. */
void nft_accept_names(const struct conf *conf, unsigned which, char *out, size_t size);

/* Puts into why what other forward chains that drop mean to us, "" if there are none but those that conf names. */
void nft_drop_look(struct nft *n, const struct conf *conf, char *why, size_t size);
/* -ENOENT with the reason in why if our rule in a chain that conf names could not do what it is for; else 0. */
int nft_drop_check(struct nft *n, const struct conf *conf, char *why, size_t size);

/* Watching: the descriptor stays the same, subscribe makes it hear what there is to hear with conf. */
int nft_watch_open(struct nft *n, char *why, size_t size);
int nft_watch_subscribe(struct nft *n, const struct conf *conf);
void nft_watch_close(struct nft *n);
/*
 * Stops listening during a transaction: being told of each element costs the kernel as much as making it, though the
 * filter drops what it tells. Returns what resume wants: done tells that the transaction was applied and changed
 * something. If more was changed in between, the descriptor becomes readable and there is something to look at.
 */
uint32_t nft_watch_pause(struct nft *n);
void nft_watch_resume(struct nft *n, uint32_t before, bool done);
int nft_watch_fd(const struct backend *b);
bool nft_watch_drain(struct backend *b);
int nft_watch(struct backend *b, char *why, size_t size);
/* Reads what tells our ruleset apart. */
int nft_watch_print(struct nft *n, struct nft_print *print);

#endif
