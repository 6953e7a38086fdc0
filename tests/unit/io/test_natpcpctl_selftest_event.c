/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel tells of a packet that is traced. */
#include "server/natpcpctl_selftest_event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#define NO_VERDICT INT32_MIN

static struct nlmsghdr *message(char *b, uint32_t type, int32_t verdict, int32_t policy, bool header)
{
	static const uint8_t ip[20] = {0x45, [12] = 203, 0, 113, 77};
	struct nlmsghdr *h = mnl_nlmsg_put_header(b);
	struct nfgenmsg *g;
	struct nlattr *nest;

	h->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_TRACE;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = NFPROTO_INET;
	mnl_attr_put_u32(h, NFTA_TRACE_ID, 0x12345678);
	mnl_attr_put_u32(h, NFTA_TRACE_TYPE, htonl(type));
	mnl_attr_put_strz(h, NFTA_TRACE_TABLE, "filter");
	mnl_attr_put_strz(h, NFTA_TRACE_CHAIN, "forward");
	if (type == NFT_TRACETYPE_RULE)
		mnl_attr_put_u64(h, NFTA_TRACE_RULE_HANDLE, htobe64(7));
	if (verdict != NO_VERDICT) {
		nest = mnl_attr_nest_start(h, NFTA_TRACE_VERDICT);
		mnl_attr_put_u32(h, NFTA_VERDICT_CODE, htonl((uint32_t)verdict));
		mnl_attr_nest_end(h, nest);
	}
	if (policy != NO_VERDICT)
		mnl_attr_put_u32(h, NFTA_TRACE_POLICY, htonl((uint32_t)policy));
	if (header)
		mnl_attr_put(h, NFTA_TRACE_NETWORK_HEADER, sizeof(ip), ip);
	return h;
}

static void test_verdicts(void **state)
{
	static const struct {
		uint32_t type;
		int32_t verdict, policy;
		bool dropped, queued;
	} cases[] = {
	    {NFT_TRACETYPE_RULE, NF_DROP, NO_VERDICT, true, false},
	    /* with an error number above it */
	    {NFT_TRACETYPE_RULE, 13 << 16 | NF_DROP, NO_VERDICT, true, false},
	    {NFT_TRACETYPE_RULE, NF_ACCEPT, NO_VERDICT, false, false},
	    {NFT_TRACETYPE_RULE, 5 << 16 | NF_QUEUE, NO_VERDICT, false, true},
	    {NFT_TRACETYPE_RULE, NFT_CONTINUE, NO_VERDICT, false, false},
	    {NFT_TRACETYPE_RULE, NFT_JUMP, NO_VERDICT, false, false},
	    {NFT_TRACETYPE_RULE, NO_VERDICT, NO_VERDICT, false, false},
	    {NFT_TRACETYPE_RETURN, NFT_RETURN, NO_VERDICT, false, false},
	    {NFT_TRACETYPE_POLICY, NO_VERDICT, NF_DROP, true, false},
	    {NFT_TRACETYPE_POLICY, NO_VERDICT, NF_ACCEPT, false, false},
	};

	static const struct in6_addr host = {{{[10] = 0xff, 0xff, 203, 0, 113, 77}}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char b[1024] __attribute__((aligned(8)));
		struct nlmsghdr *h = message(b, cases[i].type, cases[i].verdict, cases[i].policy, i & 1);
		struct event e;

		assert_true(event_parse(h, h->nlmsg_len, &e));
		assert_int_equal(e.dropped, cases[i].dropped);
		assert_int_equal(e.queued, cases[i].queued);
		assert_int_equal(e.id, 0x12345678);
		assert_memory_equal(&e.source, i & 1 ? &host : &in6addr_any, 16);
		assert_int_equal(e.place.family, NFPROTO_INET);
		assert_string_equal(e.place.table, "filter");
		assert_string_equal(e.place.chain, "forward");
		assert_int_equal(e.place.rule, cases[i].type == NFT_TRACETYPE_RULE ? 7 : 0);
	}
}

/* Cut anywhere it is no message, or one with less in it; another type is none. */
static void test_cut(void **state)
{
	char b[1024] __attribute__((aligned(8)));
	struct nlmsghdr *h = message(b, NFT_TRACETYPE_RULE, NF_DROP, NF_DROP, true);
	uint32_t whole = h->nlmsg_len;
	struct event e;

	(void)state;
	for (uint32_t n = 0; n < whole; n++) {
		char *copy = malloc(n ? n : 1);

		memcpy(copy, b, n);
		assert_false(event_parse(copy, n, &e));
		if (n >= sizeof(*h)) {
			((struct nlmsghdr *)(void *)copy)->nlmsg_len = n;
			event_parse(copy, n, &e);
		}
		free(copy);
	}
	h->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE;
	assert_false(event_parse(h, h->nlmsg_len, &e));
}

static void test_families(void **state)
{
	(void)state;
	assert_string_equal(event_family(NFPROTO_INET), "inet");
	assert_string_equal(event_family(NFPROTO_IPV4), "ip");
	assert_string_equal(event_family(77), "other");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_verdicts),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
