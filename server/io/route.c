/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "codec/codec.h"
#include "server/core/hash.h"

enum {
	SETS = 16384,
	WAYS = 2,
	BELIEVED_MS = 1000, /* whatever happens */
	KEPT_MS = 60000,    /* one that was right, while no route changes, or where it cannot be asked for again */
	QUESTIONS_MS = 50,  /* to the kernel in a millisecond, each a few microseconds, */
	QUESTIONS = 5000,   /* so many at once after a quiet time */
	NEWS = 16,	    /* messages of changes that are read at once */
};

struct entry {
	struct in6_addr address;
	uint32_t ifindex;
	bool right; /* the client came from there */
	bool used;
	uint32_t generation; /* of the routes */
	uint64_t asked_ms;
};

struct route {
	struct mnl_socket *socket;
	struct mnl_socket *news; /* hears of what may change a way */
	uint32_t generation;	 /* one more with each change that was heard of */
	uint64_t heard_ms;	 /* when it was last asked what there is to hear */
	uint32_t sequence;
	uint32_t questions; /* that are left */
	uint64_t refilled_ms;
	struct hash_key key; /* nobody can choose addresses that drive out another's */
	struct entry cache[SETS][WAYS];
};

/* What may change a way: routes, rules, links (which take their routes with them without a word). */
static int open_news(struct route *r)
{
	static const int groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,
				     RTNLGRP_IPV6_RULE};

	r->news = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!r->news || mnl_socket_bind(r->news, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(r->news, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			return -errno;
	}
	return 0;
}

int route_open(struct route **out)
{
	struct route *r = calloc(1, sizeof(*r));
	uint8_t seed[16];
	int error;

	if (!r)
		return -ENOMEM;
	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
		route_close(r);
		return -EIO;
	}
	r->key = hash_key_from(seed);
	r->questions = QUESTIONS;
	r->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!r->socket || mnl_socket_bind(r->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		error = -errno;
		route_close(r);
		return error;
	}
	error = open_news(r);
	if (error) {
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
	if (r->news)
		mnl_socket_close(r->news);
	free(r);
}

static int route_read(const struct nlmsghdr *h, void *context)
{
	uint32_t *ifindex = context;
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;

	if (h->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(h) < sizeof(*m) || m->rtm_type != RTN_UNICAST)
		return MNL_CB_STOP;
	mnl_attr_for_each(a, h, sizeof(*m))
	{
		if (mnl_attr_get_type(a) == RTA_OIF && mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
			*ifindex = mnl_attr_get_u32(a);
	}
	return MNL_CB_STOP;
}

/* The kernel answers before send returns, with one message. */
uint32_t route_interface(struct route *r, const struct in6_addr *address)
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

static bool may_ask(struct route *r, uint64_t now_ms)
{
	uint64_t passed_ms = now_ms > r->refilled_ms ? now_ms - r->refilled_ms : 0;
	uint64_t more = passed_ms < QUESTIONS ? passed_ms * QUESTIONS_MS : QUESTIONS;

	r->refilled_ms = now_ms;
	r->questions = r->questions + more < QUESTIONS ? r->questions + (uint32_t)more : QUESTIONS;
	if (r->questions == 0)
		return false;
	r->questions--;
	return true;
}

/* Hears of changes, once a millisecond. What is lost of them is a change, too. */
static void hear(struct route *r, uint64_t now_ms)
{
	char none[1];
	bool any = false;

	if (now_ms == r->heard_ms)
		return;
	r->heard_ms = now_ms;
	for (unsigned i = 0; i < NEWS; i++) {
		if (recv(mnl_socket_get_fd(r->news), none, sizeof(none), MSG_DONTWAIT) < 0 && errno != ENOBUFS)
			break;
		any = true;
	}
	r->generation += any;
}

static bool is_kept(const struct entry *e, uint64_t now_ms)
{
	return e->used && e->right && now_ms - e->asked_ms < KEPT_MS;
}

static bool is_believed(const struct route *r, const struct entry *e, uint64_t now_ms)
{
	return now_ms - e->asked_ms < BELIEVED_MS || (is_kept(e, now_ms) && e->generation == r->generation);
}

/* Where an answer may be put: in its own place, or in one of nobody who is a client. NULL: not at all. */
static struct entry *place_for(struct entry set[WAYS], const struct entry *n, uint64_t now_ms)
{
	struct entry *oldest = &set[0];

	for (unsigned i = 0; i < WAYS; i++)
		if (!is_kept(&set[i], now_ms))
			return &set[i];
	for (unsigned i = 1; i < WAYS; i++)
		if (set[i].asked_ms < oldest->asked_ms)
			oldest = &set[i];
	return n->right ? oldest : NULL;
}

enum route_answer route_leads(struct route *r, const struct in6_addr *a, uint32_t ifindex, uint64_t now_ms)
{
	struct entry *set = r->cache[hash_address(&r->key, a, 0) % SETS], *e = NULL;
	struct entry n = {.address = *a, .used = true, .asked_ms = now_ms};

	hear(r, now_ms);
	n.generation = r->generation;
	for (unsigned i = 0; i < WAYS; i++)
		if (set[i].used && memcmp(&set[i].address, a, sizeof(*a)) == 0)
			e = &set[i];
	if (!e || !is_believed(r, e, now_ms)) {
		if (!may_ask(r, now_ms))
			return e && is_kept(e, now_ms) && e->ifindex == ifindex ? ROUTE_THERE : ROUTE_UNASKED;
		n.ifindex = route_interface(r, a);
		n.right = n.ifindex == ifindex;
		if (!e)
			e = place_for(set, &n, now_ms);
		if (e)
			*e = n;
		e = &n;
	}
	return e->ifindex == ifindex ? ROUTE_THERE : ROUTE_ELSEWHERE;
}
