/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/conntrack_msg.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "codec/codec.h"

static void put_address(struct nlmsghdr *h, uint16_t v4, uint16_t v6, const struct in6_addr *a)
{
	if (codec_is_v4(a))
		mnl_attr_put(h, v4, 4, a->s6_addr + 12);
	else
		mnl_attr_put(h, v6, 16, a->s6_addr);
}

struct nlmsghdr *conntrack_msg_get(void *buffer, const struct conntrack_flow *f, uint32_t seq)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	struct nlattr *tuple, *part;

	h->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
	h->nlmsg_flags = NLM_F_REQUEST;
	h->nlmsg_seq = seq;
	g->nfgen_family = codec_is_v4(&f->internal_address) ? AF_INET : AF_INET6;
	g->version = NFNETLINK_V0;
	tuple = mnl_attr_nest_start(h, CTA_TUPLE_ORIG);
	part = mnl_attr_nest_start(h, CTA_TUPLE_IP);
	put_address(h, CTA_IP_V4_SRC, CTA_IP_V6_SRC, &f->internal_address);
	put_address(h, CTA_IP_V4_DST, CTA_IP_V6_DST, &f->remote_address);
	mnl_attr_nest_end(h, part);
	part = mnl_attr_nest_start(h, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(h, CTA_PROTO_NUM, f->protocol);
	mnl_attr_put_u16(h, CTA_PROTO_SRC_PORT, htons(f->internal_port));
	mnl_attr_put_u16(h, CTA_PROTO_DST_PORT, htons(f->remote_port));
	mnl_attr_nest_end(h, part);
	mnl_attr_nest_end(h, tuple);
	return h;
}

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

static bool nested(const struct nlattr *a, struct attributes *t)
{
	*t = (struct attributes){0};
	return a && mnl_attr_parse_nested(a, collect, t) == MNL_CB_OK;
}

static bool get_address(const struct nlattr *v4, const struct nlattr *v6, struct in6_addr *a)
{
	if (v4 && mnl_attr_get_payload_len(v4) == 4) {
		*a = codec_from_v4(ntohl(mnl_attr_get_u32(v4)));
		return true;
	}
	if (!v6 || mnl_attr_get_payload_len(v6) != 16)
		return false;
	memcpy(a, mnl_attr_get_payload(v6), 16);
	return true;
}

/* 0 for a protocol without ports. */
static bool get_port(const struct nlattr *a, uint16_t *port)
{
	*port = 0;
	if (!a)
		return true;
	if (mnl_attr_get_payload_len(a) != sizeof(*port))
		return false;
	*port = ntohs(mnl_attr_get_u16(a));
	return true;
}

bool conntrack_msg_tuple(const struct nlattr *a, struct conntrack_tuple *t)
{
	struct attributes tuple, part;

	if (!nested(a, &tuple) || !nested(tuple.of[CTA_TUPLE_IP], &part) ||
	    !get_address(part.of[CTA_IP_V4_SRC], part.of[CTA_IP_V6_SRC], &t->source) ||
	    !get_address(part.of[CTA_IP_V4_DST], part.of[CTA_IP_V6_DST], &t->destination) ||
	    !nested(tuple.of[CTA_TUPLE_PROTO], &part) || !part.of[CTA_PROTO_NUM] ||
	    mnl_attr_get_payload_len(part.of[CTA_PROTO_NUM]) != 1 ||
	    !get_port(part.of[CTA_PROTO_SRC_PORT], &t->source_port) ||
	    !get_port(part.of[CTA_PROTO_DST_PORT], &t->destination_port))
		return false;
	t->protocol = mnl_attr_get_u8(part.of[CTA_PROTO_NUM]);
	return true;
}

static bool is_of(const struct conntrack_tuple *t, const struct conntrack_flow *f)
{
	return t->protocol == f->protocol && t->source_port == f->internal_port &&
	       t->destination_port == f->remote_port &&
	       memcmp(&t->source, &f->internal_address, sizeof(t->source)) == 0 &&
	       memcmp(&t->destination, &f->remote_address, sizeof(t->destination)) == 0;
}

bool conntrack_msg_flow(const struct nlmsghdr *message, struct conntrack_flow *f)
{
	struct attributes all = {0};
	struct conntrack_tuple original, reply, *other;
	const struct nlattr *left;

	if (message->nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW) ||
	    mnl_attr_parse(message, sizeof(struct nfgenmsg), collect, &all) != MNL_CB_OK ||
	    !conntrack_msg_tuple(all.of[CTA_TUPLE_ORIG], &original) ||
	    !conntrack_msg_tuple(all.of[CTA_TUPLE_REPLY], &reply))
		return false;
	/* whoever began: the other direction goes to where the host inside is seen */
	other = is_of(&original, f) ? &reply : is_of(&reply, f) ? &original : NULL;
	if (!other)
		return false;
	left = all.of[CTA_TIMEOUT];
	f->external_address = other->destination;
	f->external_port = other->destination_port;
	f->left_s = left && mnl_attr_get_payload_len(left) == 4 ? ntohl(mnl_attr_get_u32(left)) : 0;
	return true;
}
