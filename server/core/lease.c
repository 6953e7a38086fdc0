/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/lease.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/engine.h"
#include "server/core/lease_self.h"

_Static_assert(LEASE_NONE == INDEX_NONE, "none is none");
_Static_assert(LEASE_NONE == SLAB_NONE, "none is none");

static struct lease *at(const struct lease_table *t, uint32_t i)
{
	return slab_at(&t->leases, i, sizeof(struct lease));
}

static struct lease_client *client_at(const struct lease_table *t, uint32_t i)
{
	return slab_at(&t->clients, i, sizeof(struct lease_client));
}

static bool in_force(const struct lease *l)
{
	return l->state == LEASE_ACTIVE || l->state == LEASE_REMOVING;
}

/* One more, or one less, in force: for its rule each port, in the tally a set as a whole, for which the first port stands. */
static void count(struct lease_table *t, const struct lease *l, int n)
{
	const struct extra_parts *x = extra_parts(l->extra);
	struct tally_rule *r;

	if (l->origin != ENGINE_ORIGIN_STATIC)
		t->by_rule[l->rule] += (uint32_t)n;
	if (!t->tally || (x->more_ports && x->first_port != l->internal_port))
		return;
	r = l->origin == ENGINE_ORIGIN_STATIC ? tally_static(t->tally) : tally_of(t->tally, l->rule);
	r->mappings[tally_protocol(l->protocol)][l->origin & (TALLY_ORIGINS - 1)] += (uint32_t)n;
}

static uint32_t internal_hash(const struct lease_table *t, uint8_t protocol, const struct in6_addr *a, uint16_t port)
{
	return (uint32_t)hash_again(t->memo, &t->key, a, (uint32_t)protocol << 16 | port);
}

static uint32_t external_hash(const struct lease_table *t, const struct in6_addr *a, uint16_t port)
{
	return (uint32_t)hash_again(t->memo, &t->key, a, port);
}

static uint32_t peer_hash(const struct lease_table *t, uint8_t protocol, const struct in6_addr *a, uint16_t port,
			  const struct in6_addr *remote, uint16_t remote_port)
{
	return (uint32_t)(hash_again(t->memo, &t->key, a, LEASE_PEER_SALT | (uint32_t)protocol << 16 | port) +
			  3 * hash_again(t->memo, &t->key, remote, LEASE_PEER_SALT | remote_port));
}

static uint32_t client_hash(const struct lease_table *t, const struct in6_addr *a)
{
	return (uint32_t)hash_again(t->memo, &t->key, a, 0);
}

static uint32_t internal_hash_of(const struct lease_table *t, const struct lease *l)
{
	const struct extra_parts *x = extra_parts(l->extra);
	if (x->remote_port)
		return peer_hash(t, l->protocol, &l->internal_address, l->internal_port, &x->remote_address,
				 x->remote_port);
	return internal_hash(t, l->protocol, &l->internal_address, l->internal_port);
}

struct lease_table *lease_table_new(const uint8_t seed[16], uint64_t now_ms)
{
	struct lease_table *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->key = hash_key_from(seed);
	t->memo = calloc(1, sizeof(*t->memo));
	slab_init(&t->leases, sizeof(struct lease), offsetof(struct lease, due_next));
	slab_init(&t->clients, sizeof(struct lease_client), offsetof(struct lease_client, network));
	t->by_rule = calloc(UINT16_MAX + 1, sizeof(*t->by_rule));
	wheel_init(&t->wheel, now_ms);
	if (!t->memo || !t->by_rule || !network_init(&t->networks) || !index_init(&t->by_internal) ||
	    !index_init(&t->by_external) || !index_init(&t->by_peers) || !index_init(&t->by_client)) {
		lease_table_free(t);
		return NULL;
	}
	return t;
}

void lease_tally(struct lease_table *t, const struct tally *tally)
{
	t->tally = tally;
}

void lease_table_free(struct lease_table *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; (i = lease_walk(t, i)) != LEASE_NONE; i++)
		extra_drop(at(t, i)->extra);
	index_clear(&t->by_internal);
	index_clear(&t->by_external);
	index_clear(&t->by_peers);
	index_clear(&t->by_client);
	slab_clear(&t->leases);
	slab_clear(&t->clients);
	network_clear(&t->networks);
	free(t->by_rule);
	free(t->memo);
	free(t);
}

static uint32_t find_client(const struct lease_table *t, uint32_t hash, const struct in6_addr *address)
{
	struct index_cursor c;
	uint32_t i = index_first(&t->by_client, hash, &c);
	while (i != INDEX_NONE && !lease_same_address(&client_at(t, i)->address, address))
		i = index_next(&t->by_client, &c);
	return i;
}

static uint32_t find_or_make_client(struct lease_table *t, const struct in6_addr *address)
{
	uint32_t hash = client_hash(t, address), network;
	uint32_t i = find_client(t, hash, address);
	bool good;
	if (i != LEASE_NONE)
		return i;
	if (!index_reserve(&t->by_client, t->by_client.entries + 1))
		return LEASE_NONE;
	network = network_join(&t->networks, &t->key, address, &good);
	i = good ? slab_take(&t->clients, WHEEL_HEADS) : SLAB_NONE;
	if (i == SLAB_NONE) {
		network_leave(&t->networks, &t->key, network);
		return LEASE_NONE;
	}
	*client_at(t, i) = (struct lease_client){.address = *address, .first = LEASE_NONE, .network = network};
	index_add(&t->by_client, hash, i);
	return i;
}

static void drop_client_if_idle(struct lease_table *t, uint32_t i)
{
	const struct lease_client *c = client_at(t, i);
	if (c->first != LEASE_NONE)
		return;
	index_remove(&t->by_client, client_hash(t, &c->address), i);
	network_leave(&t->networks, &t->key, c->network);
	slab_give(&t->clients, i);
}

static void enter_client(struct lease_table *t, uint32_t i)
{
	struct lease *l = at(t, i);
	struct lease_client *c = client_at(t, l->client);
	l->client_prev = LEASE_NONE;
	l->client_next = c->first;
	if (c->first != LEASE_NONE)
		at(t, c->first)->client_prev = i;
	c->first = i;
}

static void leave_client(struct lease_table *t, uint32_t i)
{
	const struct lease *l = at(t, i);
	if (l->client_prev != LEASE_NONE)
		at(t, l->client_prev)->client_next = l->client_next;
	else
		client_at(t, l->client)->first = l->client_next;
	if (l->client_next != LEASE_NONE)
		at(t, l->client_next)->client_prev = l->client_prev;
	drop_client_if_idle(t, l->client);
}

static void enter_external(struct lease_table *t, uint32_t i)
{
	const struct lease *l = at(t, i);

	if (lease_is_peer(l))
		lease_peers_join(t, i, LEASE_OUTSIDE);
	else
		index_add(&t->by_external, external_hash(t, &l->external_address, l->external_port), i);
}

static void leave_external(struct lease_table *t, uint32_t i)
{
	const struct lease *l = at(t, i);

	if (lease_is_peer(l))
		lease_peers_leave(t, i, LEASE_OUTSIDE);
	else
		index_remove(&t->by_external, external_hash(t, &l->external_address, l->external_port), i);
}

static void enter_force(struct lease_table *t, uint32_t i)
{
	const struct lease *l = at(t, i);
	index_add(&t->by_internal, internal_hash_of(t, l), i);
	if (lease_is_peer(l))
		lease_peers_join(t, i, LEASE_INSIDE);
	client_at(t, l->client)->active++;
	network_count(&t->networks, client_at(t, l->client)->network, 1);
	count(t, l, 1);
	t->filters += extra_parts(l->extra)->filters_n;
}

static void leave_force(struct lease_table *t, uint32_t i)
{
	const struct lease *l = at(t, i);
	index_remove(&t->by_internal, internal_hash_of(t, l), i);
	if (lease_is_peer(l))
		lease_peers_leave(t, i, LEASE_INSIDE);
	client_at(t, l->client)->active--;
	network_count(&t->networks, client_at(t, l->client)->network, -1);
	count(t, l, -1);
	t->filters -= extra_parts(l->extra)->filters_n;
}

uint32_t lease_new(struct lease_table *t, const struct lease *init)
{
	/* every lease has room in both, held ones too: coming into force again or moving cannot fail */
	uint32_t n = t->by_external.entries + 1;
	if (!index_reserve(&t->by_internal, n) || !index_reserve(&t->by_external, n))
		return LEASE_NONE;
	if (lease_is_peer(init) && !index_reserve(&t->by_peers, t->by_peers.entries + 1))
		return LEASE_NONE;
	index_prefetch(&t->by_internal, internal_hash_of(t, init));
	if (!lease_is_peer(init))
		index_prefetch(&t->by_external, external_hash(t, &init->external_address, init->external_port));
	uint32_t client = find_or_make_client(t, &init->internal_address);
	if (client == LEASE_NONE)
		return LEASE_NONE;
	uint32_t i = slab_take(&t->leases, WHEEL_HEADS);
	if (i == SLAB_NONE) {
		drop_client_if_idle(t, client);
		return LEASE_NONE;
	}
	struct lease *l = at(t, i);
	*l = *init;
	extra_hold(l->extra);
	l->client = client;
	l->state = LEASE_ACTIVE;
	enter_client(t, i);
	enter_force(t, i);
	enter_external(t, i);
	wheel_add(&t->wheel, &t->leases, i);
	return i;
}

struct lease *lease_at(struct lease_table *t, uint32_t i)
{
	assert(i < t->leases.used);
	return at(t, i);
}

const struct lease *lease_peek(const struct lease_table *t, uint32_t i)
{
	assert(i < t->leases.used);
	return at(t, i);
}

uint32_t lease_find_internal(const struct lease_table *t, uint8_t protocol, const struct in6_addr *address,
			     uint16_t port)
{
	struct index_cursor c;
	uint32_t i = index_first(&t->by_internal, internal_hash(t, protocol, address, port), &c);
	for (; i != INDEX_NONE; i = index_next(&t->by_internal, &c)) {
		const struct lease *l = at(t, i);
		if (lease_has_internal(l, protocol, address, port) && !lease_is_peer(l))
			return i;
	}
	return LEASE_NONE;
}

uint32_t lease_find_peer(const struct lease_table *t, uint8_t protocol, const struct in6_addr *address, uint16_t port,
			 const struct in6_addr *remote_address, uint16_t remote_port)
{
	struct index_cursor c;
	uint32_t i;
	if (!lease_has_peers(t))
		return LEASE_NONE;
	i = index_first(&t->by_internal, peer_hash(t, protocol, address, port, remote_address, remote_port), &c);
	for (; i != INDEX_NONE; i = index_next(&t->by_internal, &c)) {
		const struct lease *l = at(t, i);
		const struct extra_parts *x = extra_parts(l->extra);
		if (lease_has_internal(l, protocol, address, port) && x->remote_port == remote_port &&
		    lease_same_address(&x->remote_address, remote_address))
			return i;
	}
	return LEASE_NONE;
}

/* One that is for everybody. */
static bool owns_external(const struct lease *l, const struct in6_addr *address, uint16_t port)
{
	return lease_has_external(l, address, port) && !lease_is_peer(l);
}

uint32_t lease_find_external(const struct lease_table *t, uint8_t protocol, const struct in6_addr *address,
			     uint16_t port)
{
	struct index_cursor c;
	uint32_t i = index_first(&t->by_external, external_hash(t, address, port), &c);
	while (i != INDEX_NONE && !(at(t, i)->protocol == protocol && owns_external(at(t, i), address, port)))
		i = index_next(&t->by_external, &c);
	return i;
}

uint32_t lease_next_external(const struct lease_table *t, struct lease_port *p)
{
	uint32_t i = p->begun ? index_next(&t->by_external, &p->cursor)
			      : index_first(&t->by_external, external_hash(t, p->address, p->port), &p->cursor);
	p->begun = true;
	while (i != INDEX_NONE && !owns_external(at(t, i), p->address, p->port))
		i = index_next(&t->by_external, &p->cursor);
	return i;
}

void lease_extra(struct lease_table *t, uint32_t i, struct extra *extra)
{
	struct lease *l = at(t, i);
	struct extra *old = l->extra;
	assert(!in_force(l) || extra_parts(old)->remote_port == extra_parts(extra)->remote_port);
	if (extra == old)
		return;
	if (in_force(l)) {
		t->filters += (size_t)extra_parts(extra)->filters_n - extra_parts(old)->filters_n;
		count(t, l, -1);
	}
	l->extra = extra_hold(extra);
	if (in_force(l))
		count(t, l, 1);
	extra_drop(old);
}

void lease_judged(struct lease_table *t, uint32_t i, uint8_t origin, uint16_t rule)
{
	struct lease *l = at(t, i);
	if (l->origin == origin && l->rule == rule)
		return;
	if (in_force(l))
		count(t, l, -1);
	l->origin = origin;
	l->rule = rule;
	if (in_force(l))
		count(t, l, 1);
}

void lease_renumber(struct lease_table *t, uint32_t i, uint16_t rule)
{
	struct lease *l = at(t, i);
	bool counts = in_force(l) && l->origin != ENGINE_ORIGIN_STATIC;
	if (counts)
		t->by_rule[l->rule]--;
	l->rule = rule;
	if (counts)
		t->by_rule[l->rule]++;
}

void lease_due(struct lease_table *t, uint32_t i, uint64_t at_ms)
{
	wheel_remove(&t->wheel, &t->leases, i);
	at(t, i)->expires_ms = at_ms;
	wheel_add(&t->wheel, &t->leases, i);
}

void lease_state(struct lease_table *t, uint32_t i, enum lease_state state)
{
	struct lease *l = at(t, i);
	assert(l->state != LEASE_FREE && state != LEASE_FREE);
	bool was = in_force(l);
	if (state == LEASE_HELD && was) {
		leave_force(t, i);
		client_at(t, l->client)->held++;
		leave_external(t, i);
		l->state = LEASE_HELD;
		lease_extra(t, i, NULL);
		enter_external(t, i);
		lease_due(t, i, UINT64_MAX);
	} else if (state != LEASE_HELD && !was) {
		enter_force(t, i);
		client_at(t, l->client)->held--;
	}
	l->state = (uint8_t)state;
}

void lease_move(struct lease_table *t, uint32_t i, const struct in6_addr *external_address, uint16_t external_port)
{
	struct lease *l = at(t, i);
	assert(lease_is_peer(l) || lease_find_external(t, l->protocol, external_address, external_port) == LEASE_NONE);
	leave_external(t, i);
	l->external_address = *external_address;
	l->external_port = external_port;
	enter_external(t, i);
}

void lease_free(struct lease_table *t, uint32_t i)
{
	struct lease *l = at(t, i);
	assert(l->state != LEASE_FREE);
	wheel_remove(&t->wheel, &t->leases, i);
	leave_external(t, i);
	if (in_force(l))
		leave_force(t, i);
	else
		client_at(t, l->client)->held--;
	leave_client(t, i);
	l->state = LEASE_FREE;
	lease_extra(t, i, NULL);
	slab_give(&t->leases, i);
}

const struct lease_client *lease_client(const struct lease_table *t, const struct in6_addr *address)
{
	uint32_t i = find_client(t, client_hash(t, address), address);
	return i == LEASE_NONE ? NULL : client_at(t, i);
}

uint32_t lease_network_active(const struct lease_table *t, const struct in6_addr *address)
{
	return network_active(&t->networks, &t->key, address);
}

uint32_t lease_rule_active(const struct lease_table *t, uint16_t rule)
{
	return t->by_rule[rule];
}

uint32_t lease_next_due(struct lease_table *t, uint64_t now_ms)
{
	return wheel_turn(&t->wheel, &t->leases, now_ms);
}

uint64_t lease_deadline(const struct lease_table *t)
{
	return wheel_deadline(&t->wheel);
}

size_t lease_count(const struct lease_table *t)
{
	return t->by_internal.entries;
}

size_t lease_clients(const struct lease_table *t)
{
	return t->by_client.entries;
}

size_t lease_filters(const struct lease_table *t)
{
	return t->filters;
}

uint32_t lease_walk(const struct lease_table *t, uint32_t i)
{
	while (i < t->leases.used && at(t, i)->state == LEASE_FREE)
		i++;
	return i < t->leases.used ? i : LEASE_NONE;
}
