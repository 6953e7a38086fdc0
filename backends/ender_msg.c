/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/ender_msg.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "backends/conntrack_msg.h"
#include "codec/codec.h"

static struct nlmsghdr *begin(void *out, uint16_t type, uint16_t flags, uint8_t family, uint32_t seq)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(out);
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));

	h->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_seq = seq;
	g->nfgen_family = family;
	g->version = NFNETLINK_V0;
	return h;
}

size_t ender_msg_ask(void *out, uint32_t value, uint32_t mask, uint32_t seq)
{
	struct nlmsghdr *h = begin(out, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC, seq);

	mnl_attr_put_u32(h, CTA_MARK, htonl(value));
	mnl_attr_put_u32(h, CTA_MARK_MASK, htonl(mask));
	return NLMSG_ALIGN(h->nlmsg_len);
}

static void put_copy(struct nlmsghdr *h, const struct nlattr *a)
{
	if (a)
		mnl_attr_put(h, a->nla_type, mnl_attr_get_payload_len(a), mnl_attr_get_payload(a));
}

static struct nlmsghdr *begin_flow(void *out, uint16_t type, const struct ender_flow *f, uint32_t seq)
{
	struct nlmsghdr *h = begin(out, type, 0, codec_is_v4(&f->remote_address) ? AF_INET : AF_INET6, seq);

	put_copy(h, f->tuple);
	put_copy(h, f->zone);
	put_copy(h, f->id);
	return h;
}

size_t ender_msg_forget(void *out, const struct ender_flow *f, uint32_t seq)
{
	return NLMSG_ALIGN(begin_flow(out, IPCTNL_MSG_CT_DELETE, f, seq)->nlmsg_len);
}

/*
 * The kernel refuses a status that takes back what it has found out itself, which may be more by now than was read: so all of
 * it is said. Of the other bits it changes none.
 */
size_t ender_msg_doom(void *out, const struct ender_flow *f, uint32_t left_s, uint32_t seq)
{
	uint32_t status = IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED | IPS_FIXED_TIMEOUT;
	struct nlmsghdr *h = begin_flow(out, IPCTNL_MSG_CT_NEW, f, seq);

	mnl_attr_put_u32(h, CTA_STATUS, htonl(status | (f->status & IPS_EXPECTED)));
	mnl_attr_put_u32(h, CTA_TIMEOUT, htonl(left_s));
	return NLMSG_ALIGN(h->nlmsg_len);
}

enum { TUPLE_MAX = 160 }; /* octets: one with IPv6 addresses takes 80 */

/* Attributes by type; foreign types are left out. */
struct attributes {
	const struct nlattr *of[CTA_MAX + 1];
};

static int collect(const struct nlattr *a, void *context)
{
	struct attributes *t = context;

	if (mnl_attr_get_type(a) <= CTA_MAX)
		t->of[mnl_attr_get_type(a)] = a;
	return MNL_CB_OK;
}

static bool get_u32(const struct nlattr *a, uint32_t *value)
{
	if (!a || mnl_attr_get_payload_len(a) != sizeof(*value))
		return false;
	*value = ntohl(mnl_attr_get_u32(a));
	return true;
}

/* Nobody outside keeps a connection alive to which the host inside never answered. The kernel does not tell of one that is
 * handed to a flow table: there are packets. */
static uint32_t left_s(const struct attributes *t, bool begun_inside)
{
	uint32_t status, left;

	if (!begun_inside && get_u32(t->of[CTA_STATUS], &status) && !(status & IPS_SEEN_REPLY))
		return 0;
	return get_u32(t->of[CTA_TIMEOUT], &left) && left < UINT32_MAX ? left + 1 : UINT32_MAX;
}

/* The state of a TCP connection, TCP_CONNTRACK_NONE if it is none. */
static uint8_t tcp_state(const struct nlattr *info)
{
	struct attributes t = {0}, tcp = {0};
	const struct nlattr *state;

	if (!info || mnl_attr_parse_nested(info, collect, &t) != MNL_CB_OK || !t.of[CTA_PROTOINFO_TCP] ||
	    mnl_attr_parse_nested(t.of[CTA_PROTOINFO_TCP], collect, &tcp) != MNL_CB_OK)
		return TCP_CONNTRACK_NONE;
	state = tcp.of[CTA_PROTOINFO_TCP_STATE];
	return state && mnl_attr_get_payload_len(state) == 1 ? mnl_attr_get_u8(state) : TCP_CONNTRACK_NONE;
}

bool ender_msg_read(const struct nlmsghdr *message, uint32_t mark, struct ender_flow *f)
{
	struct attributes t = {0};
	struct conntrack_tuple original, reply, *in, *out;
	uint32_t connection, status = 0;
	uint8_t state;

	if (message->nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW) ||
	    mnl_attr_parse(message, sizeof(struct nfgenmsg), collect, &t) != MNL_CB_OK ||
	    !conntrack_msg_tuple(t.of[CTA_TUPLE_ORIG], &original) ||
	    !conntrack_msg_tuple(t.of[CTA_TUPLE_REPLY], &reply))
		return false;
	if (!get_u32(t.of[CTA_MARK], &connection) || t.of[CTA_TUPLE_ORIG]->nla_len > TUPLE_MAX)
		return false;
	get_u32(t.of[CTA_STATUS], &status);
	state = tcp_state(t.of[CTA_PROTOINFO]);
	/* in: what comes from the remote host; out: what the host inside sends */
	in = connection & mark ? &original : &reply;
	out = in == &original ? &reply : &original;
	*f = (struct ender_flow){.internal_address = out->source,
				 .external_address = in->destination,
				 .remote_address = in == &original ? original.source : original.destination,
				 .internal_port = out->source_port,
				 .external_port = in->destination_port,
				 .remote_port = in == &original ? original.source_port : original.destination_port,
				 .protocol = original.protocol,
				 .left_s = left_s(&t, in == &reply),
				 .runs = state != TCP_CONNTRACK_NONE && state < TCP_CONNTRACK_TIME_WAIT,
				 .status = status,
				 .original = original,
				 .reply = reply,
				 .tuple = t.of[CTA_TUPLE_ORIG],
				 .zone = t.of[CTA_ZONE],
				 .id = t.of[CTA_ID]};
	/* what goes out without a translation needs no mapping */
	return in == &original || memcmp(&f->internal_address, &f->external_address, sizeof(struct in6_addr)) != 0;
}
