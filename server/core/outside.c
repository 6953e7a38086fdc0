/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/outside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/policy.h"
#include "server/core/state.h"

enum { PICK_TRIES = 16 };

static const uint8_t mappable[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_DCCP, IPPROTO_UDPLITE};

unsigned outside_mappable(uint8_t protocol)
{
	for (unsigned i = 0; i < sizeof(mappable); i++)
		if (mappable[i] == protocol)
			return i + 1;
	return 0;
}

static bool has_pool(const struct conf_external *c)
{
	return c->addresses.n > 0;
}

const char *outside_private(const struct in6_addr *address)
{
	static const char lan[] = "the external address is a private one: another NAT is in front of this router";
	static const char other[] = "the external address is none that the internet knows";
	static const struct {
		uint32_t prefix, mask;
		const char *why;
	} ranges[] = {
	    {0x00000000, 0xff000000, other},
	    {0x0a000000, 0xff000000, lan},
	    {0x64400000, 0xffc00000, "the external address is of the provider's NAT (CGN, 100.64.0.0/10)"},
	    {0x7f000000, 0xff000000, other},
	    {0xa9fe0000, 0xffff0000, "the external address is link-local: the provider has given none"},
	    {0xac100000, 0xfff00000, lan},
	    {0xc0a80000, 0xffff0000, lan},
	    {0xe0000000, 0xe0000000, other},
	};
	uint32_t v4 = codec_to_v4(address);

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++)
		if ((v4 & ranges[i].mask) == ranges[i].prefix)
			return ranges[i].why;
	return NULL;
}

/* An address that the operator wrote down is meant, unless private ones are refused in words. */
static bool may_use(const struct conf_external *c, const struct in6_addr *address)
{
	if (!codec_is_v4(address))
		return false;
	if (c->private_address == CONF_PRIVATE_ALLOW || (c->private_address == CONF_PRIVATE_AUTO && has_pool(c)))
		return true;
	return !outside_private(address);
}

const char *outside_unreachable(const struct engine *e, size_t external, const struct in6_addr *internal_address)
{
	static const struct {
		uint8_t first[4];
		uint8_t length; /* in bits, of which the first 32 can be told */
		bool local;	/* an operator may have a use for it */
		const char *why;
	} ranges[] = {
	    {{0xfe, 0x80}, 10, false, "a link-local address cannot be reached from outside"},
	    {{0xfe, 0xc0}, 10, false, "a site-local address cannot be reached from outside"},
	    {{0xfc, 0x00}, 7, true, "a unique local address cannot be reached from outside"},
	    {{0x20, 0x01, 0x00, 0x10}, 28, false, "a hash identifier (ORCHID) is no address"},
	    {{0x20, 0x01, 0x00, 0x20}, 28, false, "a hash identifier (ORCHID) is no address"},
	    {{0xff, 0x00}, 8, false, "a group is no host"},
	};
	const uint8_t *a = internal_address->s6_addr;

	if (codec_is_v4(internal_address))
		return NULL;
	/* IPv4-compatible addresses, and those of no host */
	if (IN6_IS_ADDR_V4COMPAT(internal_address) || IN6_IS_ADDR_LOOPBACK(internal_address) ||
	    IN6_IS_ADDR_UNSPECIFIED(internal_address))
		return "the address cannot be reached from outside";
	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		const uint8_t *f = ranges[i].first;
		uint32_t have = (uint32_t)a[0] << 24 | (uint32_t)a[1] << 16 | (uint32_t)a[2] << 8 | a[3];
		uint32_t want = (uint32_t)f[0] << 24 | (uint32_t)f[1] << 16 | (uint32_t)f[2] << 8 | f[3];

		if ((have ^ want) >> (32 - ranges[i].length) == 0 &&
		    !(ranges[i].local && e->conf->externals[external].private_address == CONF_PRIVATE_ALLOW))
			return ranges[i].why;
	}
	return NULL;
}

/* Works out what can be used of what is given; usable has room for it. */
static void filter(struct outside *o, const struct conf_external *c)
{
	o->pool_up = has_pool(c) && (!*c->interface || o->given_n > 0);
	o->usable_n = 0;
	for (size_t i = 0; !has_pool(c) && i < o->given_n; i++)
		if (may_use(c, &o->given[i]))
			o->usable[o->usable_n++] = o->given[i];
}

static bool give(struct outside *o, const struct in6_addr *addresses, size_t n)
{
	struct in6_addr *given = malloc((n + 1) * sizeof(*given)), *usable = malloc((n + 1) * sizeof(*usable));

	if (!given || !usable) {
		free(given);
		free(usable);
		return false;
	}
	free(o->given);
	free(o->usable);
	o->given = given;
	o->usable = usable;
	o->given_n = o->usable_n = 0;
	for (size_t i = 0; i < n; i++)
		if (codec_is_v4(&addresses[i]))
			given[o->given_n++] = addresses[i];
	return true;
}

static bool set_high(struct outside *o, const struct conf_external *c)
{
	static const struct conf_range all = {1024, UINT16_MAX};
	const struct conf_range *v = c->ports.n ? c->ports.v : &all;
	size_t n = c->ports.n ? c->ports.n : 1;

	o->high = malloc(n * sizeof(*o->high));
	if (!o->high)
		return false;
	for (size_t i = 0; i < n; i++)
		if (v[i].last >= all.first)
			o->high[o->high_n++] =
			    (struct conf_range){v[i].first < all.first ? all.first : v[i].first, v[i].last};
	return true;
}

struct outside *outside_new(const struct conf *conf, const struct conf *old_conf, const struct outside *old)
{
	struct outside *v = calloc(conf->externals_n + 1, sizeof(*v));

	for (size_t i = 0; v && i < conf->externals_n; i++) {
		const struct conf_external *c = &conf->externals[i];
		const struct outside *known = NULL;

		for (size_t j = 0; old && j < old_conf->externals_n; j++)
			if (strcmp(old_conf->externals[j].interface, c->interface) == 0)
				known = &old[j];
		v[i].told = known && known->told;
		if (!give(&v[i], known ? known->given : NULL, known ? known->given_n : 0) || !set_high(&v[i], c)) {
			outside_free(v, conf->externals_n);
			return NULL;
		}
		filter(&v[i], c);
	}
	return v;
}

void outside_free(struct outside *v, size_t n)
{
	for (size_t i = 0; v && i < n; i++) {
		for (size_t j = 0; j < v[i].places_n; j++)
			ports_free(v[i].places[j].ports);
		free(v[i].places);
		free(v[i].given);
		free(v[i].usable);
		free(v[i].high);
	}
	free(v);
}

bool outside_same(const struct conf_external *ca, const struct outside *a, const struct conf_external *cb,
		  const struct outside *b)
{
	if (a->pool_up != b->pool_up || a->usable_n != b->usable_n)
		return false;
	if (a->usable_n && memcmp(a->usable, b->usable, a->usable_n * sizeof(*a->usable)) != 0)
		return false;
	if (!a->pool_up)
		return true;
	if (ca->addresses.n != cb->addresses.n)
		return false;
	for (size_t i = 0; i < ca->addresses.n; i++)
		if (ca->addresses.v[i].length != cb->addresses.v[i].length ||
		    !engine_same_address(&ca->addresses.v[i].address, &cb->addresses.v[i].address))
			return false;
	return true;
}

int outside_tell(struct engine *e, size_t external, const struct in6_addr *addresses, size_t n)
{
	const struct conf_external *c = &e->conf->externals[external];
	struct outside *o = &e->outsides[external];
	struct outside before = *o;
	bool first = !o->told, same;

	o->given = o->usable = NULL;
	if (!give(o, addresses, n)) {
		*o = before;
		return -ENOMEM;
	}
	o->told = true;
	filter(o, c);
	same = outside_same(c, &before, c, o);
	free(before.given);
	free(before.usable);
	/* ports of addresses that are gone need no marks any more */
	for (size_t i = o->places_n; !same && i-- > 0;)
		if (!outside_has(e, external, &o->places[i].address)) {
			ports_free(o->places[i].ports);
			memmove(&o->places[i], &o->places[i + 1], (--o->places_n - i) * sizeof(*o->places));
		}
	return !same && !first;
}

bool outside_has(const struct engine *e, size_t external, const struct in6_addr *address)
{
	const struct outside *o = &e->outsides[external];
	const struct conf_external *c = &e->conf->externals[external];

	if (o->pool_up)
		return may_use(c, address) && conf_prefixes_have(&c->addresses, address);
	for (size_t i = 0; i < o->usable_n; i++)
		if (engine_same_address(&o->usable[i], address))
			return true;
	return false;
}

bool outside_at(const struct engine *e, size_t external, size_t n, struct in6_addr *address)
{
	const struct outside *o = &e->outsides[external];
	const struct conf_external *c = &e->conf->externals[external];

	if (n < o->usable_n) {
		*address = o->usable[n];
		return true;
	}
	for (size_t i = 0; o->pool_up && i < c->addresses.n; i++) {
		const struct conf_prefix *p = &c->addresses.v[i];
		uint64_t size;

		if (p->length < 96 || !may_use(c, &p->address))
			continue;
		size = UINT64_C(1) << (128 - p->length);
		if (n < size) {
			*address = codec_from_v4(codec_to_v4(&p->address) + (uint32_t)n);
			return may_use(c, address);
		}
		n -= size;
	}
	return false;
}

const char *outside_none(const struct engine *e, size_t external)
{
	const struct outside *o = &e->outsides[external];
	const struct conf_external *c = &e->conf->externals[external];
	const char *why = NULL;

	/* one that could be used is there, or none that could not */
	if (o->pool_up && codec_is_v4(&c->addresses.v[0].address))
		why = outside_private(&c->addresses.v[0].address);
	else if (!has_pool(c) && o->given_n > 0)
		why = outside_private(&o->given[0]);
	return why ? why : "there is no external address";
}

size_t outside_owner(const struct engine *e, const struct in6_addr *address)
{
	for (size_t i = 0; i < e->conf->externals_n; i++)
		if (e->conf->externals[i].nat && outside_has(e, i, address))
			return i;
	return SIZE_MAX;
}

static bool is_static(const struct engine *e, size_t external, uint8_t protocol, uint16_t port)
{
	for (size_t i = 0; i < e->conf->statics_n; i++) {
		const struct conf_static *s = &e->conf->statics[i];

		if (s->external == external && s->protocol == protocol && s->external_port == port)
			return true;
	}
	return false;
}

bool outside_barred(const struct engine *e, size_t external, const struct in6_addr *address, uint8_t protocol,
		    uint16_t port)
{
	return port == 0 || policy_reserved(e->conf, protocol, port) || is_static(e, external, protocol, port) ||
	       outside_busy_has(&e->busy, address, protocol, port);
}

/* The other transport of TCP and UDP; 0: the protocol has no companion. */
static uint8_t companion(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? IPPROTO_UDP : protocol == IPPROTO_UDP ? IPPROTO_TCP : 0;
}

/* The leases on a port of an address: of the protocol, and of its companion; NULL = none. A held one of the companion
 * promises nothing, and does not count. */
struct holders {
	const struct lease *own, *other;
	bool other_held;
};

static struct holders holders_of(const struct engine *e, const struct in6_addr *address, uint8_t protocol,
				 uint16_t port)
{
	struct holders h = {0};
	struct lease_port p = {.address = address, .port = port};
	uint8_t other = companion(protocol);

	for (uint32_t i; (i = lease_next_external(e->leases, &p)) != LEASE_NONE;) {
		const struct lease *l = lease_peek(e->leases, i);

		if (l->protocol == protocol)
			h.own = l;
		else if (other && l->protocol == other && l->state == LEASE_HELD)
			h.other_held = true;
		else if (other && l->protocol == other)
			h.other = l;
	}
	return h;
}

static bool is_of(const struct lease *l, const struct in6_addr *client)
{
	return engine_same_address(&l->internal_address, client);
}

bool outside_has_peers(const struct engine *e, const struct in6_addr *address, uint8_t protocol, uint16_t port,
		       const struct in6_addr *client, uint16_t internal_port)
{
	struct lease_peers p = {.protocol = protocol, .address = address, .port = port};

	for (uint32_t i; (i = lease_next_peer_outside(e->leases, &p)) != LEASE_NONE;)
		if (!is_of(lease_peek(e->leases, i), client) ||
		    lease_peek(e->leases, i)->internal_port != internal_port)
			return true;
	return false;
}

bool outside_free_for(const struct engine *e, size_t external, const struct in6_addr *address, uint8_t protocol,
		      uint16_t port, const struct in6_addr *client, uint16_t internal_port)
{
	struct holders h;

	if (outside_barred(e, external, address, protocol, port) ||
	    outside_has_peers(e, address, protocol, port, client, internal_port))
		return false;
	h = holders_of(e, address, protocol, port);
	if (h.own && !(h.own->state == LEASE_HELD && is_of(h.own, client)))
		return false;
	return !h.other || h.other->origin != ENGINE_ORIGIN_NATPMP || is_of(h.other, client);
}

bool outside_pair_free(const struct engine *e, const struct in6_addr *address, uint8_t protocol, uint16_t port,
		       const struct in6_addr *client)
{
	struct holders h = holders_of(e, address, protocol, port);

	return !h.other || is_of(h.other, client);
}

/* Where the address is or would be. */
static size_t place_index(const struct outside *o, const struct in6_addr *address)
{
	size_t low = 0, high = o->places_n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(&o->places[middle].address, address, sizeof(*address)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct outside_place *find_or_make_place(struct outside *o, const struct in6_addr *address,
						const struct conf_ranges *ours)
{
	size_t i = place_index(o, address);
	struct outside_place *grown;
	struct ports *ports;

	if (i < o->places_n && engine_same_address(&o->places[i].address, address))
		return &o->places[i];
	if (o->places_n == o->places_capacity) {
		size_t capacity = o->places_capacity ? o->places_capacity * 2 : 4;

		grown = realloc(o->places, capacity * sizeof(*grown));
		if (!grown)
			return NULL;
		o->places = grown;
		o->places_capacity = capacity;
	}
	ports = ports_new(ours);
	if (!ports)
		return NULL;
	memmove(&o->places[i + 1], &o->places[i], (o->places_n++ - i) * sizeof(*o->places));
	o->places[i] = (struct outside_place){.address = *address, .ports = ports};
	return &o->places[i];
}

bool outside_scarce(const struct engine *e, size_t external, const struct in6_addr *address, uint8_t protocol)
{
	const struct conf_ranges *ours = &e->conf->externals[external].ports;
	const struct outside *o = &e->outsides[external];
	size_t i = place_index(o, address);

	return i < o->places_n && engine_same_address(&o->places[i].address, address) &&
	       ports_left(o->places[i].ports, protocol) <= ports_total(ours) * e->conf->limits.reserve / 100;
}

static const struct conf_ranges *reserved_of(const struct conf *conf, uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return &conf->reserved.tcp;
	case IPPROTO_UDP:
		return &conf->reserved.udp;
	case IPPROTO_SCTP:
		return &conf->reserved.sctp;
	case IPPROTO_DCCP:
		return &conf->reserved.dccp;
	default:
		return &conf->reserved.udplite;
	}
}

/* Marks what nobody may have of a protocol, once for each address. */
static bool prepare(struct engine *e, size_t external, struct outside_place *p, uint8_t protocol)
{
	unsigned number = outside_mappable(protocol);
	uint8_t bit = (uint8_t)(1u << number >> 1);
	const struct conf_ranges *reserved;

	if (number == 0)
		return false;
	if (p->prepared & bit)
		return true;
	if (ports_set(p->ports, protocol, CODEC_SERVER_PORT,
		      outside_barred(e, external, &p->address, protocol, CODEC_SERVER_PORT)) != 0)
		return false;
	p->prepared |= bit;
	reserved = reserved_of(e->conf, protocol);
	ports_set(p->ports, protocol, CODEC_ANNOUNCE_PORT,
		  outside_barred(e, external, &p->address, protocol, CODEC_ANNOUNCE_PORT));
	for (size_t i = 0; i < reserved->n; i++)
		for (uint32_t port = reserved->v[i].first; port <= reserved->v[i].last; port++)
			ports_set(p->ports, protocol, (uint16_t)port, true);
	for (size_t i = 0; i < e->conf->statics_n; i++)
		if (e->conf->statics[i].external == external && e->conf->statics[i].protocol == protocol)
			ports_set(p->ports, protocol, e->conf->statics[i].external_port, true);
	outside_busy_mark(&e->busy, &p->address, protocol, p->ports);
	return true;
}

/* The place, or NULL: not an address to give ports of, or out of memory. */
static struct outside_place *place(struct engine *e, size_t external, const struct in6_addr *address)
{
	/* a lease may be of an external that a reload took away */
	if (external >= e->conf->externals_n || !outside_has(e, external, address))
		return NULL;
	return find_or_make_place(&e->outsides[external], address, &e->conf->externals[external].ports);
}

/* The same with the protocol prepared. */
static struct outside_place *place_for(struct engine *e, size_t external, const struct in6_addr *address,
				       uint8_t protocol)
{
	struct outside_place *p = place(e, external, address);

	return p && prepare(e, external, p, protocol) ? p : NULL;
}

static void mark(struct engine *e, size_t external, struct outside_place *p, uint8_t protocol, uint16_t port,
		 bool held_by_lease)
{
	if (prepare(e, external, p, protocol))
		ports_set(p->ports, protocol, port,
			  held_by_lease || outside_barred(e, external, &p->address, protocol, port));
}

void outside_refresh(struct engine *e, size_t external, const struct in6_addr *address, uint8_t protocol, uint16_t port)
{
	struct outside_place *p = port ? place(e, external, address) : NULL;
	bool own_natpmp, other_natpmp;
	struct holders h;

	if (!p)
		return;
	h = holders_of(e, address, protocol, port);
	own_natpmp = h.own && h.own->state != LEASE_HELD && h.own->origin == ENGINE_ORIGIN_NATPMP;
	other_natpmp = h.other && h.other->origin == ENGINE_ORIGIN_NATPMP;
	mark(e, external, p, protocol, port,
	     h.own || other_natpmp || outside_has_peers(e, address, protocol, port, &in6addr_any, 0));
	/* what the other transport's lease reserves or leaves free here, this one's does there */
	if (companion(protocol))
		mark(e, external, p, companion(protocol), port,
		     own_natpmp || h.other || h.other_held ||
			 outside_has_peers(e, address, companion(protocol), port, &in6addr_any, 0));
}

uint16_t outside_pick(struct engine *e, size_t external, const struct in6_addr *address, uint8_t protocol,
		      const struct conf_ranges *ranges)
{
	const struct outside *o = &e->outsides[external];
	struct conf_ranges high = {o->high, o->high_n};
	struct outside_place *p = place_for(e, external, address, protocol);
	uint16_t port = 0;

	/* the marks may lag behind while a walk is under way: what is picked is looked at, and marked if it is taken */
	for (unsigned i = 0; p && i < PICK_TRIES; i++) {
		if (high.n)
			port = ports_pick(p->ports, protocol, &high, ranges, (uint32_t)engine_random(e));
		if (!port)
			port = ports_pick(p->ports, protocol, &e->conf->externals[external].ports, ranges,
					  (uint32_t)engine_random(e));
		if (!port || outside_free_for(e, external, address, protocol, port, &in6addr_any, 0))
			return port;
		ports_set(p->ports, protocol, port, true);
		port = 0;
	}
	return 0;
}

/* True if a port of a run is taken after all; then it is marked. */
static bool belies(struct engine *e, size_t external, const struct outside_place *p, uint8_t protocol, uint16_t first,
		   uint32_t n)
{
	for (uint32_t port = first; port < first + n; port++)
		if (!outside_free_for(e, external, &p->address, protocol, (uint16_t)port, &in6addr_any, 0)) {
			ports_set(p->ports, protocol, (uint16_t)port, true);
			return true;
		}
	return false;
}

uint32_t outside_find_run(struct engine *e, size_t external, const struct in6_addr *address, uint8_t protocol,
			  const struct conf_ranges *ranges, const struct runs_want *want, uint16_t *first)
{
	const struct outside *o = &e->outsides[external];
	struct conf_ranges high = {o->high, o->high_n};
	struct outside_place *p = place_for(e, external, address, protocol);
	uint32_t n, random;

	for (unsigned i = 0; p && i < PICK_TRIES; i++) {
		random = (uint32_t)engine_random(e);
		n = high.n ? ports_find_run(p->ports, protocol, &high, ranges, want, random, first) : 0;
		if (n == 0)
			n = ports_find_run(p->ports, protocol, &e->conf->externals[external].ports, ranges, want,
					   random, first);
		if (n == 0 || !belies(e, external, p, protocol, *first, n))
			return n;
	}
	return 0;
}
