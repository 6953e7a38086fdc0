/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nft_found.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>

#include "codec/codec.h"

static char table_name[] = "natpcpd", wan[] = "wan", other[] = "other";
static struct conf_external externals[] = {{.name = wan}, {.name = other}};
static const struct conf conf = {.externals = externals, .externals_n = 2, .backend.table = table_name};
static const struct nft_msg_kernel kernel = {.destroy = true, .update = true};

/* Takes what the kernel would tell of a mapping's outside, or of its mirror. */
static void take(struct nft_found *outside, struct nft_found *mirrors, const struct mapping *m, uint64_t timeout_ms)
{
	static _Alignas(8) uint8_t data[4096];
	struct nft_msg_batch b = {.data = data, .capacity = sizeof(data)};
	struct change c = {.mapping = *m, .op = CHANGE_RENEW, .timeout_ms = timeout_ms};
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)data;
	int rest;

	memset(data, 0, sizeof(data));
	nft_msg_change(&b, &conf, &kernel, &c, 0, 0);
	for (rest = (int)b.length; mnl_nlmsg_ok(h, rest); h = mnl_nlmsg_next(h, &rest))
		nft_found_take(NFT_MSG_SEQ_SIDE(h->nlmsg_seq) == NFT_MSG_INTERNAL ? mirrors : outside, h);
}

struct seen {
	size_t n;
	struct mapping last;
	struct mapping_filter filters[4];
	uint64_t remaining_ms;
};

static void see(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	struct seen *s = context;

	s->n++;
	s->last = *m;
	s->remaining_ms = remaining_ms;
	assert_in_range(m->filters_n, 0, 4);
	if (m->filters_n)
		memcpy(s->filters, m->filters, m->filters_n * sizeof(*m->filters));
}

static struct seen tell(const struct mapping *m, uint64_t timeout_ms, uint64_t ago_ms, bool mirror)
{
	struct nft_found outside = {.conf = &conf}, mirrors = {.conf = &conf};
	struct seen s = {0};

	take(&outside, &mirrors, m, timeout_ms);
	for (size_t i = 0; i < outside.n; i++)
		if (outside.v[i].remaining_ms)
			outside.v[i].remaining_ms -= ago_ms;
	if (!mirror)
		nft_found_clear(&mirrors);
	nft_found_tell(&outside, &mirrors, see, &s);
	nft_found_clear(&outside);
	nft_found_clear(&mirrors);
	assert_null(outside.v);
	return s;
}

static struct mapping nat(void)
{
	return (struct mapping){.internal_address = codec_from_v4(0xc000020b),
				.external_address = codec_from_v4(0xc6336401),
				.internal_port = 80,
				.external_port = 8080,
				.protocol = 6,
				.external = 1,
				.kind = MAPPING_NAT};
}

/* The time that is left is that of the telling, however long the finding took; none left is not the same as for ever. */
static void times(void **state)
{
	const struct mapping m = nat();
	struct seen s;

	(void)state;
	s = tell(&m, 600000, 0, true);
	assert_int_equal(s.n, 1);
	assert_in_range(s.remaining_ms, 500000, 600000);
	s = tell(&m, 600000, 100000, true);
	assert_in_range(s.remaining_ms, 400000, 500000);
	s = tell(&m, 1000, 5000, true);
	assert_int_equal(s.remaining_ms, 1);
	s = tell(&m, 0, 0, true);
	assert_int_equal(s.remaining_ms, 0);
}

static void its_external(void **state)
{
	const struct mapping m = nat();

	(void)state;
	assert_int_equal(tell(&m, 1000, 0, true).last.external, 1);
	assert_int_equal(tell(&m, 1000, 0, false).last.external, 0);
	assert_int_equal(tell(&m, 1000, 0, false).last.internal_port, 80);
}

static void its_filters(void **state)
{
	static const struct mapping_filter filters[] = {
	    {.address = {.s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 203, [13] = 0, [14] = 113}},
	     .port = 443,
	     .prefix_length = 120},
	    {.address = {.s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 51, [14] = 100, [15] = 7}},
	     .prefix_length = 128}};
	struct mapping m = nat();
	struct seen s;

	(void)state;
	m.filters = filters;
	m.filters_n = 2;
	s = tell(&m, 1000, 0, true);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.last.filters_n, 2);
	assert_int_equal(s.last.external, 1);
	assert_int_equal(s.filters[0].port + s.filters[1].port, 443);
	/* many, in more room than there was */
	{
		struct nft_found outside = {.conf = &conf}, mirrors = {.conf = &conf};

		for (uint16_t i = 0; i < 3000; i++) {
			m.internal_port = m.external_port = i + 1;
			m.filters_n = i == 2999 ? 2 : 0;
			take(&outside, &mirrors, &m, 0);
		}
		s = (struct seen){0};
		nft_found_tell(&outside, &mirrors, see, &s);
		assert_int_equal(s.n, 3000);
		assert_int_equal(s.last.internal_port, 3000);
		assert_int_equal(s.last.filters_n, 2);
		assert_int_equal(s.last.external, 1);
		nft_found_clear(&outside);
		nft_found_clear(&mirrors);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(times),
	    cmocka_unit_test(its_external),
	    cmocka_unit_test(its_filters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
