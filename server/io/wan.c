/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/wan.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "codec/codec.h"
#include "server/io/netlink.h"

#define DUMP_TRIES 8   /* a dump that the kernel calls inconsistent is asked for again */
#define HEARD_MAX  256 /* links and addresses that are remembered of the messages between two readings */

struct link {
	uint32_t ifindex;
	uint32_t flags; /* only IFF_UP and IFF_LOOPBACK are kept: the rest changes without meaning to us */
	char name[IF_NAMESIZE];
};

struct address {
	uint32_t ifindex;
	uint32_t flags;
	struct in6_addr local;
	struct in6_addr subnet; /* of the other end on a point-to-point link */
	uint8_t prefix;		/* of 128 bits */
	uint8_t scope;
	uint8_t ipv6;
	uint8_t unused;
};

struct tables {
	struct link *links; /* as the kernel lists them */
	size_t links_n, links_room;
	struct address *addresses; /* as the kernel lists them: the primary address first */
	size_t addresses_n, addresses_room;
	struct address *sorted; /* by (ifindex, local) */
};

struct wan {
	struct mnl_socket *watch;
	struct tables now;
	struct tables heard;   /* what messages said is there, since the last reading; not sorted */
	struct tables between; /* and between that one and the one before */
};

static void tables_clear(struct tables *t)
{
	free(t->links);
	free(t->addresses);
	free(t->sorted);
	memset(t, 0, sizeof(*t));
}

/* Makes room for one more element; the vector may move. False if out of memory. */
static bool room(void **v, size_t n, size_t *capacity, size_t size)
{
	size_t want = *capacity ? *capacity * 2 : 16;
	void *bigger;

	if (n < *capacity)
		return true;
	bigger = reallocarray(*v, want, size);
	if (!bigger)
		return false;
	*v = bigger;
	*capacity = want;
	return true;
}

static int link_read(const struct nlmsghdr *h, void *context)
{
	struct tables *t = context;
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;
	struct link *l;

	if (h->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(h) < sizeof(*info))
		return NETLINK_MORE;
	if (!room((void **)&t->links, t->links_n, &t->links_room, sizeof(*t->links))) {
		errno = ENOMEM;
		return NETLINK_FAILED;
	}
	l = &t->links[t->links_n];
	memset(l, 0, sizeof(*l));
	l->ifindex = (uint32_t)info->ifi_index;
	l->flags = info->ifi_flags & (IFF_UP | IFF_LOOPBACK);
	mnl_attr_for_each(a, h, sizeof(*info))
	{
		if (mnl_attr_get_type(a) == IFLA_IFNAME && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
			strncpy(l->name, mnl_attr_get_str(a), sizeof(l->name) - 1);
	}
	t->links_n++;
	return NETLINK_MORE;
}

static bool attribute_address(const struct nlattr *a, bool ipv6, struct in6_addr *out)
{
	uint32_t v4;

	if (ipv6) {
		if (mnl_attr_get_payload_len(a) != sizeof(*out))
			return false;
		memcpy(out, mnl_attr_get_payload(a), sizeof(*out));
		return true;
	}
	if (mnl_attr_get_payload_len(a) != sizeof(v4))
		return false;
	memcpy(&v4, mnl_attr_get_payload(a), sizeof(v4));
	*out = codec_from_v4(ntohl(v4));
	return true;
}

static int address_read(const struct nlmsghdr *h, void *context)
{
	struct tables *t = context;
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;
	struct address *x;
	bool ipv6, local = false, subnet = false;

	if (h->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(h) < sizeof(*info))
		return NETLINK_MORE;
	ipv6 = info->ifa_family == AF_INET6;
	if ((info->ifa_family != AF_INET && !ipv6) || info->ifa_prefixlen > (ipv6 ? 128 : 32))
		return NETLINK_MORE;
	if (!room((void **)&t->addresses, t->addresses_n, &t->addresses_room, sizeof(*t->addresses))) {
		errno = ENOMEM;
		return NETLINK_FAILED;
	}
	x = &t->addresses[t->addresses_n];
	memset(x, 0, sizeof(*x));
	x->ifindex = info->ifa_index;
	x->flags = info->ifa_flags;
	x->scope = info->ifa_scope;
	x->ipv6 = ipv6;
	x->prefix = (uint8_t)(info->ifa_prefixlen + (ipv6 ? 0 : 96));
	mnl_attr_for_each(a, h, sizeof(*info))
	{
		switch (mnl_attr_get_type(a)) {
		case IFA_LOCAL:
			local = attribute_address(a, ipv6, &x->local);
			break;
		case IFA_ADDRESS:
			subnet = attribute_address(a, ipv6, &x->subnet);
			break;
		case IFA_FLAGS:
			if (mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
				x->flags = mnl_attr_get_u32(a);
			break;
		}
	}
	/* IPv6 addresses without a peer come as IFA_ADDRESS alone */
	if (!local)
		x->local = x->subnet;
	if (!subnet)
		x->subnet = x->local;
	/* the flags that matter; IFA_F_PERMANENT and the like say nothing. What is TEMPORARY in IPv6 is SECONDARY in IPv4 */
	x->flags &= IFA_F_TENTATIVE | IFA_F_DEPRECATED | IFA_F_TEMPORARY;
	if (local || subnet)
		t->addresses_n++;
	return NETLINK_MORE;
}

static int dump(uint16_t type, size_t extra, netlink_fn *fn, struct tables *t)
{
	char buffer[64] __attribute__((aligned(8)));
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(h, extra);
	return netlink_ask(NETLINK_ROUTE, h, fn, t);
}

static int address_compare(const void *a, const void *b)
{
	const struct address *x = a, *y = b;

	if (x->ifindex != y->ifindex)
		return x->ifindex < y->ifindex ? -1 : 1;
	return memcmp(&x->local, &y->local, sizeof(x->local));
}

static int tables_read(struct tables *t)
{
	int error = -EAGAIN;

	for (unsigned tries = 0; error == -EAGAIN && tries < DUMP_TRIES; tries++) {
		tables_clear(t);
		error = dump(RTM_GETLINK, sizeof(struct ifinfomsg), link_read, t);
		if (!error)
			error = dump(RTM_GETADDR, sizeof(struct ifaddrmsg), address_read, t);
	}
	if (!error && t->addresses_n) {
		t->sorted = calloc(t->addresses_n, sizeof(*t->sorted));
		if (!t->sorted)
			error = -ENOMEM;
	}
	if (error) {
		tables_clear(t);
		return error;
	}
	if (t->addresses_n) {
		memcpy(t->sorted, t->addresses, t->addresses_n * sizeof(*t->sorted));
		qsort(t->sorted, t->addresses_n, sizeof(*t->sorted), address_compare);
	}
	return 0;
}

static bool tables_same(const struct tables *a, const struct tables *b)
{
	return a->links_n == b->links_n && a->addresses_n == b->addresses_n &&
	       (!a->links_n || !memcmp(a->links, b->links, a->links_n * sizeof(*a->links))) &&
	       (!a->addresses_n || !memcmp(a->addresses, b->addresses, a->addresses_n * sizeof(*a->addresses)));
}

int wan_open(struct wan **out)
{
	struct wan *w = calloc(1, sizeof(*w));
	int error;

	if (!w)
		return -ENOMEM;
	/* the watch first, then the tables: no change falls between them */
	w->watch = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!w->watch ||
	    mnl_socket_bind(w->watch, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR, MNL_SOCKET_AUTOPID) < 0)
		error = -errno;
	else
		error = tables_read(&w->now);
	if (error) {
		wan_close(w);
		return error;
	}
	*out = w;
	return 0;
}

void wan_close(struct wan *w)
{
	if (!w)
		return;
	if (w->watch)
		mnl_socket_close(w->watch);
	tables_clear(&w->now);
	tables_clear(&w->heard);
	tables_clear(&w->between);
	free(w);
}

int wan_fd(const struct wan *w)
{
	return mnl_socket_get_fd(w->watch);
}

/* What does not fit is forgotten: then an absence that was interrupted may count as one. */
static void hear(struct tables *t, const struct nlmsghdr *h, size_t n)
{
	int rest = (int)n;

	for (; mnl_nlmsg_ok(h, rest); h = mnl_nlmsg_next(h, &rest)) {
		if (t->links_n < HEARD_MAX)
			link_read(h, t);
		if (t->addresses_n < HEARD_MAX)
			address_read(h, t);
	}
}

bool wan_drain(struct wan *w)
{
	char buffer[8192] __attribute__((aligned(8)));
	bool any = false;
	ssize_t n;

	for (;;) {
		n = recv(mnl_socket_get_fd(w->watch), buffer, sizeof(buffer), MSG_DONTWAIT);
		if (n > 0) {
			any = true;
			hear(&w->heard, (const struct nlmsghdr *)buffer, (size_t)n);
		} else if (n < 0 && errno == ENOBUFS) /* messages were lost, which says as much as a message */
			any = true;
		else if (n == 0 || errno != EINTR)
			return any;
	}
}

int wan_refresh(struct wan *w)
{
	struct tables t = {0};
	int error;

	wan_drain(w);
	error = tables_read(&t);
	if (error)
		return error;
	tables_clear(&w->between);
	w->between = w->heard;
	memset(&w->heard, 0, sizeof(w->heard));
	if (tables_same(&w->now, &t)) {
		tables_clear(&t);
		return 0;
	}
	tables_clear(&w->now);
	w->now = t;
	return 1;
}

static const struct link *link_named(const struct wan *w, const char *interface)
{
	for (size_t i = 0; i < w->now.links_n; i++) {
		if (!strcmp(w->now.links[i].name, interface))
			return &w->now.links[i];
	}
	return NULL;
}

uint32_t wan_ifindex(const struct wan *w, const char *interface)
{
	const struct link *l = link_named(w, interface);

	return l ? l->ifindex : 0;
}

const char *wan_interface(const struct wan *w, uint32_t ifindex)
{
	for (size_t i = 0; i < w->now.links_n; i++) {
		if (w->now.links[i].ifindex == ifindex)
			return w->now.links[i].name;
	}
	return "";
}

bool wan_has(const struct wan *w, uint32_t ifindex, const struct in6_addr *a)
{
	struct address key = {.ifindex = ifindex, .local = *a};

	return w->now.addresses_n &&
	       bsearch(&key, w->now.sorted, w->now.addresses_n, sizeof(key), address_compare) != NULL;
}

static bool subnet_has(const struct address *x, const struct in6_addr *a)
{
	struct conf_prefix p = {x->subnet, x->prefix};

	return conf_prefix_has(&p, a);
}

/* An IPv4 subnet's own address and its broadcast address are nobody's, an IPv6 subnet's own one that of its routers (RFC
 * 4291 2.6.1), this one too. */
static bool nobody(const struct address *x, const struct in6_addr *a)
{
	uint32_t host;

	if (x->prefix > 126)
		return false;
	if (x->ipv6) {
		for (unsigned bit = x->prefix; bit < 128; bit++)
			if (a->s6_addr[bit / 8] & 0x80 >> bit % 8)
				return false;
		return true;
	}
	if (x->prefix < 96)
		return false;
	host = UINT32_MAX >> (x->prefix - 96);
	return (codec_to_v4(a) & host) == 0 || (codec_to_v4(a) & host) == host;
}

bool wan_on_link(const struct wan *w, uint32_t ifindex, const struct in6_addr *a)
{
	int here = -1, there = -1;

	if (IN6_IS_ADDR_LINKLOCAL(a)) /* every link has that subnet */
		return true;
	for (size_t i = 0; i < w->now.addresses_n; i++) {
		const struct address *x = &w->now.addresses[i];
		int *best = x->ifindex == ifindex ? &here : &there;

		if (!subnet_has(x, a))
			continue;
		if (nobody(x, a))
			return false;
		if (x->prefix > *best)
			*best = x->prefix;
	}
	return here >= 0 && here >= there;
}

uint32_t wan_interface_of(const struct wan *w, const struct in6_addr *a)
{
	uint32_t found = 0;

	for (size_t i = 0; i < w->now.addresses_n; i++) {
		const struct address *x = &w->now.addresses[i];

		if (!memcmp(&x->local, a, sizeof(*a)))
			return x->ifindex;
		if (!found && subnet_has(x, a))
			found = x->ifindex;
	}
	return found;
}

bool wan_primary(const struct wan *w, uint32_t ifindex, bool ipv6, struct in6_addr *a)
{
	const struct address *found = NULL;

	for (size_t i = 0; i < w->now.addresses_n; i++) {
		const struct address *x = &w->now.addresses[i];

		if (x->ifindex != ifindex || x->ipv6 != ipv6 || x->flags & IFA_F_TENTATIVE)
			continue;
		if (!found || (ipv6 && IN6_IS_ADDR_LINKLOCAL(&x->local) && !IN6_IS_ADDR_LINKLOCAL(&found->local)))
			found = x;
	}
	if (found)
		*a = found->local;
	return found != NULL;
}

bool wan_private(const struct in6_addr *a)
{
	uint32_t v4 = codec_to_v4(a);

	if (codec_is_unspecified(a))
		return true;
	if (!codec_is_v4(a)) /* global unicast is 2000::/3 */
		return (a->s6_addr[0] & 0xe0) != 0x20;
	return v4 >> 24 == 0 || v4 >> 24 == 10 || v4 >> 24 == 127 || v4 >> 20 == (172U << 4 | 1) ||
	       v4 >> 16 == (192U << 8 | 168) || v4 >> 16 == (169U << 8 | 254) || v4 >> 22 == (100U << 2 | 1) ||
	       v4 >> 28 >= 14;
}

/* What an outside address can never be, whatever the operator allows. */
static bool never_external(const struct in6_addr *a)
{
	uint32_t v4 = codec_to_v4(a);

	if (codec_is_unspecified(a))
		return true;
	if (!codec_is_v4(a))
		return IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_MULTICAST(a) || IN6_IS_ADDR_LINKLOCAL(a);
	return v4 >> 24 == 127 || v4 >> 28 >= 14;
}

static size_t pool(const struct conf_external *x, struct in6_addr *v, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < x->addresses.n; i++) {
		const struct conf_prefix *p = &x->addresses.v[i];
		unsigned bits = 128U - p->length;
		uint64_t count = bits < 32 ? 1ULL << bits : 1ULL << 32;

		for (uint64_t k = 0; k < count && n < max; k++) {
			uint32_t low;
			struct in6_addr a = p->address;

			memcpy(&low, &a.s6_addr[12], sizeof(low));
			low = htonl(ntohl(low) + (uint32_t)k);
			memcpy(&a.s6_addr[12], &low, sizeof(low));
			v[n++] = a;
		}
	}
	return n;
}

/* Of a pool only private IPv4 addresses that are refused in so many words are left out: the operator wrote them down. */
static size_t leave_private(struct in6_addr *v, size_t n, bool *refused, struct in6_addr *private_address)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (!codec_is_v4(&v[i]) || !wan_private(&v[i])) {
			v[kept++] = v[i];
		} else if (refused) {
			*refused = true;
			*private_address = v[i];
		}
	}
	return kept;
}

static bool usable(const struct address *x, uint32_t ifindex, bool ipv6)
{
	return x->ifindex == ifindex && x->ipv6 == ipv6 && x->scope == RT_SCOPE_UNIVERSE &&
	       !(x->flags & (IFA_F_TENTATIVE | (ipv6 ? IFA_F_DEPRECATED | IFA_F_TEMPORARY : 0))) &&
	       !never_external(&x->local);
}

/* As an outside address. */
static bool tables_have(const struct tables *t, uint32_t ifindex, const struct in6_addr *a)
{
	for (size_t i = 0; i < t->addresses_n; i++) {
		if (!memcmp(&t->addresses[i].local, a, sizeof(*a)) &&
		    usable(&t->addresses[i], ifindex, !codec_is_v4(a)))
			return true;
	}
	return false;
}

bool wan_was_there(const struct wan *w, const struct conf_external *x, const struct in6_addr *a)
{
	const struct tables *t;
	const struct link *l;

	if (!*x->interface)
		return false;
	t = &w->between;
	l = link_named(w, x->interface);
	if (l && l->flags & IFF_UP && tables_have(t, l->ifindex, a))
		return true;
	/* it was up, perhaps under another index */
	for (size_t i = 0; i < t->links_n; i++) {
		uint32_t ifindex = t->links[i].ifindex;

		if (t->links[i].flags & IFF_UP && !strcmp(t->links[i].name, x->interface) &&
		    (x->addresses.n || tables_have(&w->now, ifindex, a) || tables_have(t, ifindex, a)))
			return true;
	}
	return false;
}

size_t wan_addresses(const struct wan *w, uint32_t ifindex, struct in6_addr *v, size_t max)
{
	size_t n = 0;

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		for (size_t i = 0; ifindex && i < w->now.addresses_n && n < max; i++) {
			const struct address *a = &w->now.addresses[i];

			if (a->ifindex == ifindex && !codec_is_v4(&a->local) == ipv6)
				v[n++] = a->local;
		}
	}
	return n;
}

size_t wan_external(const struct wan *w, const struct conf_external *x, struct in6_addr *v, size_t max, bool *refused,
		    struct in6_addr *private_address)
{
	const struct link *l = *x->interface ? link_named(w, x->interface) : NULL;
	size_t n = 0;

	if (refused)
		*refused = false;
	if (*x->interface && (!l || !(l->flags & IFF_UP)))
		return 0;
	if (x->addresses.n) {
		n = pool(x, v, max);
		return x->nat && x->private_address == CONF_PRIVATE_REFUSE
			   ? leave_private(v, n, refused, private_address)
			   : n;
	}
	for (int ipv6 = 0; l && ipv6 < 2; ipv6++) {
		for (size_t i = 0; i < w->now.addresses_n && n < max; i++) {
			const struct address *a = &w->now.addresses[i];

			if (!usable(a, l->ifindex, ipv6))
				continue;
			/* without translation the outside address is the host's own, and a private one is no obstacle */
			if (x->nat && x->private_address != CONF_PRIVATE_ALLOW && wan_private(&a->local)) {
				if (refused && !ipv6) {
					*refused = true;
					*private_address = a->local;
				}
				continue;
			}
			v[n++] = a->local;
		}
	}
	return n;
}
