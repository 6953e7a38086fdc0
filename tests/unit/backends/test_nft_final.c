/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules as they are dumped, made of expressions: which of them leave nothing to the policy. */
#include "backends/nft_final.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>

struct rule {
	_Alignas(8) uint8_t data[1024];
	struct nlmsghdr *message;
};

static void put(struct nlmsghdr *h, const char *name, uint32_t verdict)
{
	struct nlattr *element = mnl_attr_nest_start(h, NFTA_LIST_ELEM), *data, *inner, *code;
	bool target = name[0] >= 'A' && name[0] <= 'Z';

	mnl_attr_put_strz(h, NFTA_EXPR_NAME, target ? "target" : name);
	data = mnl_attr_nest_start(h, NFTA_EXPR_DATA);
	if (target)
		mnl_attr_put_strz(h, NFTA_TARGET_NAME, name);
	if (strcmp(name, "immediate") == 0) {
		inner = mnl_attr_nest_start(h, NFTA_IMMEDIATE_DATA);
		code = mnl_attr_nest_start(h, NFTA_DATA_VERDICT);
		mnl_attr_put_u32(h, NFTA_VERDICT_CODE, htonl(verdict));
		mnl_attr_nest_end(h, code);
		mnl_attr_nest_end(h, inner);
	}
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, element);
}

/* Words are the names of expressions; "drop", "accept" and "jump" are verdicts. */
static void rule_of(struct rule *r, const char *words)
{
	char copy[128], *rest = copy, *word;
	struct nlattr *list;

	memset(r, 0, sizeof(*r));
	r->message = mnl_nlmsg_put_header(r->data);
	mnl_nlmsg_put_extra_header(r->message, sizeof(struct nfgenmsg));
	mnl_attr_put_strz(r->message, NFTA_RULE_TABLE, "filter");
	list = mnl_attr_nest_start(r->message, NFTA_RULE_EXPRESSIONS);
	strcpy(copy, words);
	while ((word = strsep(&rest, " "))) {
		if (strcmp(word, "drop") == 0)
			put(r->message, "immediate", NF_DROP);
		else if (strcmp(word, "accept") == 0)
			put(r->message, "immediate", NF_ACCEPT);
		else if (strcmp(word, "jump") == 0)
			put(r->message, "immediate", (uint32_t)NFT_JUMP);
		else
			put(r->message, word, 0);
	}
	mnl_attr_nest_end(r->message, list);
}

static void rules(void **state)
{
	static const struct {
		const char *words;
		bool drops;
	} cases[] = {
	    {"drop", true},
	    {"reject", true},
	    {"counter drop", true},
	    {"counter log reject", true},
	    {"counter REJECT", true},
	    {"LOG DROP", true},
	    {"accept", false},
	    {"jump", false},
	    {"counter", false},
	    {"counter LOG", false},
	    {"meta cmp drop", false},
	    {"limit drop", false},
	    {"counter match REJECT", false},
	    {"counter MARK", false},
	    {"accept drop", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rule r;

		rule_of(&r, cases[i].words);
		if (nft_final_drops(r.message) != cases[i].drops)
			fail_msg("%s", cases[i].words);
	}
}

/* Cut at any attribute, nothing is read beyond; a rule without expressions is none. */
static void cut(void **state)
{
	struct rule r;
	uint32_t length;

	(void)state;
	rule_of(&r, "counter log drop");
	length = r.message->nlmsg_len;
	for (uint32_t i = sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg); i < length; i += 4) {
		struct nlmsghdr *copy = malloc(i);

		assert_non_null(copy);
		memcpy(copy, r.data, i);
		copy->nlmsg_len = i;
		assert_false(nft_final_drops(copy));
		free(copy);
	}
	assert_true(nft_final_drops(r.message));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rules), cmocka_unit_test(cut)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
