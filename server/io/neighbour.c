/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/neighbour.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "codec/codec.h"
#include "server/io/netlink.h"

struct found {
	struct conf_mac mac;
	bool yes;
	bool missing;
};

static int neighbour_read(const struct nlmsghdr *h, void *context)
{
	struct found *f = context;
	const struct ndmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;

	if (h->nlmsg_type != RTM_NEWNEIGH || mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return NETLINK_MORE;
	f->missing = m->ndm_state & (NUD_INCOMPLETE | NUD_FAILED);
	if (f->missing || m->ndm_state & NUD_NOARP)
		return NETLINK_MORE;
	mnl_attr_for_each(a, h, sizeof(*m))
	{
		if (mnl_attr_get_type(a) == NDA_LLADDR && mnl_attr_get_payload_len(a) == sizeof(f->mac.octets)) {
			memcpy(f->mac.octets, mnl_attr_get_payload(a), sizeof(f->mac.octets));
			f->yes = true;
		}
	}
	return NETLINK_MORE;
}

static void address_put(struct nlmsghdr *h, uint16_t type, bool v4, const struct in6_addr *a)
{
	if (v4)
		mnl_attr_put_u32(h, type, htonl(codec_to_v4(a)));
	else
		mnl_attr_put(h, type, sizeof(*a), a);
}

static int look_up(struct netlink *n, uint32_t ifindex, const struct in6_addr *client, struct found *f)
{
	char buffer[128] __attribute__((aligned(8)));
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	struct ndmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	bool v4 = codec_is_v4(client);

	h->nlmsg_type = RTM_GETNEIGH;
	m->ndm_family = v4 ? AF_INET : AF_INET6;
	m->ndm_ifindex = (int)ifindex;
	address_put(h, NDA_DST, v4, client);
	return netlink_ask_over(n, NETLINK_ROUTE, h, neighbour_read, f);
}

int neighbour_mac(uint32_t ifindex, const struct in6_addr *client, struct conf_mac *mac)
{
	struct netlink n = {0};
	struct found f = {0};
	int error = look_up(&n, ifindex, client, &f);

	netlink_close(&n);
	if (error)
		return error;
	if (!f.yes)
		return -ENOENT;
	*mac = f.mac;
	return 0;
}

/* Whom the kernel hands a packet to on the link. */
struct hop {
	struct in6_addr address; /* IPv4 may go by a router's IPv6 address */
	uint32_t ifindex;
};

static void address_read(const uint8_t *octets, size_t length, struct in6_addr *a)
{
	uint32_t v4;

	if (length == sizeof(*a))
		memcpy(a, octets, sizeof(*a));
	else if (length == sizeof(v4)) {
		memcpy(&v4, octets, sizeof(v4));
		*a = codec_from_v4(ntohl(v4));
	}
}

static int hop_read(const struct nlmsghdr *h, void *context)
{
	struct hop *hop = context;
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;

	if (h->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return NETLINK_MORE;
	mnl_attr_for_each(a, h, sizeof(*m))
	{
		const uint8_t *octets = mnl_attr_get_payload(a);
		size_t length = mnl_attr_get_payload_len(a);

		if (mnl_attr_get_type(a) == RTA_GATEWAY)
			address_read(octets, length, &hop->address);
		else if (mnl_attr_get_type(a) == RTA_VIA && length > sizeof(struct rtvia))
			address_read(octets + sizeof(struct rtvia), length - sizeof(struct rtvia), &hop->address);
		else if (mnl_attr_get_type(a) == RTA_OIF && length == sizeof(hop->ifindex))
			hop->ifindex = mnl_attr_get_u32(a);
	}
	return NETLINK_MORE;
}

/* The way of what is sent from source (NULL: from any) by ifindex. If nobody knows a router: to the host itself. */
static void hop_ask(struct netlink *n, uint32_t ifindex, const struct in6_addr *source,
		    const struct in6_addr *destination, struct hop *hop)
{
	char buffer[128] __attribute__((aligned(8)));
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	bool v4 = codec_is_v4(destination);

	h->nlmsg_type = RTM_GETROUTE;
	m->rtm_family = v4 ? AF_INET : AF_INET6;
	m->rtm_dst_len = v4 ? 32 : 128;
	address_put(h, RTA_DST, v4, destination);
	if (source) {
		m->rtm_src_len = m->rtm_dst_len;
		address_put(h, RTA_SRC, v4, source);
	}
	if (ifindex)
		mnl_attr_put_u32(h, RTA_OIF, ifindex);
	*hop = (struct hop){*destination, ifindex};
	netlink_ask_over(n, NETLINK_ROUTE, h, hop_read, hop);
}

/* With a source the kernel may tell another interface for IPv6, which a socket that is bound to one would not use. */
static void hop_find(struct netlink *n, uint32_t ifindex, const struct in6_addr *source,
		     const struct in6_addr *destination, struct hop *hop)
{
	hop_ask(n, ifindex, codec_is_unspecified(source) ? NULL : source, destination, hop);
	if (ifindex && hop->ifindex != ifindex)
		hop_ask(n, ifindex, NULL, destination, hop);
}

bool neighbour_missing(struct netlink *n, uint32_t ifindex, const struct in6_addr *source,
		       const struct in6_addr *destination)
{
	struct found f = {0};
	struct hop hop;

	hop_find(n, ifindex, source, destination, &hop);
	return look_up(n, hop.ifindex, &hop.address, &f) == 0 && f.missing;
}
