/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_selftest_event.h"

#include <arpa/inet.h>
#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "codec/codec.h"

static void copy(char out[EVENT_NAME], const char *from)
{
	size_t n = strnlen(from, EVENT_NAME - 1);

	memcpy(out, from, n);
	out[n] = '\0';
}

static void judge(struct event *e, uint32_t type, bool told, uint32_t code)
{
	/* jump, return and continue are no verdict under the mask */
	if (told && (type == NFT_TRACETYPE_RULE || type == NFT_TRACETYPE_POLICY)) {
		e->dropped = (code & NF_VERDICT_MASK) == NF_DROP;
		e->queued = (code & NF_VERDICT_MASK) == NF_QUEUE;
	}
}

static int verdict(const struct nlattr *a, void *context)
{
	uint32_t *code = context;

	if (mnl_attr_get_type(a) == NFTA_VERDICT_CODE && mnl_attr_get_payload_len(a) >= 4)
		*code = ntohl(mnl_attr_get_u32(a));
	return MNL_CB_OK;
}

/* The source address in an IP header. */
static struct in6_addr source(const struct nlattr *a)
{
	const uint8_t *h = mnl_attr_get_payload(a);
	struct in6_addr v = IN6ADDR_ANY_INIT;

	if (mnl_attr_get_payload_len(a) >= 40 && h[0] >> 4 == 6)
		memcpy(&v, h + 8, 16);
	else if (mnl_attr_get_payload_len(a) >= 20 && h[0] >> 4 == 4)
		v = codec_from_v4((uint32_t)h[12] << 24 | (uint32_t)h[13] << 16 | (uint32_t)h[14] << 8 | h[15]);
	return v;
}

bool event_parse(const void *message, size_t length, struct event *e)
{
	const struct nlmsghdr *h = message;
	const struct nlattr *a;
	uint32_t type = 0, code = 0;
	bool told = false;

	memset(e, 0, sizeof(*e));
	/* libmnl reads to the end of the padding */
	if (!mnl_nlmsg_ok(h, (int)length) || MNL_ALIGN(h->nlmsg_len) > length ||
	    h->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(struct nfgenmsg) ||
	    h->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_TRACE))
		return false;
	e->place.family = ((const struct nfgenmsg *)mnl_nlmsg_get_payload(h))->nfgen_family;
	mnl_attr_for_each(a, h, sizeof(struct nfgenmsg))
	{
		bool word = mnl_attr_get_payload_len(a) >= 4;

		switch (mnl_attr_get_type(a)) {
		case NFTA_TRACE_TABLE:
			if (mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
				copy(e->place.table, mnl_attr_get_str(a));
			break;
		case NFTA_TRACE_CHAIN:
			if (mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
				copy(e->place.chain, mnl_attr_get_str(a));
			break;
		case NFTA_TRACE_RULE_HANDLE:
			if (mnl_attr_get_payload_len(a) >= 8)
				e->place.rule = be64toh(mnl_attr_get_u64(a));
			break;
		case NFTA_TRACE_TYPE:
			type = word ? ntohl(mnl_attr_get_u32(a)) : 0;
			break;
		case NFTA_TRACE_ID:
			e->id = word ? mnl_attr_get_u32(a) : 0;
			break;
		case NFTA_TRACE_NETWORK_HEADER:
			e->source = source(a);
			break;
		case NFTA_TRACE_VERDICT:
			told = mnl_attr_parse_nested(a, verdict, &code) == MNL_CB_OK;
			break;
		case NFTA_TRACE_POLICY:
			if (word) {
				told = true;
				code = ntohl(mnl_attr_get_u32(a));
			}
			break;
		default:
			break;
		}
	}
	judge(e, type, told, code);
	return true;
}

const char *event_family(uint8_t family)
{
	switch (family) {
	case NFPROTO_INET:
		return "inet";
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	case NFPROTO_BRIDGE:
		return "bridge";
	case NFPROTO_NETDEV:
		return "netdev";
	default:
		return "other";
	}
}
