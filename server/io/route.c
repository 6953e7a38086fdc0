/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/route.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "codec/codec.h"
#include "server/io/netlink.h"

static int route_read(const struct nlmsghdr *h, void *context)
{
	uint32_t *ifindex = context;
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;

	if (h->nlmsg_type != RTM_NEWROUTE || m->rtm_type != RTN_UNICAST)
		return NETLINK_MORE;
	mnl_attr_for_each(a, h, sizeof(*m))
	{
		if (mnl_attr_get_type(a) == RTA_OIF && mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
			*ifindex = mnl_attr_get_u32(a);
	}
	return NETLINK_MORE;
}

static uint32_t ask(const struct in6_addr *address)
{
	char buffer[128] __attribute__((aligned(8)));
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	bool v4 = codec_is_v4(address);
	uint32_t ifindex = 0;

	h->nlmsg_type = RTM_GETROUTE;
	m->rtm_family = v4 ? AF_INET : AF_INET6;
	m->rtm_dst_len = v4 ? 32 : 128;
	if (v4)
		mnl_attr_put_u32(h, RTA_DST, htonl(codec_to_v4(address)));
	else
		mnl_attr_put(h, RTA_DST, sizeof(*address), address);
	return netlink_ask(NETLINK_ROUTE, h, route_read, &ifindex) == 0 ? ifindex : 0;
}

uint32_t route_interface(struct route_cache *c, const struct in6_addr *a, uint64_t now_ms)
{
	uint32_t hash = 0;
	struct route_entry *e;

	for (size_t i = 0; i < sizeof(a->s6_addr); i++)
		hash = hash * 31 + a->s6_addr[i];
	e = &c->v[(hash ^ hash >> 16) % ROUTE_CACHE_SIZE];
	if (now_ms >= e->until_ms || memcmp(&e->address, a, sizeof(*a)) != 0)
		*e = (struct route_entry){.address = *a, .ifindex = ask(a), .until_ms = now_ms + ROUTE_CACHE_MS};
	return e->ifindex;
}
