/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/portset.h"

uint32_t portset_head(const struct engine *e, uint32_t i)
{
	const struct lease *l = i == LEASE_NONE ? NULL : lease_peek(e->leases, i);

	if (!l || !portset_follows(l))
		return i;
	return lease_find_internal(e->leases, l->protocol, &l->internal_address, extra_parts(l->extra)->first_port);
}

uint32_t portset_at(const struct engine *e, uint32_t head, uint32_t n)
{
	const struct lease *l = lease_peek(e->leases, head);

	return n == 0 ? head
		      : lease_find_internal(e->leases, l->protocol, &l->internal_address,
					    (uint16_t)(l->internal_port + n));
}

size_t portset_changes(const struct lease *l)
{
	return portset_is_split(l) ? portset_more(l) + 1u : 1;
}

void portset_change(struct round *r, enum change_op op, const struct lease *l, uint64_t timeout_ms,
		    const struct round_step *s)
{
	/* all of a group stand or fall with the first */
	struct round_step follower = {.lease = LEASE_NONE, .answer = s->answer, .extra = s->extra};
	struct mapping m = engine_mapping(l);
	size_t n = portset_changes(l);

	if (n > 1)
		m.more_ports = 0;
	for (size_t i = 0; i < n; i++) {
		round_change(r, op, &m, timeout_ms, i == 0 ? s : &follower);
		m.internal_port++;
		m.external_port++;
	}
}

static void refresh(struct engine *e, const struct lease *l, uint32_t n)
{
	struct lease at = *l;

	for (uint32_t i = 0; i < n; i++) {
		engine_refresh(e, &at);
		at.external_port++;
	}
}

void portset_refresh(struct engine *e, uint32_t head)
{
	refresh(e, lease_peek(e->leases, head), portset_more(lease_peek(e->leases, head)) + 1u);
}

void portset_free(struct engine *e, uint32_t head)
{
	struct lease l = *lease_peek(e->leases, head);
	uint32_t n = portset_more(&l) + 1u;

	for (uint32_t i = n; i-- > 0;)
		lease_free(e->leases, portset_at(e, head, i));
	refresh(e, &l, n);
}

uint32_t portset_new(struct engine *e, const struct lease *init)
{
	uint32_t head = lease_new(e->leases, init), n = portset_more(init);
	struct lease next = *init;

	next.expires_ms = UINT64_MAX;
	for (uint32_t i = 1; head != LEASE_NONE && i <= n; i++) {
		next.internal_port = (uint16_t)(init->internal_port + i);
		next.external_port = (uint16_t)(init->external_port + i);
		if (lease_new(e->leases, &next) != LEASE_NONE)
			continue;
		while (--i > 0)
			lease_free(e->leases, portset_at(e, head, i));
		lease_free(e->leases, head);
		return LEASE_NONE;
	}
	return head;
}

void portset_extra(struct engine *e, uint32_t head, struct extra *extra)
{
	uint32_t n = portset_more(lease_peek(e->leases, head));

	if (lease_peek(e->leases, head)->extra == extra)
		return;
	for (uint32_t i = 0; i <= n; i++)
		lease_extra(e->leases, portset_at(e, head, i), extra);
}

void portset_judged(struct engine *e, uint32_t head, uint8_t origin, uint16_t rule)
{
	const struct lease *l = lease_peek(e->leases, head);
	uint32_t n = portset_more(l);

	if (l->origin == origin && l->rule == rule)
		return;
	for (uint32_t i = 0; i <= n; i++)
		lease_judged(e->leases, portset_at(e, head, i), origin, rule);
}

void portset_state(struct engine *e, uint32_t head, enum lease_state state)
{
	uint32_t n = portset_more(lease_peek(e->leases, head));

	for (uint32_t i = n + 1; i-- > 0;)
		lease_state(e->leases, portset_at(e, head, i), state);
}

void portset_external(struct engine *e, uint32_t head, uint8_t external)
{
	uint32_t n = portset_more(lease_peek(e->leases, head));

	for (uint32_t i = 0; i <= n; i++)
		lease_at(e->leases, portset_at(e, head, i))->external = external;
}

void portset_free_held(struct engine *e, const struct lease *l)
{
	if (lease_is_peer(l))
		return;
	for (uint32_t n = 0; n <= portset_more(l); n++) {
		uint32_t i =
		    lease_find_external(e->leases, l->protocol, &l->external_address, (uint16_t)(l->external_port + n));

		if (i != LEASE_NONE && lease_peek(e->leases, i)->state == LEASE_HELD)
			lease_free(e->leases, i);
	}
}

void portset_trim_held(struct engine *e, const struct in6_addr *address, uint32_t most)
{
	const struct lease_client *client = lease_client(e->leases, address);
	uint32_t i = client ? client->first : LEASE_NONE;

	while (i != LEASE_NONE && client->held > 0 && client->active + client->held >= most) {
		struct lease l = *lease_peek(e->leases, i);

		if (l.state == LEASE_HELD) {
			bool last = client->active + client->held == 1;

			lease_free(e->leases, i);
			engine_refresh(e, &l);
			if (last)
				return;
		}
		i = l.client_next;
	}
}

/* From the end that leads, so that none comes to where another still is. */
void portset_move(struct engine *e, uint32_t head, const struct in6_addr *address, uint16_t port)
{
	struct lease old = *lease_peek(e->leases, head), target = old;
	uint32_t n = portset_more(&old) + 1u;
	bool up = port > old.external_port;

	if (old.external_port == port && engine_same_address(&old.external_address, address))
		return;
	target.external_address = *address;
	target.external_port = port;
	portset_free_held(e, &target);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = up ? n - 1 - i : i, at = portset_at(e, head, k);

		lease_move(e->leases, at, address, (uint16_t)(port + k));
	}
	refresh(e, &old, n);
}

size_t portset_touched(const struct engine *e, uint8_t protocol, const struct in6_addr *internal_address, uint16_t port,
		       uint32_t n, uint32_t out[PORTSET_TOUCHED_MAX])
{
	const struct lease_client *client = lease_client(e->leases, internal_address);
	uint32_t i = client ? client->first : LEASE_NONE;
	size_t found = 0;

	for (; i != LEASE_NONE; i = lease_peek(e->leases, i)->client_next) {
		const struct lease *l = lease_peek(e->leases, i);
		size_t at = found;

		if (l->state != LEASE_ACTIVE || l->protocol != protocol || portset_follows(l) || lease_is_peer(l) ||
		    l->internal_port >= port + n || l->internal_port + (uint32_t)portset_more(l) < port)
			continue;
		/* kept in order; what falls out at the end is not done in this request */
		while (at > 0 && lease_peek(e->leases, out[at - 1])->internal_port > l->internal_port)
			at--;
		if (at == PORTSET_TOUCHED_MAX)
			continue;
		found += found < PORTSET_TOUCHED_MAX;
		for (size_t k = found - 1; k > at; k--)
			out[k] = out[k - 1];
		out[at] = i;
	}
	return found;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* How many of the wanted ports can be had outside from a port on. */
static uint32_t run_from(const struct engine *e, const struct choice *c, const struct in6_addr *address, uint32_t port,
			 uint32_t n)
{
	struct choice at = *c;
	uint32_t i = 0;

	while (i < n && port + i <= UINT16_MAX && choice_can_have(e, &at, address, (uint16_t)(port + i))) {
		at.internal_port++;
		i++;
	}
	return i;
}

void portset_choose(const struct engine *e, const struct choice *c, struct portset_choice *s, struct in6_addr *address)
{
	/* no NAT here rewrites SCTP ports: RFC 6887 16.3.3 */
	uint32_t most = c->protocol == IPPROTO_SCTP ? 0 : least(s->n, e->conf->limits.port_set_max);
	uint32_t wish = c->wish_port;

	if (s->n < 2 || !choice_address(e, c, address)) {
		s->n = 1;
		return;
	}
	s->port = 0;
	s->most = most;
	s->equal = run_from(e, c, address, c->internal_port, s->n);
	/* the client had these before, and this server forgot: RFC 7753 4 */
	if (wish && wish != c->internal_port && most == s->n && !(s->parity && ((wish ^ c->internal_port) & 1)) &&
	    run_from(e, c, address, wish, most) == most)
		s->port = c->wish_port;
	else if (s->equal >= most || s->equal == s->n)
		s->n = s->equal > 1 ? s->equal : 1;
	else
		return;
	if (s->n > 1 && s->port == 0)
		s->port = c->internal_port;
}

void portset_pick(struct engine *e, const struct choice *c, struct portset_choice *s, const struct in6_addr *address)
{
	struct runs_want run = {.n = s->most, .parity = s->parity, .odd = c->internal_port & 1};
	uint16_t first = 0;
	uint32_t n = 0;

	if (!(c->many && outside_scarce(e, c->external, address, c->protocol)))
		n = outside_find_run(e, c->external, address, c->protocol, &c->ports, &run, &first);

	if (n <= s->equal) {
		n = s->equal;
		first = c->internal_port;
	}
	s->n = n > 1 ? n : 1;
	s->port = n > 1 ? first : 0;
}

/* The first port beyond one at which ranges begin or end, if it comes before border. */
static uint32_t border_of(const struct conf_ranges *r, uint32_t port, uint32_t border)
{
	for (size_t k = 0; k < r->n; k++) {
		if (r->v[k].first > port)
			border = least(border, r->v[k].first);
		if (r->v[k].last >= port)
			border = least(border, r->v[k].last + 1u);
	}
	return border;
}

/* The next port at which a rule may decide otherwise, beyond a port. */
static uint32_t next_border(const struct conf *conf, uint32_t port)
{
	uint32_t border = UINT16_MAX + 1u;

	for (size_t i = 0; i < conf->rules_n; i++) {
		border = border_of(&conf->rules[i].internal_ports, port, border);
		border = border_of(&conf->rules[i].reject_ports, port, border);
	}
	return border;
}

/* True if two verdicts leave the same ports outside. */
static bool same_ports(struct policy_verdict *a, struct policy_verdict *b)
{
	struct conf_ranges x = policy_ports(a), y = policy_ports(b);

	if (x.n != y.n)
		return false;
	for (size_t i = 0; i < x.n; i++)
		if (x.v[i].first != y.v[i].first || x.v[i].last != y.v[i].last)
			return false;
	return true;
}

uint32_t portset_allowed(const struct conf *conf, const struct policy_request *q, uint32_t n, bool one_rule)
{
	struct policy_request at = *q;
	struct policy_verdict first, v;
	uint32_t end = q->internal_port + n, port = q->internal_port;

	policy_judge(conf, q, &first);
	if (!first.allowed)
		return 0;
	while ((port = next_border(conf, port)) < end) {
		at.internal_port = (uint16_t)port;
		policy_judge(conf, &at, &v);
		if (!v.allowed || (one_rule && (v.rule != first.rule || !same_ports(&v, &first))))
			return port - q->internal_port;
	}
	return n;
}
