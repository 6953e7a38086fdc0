/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/histogram.h"

enum { LINEAR = 3 }; /* values below 2^3 have a bucket each */

_Static_assert(1 << LINEAR == HISTOGRAM_PARTS, "the first parts are single values");

static unsigned bucket_of(uint64_t value)
{
	unsigned power;

	if (value < HISTOGRAM_PARTS)
		return (unsigned)value;
	if (value >> HISTOGRAM_POWERS)
		value = (UINT64_C(1) << HISTOGRAM_POWERS) - 1;
	power = 63 - (unsigned)__builtin_clzll(value);
	return (power - LINEAR + 1) * HISTOGRAM_PARTS + (unsigned)(value >> (power - LINEAR) & (HISTOGRAM_PARTS - 1));
}

/* The largest value that falls into it. */
static uint64_t most_of(unsigned bucket)
{
	unsigned power = bucket / HISTOGRAM_PARTS;

	if (power == 0)
		return bucket;
	return ((uint64_t)(HISTOGRAM_PARTS + bucket % HISTOGRAM_PARTS + 1) << (power - 1)) - 1;
}

void histogram_add(struct histogram *h, uint64_t value, uint64_t n)
{
	h->count += n;
	h->sum += value * n;
	h->buckets[bucket_of(value)] += n;
}

uint64_t histogram_below(const struct histogram *h, unsigned power)
{
	unsigned end = power < LINEAR ? 1u << power : (power - LINEAR + 1) * HISTOGRAM_PARTS;
	uint64_t n = 0;

	for (unsigned i = 0; i < end && i < HISTOGRAM_BUCKETS; i++)
		n += h->buckets[i];
	return n;
}

uint64_t histogram_quantile(const struct histogram *h, const struct histogram *before, unsigned per_mille)
{
	uint64_t count = h->count - (before ? before->count : 0), wanted = (count * per_mille + 999) / 1000, n = 0;

	for (unsigned i = 0; count && i < HISTOGRAM_BUCKETS; i++) {
		n += h->buckets[i] - (before ? before->buckets[i] : 0);
		if (n && n >= wanted)
			return most_of(i);
	}
	return 0;
}
