/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/network.h"

#include <stddef.h>

#include "codec/codec.h"

_Static_assert(NETWORK_NONE == SLAB_NONE, "none is none");
_Static_assert(NETWORK_NONE == INDEX_NONE, "none is none");

struct network {
	uint8_t prefix[8];
	uint32_t clients;
	uint32_t active;
	uint32_t next; /* the slab's */
};

static struct network *at(const struct networks *t, uint32_t i)
{
	return slab_at(&t->slab, i, sizeof(struct network));
}

static uint32_t hash_of(const struct hash_key *k, const uint8_t prefix[8])
{
	struct in6_addr address = {0};

	memcpy(address.s6_addr, prefix, 8);
	return (uint32_t)hash_address(k, &address, 64);
}

static uint32_t find(const struct networks *t, uint32_t hash, const uint8_t prefix[8])
{
	struct index_cursor c;
	uint32_t i = index_first(&t->index, hash, &c);

	while (i != INDEX_NONE && memcmp(at(t, i)->prefix, prefix, 8) != 0)
		i = index_next(&t->index, &c);
	return i;
}

bool network_init(struct networks *t)
{
	slab_init(&t->slab, sizeof(struct network), offsetof(struct network, next));
	return index_init(&t->index);
}

void network_clear(struct networks *t)
{
	index_clear(&t->index);
	slab_clear(&t->slab);
}

uint32_t network_join(struct networks *t, const struct hash_key *k, const struct in6_addr *client, bool *good)
{
	uint32_t hash, i;

	*good = true;
	if (codec_is_v4(client))
		return NETWORK_NONE;
	hash = hash_of(k, client->s6_addr);
	i = find(t, hash, client->s6_addr);
	if (i == NETWORK_NONE) {
		*good = index_reserve(&t->index, t->index.entries + 1);
		i = *good ? slab_take(&t->slab, INDEX_GONE - 1) : SLAB_NONE;
		*good = i != SLAB_NONE;
		if (!*good)
			return NETWORK_NONE;
		*at(t, i) = (struct network){.clients = 0};
		memcpy(at(t, i)->prefix, client->s6_addr, 8);
		index_add(&t->index, hash, i);
	}
	at(t, i)->clients++;
	return i;
}

void network_leave(struct networks *t, const struct hash_key *k, uint32_t i)
{
	if (i == NETWORK_NONE || --at(t, i)->clients > 0)
		return;
	index_remove(&t->index, hash_of(k, at(t, i)->prefix), i);
	slab_give(&t->slab, i);
}

void network_count(struct networks *t, uint32_t i, int more)
{
	if (i != NETWORK_NONE)
		at(t, i)->active += (uint32_t)more;
}

uint32_t network_active(const struct networks *t, const struct hash_key *k, const struct in6_addr *client)
{
	uint32_t i = codec_is_v4(client) ? NETWORK_NONE : find(t, hash_of(k, client->s6_addr), client->s6_addr);

	return i == NETWORK_NONE ? 0 : at(t, i)->active;
}
