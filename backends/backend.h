/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one interface through which the packet filter is changed. */
#ifndef BACKENDS_BACKEND_H
#define BACKENDS_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/mapping.h"

struct conf;
struct backend;

enum backend_event {
	BACKEND_INTACT,
	BACKEND_REPAIRED, /* a part of the ruleset, or our rule in a chain of the operator's, is back; mappings intact */
	BACKEND_EMPTIED,  /* the mappings are gone: everything must be installed again */
};

/* Called for each mapping found in the packet filter; remaining_ms 0 = no timeout, else what is left at the time of the
 * call. m and its filters are good until the backend is used again, which the function may do. */
typedef void backend_list_fn(void *context, const struct mapping *m, uint64_t remaining_ms);

/* How many connections came about by mappings, in no unit: two that are equal say that none did in between. */
struct backend_flows {
	uint64_t v[3];
};

struct backend_ops {
	const char *name;
	/*
	 * Applies n changes in order, in as few transactions as the kernel's limits allow, and sets each verdict. When
	 * it returns, the kernel has done it. Returns 0 if every change has its verdict; -errno if the packet filter
	 * could not be reached at all: then every verdict is that -errno and nothing was changed.
	 */
	int (*commit)(struct backend *b, struct change *changes, size_t n);
	/* Calls fn for every mapping that is installed, in no order. 0 or -errno. */
	int (*list)(struct backend *b, backend_list_fn *fn, void *context);
	/* The same for those that have filters. */
	int (*list_filtered)(struct backend *b, backend_list_fn *fn, void *context);
	/* The same for those of n mappings without filters that are installed, in constant time for each; fn is told of what
	 * the packet filter has at that outside, whatever is inside and however long. A mapping that is translated and has no external
	 * address (::ffff:0.0.0.0) is looked for by its inside. 0 or -errno: then fn was called for none. */
	int (*ask)(struct backend *b, const struct mapping *v, size_t n, backend_list_fn *fn, void *context);
	/* How many are installed; for a moment, those too that have just ended. 0 or -errno; -EOPNOTSUPP: there is no
	 * telling but by a list. */
	int (*count)(struct backend *b, size_t *n);
	/* Takes over what changed in conf: names of interfaces, the forward chains, static mappings. 0, with a warning or
	 * "" in why (size octets), or -errno, with the reason in it. -ENOENT is the forward chains' alone: one is not
	 * there, or cannot take our rule; then it is in none that had none. */
	int (*reload)(struct backend *b, const struct conf *conf, char *why, size_t size);
	/* A descriptor that becomes readable when somebody else changed the ruleset, or -1. */
	int (*watch_fd)(const struct backend *b);
	/* Reads that descriptor empty. True if what it said may concern us: then watch is to be called, soon. */
	bool (*drain)(struct backend *b);
	/* Looks at the ruleset and repairs what can be repaired. Returns an enum backend_event; or -errno, then it is to
	 * be called again after a while; -ENOENT: forward chains are not there, whose names are in why (size octets). */
	int (*watch)(struct backend *b, char *why, size_t size);
	/* Counts. 0 or -errno: there is no telling. NULL: there never is. */
	int (*flows)(struct backend *b, struct backend_flows *flows);
	/* A number, never 0, that stays with the mappings over our end and is lost with all of them; token: 0 if there is
	 * none. 0 or -errno. NULL: the mappings themselves do not stay. */
	int (*token)(struct backend *b, uint64_t *token);
	int (*set_token)(struct backend *b, uint64_t token);
	/* Frees b. clear: removes everything that is ours from the packet filter; else mappings stay. */
	void (*close)(struct backend *b, bool clear);
};

struct backend {
	const struct backend_ops *ops;
};

/*
 * Opens the nftables backend: creates what is missing of the table, chains, maps and the rule in the forward chains,
 * takes over what is there, flushes nothing. On failure returns -errno and puts one line into why that says what to do;
 * on success a warning about the operator's ruleset, or "". -ENOENT says the same as that of reload.
 */
int backend_nft_open(struct backend **b, const struct conf *conf, char *why, size_t size);

/* False for a protocol with ports of which this kernel's connection tracking knows nothing, so that a mapping of one port
 * would be one of all. To be asked when the backend is open. */
bool backend_nft_maps(uint8_t protocol);

/*
 * Opens a backend that keeps its mappings in memory: for client tests without privileges, and for tests of ours.
 */
int backend_memory_open(struct backend **b);

/* For tests: the n-th change from now (1 = the next one) is refused with error (negative errno); n 0 disarms. */
void backend_memory_refuse(struct backend *b, unsigned n, int error);
/* For tests: every commit fails with error (negative errno) until it is called with 0. */
void backend_memory_fail(struct backend *b, int error);
/* For tests: what time it is; the timeouts that list tells of count from then on. */
void backend_memory_time(struct backend *b, uint64_t now_ms);
/* For tests: how many mappings are installed. */
size_t backend_memory_count(const struct backend *b);

#endif
