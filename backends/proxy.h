/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The packet filter as the process without privileges sees it: each question goes to the process that has them
 * (wire.h), and its answer is waited for. A backend like others, and what else of the kernel needs the privilege.
 */
#ifndef BACKENDS_PROXY_H
#define BACKENDS_PROXY_H

#include <stdbool.h>
#include <stdint.h>

#include "backends/backend.h"
#include "backends/conntrack.h"
#include "backends/ender_list.h"
#include "backends/ender_seen.h"

struct proxy;

/* What both ends have in common. */
struct proxy_ends {
	int questions; /* a stream socket */
	int searches;  /* another one */
	int news;      /* an eventfd, counted up when the ruleset is to be looked at */
};

/* Takes the descriptors over if it succeeds, and asks for the packet filter to be opened: as backend_nft_open(). */
int proxy_open(struct proxy **p, const struct proxy_ends *ends, const struct conf *conf, char *why, size_t size);
/* The backend: its close frees the proxy. */
struct backend *proxy_backend(struct proxy *p);

/* backend_nft_maps(IPPROTO_DCCP), ender_elicits(). */
bool proxy_maps_dccp(const struct proxy *p);
bool proxy_elicits(const struct proxy *p);

/* conntrack_find() */
int proxy_find(struct proxy *p, struct conntrack_flow *f);
/* ender_search(), for another thread than the loop's; *took_ms: of a processor. */
int proxy_search(struct proxy *p, struct ender_list *l, struct ender_seen *seen, uint64_t *ended, uint64_t *took_ms);

/* A descriptor that becomes readable outside of all calls when the other process is gone. */
int proxy_fd(const struct proxy *p);
/* True if it is gone, or not to be understood: nothing works any more. */
bool proxy_broken(const struct proxy *p);

#endif
