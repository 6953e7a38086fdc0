/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_selftest_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <linux/veth.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "codec/codec.h"

#define BUFFER 4096

/* locally administered; the ends of the veth, and the host that is not there */
static const uint8_t here[6] = {0x02, 0x4e, 0x50, 0x43, 0x50, 0x01};
static const uint8_t there[6] = {0x02, 0x4e, 0x50, 0x43, 0x50, 0x02};
static const uint8_t nobody[6] = {0x02, 0x4e, 0x50, 0x43, 0x50, 0x03};

/* rtnetlink: one request, one answer */

static struct nlmsghdr *request(char *b, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(b);

	h->nlmsg_type = type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	h->nlmsg_seq = 1;
	return h;
}

/* Sends it and reads the answer, for callback; 0 or -errno. */
static int ask(struct nlmsghdr *h, int (*callback)(const struct nlmsghdr *, void *), void *context)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	char b[BUFFER] __attribute__((aligned(8)));
	int error = 0;
	ssize_t n;

	if (!s)
		return -errno;
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0 || mnl_socket_sendto(s, h, h->nlmsg_len) < 0 ||
	    (n = mnl_socket_recvfrom(s, b, sizeof(b))) < 0 ||
	    mnl_cb_run(b, (size_t)n, 1, mnl_socket_get_portid(s), callback, context) < 0)
		error = -errno;
	mnl_socket_close(s);
	return error;
}

static int change(struct nlmsghdr *h)
{
	h->nlmsg_flags |= NLM_F_ACK;
	return ask(h, NULL, NULL);
}

static void no_ipv6(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* a kernel without IPv6 */
	if (write(fd, "1", 1) < 0) {
		/* the worst is some multicasts between two ends that nobody else hears */
	}
	close(fd);
}

/* Calls what in the namespace; its value, or -errno. */
static int within(int space, int (*what)(void *), void *context)
{
	int back = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), value;

	if (back < 0)
		return -errno;
	if (setns(space, CLONE_NEWNET)) {
		value = -errno;
	} else {
		value = what(context);
		/* cannot fail: it is where we were */
		if (setns(back, CLONE_NEWNET))
			value = -errno;
	}
	close(back);
	return value;
}

int link_space(void)
{
	int back = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), space;

	if (back < 0)
		return -errno;
	if (unshare(CLONE_NEWNET)) {
		space = -errno;
	} else {
		no_ipv6("all");
		no_ipv6("default");
		space = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
		if (space < 0)
			space = -errno;
		if (setns(back, CLONE_NEWNET)) {
			int error = -errno;

			if (space >= 0)
				close(space);
			space = error;
		}
	}
	close(back);
	return space;
}

static int veth_make(const char *name, int space)
{
	char b[BUFFER];
	struct nlmsghdr *h = request(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct nlattr *info, *data, *peer;

	mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	mnl_attr_put(h, IFLA_ADDRESS, sizeof(here), here);
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(h, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	mnl_attr_put(h, IFLA_ADDRESS, sizeof(there), there);
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)space);
	mnl_attr_nest_end(h, peer);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
	return change(h);
}

static int up(int index)
{
	char b[BUFFER];
	struct nlmsghdr *h = request(b, RTM_NEWLINK, 0);
	struct ifinfomsg *i = mnl_nlmsg_put_extra_header(h, sizeof(*i));

	i->ifi_index = index;
	i->ifi_flags = IFF_UP;
	i->ifi_change = IFF_UP;
	return change(h);
}

static int qdisc(int index)
{
	char b[BUFFER];
	struct nlmsghdr *h = request(b, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);
	struct tcmsg *t = mnl_nlmsg_put_extra_header(h, sizeof(*t));

	t->tcm_ifindex = index;
	t->tcm_handle = TC_H_MAKE(TC_H_INGRESS, 0);
	t->tcm_parent = TC_H_INGRESS;
	mnl_attr_put_strz(h, TCA_KIND, "ingress");
	return change(h);
}

/* Every packet of a type that comes in there comes in at target instead. u32 is the classifier that every kernel has. */
static int redirect(int index, int target, uint16_t type)
{
	char b[BUFFER];
	struct nlmsghdr *h = request(b, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL);
	struct tcmsg *t = mnl_nlmsg_put_extra_header(h, sizeof(*t));
	/* with one key behind it, of which no bit is compared */
	char b_match[sizeof(struct tc_u32_sel) + sizeof(struct tc_u32_key)] __attribute__((aligned(8))) = {0};
	struct tc_u32_sel *match = (struct tc_u32_sel *)(void *)b_match;
	struct tc_mirred to = {.action = TC_ACT_STOLEN, .eaction = TCA_INGRESS_REDIR, .ifindex = (uint32_t)target};
	struct nlattr *options, *actions, *first, *parameters;

	t->tcm_ifindex = index;
	t->tcm_parent = TC_H_MAKE(TC_H_INGRESS, 0);
	t->tcm_info = TC_H_MAKE(type == ETH_P_IP ? 1u << 16 : 2u << 16, htons(type));
	mnl_attr_put_strz(h, TCA_KIND, "u32");
	options = mnl_attr_nest_start(h, TCA_OPTIONS);
	match->flags = TC_U32_TERMINAL;
	match->nkeys = 1;
	mnl_attr_put(h, TCA_U32_SEL, sizeof(b_match), match);
	actions = mnl_attr_nest_start(h, TCA_U32_ACT);
	first = mnl_attr_nest_start(h, 1);
	mnl_attr_put_strz(h, TCA_ACT_KIND, "mirred");
	parameters = mnl_attr_nest_start(h, TCA_ACT_OPTIONS);
	mnl_attr_put(h, TCA_MIRRED_PARMS, sizeof(to), &to);
	mnl_attr_nest_end(h, parameters);
	mnl_attr_nest_end(h, first);
	mnl_attr_nest_end(h, actions);
	mnl_attr_nest_end(h, options);
	return change(h);
}

/* In the namespace: its end up, and a packet socket on it. */
static int end_open(void *context)
{
	const char *name = context;
	int index = (int)if_nametoindex(name), fd, error;
	struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_ifindex = index};

	if (!index)
		return -errno;
	error = up(index);
	if (error)
		return error;
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !bind(fd, (struct sockaddr *)&a, sizeof(a)))
		return fd;
	error = -errno;
	if (fd >= 0)
		close(fd);
	return error;
}

int link_open(struct link *l, int space, const char *name, int target, const char **why)
{
	char copy[IF_NAMESIZE];
	int error = veth_make(name, space);

	l->fd = -1;
	l->index = 0;
	*why = "a veth cannot be made";
	if (error)
		return error;
	l->index = (int)if_nametoindex(name);
	no_ipv6(name);
	*why = "packets cannot be handed to the interface: the kernel needs sch_ingress, cls_u32 and act_mirred"
	       " (OpenWrt: kmod-sched-core)";
	error = qdisc(l->index);
	if (!error)
		error = redirect(l->index, target, ETH_P_IP);
	if (!error)
		error = redirect(l->index, target, ETH_P_IPV6);
	if (error)
		return error;
	*why = "the end in the namespace cannot be opened";
	error = up(l->index);
	if (error)
		return error;
	snprintf(copy, sizeof(copy), "%s", name);
	l->fd = within(space, end_open, copy);
	return l->fd < 0 ? l->fd : 0;
}

void link_close(struct link *l)
{
	char b[BUFFER];
	struct nlmsghdr *h = request(b, RTM_DELLINK, 0);
	struct ifinfomsg *i = mnl_nlmsg_put_extra_header(h, sizeof(*i));

	if (l->fd >= 0)
		close(l->fd);
	i->ifi_index = l->index;
	if (l->index)
		change(h);
	l->fd = -1;
	l->index = 0;
}

int link_send(const struct link *l, const uint8_t *packet, size_t length)
{
	uint16_t type = length && packet[0] >> 4 == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP;
	uint8_t frame[ETH_FRAME_LEN];
	ssize_t n;

	if (length > ETH_DATA_LEN)
		return -EMSGSIZE;
	memcpy(frame, here, 6);
	memcpy(frame + 6, there, 6);
	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
	memcpy(frame + ETH_HLEN, packet, length);
	n = send(l->fd, frame, ETH_HLEN + length, 0);
	return n < 0 ? -errno : 0;
}

/* Appends the address in the form of its family, which is returned. */
static unsigned char put_address(struct nlmsghdr *h, uint16_t type, const struct in6_addr *address)
{
	bool v4 = codec_is_v4(address);

	mnl_attr_put(h, type, v4 ? 4 : 16, address->s6_addr + (v4 ? 12 : 0));
	return v4 ? AF_INET : AF_INET6;
}

static int neighbour(uint16_t type, uint16_t flags, int index, const struct in6_addr *address)
{
	char b[BUFFER];
	struct nlmsghdr *h = request(b, type, flags);
	struct ndmsg *n = mnl_nlmsg_put_extra_header(h, sizeof(*n));

	n->ndm_ifindex = index;
	n->ndm_state = NUD_REACHABLE;
	n->ndm_family = put_address(h, NDA_DST, address);
	if (type == RTM_NEWNEIGH)
		mnl_attr_put(h, NDA_LLADDR, sizeof(nobody), nobody);
	return change(h);
}

int link_neighbour(int index, const struct in6_addr *address)
{
	return neighbour(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, index, address);
}

int link_neighbour_forget(int index, const struct in6_addr *address)
{
	return neighbour(RTM_DELNEIGH, 0, index, address);
}

static int route(const struct nlmsghdr *h, void *context)
{
	const struct nlattr *a;
	int *index = context;

	if (h->nlmsg_type != RTM_NEWROUTE)
		return MNL_CB_OK;
	mnl_attr_for_each(a, h, sizeof(struct rtmsg)) if (mnl_attr_get_type(a) == RTA_OIF &&
							  mnl_attr_get_payload_len(a) >= 4) *index =
	    (int)mnl_attr_get_u32(a);
	return MNL_CB_STOP;
}

int link_route(const struct in6_addr *address)
{
	char b[BUFFER];
	struct nlmsghdr *h = request(b, RTM_GETROUTE, 0);
	struct rtmsg *r = mnl_nlmsg_put_extra_header(h, sizeof(*r));
	int index = 0;

	r->rtm_family = put_address(h, RTA_DST, address);
	r->rtm_dst_len = r->rtm_family == AF_INET ? 32 : 128;
	ask(h, route, &index);
	return index;
}
