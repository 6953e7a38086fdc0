/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nft_filter.h"

#include <stdbool.h>
#include <string.h>

#include "codec/codec.h"

#define V4_BITS 96 /* of a mapped address, before IPv4 begins */

/* True if both addresses have the same first bits. */
static bool same_bits(const struct in6_addr *a, const struct in6_addr *b, unsigned length)
{
	unsigned octets = length / 8, rest = length % 8;

	return memcmp(a, b, octets) == 0 &&
	       (rest == 0 || ((a->s6_addr[octets] ^ b->s6_addr[octets]) & 0xff00 >> rest & 0xff) == 0);
}

/* How filters are compared: with those of the same port only, or also with those of any port. */
enum compare { SAME_PORT, ANY_PORT };

static bool covers(const struct mapping_filter *a, const struct mapping_filter *b, enum compare how)
{
	return a->prefix_length <= b->prefix_length && (a->port == b->port || (a->port == 0 && how == ANY_PORT)) &&
	       same_bits(&a->address, &b->address, a->prefix_length);
}

/* Adds one to those that are there, unless it is covered; those that it covers go. Returns how many there are then. */
static size_t add(struct mapping_filter *v, size_t n, const struct mapping_filter *filter, enum compare how)
{
	struct mapping_filter f = *filter; /* it may stand in v */
	size_t left = 0;

	for (size_t i = 0; i < n; i++)
		if (covers(&v[i], &f, how))
			return n;
	for (size_t i = 0; i < n; i++)
		if (!covers(&f, &v[i], how))
			v[left++] = v[i];
	v[left++] = f;
	return left;
}

/* The network of which it is one half. */
static struct mapping_filter whole(const struct mapping_filter *half)
{
	struct mapping_filter f = *half;

	f.prefix_length--;
	f.address.s6_addr[f.prefix_length / 8] &= (uint8_t) ~(0x80 >> f.prefix_length % 8);
	return f;
}

/* An IPv6 prefix of no length would not be a filter. */
static bool is_half(const struct mapping_filter *f)
{
	return f->prefix_length > (codec_is_v4(&f->address) ? V4_BITS : 1);
}

/* As few as say the same: none covers another, and no two are the halves of a third. */
static size_t join(struct mapping_filter *v, size_t n, enum compare how)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++)
		left = add(v, left, &v[i], how);
	for (size_t i = 0; i < left; i++) {
		struct mapping_filter f = is_half(&v[i]) ? whole(&v[i]) : v[i];

		for (size_t j = 0; j < left && is_half(&v[i]); j++) {
			if (j == i || v[j].prefix_length != v[i].prefix_length || !covers(&f, &v[j], SAME_PORT))
				continue;
			left = add(v, left, &f, how);
			i = SIZE_MAX; /* from the first again */
			break;
		}
	}
	return left;
}

size_t nft_filter_join(struct mapping_filter *pieces, size_t n)
{
	return join(pieces, n, SAME_PORT);
}

size_t nft_filter_pieces(const struct mapping_filter *filters, size_t n,
			 struct mapping_filter out[NFT_FILTER_PIECES_MAX])
{
	struct mapping_filter v[NFT_FILTER_MAX];
	size_t used = 0;

	n = n < NFT_FILTER_MAX ? n : NFT_FILTER_MAX;
	memcpy(v, filters, n * sizeof(*v));
	n = join(v, n, ANY_PORT);
	for (size_t i = 0; i < n; i++) {
		unsigned length = v[i].prefix_length;
		unsigned none = codec_is_v4(&v[i].address) ? V4_BITS : 0;
		unsigned cut = length == none ? none + NFT_FILTER_STEP
					      : (length + NFT_FILTER_STEP - 1) / NFT_FILTER_STEP * NFT_FILTER_STEP;

		for (unsigned part = 0; part < 1u << (cut - length); part++) {
			out[used] = v[i];
			out[used].prefix_length = (uint8_t)cut;
			/* the bits from length to cut stand in one octet, for the step divides eight */
			out[used++].address.s6_addr[(cut - 1) / 8] |= (uint8_t)(part << (7 - (cut - 1) % 8));
		}
	}
	return used;
}
