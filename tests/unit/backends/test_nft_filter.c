/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nft_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/scenario/words.h"

static size_t read_filters(const char *text, struct mapping_filter *v)
{
	size_t n = words_read_filters(text, v, NFT_FILTER_MAX);

	assert_true(n <= NFT_FILTER_MAX);
	return n;
}

/* 6887-13.3-07, 6887-13.3-09, 6887-13.3-10, 6887-13.3-11, 6887-13.3-15 */
static const struct {
	const char *filters, *pieces;
} rows[] = {
    {"203.0.113.0/120:0", " filters=203.0.113.0/120:0"},
    {"203.0.113.7/128:65535", " filters=203.0.113.7/128:65535"},
    {"2001:db8::/32:443", " filters=2001:db8::/32:443"},
    /* lengths that are not there */
    {"203.0.112.0/119:443", " filters=203.0.112.0/120:443,203.0.113.0/120:443"},
    {"203.0.113.4/126:0", " filters=203.0.113.4/128:0,203.0.113.5/128:0,203.0.113.6/128:0,203.0.113.7/128:0"},
    {"2001:db8::/35:0", " filters=2001:db8::/36:0,2001:db8:1000::/36:0"},
    {"8000::/1:1", " filters=8000::/4:1,9000::/4:1,a000::/4:1,b000::/4:1,c000::/4:1,d000::/4:1,e000::/4:1,f000::/4:1"},
    {"0.0.0.0/96:0", " filters=0.0.0.0/100:0,16.0.0.0/100:0,32.0.0.0/100:0,48.0.0.0/100:0,64.0.0.0/100:0,"
		     "80.0.0.0/100:0,96.0.0.0/100:0,112.0.0.0/100:0,128.0.0.0/100:0,144.0.0.0/100:0,160.0.0.0/100:0,"
		     "176.0.0.0/100:0,192.0.0.0/100:0,208.0.0.0/100:0,224.0.0.0/100:0,240.0.0.0/100:0"},
    /* two halves; within one another, whichever comes first; twice the same */
    {"203.0.113.0/121:0,203.0.113.128/121:0", " filters=203.0.113.0/120:0"},
    {"203.0.113.0/120:0,203.0.113.7/128:443", " filters=203.0.113.0/120:0"},
    {"203.0.113.7/128:443,203.0.113.0/120:0", " filters=203.0.113.0/120:0"},
    {"203.0.113.7/128:443,203.0.113.0/120:443", " filters=203.0.113.0/120:443"},
    {"203.0.113.7/128:443,203.0.113.7/128:0,203.0.113.7/128:443", " filters=203.0.113.7/128:0"},
    /* across each other: both are needed */
    {"203.0.113.0/120:443,203.0.113.0/128:0", " filters=203.0.113.0/120:443,203.0.113.0/128:0"},
};

static void pieces(void **state)
{
	struct mapping_filter filters[NFT_FILTER_MAX], out[NFT_FILTER_PIECES_MAX];
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = nft_filter_pieces(filters, read_filters(rows[i].filters, filters), out);

		words_filters(out, n, text, sizeof(text));
		if (strcmp(text, rows[i].pieces) != 0)
			fail_msg("%s:%s", rows[i].filters, text);
	}
}

static bool meant(const struct mapping_filter *v, size_t n, const struct in6_addr *a, uint16_t port)
{
	for (size_t i = 0; i < n; i++) {
		unsigned bits = 128u - v[i].prefix_length;
		uint32_t mask = bits >= 32 ? 0 : UINT32_MAX << bits;

		if (((codec_to_v4(a) ^ codec_to_v4(&v[i].address)) & mask) == 0 &&
		    (v[i].port == 0 || v[i].port == port))
			return true;
	}
	return false;
}

static bool same_set(const struct mapping_filter *a, size_t n, const struct mapping_filter *b, size_t m)
{
	for (size_t i = 0; i < n; i++) {
		const struct mapping one = {.filters = &a[i], .filters_n = 1};
		bool found = false;

		for (size_t j = 0; j < m && !found; j++)
			found = words_same_filters(&one, &(struct mapping){.filters = &b[j], .filters_n = 1});
		if (!found)
			return false;
	}
	return n == m;
}

/* Filters over sixteen addresses and some ports: a packet is admitted by a piece if it is by a filter, also by what is
 * made of the pieces when they are read back, and that has the same pieces: what was opened can be closed. */
static void any_filters(void **state)
{
	struct mapping_filter filters[8], out[NFT_FILTER_PIECES_MAX], back[NFT_FILTER_PIECES_MAX],
	    again[NFT_FILTER_PIECES_MAX];
	uint64_t random = 1;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		size_t n = 1 + round % 8, pieces_n, back_n, again_n;

		for (size_t i = 0; i < n; i++) {
			uint32_t bits;

			random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
			bits = (uint32_t)(random >> 40) % 6;
			filters[i] = (struct mapping_filter){
			    .address = codec_from_v4(0xcb007100 + ((uint32_t)(random >> 50) % 32 & UINT32_MAX << bits)),
			    .port = (uint16_t)((random >> 60) % 4),
			    .prefix_length = (uint8_t)(128 - bits)};
		}
		pieces_n = nft_filter_pieces(filters, n, out);
		memcpy(back, out, pieces_n * sizeof(*out));
		/* the kernel gives them in any order */
		for (size_t i = 1; i < pieces_n; i++) {
			struct mapping_filter f = back[i];
			size_t k = (size_t)(random >> 20) % (i + 1);

			back[i] = back[k];
			back[k] = f;
		}
		back_n = nft_filter_join(back, pieces_n);
		assert_true(back_n <= n);
		again_n = nft_filter_pieces(back, back_n, again);
		assert_true(same_set(out, pieces_n, again, again_n));
		for (uint32_t a = 0; a < 33; a++)
			for (uint16_t port = 1; port < 5; port++) {
				struct in6_addr address = codec_from_v4(0xcb007100 + a);
				bool right = meant(filters, n, &address, port);

				assert_int_equal(meant(out, pieces_n, &address, port), right);
				assert_int_equal(meant(back, back_n, &address, port), right);
			}
	}
}

static void most(void **state)
{
	struct mapping_filter filters[NFT_FILTER_MAX + 1], out[NFT_FILTER_PIECES_MAX];

	(void)state;
	for (unsigned i = 0; i <= NFT_FILTER_MAX; i++)
		filters[i] = (struct mapping_filter){
		    .address = codec_from_v4(0), .prefix_length = 96, .port = (uint16_t)(i + 1)};
	assert_int_equal(nft_filter_pieces(filters, NFT_FILTER_MAX, out), NFT_FILTER_PIECES_MAX);
	assert_int_equal(nft_filter_join(out, NFT_FILTER_PIECES_MAX), NFT_FILTER_MAX);
	assert_int_equal(nft_filter_pieces(filters, NFT_FILTER_MAX + 1, out), NFT_FILTER_PIECES_MAX);
	/* all of IPv6 has no filter of its own */
	for (unsigned i = 0; i < 2; i++) {
		filters[i] = (struct mapping_filter){.prefix_length = 1};
		filters[i].address.s6_addr[0] = i ? 0x80 : 0;
	}
	assert_int_equal(nft_filter_pieces(filters, 2, out), 16);
	assert_int_equal(nft_filter_join(out, 16), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pieces),
	    cmocka_unit_test(any_filters),
	    cmocka_unit_test(most),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
