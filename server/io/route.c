/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "codec/codec.h"

enum {
	CACHE_SIZE = 16384, /* a power of two */
	BELIEVED_MS = 1000,
};

struct entry {
	struct in6_addr address;
	uint32_t ifindex;
	uint64_t until_ms;
};

struct route {
	struct mnl_socket *socket;
	uint32_t sequence;
	struct entry cache[CACHE_SIZE];
};

int route_open(struct route **out)
{
	struct route *r = calloc(1, sizeof(*r));
	int error;

	if (!r)
		return -ENOMEM;
	r->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!r->socket || mnl_socket_bind(r->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		error = -errno;
		route_close(r);
		return error;
	}
	*out = r;
	return 0;
}

void route_close(struct route *r)
{
	if (!r)
		return;
	if (r->socket)
		mnl_socket_close(r->socket);
	free(r);
}

static int route_read(const struct nlmsghdr *h, void *context)
{
	uint32_t *ifindex = context;
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;

	if (h->nlmsg_type != RTM_NEWROUTE || m->rtm_type != RTN_UNICAST)
		return MNL_CB_STOP;
	mnl_attr_for_each(a, h, sizeof(*m))
	{
		if (mnl_attr_get_type(a) == RTA_OIF && mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
			*ifindex = mnl_attr_get_u32(a);
	}
	return MNL_CB_STOP;
}

/* The kernel answers before send returns, with one message. */
static uint32_t ask(struct route *r, const struct in6_addr *address)
{
	char buffer[4096] __attribute__((aligned(8)));
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	bool v4 = codec_is_v4(address);
	uint32_t ifindex = 0;
	ssize_t n;

	h->nlmsg_type = RTM_GETROUTE;
	h->nlmsg_flags = NLM_F_REQUEST;
	h->nlmsg_seq = ++r->sequence;
	m->rtm_family = v4 ? AF_INET : AF_INET6;
	m->rtm_dst_len = v4 ? 32 : 128;
	if (v4)
		mnl_attr_put_u32(h, RTA_DST, htonl(codec_to_v4(address)));
	else
		mnl_attr_put(h, RTA_DST, sizeof(*address), address);
	if (mnl_socket_sendto(r->socket, h, h->nlmsg_len) < 0)
		return 0;
	/* an answer to an earlier question that was given up is passed over by its sequence number */
	do {
		n = recv(mnl_socket_get_fd(r->socket), buffer, sizeof(buffer), MSG_DONTWAIT);
	} while (n > 0 &&
		 mnl_cb_run(buffer, (size_t)n, r->sequence, mnl_socket_get_portid(r->socket), route_read, &ifindex) <
		     0 &&
		 errno == EPROTO);
	return ifindex;
}

uint32_t route_interface(struct route *r, const struct in6_addr *a, uint64_t now_ms)
{
	uint32_t hash = 0;
	struct entry *e;

	for (size_t i = 0; i < sizeof(a->s6_addr); i++)
		hash = hash * 31 + a->s6_addr[i];
	e = &r->cache[(hash ^ hash >> 16) % CACHE_SIZE];
	if (now_ms >= e->until_ms || memcmp(&e->address, a, sizeof(*a)) != 0)
		*e = (struct entry){.address = *a, .ifindex = ask(r, a), .until_ms = now_ms + BELIEVED_MS};
	return e->ifindex;
}
