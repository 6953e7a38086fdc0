/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lease table: leases found by (protocol, internal address, port), by (protocol, external address, port) and by
 * client, and due times on a timing wheel. A lease for one peer (RFC 6887 12) is found by that peer too; several of them
 * may have the same internal or external side, and another lease beside it. Every operation is constant time, but that one
 * of those that share a side comes or goes in the logarithm of their number; nothing walks all leases but the walk.
 * Leases are named by index (LEASE_NONE = none) and never move: a pointer is good until its lease is freed.
 */
#ifndef SERVER_CORE_LEASE_H
#define SERVER_CORE_LEASE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/codec.h"
#include "server/core/extra.h"
#include "server/core/index.h"
#include "server/core/tally.h"

#define LEASE_NONE UINT32_MAX

enum lease_state {
	LEASE_FREE,
	LEASE_ACTIVE,	/* in force, found by all three keys */
	LEASE_REMOVING, /* a removal is under way or due again; still found by all three keys */
	LEASE_HELD,	/* ended; its external port is kept from other clients; found by the external key only */
};

struct lease {
	struct in6_addr internal_address;
	struct in6_addr external_address;
	uint64_t expires_ms; /* the due time, UINT64_MAX = never; changed by lease_due() alone */
	struct extra *extra; /* NULL = nothing; changed by lease_extra() alone */
	struct codec_nonce nonce;
	uint32_t client; /* index of the client's record */
	uint16_t internal_port;
	uint16_t external_port;
	uint8_t protocol;
	uint8_t kind;	   /* enum mapping_kind */
	uint8_t state : 4; /* enum lease_state */
	uint8_t cause : 4; /* enum round_cause: why it was last to be removed */
	uint8_t origin;	   /* enum engine_origin; changed by lease_judged() alone */
	uint8_t flags;	   /* enum lease_flag */
	uint8_t external;  /* index into conf.externals */
	uint16_t
	    rule; /* index into conf.rules or conf.statics; UINT16_MAX = unknown; changed by lease_judged() alone */
	uint16_t listen;
	uint16_t reply_port; /* where the last response went: RFC 6887 14.2 */
	uint32_t lifetime_s; /* granted last; 0 = unknown */
	/* the table's own */
	uint16_t inside_nth, outside_nth; /* of those for one peer with its internal, its external side */
	uint32_t client_prev, client_next, due_prev, due_next;
};

enum lease_flag {
	LEASE_NONCE_OPEN = 1, /* adopted: the first request from the internal address sets the nonce */
	LEASE_PREFER_FAILURE = 2,
	LEASE_THIRD_PARTY = 4,
	LEASE_UPDATE = 8,	 /* moved, and its client is being told (RFC 6887 14.2) */
	LEASE_GENERATION = 0xf0, /* of the packet filter's contents that has it: four bits */
	/* those that outlive the engine */
	LEASE_KEPT = LEASE_NONCE_OPEN | LEASE_PREFER_FAILURE | LEASE_THIRD_PARTY,
};

/* One client: an internal address that has or had leases lately. */
struct lease_client {
	struct in6_addr address;
	uint32_t active; /* leases in state ACTIVE or REMOVING */
	uint32_t held;
	uint32_t first;	  /* of the client's leases in any state, LEASE_NONE = none; follow client_next */
	uint32_t network; /* the table's own */
};

struct lease_table;

/* seed: 16 octets that make the hash unpredictable. now_ms: where the wheel starts. NULL if out of memory. */
struct lease_table *lease_table_new(const uint8_t seed[16], uint64_t now_ms);
void lease_table_free(struct lease_table *t);
/* Counts leases in force there from now on; borrowed, and the caller's to keep true when all rules get other numbers. */
void lease_tally(struct lease_table *t, const struct tally *tally);

/*
 * A new lease in state ACTIVE with the values of init (client and links are ignored), due at init->expires_ms. The
 * internal and external keys must not be taken by another lease in ACTIVE or REMOVING; a HELD one with the same
 * external key must have been freed before. For one peer, its internal key with the peer must not be taken. Its extra gets a reference of the table's own, which goes when the lease is
 * freed or HELD. LEASE_NONE if out of memory, with the table unchanged.
 */
uint32_t lease_new(struct lease_table *t, const struct lease *init);
struct lease *lease_at(struct lease_table *t, uint32_t i);
const struct lease *lease_peek(const struct lease_table *t, uint32_t i);

uint32_t lease_find_internal(const struct lease_table *t, uint8_t protocol, const struct in6_addr *address,
			     uint16_t port);
/* The lease, in any state but FREE, that has this external side. */
uint32_t lease_find_external(const struct lease_table *t, uint8_t protocol, const struct in6_addr *address,
			     uint16_t port);
/* One after another, the leases of any protocol, in any state but FREE, that have this external address and port.
 * LEASE_NONE at the end. The table must not be changed meanwhile. */
struct lease_port {
	const struct in6_addr *address;
	uint16_t port;
	/* the table's own */
	bool begun;
	struct index_cursor cursor;
};
uint32_t lease_next_external(const struct lease_table *t, struct lease_port *p);

/* True if the lease is for one peer. */
static inline bool lease_is_peer(const struct lease *l)
{
	return extra_parts(l->extra)->remote_port != 0;
}
/* The lease of this internal side for one peer. The functions above find none of those. */
uint32_t lease_find_peer(const struct lease_table *t, uint8_t protocol, const struct in6_addr *address, uint16_t port,
			 const struct in6_addr *remote_address, uint16_t remote_port);
/* One after another, the leases in ACTIVE or REMOVING for one peer each that have this internal side; those that have
 * this external side. LEASE_NONE at the end. The table must not be changed meanwhile. */
struct lease_peers {
	uint8_t protocol;
	const struct in6_addr *address;
	uint16_t port;
	/* the table's own */
	uint16_t nth;
	bool begun;
	struct index_cursor cursor;
};
uint32_t lease_next_peer(const struct lease_table *t, struct lease_peers *p);
uint32_t lease_next_peer_outside(const struct lease_table *t, struct lease_peers *p);

/* Replaces what the lease has beside its keys, not the peer; the table takes a reference of its own. */
void lease_extra(struct lease_table *t, uint32_t i, struct extra *extra);
/* Changes the due time (expires_ms). */
void lease_due(struct lease_table *t, uint32_t i, uint64_t at_ms);
/* Changes the state between ACTIVE and REMOVING; to HELD (leaves the internal index and is never due until lease_due()
 * is called after it); from HELD to ACTIVE only if the internal key is not taken. */
void lease_state(struct lease_table *t, uint32_t i, enum lease_state state);
/* Says who asked for it, and which rule it is by now: it counts for that one. */
void lease_judged(struct lease_table *t, uint32_t i, uint8_t origin, uint16_t rule);
/* Its rule has another number; the caller sees to the tally. */
void lease_renumber(struct lease_table *t, uint32_t i, uint16_t rule);
/* Gives it another external side; the new key must be free. */
void lease_move(struct lease_table *t, uint32_t i, const struct in6_addr *external_address, uint16_t external_port);
/* Forgets it; the client's record goes with its last lease. */
void lease_free(struct lease_table *t, uint32_t i);

/* The client's record or NULL. Valid until its last lease is freed. */
const struct lease_client *lease_client(const struct lease_table *t, const struct in6_addr *address);

/* Leases in ACTIVE or REMOVING of all clients in the IPv6 network of 64 bits that an address is in; 0 for IPv4. */
uint32_t lease_network_active(const struct lease_table *t, const struct in6_addr *address);
/* Those, of all clients, that a rule allowed; static ones are of none. */
uint32_t lease_rule_active(const struct lease_table *t, uint16_t rule);

/*
 * Turns the wheel to now_ms and returns a lease whose due time has come, LEASE_NONE if there is none. It stays due
 * (and is returned again) until lease_due(), lease_state() HELD or lease_free() is called on it. The work done before
 * LEASE_NONE is returned is bounded: with very many leases that may be before the wheel has come to now_ms; then
 * lease_deadline() is not later than now_ms, and calling again goes on.
 */
uint32_t lease_next_due(struct lease_table *t, uint64_t now_ms);
/* A time at or before the earliest due time; UINT64_MAX if nothing is due ever. It is exact when the due time is near;
 * else calling lease_next_due() at that time brings it nearer, at most 11 times for one lease. */
uint64_t lease_deadline(const struct lease_table *t);

/* Leases in ACTIVE or REMOVING; clients with records. */
size_t lease_count(const struct lease_table *t);
size_t lease_clients(const struct lease_table *t);
/* Filters of all leases in ACTIVE or REMOVING: of a set, those of each port. */
size_t lease_filters(const struct lease_table *t);
/* The next used index at or after i, in any state but FREE; LEASE_NONE at the end. Leases keep their index for life. */
uint32_t lease_walk(const struct lease_table *t, uint32_t i);

#endif
