/* SPDX-License-Identifier: MIT */
/* The order of a server's addresses: RFC 6724 section 6, by the default policy of its section 2.1. */
#include "codec/client_op.h"

struct policy {
	struct in6_addr prefix;
	uint8_t bits, precedence, label;
};

/* longest prefix first */
static const struct policy policies[] = {
    {{{{[15] = 1}}}, 128, 50, 0},		 /* ::1 */
    {{{{[10] = 0xff, [11] = 0xff}}}, 96, 35, 4}, /* IPv4 */
    {{{{0}}}, 96, 1, 3},			 /* IPv4-compatible */
    {{{{0x20, 0x01, 0, 0}}}, 32, 5, 5},		 /* Teredo */
    {{{{0x20, 0x02}}}, 16, 30, 2},		 /* 6to4 */
    {{{{0x3f, 0xfe}}}, 16, 1, 12},		 /* 6bone */
    {{{{0xfe, 0xc0}}}, 10, 1, 11},		 /* site-local */
    {{{{0xfc}}}, 7, 3, 13},			 /* unique local */
    {{{{0}}}, 0, 40, 1},
};

enum scope { SCOPE_LINK = 2, SCOPE_SITE = 5, SCOPE_GLOBAL = 14 };

static unsigned int common_bits(const struct in6_addr *a, const struct in6_addr *b)
{
	unsigned int n = 0;

	while (n < 128 && !((a->s6_addr[n / 8] ^ b->s6_addr[n / 8]) & (0x80 >> n % 8)))
		n++;
	return n;
}

static const struct policy *policy_of(const struct in6_addr *a)
{
	const struct policy *p = policies;

	while (common_bits(a, &p->prefix) < p->bits)
		p++;
	return p;
}

/* RFC 6724 3.1, 3.2 */
static enum scope scope_of(const struct in6_addr *a)
{
	uint32_t v4 = codec_to_v4(a);

	if (codec_is_v4(a))
		return v4 >> 24 == 127 || v4 >> 16 == 0xa9fe ? SCOPE_LINK : SCOPE_GLOBAL;
	if (IN6_IS_ADDR_LINKLOCAL(a) || IN6_IS_ADDR_LOOPBACK(a))
		return SCOPE_LINK;
	return IN6_IS_ADDR_SITELOCAL(a) ? SCOPE_SITE : SCOPE_GLOBAL;
}

/* rule 1: a path without a source is none, one from a source that is no candidate is for need only */
static int usable(const struct client_path *p, const struct in6_addr *sources, size_t count)
{
	if (codec_is_unspecified(&p->own))
		return 0;
	for (size_t i = 0; i < count; i++)
		if (client_op_same_address(&p->own, &sources[i]))
			return 2;
	return count == 0 ? 2 : 1;
}

/* Rule by rule; the larger of two numbers is preferred. */
static void ranks(const struct client_path *p, const struct in6_addr *sources, size_t count, int rank[6])
{
	const struct policy *to = policy_of(&p->server.address), *from = policy_of(&p->own);
	enum scope scope = scope_of(&p->server.address);
	unsigned int common = common_bits(&p->server.address, &p->own);

	rank[0] = usable(p, sources, count);
	rank[1] = scope == scope_of(&p->own);
	rank[2] = to->label == from->label;
	rank[3] = to->precedence;
	rank[4] = -(int)scope;
	/* up to the length of the source's prefix, which is 64; not known for IPv4, whose 96 bits in front are all alike */
	rank[5] = common < 64 ? (int)common : 64;
}

static bool goes_before(const struct client_path *a, const struct client_path *b, const struct in6_addr *sources,
			size_t count)
{
	int x[6], y[6];

	ranks(a, sources, count, x);
	ranks(b, sources, count, y);
	for (size_t i = 0; i < 6; i++)
		if (x[i] != y[i])
			return x[i] > y[i];
	return false;
}

void client_paths_sort(struct client_path *paths, size_t count, const struct in6_addr *sources, size_t sources_count)
{
	for (size_t i = 1; i < count; i++) {
		struct client_path p = paths[i];
		size_t j = i;

		for (; j > 0 && goes_before(&p, &paths[j - 1], sources, sources_count); j--)
			paths[j] = paths[j - 1];
		paths[j] = p;
	}
}
