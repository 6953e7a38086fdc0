/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nft_filter.h"

#include <string.h>

static uint8_t bits_of_octet(unsigned prefix_length, unsigned octet)
{
	if (prefix_length >= octet * 8 + 8)
		return 0xff;
	return prefix_length > octet * 8 ? (uint8_t)(0xff00 >> (prefix_length - octet * 8)) : 0;
}

/* True if all addresses of b are addresses of a. */
static bool contains(const struct mapping_filter *a, const struct mapping_filter *b)
{
	if (a->prefix_length > b->prefix_length)
		return false;
	for (unsigned i = 0; i < 16; i++)
		if ((a->address.s6_addr[i] ^ b->address.s6_addr[i]) & bits_of_octet(a->prefix_length, i))
			return false;
	return true;
}

static bool covers(const struct mapping_filter *a, const struct mapping_filter *b)
{
	return contains(a, b) && (a->port == 0 || a->port == b->port);
}

size_t nft_filter_reduce(struct mapping_filter *filters, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct mapping_filter f = filters[i];
		size_t left = 0;
		bool covered = false;

		for (size_t j = 0; j < kept && !covered; j++)
			covered = covers(&filters[j], &f);
		if (covered)
			continue;
		for (size_t j = 0; j < kept; j++)
			if (!covers(&f, &filters[j]))
				filters[left++] = filters[j];
		filters[left++] = f;
		kept = left;
	}
	return kept;
}

static void put(struct nft_filter_interval *out, const struct mapping_filter *f, unsigned first_port,
		unsigned last_port)
{
	*out = (struct nft_filter_interval){.first_port = (uint16_t)first_port, .last_port = (uint16_t)last_port};
	for (unsigned i = 0; i < 16; i++) {
		uint8_t bits = bits_of_octet(f->prefix_length, i);

		out->first_address.s6_addr[i] = f->address.s6_addr[i] & bits;
		out->last_address.s6_addr[i] = f->address.s6_addr[i] | (uint8_t)~bits;
	}
}

/* The lowest port, from this one on, that a filter around f has for itself; 65536 = none. */
static unsigned next_port(const struct mapping_filter *filters, size_t n, const struct mapping_filter *f, unsigned from)
{
	unsigned next = 65536;

	for (size_t i = 0; i < n; i++)
		if (filters[i].port && filters[i].port >= from && filters[i].port < next && contains(&filters[i], f))
			next = filters[i].port;
	return next;
}

size_t nft_filter_intervals(const struct mapping_filter *filters, size_t n,
			    struct nft_filter_interval out[NFT_FILTER_INTERVALS_MAX])
{
	struct mapping_filter v[NFT_FILTER_MAX];
	size_t used = 0;

	n = n < NFT_FILTER_MAX ? n : NFT_FILTER_MAX;
	memcpy(v, filters, n * sizeof(*v));
	n = nft_filter_reduce(v, n);
	for (size_t i = 0; i < n; i++) {
		unsigned from = 0, next;

		if (v[i].port) {
			put(&out[used++], &v[i], v[i].port, v[i].port);
			continue;
		}
		/* what wider networks have for one port is left out of it */
		do {
			next = next_port(v, n, &v[i], from);
			if (next > from)
				put(&out[used++], &v[i], from, next - 1);
			from = next + 1;
		} while (from < 65536);
	}
	return used;
}

bool nft_filter_from(const struct nft_filter_interval *i, struct mapping_filter *filter)
{
	unsigned length = 0;

	while (length < 128 &&
	       !((i->first_address.s6_addr[length / 8] ^ i->last_address.s6_addr[length / 8]) & 0x80 >> length % 8))
		length++;
	*filter = (struct mapping_filter){.address = i->first_address,
					  .port = i->first_port == i->last_port ? i->first_port : 0,
					  .prefix_length = (uint8_t)length};
	for (unsigned n = 0; n < 16; n++) {
		uint8_t bits = bits_of_octet(length, n);

		if (i->first_address.s6_addr[n] & ~bits || (i->last_address.s6_addr[n] | bits) != 0xff)
			return false;
	}
	return true;
}
