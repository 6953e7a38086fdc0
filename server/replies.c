/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/replies.h"

#include <errno.h>

#include "codec/codec.h"
#include "server/io/neighbour.h"
#include "server/io/netlink.h"
#include "server/io/udp.h"

/* Datagrams that wait to leave from one socket together. */
struct outbox {
	const struct listener *from;
	struct udp_outgoing v[UDP_BATCH];
	size_t n;
	bool announcements; /* that is what waits: the two do not mix */
	bool half_full;	    /* the socket was, when the first was put here */
	const struct between *between;
	struct replies_count *count;
	struct netlink kernel; /* for questions about neighbours */
};

static void outbox_send(struct outbox *o)
{
	size_t sent;
	int error;

	if (!o->n)
		return;
	sent = between_send(o->between, o->from->fd, o->from->ipv6, o->v, o->n, &error);
	o->count->sent += sent;
	o->count->failed += o->n - sent;
	/* an interface without multicast cannot announce, which is no news every time */
	if (sent < o->n && !o->announcements) {
		o->count->failed_answers += o->n - sent;
		o->count->error = error;
	}
	o->n = 0;
}

static void lose(struct outbox *o, int error)
{
	o->count->failed++;
	o->count->failed_answers++;
	o->count->error = error;
}

/*
 * Answers to made-up hosts of the link, or behind routers that are gone, wait in the kernel while it looks for whom to
 * hand them to, and would fill the socket: nobody else would be answered. So half of it is for those that it need not
 * look for.
 */
static void outbox_put(struct outbox *o, const struct listener *from, bool announcement, const struct udp_outgoing *one)
{
	if (from != o->from || announcement != o->announcements || o->n == UDP_BATCH)
		outbox_send(o);
	if (!o->n)
		o->half_full = !announcement && udp_half_full(from->fd);
	o->from = from;
	o->announcements = announcement;
	if (o->half_full && neighbour_missing(&o->kernel, one->ifindex, &one->source, &one->destination))
		lose(o, -EHOSTUNREACH);
	else
		o->v[o->n++] = *one;
}

/* Whoever has not asked just now (RFC 6887 14.2) is reached from the interface of the section that its address belongs
 * to. */
static const struct listener *nearest(const struct round_reply *r, const struct listeners *s, const struct wan *w)
{
	bool ipv6 = !codec_is_v4(&r->destination);

	for (size_t i = 0; i < listeners_count(s); i++) {
		const struct listener *l = listeners_at(s, i);

		if (l->listen == r->listen && l->ipv6 == ipv6 && l->ifindex &&
		    wan_on_link(w, l->ifindex, &r->destination))
			return l;
	}
	return listeners_find(s, r->listen, ipv6, 0);
}

static void unicast(struct outbox *o, const struct round_reply *r, const struct listeners *s, const struct wan *w)
{
	const struct listener *from =
	    r->ifindex ? listeners_find(s, r->listen, !codec_is_v4(&r->destination), r->ifindex) : nearest(r, s, w);

	if (!from) { /* its interface went away since it asked */
		lose(o, -ENODEV);
		return;
	}
	outbox_put(o, from, false,
		   &(struct udp_outgoing){
		       .data = r->data,
		       .length = r->length,
		       .source = r->source,
		       .destination = r->destination,
		       .destination_port = r->destination_port,
		       .ifindex = r->ifindex ? r->ifindex : from->ifindex,
		   });
}

static void announce(struct outbox *o, const struct round_reply *r, const struct listeners *s, const struct wan *w)
{
	struct in6_addr all_systems = codec_from_v4(0xe0000001); /* 224.0.0.1 */
	struct in6_addr all_nodes = {.s6_addr = {0xff, 2, [15] = 1}};

	for (size_t i = 0; i < listeners_count(s); i++) {
		const struct listener *l = listeners_at(s, i);
		struct udp_outgoing one = {
		    .data = r->data,
		    .length = r->length,
		    .source = l->address,
		    .destination = r->ipv6 ? all_nodes : all_systems,
		    .destination_port = CODEC_ANNOUNCE_PORT,
		    .ifindex = l->ifindex,
		};

		if (l->listen != r->listen || l->ipv6 != r->ipv6 || !l->ifindex)
			continue;
		/* clients know the gateway by its address on their link (RFC 6886 3.2.1) */
		if (!l->address_only && !wan_primary(w, l->ifindex, l->ipv6, &one.source))
			continue;
		outbox_put(o, l, true, &one);
	}
}

void replies_send(const struct round_reply *v, size_t n, const struct listeners *s, const struct wan *w,
		  const struct between *between, struct replies_count *count)
{
	struct outbox o;

	o.from = NULL; /* the rest is filled as it is used */
	o.n = 0;
	o.announcements = false;
	o.between = between;
	o.count = count;
	o.kernel = (struct netlink){0};
	for (size_t i = 0; i < n; i++) {
		if (!v[i].length)
			continue;
		if (v[i].kind == ROUND_ANNOUNCE)
			announce(&o, &v[i], s, w);
		else
			unicast(&o, &v[i], s, w);
	}
	outbox_send(&o);
	netlink_close(&o.kernel);
}
