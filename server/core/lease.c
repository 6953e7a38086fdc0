/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/lease.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/hash.h"
#include "server/core/index.h"
#include "server/core/slab.h"
#include "server/core/wheel.h"

/*
 * A lease is in the external index and in its client's list all its life, in the internal index while it is ACTIVE or
 * REMOVING, and on the wheel while it is due at some time.
 */
struct lease_table {
	struct hash_key key;
	struct slab leases;
	struct slab clients;
	struct index by_internal; /* protocol, address, port */
	struct index by_external; /* address, port: one hash for all protocols */
	struct index by_client;	  /* address, of clients */
	struct wheel wheel;
};

_Static_assert(LEASE_NONE == INDEX_NONE && LEASE_NONE == SLAB_NONE, "none is none");

static struct lease *at(const struct lease_table *t, uint32_t i)
{
	return slab_at(&t->leases, i, sizeof(struct lease));
}

static struct lease_client *client_at(const struct lease_table *t, uint32_t i)
{
	return slab_at(&t->clients, i, sizeof(struct lease_client));
}

static bool same_address(const struct in6_addr *a, const struct in6_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static bool in_force(const struct lease *l)
{
	return l->state == LEASE_ACTIVE || l->state == LEASE_REMOVING;
}

static uint32_t internal_hash(const struct lease_table *t, uint8_t protocol, const struct in6_addr *a, uint16_t port)
{
	return (uint32_t)hash_address(&t->key, a, (uint32_t)protocol << 16 | port);
}

static uint32_t external_hash(const struct lease_table *t, const struct in6_addr *a, uint16_t port)
{
	return (uint32_t)hash_address(&t->key, a, port);
}

static uint32_t client_hash(const struct lease_table *t, const struct in6_addr *a)
{
	return (uint32_t)hash_address(&t->key, a, 0);
}

static uint32_t internal_hash_of(const struct lease_table *t, const struct lease *l)
{
	return internal_hash(t, l->protocol, &l->internal_address, l->internal_port);
}

static uint32_t external_hash_of(const struct lease_table *t, const struct lease *l)
{
	return external_hash(t, &l->external_address, l->external_port);
}

struct lease_table *lease_table_new(const uint8_t seed[16], uint64_t now_ms)
{
	struct lease_table *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->key = hash_key_from(seed);
	slab_init(&t->leases, sizeof(struct lease), offsetof(struct lease, due_next));
	slab_init(&t->clients, sizeof(struct lease_client), offsetof(struct lease_client, next));
	wheel_init(&t->wheel, now_ms);
	if (!index_init(&t->by_internal) || !index_init(&t->by_external) || !index_init(&t->by_client)) {
		lease_table_free(t);
		return NULL;
	}
	return t;
}

void lease_table_free(struct lease_table *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; (i = lease_walk(t, i)) != LEASE_NONE; i++)
		extra_drop(at(t, i)->extra);
	index_clear(&t->by_internal);
	index_clear(&t->by_external);
	index_clear(&t->by_client);
	slab_clear(&t->leases);
	slab_clear(&t->clients);
	free(t);
}

static uint32_t find_client(const struct lease_table *t, uint32_t hash, const struct in6_addr *address)
{
	struct index_cursor c;
	uint32_t i = index_first(&t->by_client, hash, &c);
	while (i != INDEX_NONE && !same_address(&client_at(t, i)->address, address))
		i = index_next(&t->by_client, &c);
	return i;
}

static uint32_t find_or_make_client(struct lease_table *t, const struct in6_addr *address)
{
	uint32_t hash = client_hash(t, address);
	uint32_t i = find_client(t, hash, address);
	if (i != LEASE_NONE)
		return i;
	if (!index_reserve(&t->by_client, t->by_client.entries + 1))
		return LEASE_NONE;
	i = slab_take(&t->clients, WHEEL_HEADS);
	if (i == SLAB_NONE)
		return LEASE_NONE;
	*client_at(t, i) = (struct lease_client){.address = *address, .first = LEASE_NONE};
	index_add(&t->by_client, hash, i);
	return i;
}

static void drop_client_if_idle(struct lease_table *t, uint32_t i)
{
	const struct lease_client *c = client_at(t, i);
	if (c->first != LEASE_NONE)
		return;
	index_remove(&t->by_client, client_hash(t, &c->address), i);
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

static void enter_force(struct lease_table *t, uint32_t i)
{
	const struct lease *l = at(t, i);
	index_add(&t->by_internal, internal_hash_of(t, l), i);
	client_at(t, l->client)->active++;
}

static void leave_force(struct lease_table *t, uint32_t i)
{
	const struct lease *l = at(t, i);
	index_remove(&t->by_internal, internal_hash_of(t, l), i);
	client_at(t, l->client)->active--;
}

uint32_t lease_new(struct lease_table *t, const struct lease *init)
{
	/* every lease has room in both, held ones too: coming into force again or moving cannot fail */
	uint32_t n = t->by_external.entries + 1;
	if (!index_reserve(&t->by_internal, n) || !index_reserve(&t->by_external, n))
		return LEASE_NONE;
	index_prefetch(&t->by_internal, internal_hash_of(t, init));
	index_prefetch(&t->by_external, external_hash_of(t, init));
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
	index_add(&t->by_external, external_hash_of(t, l), i);
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
		if (l->internal_port == port && l->protocol == protocol && same_address(&l->internal_address, address))
			return i;
	}
	return LEASE_NONE;
}

static bool has_external(const struct lease *l, const struct in6_addr *address, uint16_t port)
{
	return l->external_port == port && same_address(&l->external_address, address);
}

uint32_t lease_find_external(const struct lease_table *t, uint8_t protocol, const struct in6_addr *address,
			     uint16_t port)
{
	struct index_cursor c;
	uint32_t i = index_first(&t->by_external, external_hash(t, address, port), &c);
	while (i != INDEX_NONE && !(at(t, i)->protocol == protocol && has_external(at(t, i), address, port)))
		i = index_next(&t->by_external, &c);
	return i;
}

uint32_t lease_first_external(const struct lease_table *t, const struct in6_addr *address, uint16_t port)
{
	struct index_cursor c;
	uint32_t i = index_first(&t->by_external, external_hash(t, address, port), &c);
	while (i != INDEX_NONE && !has_external(at(t, i), address, port))
		i = index_next(&t->by_external, &c);
	return i;
}

/* Looks for i itself again: there are as many leases of one port as protocols that have it, one or two. */
uint32_t lease_next_external(const struct lease_table *t, uint32_t i)
{
	const struct lease *l = at(t, i);
	struct index_cursor c;
	uint32_t k = index_first(&t->by_external, external_hash_of(t, l), &c);
	while (k != INDEX_NONE && k != i)
		k = index_next(&t->by_external, &c);
	do {
		if (k != INDEX_NONE)
			k = index_next(&t->by_external, &c);
	} while (k != INDEX_NONE && !has_external(at(t, k), &l->external_address, l->external_port));
	return k;
}

void lease_extra(struct lease_table *t, uint32_t i, struct extra *extra)
{
	struct lease *l = at(t, i);
	struct extra *old = l->extra;
	l->extra = extra_hold(extra);
	extra_drop(old);
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
		lease_extra(t, i, NULL);
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
	assert(lease_find_external(t, l->protocol, external_address, external_port) == LEASE_NONE);
	index_remove(&t->by_external, external_hash_of(t, l), i);
	l->external_address = *external_address;
	l->external_port = external_port;
	index_add(&t->by_external, external_hash_of(t, l), i);
}

void lease_free(struct lease_table *t, uint32_t i)
{
	struct lease *l = at(t, i);
	assert(l->state != LEASE_FREE);
	wheel_remove(&t->wheel, &t->leases, i);
	index_remove(&t->by_external, external_hash_of(t, l), i);
	if (in_force(l))
		leave_force(t, i);
	else
		client_at(t, l->client)->held--;
	leave_client(t, i);
	lease_extra(t, i, NULL);
	l->state = LEASE_FREE;
	slab_give(&t->leases, i);
}

const struct lease_client *lease_client(const struct lease_table *t, const struct in6_addr *address)
{
	uint32_t i = find_client(t, client_hash(t, address), address);
	return i == LEASE_NONE ? NULL : client_at(t, i);
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

uint32_t lease_walk(const struct lease_table *t, uint32_t i)
{
	while (i < t->leases.used && at(t, i)->state == LEASE_FREE)
		i++;
	return i < t->leases.used ? i : LEASE_NONE;
}
