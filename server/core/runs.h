/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs of free ports: a tree over a bitmap of all ports that knows of each half, quarter and so on how long its runs
 * are, so that what is taken can be as scattered as somebody likes: finding a run, or the longest, takes some steps for
 * each level of the tree, and so does a port that comes or goes.
 */
#ifndef SERVER_CORE_RUNS_H
#define SERVER_CORE_RUNS_H

#include <stdbool.h>
#include <stdint.h>

enum { RUNS_PORTS = 65536, RUNS_WORDS = RUNS_PORTS / 64 };

/* What a run of ports has to be like. */
struct runs_want {
	uint32_t n;  /* so many ports, or as many as there are; at least 1 */
	bool parity; /* the first one is even or odd */
	bool odd;    /* which of them */
};

struct runs;

/* words: of RUNS_PORTS bits, a set one is a free port; the first, port 0, never is. They are borrowed. NULL if out of memory
 * (16 KiB). */
struct runs *runs_new(const uint64_t *words);
void runs_free(struct runs *r);
/* A port has come or gone in the words. */
void runs_changed(struct runs *r, uint16_t port);

/* The first run of the wanted length in the ports from a first one up to, not including, an end; else the first of the
 * longest there are, if those are longer than enough, which is less than what is wanted. Returns its length, up to what is
 * wanted, with its first port in *first; 0 = none is that long. */
uint32_t runs_find(const struct runs *r, const struct runs_want *want, uint32_t from, uint32_t end, uint32_t enough,
		   uint16_t *first);
/* How much of a run of n ports from a first one on is of use; *first becomes where that begins. */
uint32_t runs_usable(const struct runs_want *want, uint32_t *first, uint32_t n);

#endif
