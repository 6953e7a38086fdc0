/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engine is made of, for the files that are the engine. */
#ifndef SERVER_CORE_STATE_H
#define SERVER_CORE_STATE_H

#include "codec/epoch.h"
#include "server/core/announce.h"
#include "server/core/engine.h"
#include "server/core/hash.h"
#include "server/core/lease.h"
#include "server/core/limit.h"
#include "server/core/outside.h"
#include "server/core/outside_busy.h"
#include "server/core/round_fill.h"
#include "server/core/update.h"

enum {
	ENGINE_GRACE_MS = 15000,     /* the packet filter closes a mapping that much later than we */
	ENGINE_RETRY_MIN_MS = 1000,  /* refused work of our own is tried again after this, */
	ENGINE_RETRY_MAX_MS = 60000, /* doubling up to this */
	ENGINE_WALK_LEASES = 8192,   /* leases that one tick of a walk looks at */
	ENGINE_LOST = 15, /* the generation of a lease that the packet filter lost, whatever the engine's is */
};

/* Work that is due at some time, later and later while it is refused. */
struct engine_retry {
	uint64_t at_ms;	   /* ENGINE_NEVER: nothing to do */
	uint64_t wait_ms;  /* after the last refusal; 0 = there was none */
	uint64_t asked_ms; /* when that was: all refusals of one round are one */
};

struct engine {
	const struct conf *conf;
	uint32_t lifetime_uncut_s; /* policy_lifetime_uncut() of it */
	struct hash_key key;
	uint64_t randoms;
	struct lease_table *leases;
	struct limit *limit;
	uint64_t strangers;	  /* that came while there was a crowd */
	struct outside *outsides; /* as many as conf.externals */
	struct outside_busy busy;
	struct epoch epoch_natpmp, epoch_pcp;
	struct announce announce;
	struct updates updates;
	/* A walk looks at every lease, some in each tick, and brings it to what it should be now. */
	uint32_t walk; /* the next one, LEASE_NONE = no walk is under way */
	struct engine_retry walk_again;
	struct engine_retry statics;
	struct engine_retry removal; /* only how long to wait */
	struct engine_retry memory;  /* expiry and the walk found none and wait until then; 0: they go on */
	uint8_t generation;	     /* a lease of another one is not in the packet filter */
	uint8_t without;	     /* protocols that cannot be mapped here, by outside_mappable() - 1 */
	bool started;
	bool moved;	  /* before the start: a lease cannot stay at its external address */
	bool nonces_open; /* leases that are put back take a new nonce, once: the epoch has started anew */
	struct engine_past past;
	struct engine_stats stats;
	struct tally tally;
};

/* When to try again what was refused now: after a wait that doubles each time. */
uint64_t engine_retry_at(struct engine_retry *t, uint64_t now_ms);

static inline bool engine_same_address(const struct in6_addr *a, const struct in6_addr *b)
{
	return __builtin_memcmp(a, b, sizeof(*a)) == 0;
}

/* An unpredictable number. */
static inline uint64_t engine_random(struct engine *e)
{
	uint64_t n = e->randoms++;

	return hash_address(&e->key, &in6addr_any, (uint32_t)n) ^
	       hash_address(&e->key, &in6addr_loopback, (uint32_t)(n >> 32));
}

/* Whose tokens a datagram takes. */
struct limit_client engine_limit_client(const struct engine *e, const struct engine_datagram *d);
/* True for a protocol with ports that can be mapped here. */
bool engine_maps(const struct engine *e, uint8_t protocol);

/* The lease as the packet filter has it; it points into the lease's extra. */
struct mapping engine_mapping(const struct lease *l);
/* Name of the rule or static section that a lease belongs to, or NULL. */
const char *engine_rule_name(const struct engine *e, const struct lease *l);
/* Whole seconds that a lease has left, rounded up. */
uint32_t engine_remaining_s(const struct lease *l, uint64_t now_ms);
/* True if the packet filter lost the lease and it has not been installed again. */
bool engine_lost(const struct engine *e, const struct lease *l);
/* Says when the packet filter got it: e->generation = now, ENGINE_LOST = it has not. */
void engine_set_generation(struct lease *l, uint8_t generation);
/* The external where a lease belongs: that of its section, if it is known. Not one of conf's if there is none. */
size_t engine_home(const struct engine *e, const struct lease *l);
/* True if the lease translates to an address that is ours no more, or is on another external than its home, while there is
 * an address to go to. */
bool engine_stranded(const struct engine *e, const struct lease *l);
/* Marks the ports of a lease, of both transports, as they are now. */
void engine_refresh(struct engine *e, const struct lease *l);
/* Both counters start from zero: mappings were lost, or may have been. */
void engine_state_lost(struct engine *e, uint64_t now_ms);
/* Every lease is to be looked at. */
void engine_walk_all(struct engine *e);

#endif
