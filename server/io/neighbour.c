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

static int look_up(uint32_t ifindex, const struct in6_addr *client, struct found *f)
{
	char buffer[128] __attribute__((aligned(8)));
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	struct ndmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	bool v4 = codec_is_v4(client);

	h->nlmsg_type = RTM_GETNEIGH;
	m->ndm_family = v4 ? AF_INET : AF_INET6;
	m->ndm_ifindex = (int)ifindex;
	if (v4)
		mnl_attr_put_u32(h, NDA_DST, htonl(codec_to_v4(client)));
	else
		mnl_attr_put(h, NDA_DST, sizeof(*client), client);
	return netlink_ask(NETLINK_ROUTE, h, neighbour_read, f);
}

int neighbour_mac(uint32_t ifindex, const struct in6_addr *client, struct conf_mac *mac)
{
	struct found f = {0};
	int error = look_up(ifindex, client, &f);

	if (error)
		return error;
	if (!f.yes)
		return -ENOENT;
	*mac = f.mac;
	return 0;
}

bool neighbour_missing(uint32_t ifindex, const struct in6_addr *client)
{
	struct found f = {0};

	return look_up(ifindex, client, &f) == 0 && f.missing;
}
