/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/choice.h"

enum { SPILL_ADDRESSES = 64 };

static bool allowed(const struct engine *e, const struct choice *c, uint16_t port)
{
	const struct conf_ranges *ours = &e->conf->externals[c->external].ports;

	return port != 0 && (ours->n == 0 || conf_ranges_have(ours, port)) &&
	       (c->ports.n == 0 || conf_ranges_have(&c->ports, port));
}

/* True if the ports that are left are for others. */
static bool is_kept(const struct engine *e, const struct choice *c, const struct in6_addr *address)
{
	return c->many && outside_scarce(e, c->external, address, c->protocol);
}

static bool can_have(const struct engine *e, const struct choice *c, const struct in6_addr *address, uint16_t port,
		     bool pair)
{
	return allowed(e, c, port) && !is_kept(e, c, address) &&
	       outside_free_for(e, c->external, address, c->protocol, port, &c->client, c->internal_port) &&
	       (!pair || outside_pair_free(e, address, c->protocol, port, &c->client));
}

bool choice_can_have(const struct engine *e, const struct choice *c, const struct in6_addr *address, uint16_t port)
{
	return can_have(e, c, address, port, false);
}

/* An address that the client has mappings on already (RFC 6887 10). */
static bool paired_address(const struct engine *e, const struct choice *c, struct in6_addr *address)
{
	const struct lease_client *client = lease_client(e->leases, &c->client);

	for (uint32_t i = client ? client->first : LEASE_NONE; i != LEASE_NONE;) {
		const struct lease *l = lease_peek(e->leases, i);

		if (l->kind == MAPPING_NAT && l->state == LEASE_ACTIVE &&
		    outside_has(e, c->external, &l->external_address)) {
			*address = l->external_address;
			return true;
		}
		i = l->client_next;
	}
	return false;
}

bool choice_address(const struct engine *e, const struct choice *c, struct in6_addr *address)
{
	if (c->pcp && !codec_is_unspecified(&c->wish_address) && outside_has(e, c->external, &c->wish_address)) {
		*address = c->wish_address;
		return true;
	}
	if (c->pcp && paired_address(e, c, address))
		return true;
	return outside_at(e, c->external, 0, address);
}

/* The wish, then the internal port; a client that has no wish gets no low port (RFC 6886 3.3). 0 = neither. */
static uint16_t preferred(const struct engine *e, const struct choice *c, const struct in6_addr *address, bool pair)
{
	if (c->wish_port && can_have(e, c, address, c->wish_port, pair))
		return c->wish_port;
	if ((c->pcp || c->internal_port >= 1024) && can_have(e, c, address, c->internal_port, pair))
		return c->internal_port;
	return 0;
}

static bool wants_pair(const struct choice *c)
{
	return !c->pcp && (c->protocol == IPPROTO_TCP || c->protocol == IPPROTO_UDP);
}

enum choice_result choice_find(const struct engine *e, const struct choice *c, struct in6_addr *address, uint16_t *port)
{
	*port = 0;
	if (!choice_address(e, c, address))
		return CHOICE_NO_ADDRESS;
	if (c->exact) {
		if (!codec_is_unspecified(&c->wish_address) && !engine_same_address(address, &c->wish_address))
			return CHOICE_REFUSED;
		if (c->protocol == IPPROTO_SCTP && c->wish_port != c->internal_port)
			return CHOICE_REFUSED;
		if (!can_have(e, c, address, c->wish_port, false))
			return CHOICE_REFUSED;
		*port = c->wish_port;
		return CHOICE_FOUND;
	}
	/* no NAT here rewrites SCTP ports, and its checksum would have to be made anew: RFC 6887 16.3.3 */
	if (c->protocol == IPPROTO_SCTP) {
		if (!can_have(e, c, address, c->internal_port, false))
			return CHOICE_REFUSED;
		*port = c->internal_port;
		return CHOICE_FOUND;
	}
	*port = preferred(e, c, address, wants_pair(c));
	return *port ? CHOICE_FOUND : CHOICE_RANDOM;
}

/* A port that is marked as taken for others, but not for this client: held for it, or beside one that it has. */
static uint16_t own_port(const struct engine *e, const struct choice *c, const struct in6_addr *address)
{
	const struct lease_client *client = is_kept(e, c, address) ? NULL : lease_client(e->leases, &c->client);

	for (uint32_t i = client ? client->first : LEASE_NONE; i != LEASE_NONE;) {
		const struct lease *l = lease_peek(e->leases, i);

		if (engine_same_address(&l->external_address, address) &&
		    can_have(e, c, address, l->external_port, false))
			return l->external_port;
		i = l->client_next;
	}
	return 0;
}

/* A port of another address, from the one on that had one last: those that are full are not looked at by everybody. */
static uint16_t spill(struct engine *e, const struct choice *c, struct in6_addr *address)
{
	size_t *next = &e->outsides[c->external].spill, first = *next;
	uint16_t port = 0;

	for (size_t tried = 0; tried < SPILL_ADDRESSES; tried++) {
		if (!outside_at(e, c->external, *next, address)) {
			*next = 0;
			if (first == 0 || !outside_at(e, c->external, 0, address))
				return 0;
		}
		if (tried > 0 && *next == first)
			return 0;
		if (!is_kept(e, c, address))
			port = outside_pick(e, c->external, address, c->protocol, &c->ports);
		if (port)
			return port;
		++*next;
	}
	/* not the same again for whoever asks in turn with others, for whom other ports are taken */
	*next += engine_random(e) % SPILL_ADDRESSES;
	return 0;
}

bool choice_pick(struct engine *e, const struct choice *c, struct in6_addr *address, uint16_t *port)
{
	uint16_t picked = 0;

	if (!is_kept(e, c, address))
		picked = outside_pick(e, c->external, address, c->protocol, &c->ports);
	if (picked && (!wants_pair(c) || outside_pair_free(e, address, c->protocol, picked, &c->client))) {
		*port = picked;
		return true;
	}
	/* no port has its companion free: one without must do */
	*port = preferred(e, c, address, false);
	if (!*port)
		*port = picked;
	if (!*port)
		*port = own_port(e, c, address);
	if (!*port && can_have(e, c, address, c->internal_port, false))
		*port = c->internal_port;
	if (!*port && c->pcp)
		*port = spill(e, c, address);
	return *port != 0;
}
