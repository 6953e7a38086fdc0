/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nft_final.h"

#include <arpa/inet.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>

enum rule { RULE_GOES_ON, RULE_DROPS, RULE_ASKS };

/* One of the attributes within another one; NULL: there is none. */
static const struct nlattr *inner(const struct nlattr *outer, uint16_t type)
{
	const struct nlattr *a;

	if (!outer || mnl_attr_validate(outer, MNL_TYPE_NESTED) < 0)
		return NULL;
	mnl_attr_for_each_nested(a, outer)
	{
		if (mnl_attr_get_type(a) == type)
			return a;
	}
	return NULL;
}

static const char *text(const struct nlattr *a)
{
	return a && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0 ? mnl_attr_get_str(a) : "";
}

static bool is_drop(const struct nlattr *immediate)
{
	const struct nlattr *verdict = inner(inner(immediate, NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT);
	const struct nlattr *code = inner(verdict, NFTA_VERDICT_CODE);

	return code && mnl_attr_get_payload_len(code) == sizeof(uint32_t) && ntohl(mnl_attr_get_u32(code)) == NF_DROP;
}

/* What a packet meets in an expression. iptables has targets of its own kind. */
static enum rule judge(const struct nlattr *expression)
{
	const char *name = text(inner(expression, NFTA_EXPR_NAME));
	const struct nlattr *data = inner(expression, NFTA_EXPR_DATA);

	if (strcmp(name, "target") == 0)
		name = text(inner(data, NFTA_TARGET_NAME));
	if (strcmp(name, "counter") == 0 || strcmp(name, "log") == 0 || strcmp(name, "LOG") == 0 ||
	    strcmp(name, "NFLOG") == 0)
		return RULE_GOES_ON;
	if (strcmp(name, "reject") == 0 || strcmp(name, "REJECT") == 0 || strcmp(name, "DROP") == 0)
		return RULE_DROPS;
	return strcmp(name, "immediate") == 0 && is_drop(data) ? RULE_DROPS : RULE_ASKS;
}

static int find_expressions(const struct nlattr *a, void *context)
{
	const struct nlattr **found = context;

	if (mnl_attr_get_type(a) == NFTA_RULE_EXPRESSIONS)
		*found = a;
	return MNL_CB_OK;
}

bool nft_final_drops(const struct nlmsghdr *message)
{
	const struct nlattr *all = NULL, *e;

	if (mnl_attr_parse(message, sizeof(struct nfgenmsg), find_expressions, &all) != MNL_CB_OK || !all ||
	    mnl_attr_validate(all, MNL_TYPE_NESTED) < 0)
		return false;
	mnl_attr_for_each_nested(e, all)
	{
		enum rule r = mnl_attr_get_type(e) == NFTA_LIST_ELEM ? judge(e) : RULE_ASKS;

		if (r != RULE_GOES_ON)
			return r == RULE_DROPS;
	}
	return false;
}
