/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/mapper_set.h"

#include "server/core/mapper_self.h"
#include "server/core/peer.h"

void mapper_set_tell(struct mapper_plan *p, const struct lease *l)
{
	p->verdict.set_first = extra_parts(l->extra)->first_port;
	p->verdict.set_more = portset_more(l);
}

static struct policy_request question_of(const struct mapper_want *w, uint16_t internal_port)
{
	return (struct policy_request){.client = w->internal_address,
				       .interface = w->interface,
				       .mac_known = w->mac_known,
				       .mac = w->mac,
				       .protocol = w->protocol,
				       .internal_port = internal_port};
}

bool mapper_set_allowed(const struct engine *e, const struct mapper_want *w, const struct lease *l)
{
	struct policy_request q = question_of(w, l->internal_port);
	uint32_t n = portset_more(l) + 1u;

	return n == 1 || portset_allowed(e->conf, &q, n, false) == n;
}

/* True if something is on an internal port: a lease that is being taken down, as the others were touched by the request,
 * or the host's port for some peer, which is to stay what it is. */
static bool is_occupied(const struct engine *e, const struct mapper_want *w, uint16_t port)
{
	struct lease_peers peers = {.protocol = w->protocol, .address = &w->internal_address, .port = port};

	return lease_find_internal(e->leases, w->protocol, &w->internal_address, port) != LEASE_NONE ||
	       lease_next_peer(e->leases, &peers) != LEASE_NONE;
}

/* How many ports a set could have by what the rules, the limits and the client's other mappings say. */
static uint32_t room(const struct engine *e, const struct mapper_want *w, const struct mapper_plan *p)
{
	enum mapper_result result;
	const char *why;
	uint32_t left, n = w->ports, i = 0;
	struct policy_request q;

	if (!w->pcp || n < 2)
		return 1;
	left = mapper_left(e, w, p, &result, &why);
	if (left == 0)
		return 1;
	if (n > UINT16_MAX - w->internal_port + 1u)
		n = UINT16_MAX - w->internal_port + 1u;
	if (n > left)
		n = left;
	q = question_of(w, w->internal_port);
	n = portset_allowed(e->conf, &q, n, true);
	while (i < n && !is_occupied(e, w, (uint16_t)(w->internal_port + i)))
		i++;
	return i;
}

bool mapper_set_plan(const struct engine *e, const struct mapper_want *w, const struct choice *c, struct mapper_plan *p)
{
	p->set = (struct portset_choice){.n = room(e, w, p), .parity = w->parity};
	/* each port takes an element for each filter */
	if (w->terms && w->terms->filters_n && p->set.n > e->conf->limits.port_set_max)
		p->set.n = e->conf->limits.port_set_max;
	if (p->set.n > 1 && p->kind == MAPPING_PINHOLE) {
		uint32_t n = 0;

		/* the ports outside are those inside, and the rule may give fewer; with none the one port is refused */
		while (n < p->set.n &&
		       (c->ports.n == 0 || conf_ranges_have(&c->ports, (uint16_t)(w->internal_port + n))))
			n++;
		p->set.n = n > 1 ? n : 1;
		p->verdict.external_address = w->internal_address;
		p->verdict.external_port = w->internal_port;
	} else if (p->set.n > 1) {
		portset_choose(e, c, &p->set, &p->verdict.external_address);
		p->verdict.external_port = p->set.port;
	}
	return p->set.n > 1;
}

bool mapper_set_place(struct engine *e, const struct lease *l, struct choice *c, struct in6_addr *address,
		      uint16_t *port)
{
	uint32_t n = portset_more(l) + 1u;
	struct portset_choice s = {.n = n, .parity = !((l->internal_port ^ l->external_port) & 1)};

	c->internal_port = l->internal_port;
	c->wish_address = in6addr_any;
	c->wish_port = l->external_port;
	portset_choose(e, c, &s, address);
	if (s.n == n && s.port == 0)
		portset_pick(e, c, &s, address);
	*port = s.port;
	return s.n == n;
}
