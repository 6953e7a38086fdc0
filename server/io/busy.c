/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/busy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "server/io/netlink.h"

#define DUMP_TRIES 4

struct reading {
	struct busy *busy;
	const uint32_t *outside;
	size_t outside_n;
	uint8_t protocol;
};

static bool outside(const struct reading *r, uint32_t ifindex)
{
	for (size_t i = 0; i < r->outside_n; i++) {
		if (r->outside[i] == ifindex)
			return true;
	}
	return ifindex == 0; /* not bound to an interface */
}

static bool v6_only(const struct nlmsghdr *h)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct inet_diag_msg))
	{
		if (mnl_attr_get_type(a) == INET_DIAG_SKV6ONLY && mnl_attr_validate(a, MNL_TYPE_U8) >= 0)
			return mnl_attr_get_u8(a);
	}
	return false;
}

static bool loopback(const struct in6_addr *a)
{
	return codec_is_v4(a) ? codec_to_v4(a) >> 24 == 127 : IN6_IS_ADDR_LOOPBACK(a);
}

static int socket_read(const struct nlmsghdr *h, void *context)
{
	struct reading *r = context;
	struct busy *b = r->busy;
	const struct inet_diag_msg *m = mnl_nlmsg_get_payload(h);
	struct in6_addr a;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return NETLINK_MORE;
	if (m->idiag_family == AF_INET)
		a = codec_from_v4(ntohl(m->id.idiag_src[0]));
	else
		memcpy(&a, m->id.idiag_src, sizeof(a));
	if (!m->id.idiag_sport || loopback(&a) || !outside(r, m->id.idiag_if) ||
	    (IN6_IS_ADDR_UNSPECIFIED(&a) && v6_only(h)))
		return NETLINK_MORE;
	if (b->n == b->room) {
		size_t room = b->room ? b->room * 2 : 64;
		struct engine_busy *v = reallocarray(b->v, room, sizeof(*v));

		if (!v) {
			errno = ENOMEM;
			return NETLINK_FAILED;
		}
		b->v = v;
		b->room = room;
	}
	b->v[b->n++] = (struct engine_busy){.address = a, .port = ntohs(m->id.idiag_sport), .protocol = r->protocol};
	return NETLINK_MORE;
}

static int dump(struct reading *r, uint8_t family, uint8_t protocol, uint32_t states)
{
	char buffer[128] __attribute__((aligned(8)));
	size_t before = r->busy->n;
	int error = -EAGAIN;

	r->protocol = protocol;
	for (unsigned tries = 0; error == -EAGAIN && tries < DUMP_TRIES; tries++) {
		struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
		struct inet_diag_req_v2 *q = mnl_nlmsg_put_extra_header(h, sizeof(*q));

		h->nlmsg_type = SOCK_DIAG_BY_FAMILY;
		h->nlmsg_flags = NLM_F_DUMP;
		q->sdiag_family = family;
		q->sdiag_protocol = protocol;
		q->idiag_states = states;
		r->busy->n = before;
		error = netlink_ask(NETLINK_SOCK_DIAG, h, socket_read, r);
	}
	return error;
}

int busy_read(struct busy *b, const uint32_t *interfaces, size_t n)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	/* an unconnected socket without connections is in the state that TCP calls closed */
	static const struct {
		uint8_t protocol;
		uint32_t states;
	} kinds[] = {
	    {IPPROTO_TCP, 1U << TCP_LISTEN},  {IPPROTO_UDP, 1U << TCP_CLOSE},	  {IPPROTO_SCTP, 1U << TCP_LISTEN},
	    {IPPROTO_DCCP, 1U << TCP_LISTEN}, {IPPROTO_UDPLITE, 1U << TCP_CLOSE},
	};
	struct reading r = {.busy = b, .outside = interfaces, .outside_n = n};
	const size_t kinds_n = sizeof(kinds) / sizeof(kinds[0]);
	int error = 0;

	b->n = 0;
	for (size_t i = 0; !error && i < sizeof(families) * kinds_n; i++) {
		size_t kind = i / sizeof(families);

		error = dump(&r, families[i % sizeof(families)], kinds[kind].protocol, kinds[kind].states);
		/* the kernel has no such sockets, or cannot tell of them; it loads nothing for the question's sake */
		if (error == -ENOENT && kinds[kind].protocol != IPPROTO_TCP && kinds[kind].protocol != IPPROTO_UDP)
			error = 0;
	}
	return error;
}

void busy_clear(struct busy *b)
{
	free(b->v);
	memset(b, 0, sizeof(*b));
}
