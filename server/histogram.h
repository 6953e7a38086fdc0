/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How values are spread: fixed memory, and an eighth of a value exact. Pure. */
#ifndef SERVER_HISTOGRAM_H
#define SERVER_HISTOGRAM_H

#include <stdint.h>

enum {
	HISTOGRAM_PARTS = 8,   /* of what lies between a power of two and the next */
	HISTOGRAM_POWERS = 31, /* 2^31 and more count as one less */
	HISTOGRAM_BUCKETS = HISTOGRAM_PARTS * (HISTOGRAM_POWERS - 2),
};

struct histogram {
	uint64_t count, sum;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* The value, n times. */
void histogram_add(struct histogram *h, uint64_t value, uint64_t n);
/* How many were less than 2^power. */
uint64_t histogram_below(const struct histogram *h, unsigned power);
/* A value that so many of 1000 do not exceed; 0 if there are none. before (may be NULL): what h was at some time; only
 * what came since counts. */
uint64_t histogram_quantile(const struct histogram *h, const struct histogram *before, unsigned per_mille);

#endif
