/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine: datagrams and time in, rounds out. Pure: no socket, no clock, no random source, no log. now_ms is the
 * caller's monotonic clock (CLOCK_BOOTTIME in the server) in milliseconds and never goes back.
 *
 * A round is filled by one or more of the calls that take one, committed to a backend, and settled:
 *     engine_request()... -> backend commit(round_changes()) -> engine_settle() -> send round_replies() -> round_clear()
 * Until it is settled, the leases of a round are provisional and no other round may be filled.
 */
#ifndef SERVER_CORE_ENGINE_H
#define SERVER_CORE_ENGINE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/mapping.h"
#include "codec/epoch.h"
#include "conf/conf.h"
#include "server/core/round.h"
#include "server/core/tally.h"

#define ENGINE_SEED_LENGTH 16
#define ENGINE_NEVER	   UINT64_MAX

struct engine;

/* The engine borrows conf until it is replaced by engine_reload() or the engine is freed. seed makes port choice and
 * hash tables unpredictable. NULL if out of memory. */
struct engine *engine_new(const struct conf *conf, const uint8_t seed[ENGINE_SEED_LENGTH], uint64_t now_ms);
void engine_free(struct engine *e);

/* What the packet filter's connection tracking says of a flow, from the side of the host inside. */
struct engine_flow {
	bool known;
	uint16_t external_port;
	struct in6_addr external_address; /* the internal one if nothing is translated */
	uint32_t left_s;		  /* until it ends if no packet comes */
};

/* One datagram as it arrived. data is borrowed until the round is cleared. */
struct engine_datagram {
	const uint8_t *data;
	size_t length; /* true length of the datagram; data holds min(length, 1104) octets of it at least */
	struct in6_addr source;
	struct in6_addr destination; /* an address of the interface: others never get here */
	uint16_t source_port;
	uint16_t listen; /* index into conf.listens */
	uint32_t ifindex;
	const char *interface; /* its name, for rules; "" if none */
	bool mac_known;	       /* only looked up if a rule asks for it */
	struct conf_mac mac;
	struct engine_flow flow; /* only looked up if engine_asks_flow() */
	/* only looked up if engine_asks_place(): the host is the gateway itself, or behind no interface that is listened on */
	bool misplaced;
	/* if engine_asks_left(): for how many seconds, rounded up, connections of the mappings that it names would go on
	 * without another packet; 0 = there are none, UINT32_MAX = nobody knows */
	uint32_t flows_left_s;
	bool crowded;  /* more come in than can be served: those who have mappings go first */
	bool admitted; /* by engine_admits() */
};

/* Which flow a request is about. */
struct engine_flow_key {
	struct in6_addr internal_address, remote_address;
	uint16_t internal_port, remote_port;
	uint8_t protocol;
};
/* True if the datagram is a PEER request (RFC 6887 12) that will be looked at: the answer depends on whether the flow is
 * there already, and where it is seen from outside. To be asked right before engine_request(). */
bool engine_asks_flow(const struct engine *e, const struct engine_datagram *d, struct engine_flow_key *k);

/* True if the datagram asks for a host that is not its sender, and may (RFC 6887 13.1). To be asked right before
 * engine_request(), which does not know where hosts are. */
bool engine_asks_place(const struct engine *e, const struct engine_datagram *d, struct in6_addr *host);

/*
 * False if a datagram is dropped, and counted, for what it is, where it is from, or how many came: nothing needs to be
 * looked up for it. May be asked before engine_request(), which else does it itself; it costs the sender a token.
 */
bool engine_admits(struct engine *e, const struct engine_datagram *d, uint64_t now_ms);

enum { ENGINE_ASKS_MAX = 16 };
/*
 * True if the datagram is a MAP request that would end mappings or leave them less time than they have: the answer
 * depends on how long their connections would go on (RFC 6887 15). Fills in the mappings, without filters, and returns
 * how many. To be asked right before engine_request(); to find out may take a while, in which other rounds are filled,
 * and then it is to be asked again.
 */
size_t engine_asks_left(const struct engine *e, const struct engine_datagram *d, uint64_t now_ms,
			struct mapping v[ENGINE_ASKS_MAX]);
/* True if the datagram is a request about mappings: *host is the one inside whose they are. Requests for one host are to
 * be taken in the order in which they came. */
bool engine_asks_for(const struct engine_datagram *d, struct in6_addr *host);

/*
 * Takes one request: probe, rate limit, parse in the order of RFC 6887 8.2, policy, lease, port; puts at most one
 * reply and the changes it needs into the round. What gets no answer is counted. At most ROUND_REQUESTS_MAX calls per
 * round.
 */
void engine_request(struct engine *e, const struct engine_datagram *d, uint64_t now_ms, struct round *r);

/* When engine_tick() wants to be called, or ENGINE_NEVER. A time in the past means now. */
uint64_t engine_deadline(const struct engine *e);
/* Expiry, announcements, mapping updates and what is left of a move that was too big for one round. */
void engine_tick(struct engine *e, uint64_t now_ms, struct round *r);

/*
 * After the commit: turns the replies of refused changes into errors and undoes their leases, makes the others final.
 * A refused removal stays due and is tried again. May append events.
 */
void engine_settle(struct engine *e, uint64_t now_ms, struct round *r);

/*
 * The addresses of an external (index into conf.externals) as the outside has them: IPv4 first or alone; n 0 = none.
 * Moves leases of addresses that are gone, restarts PCP's epoch (RFC 6887 8.5) and announces, if anything changed.
 * The first call after engine_new() or with the same addresses announces nothing. 0; -ENOMEM: nothing changed, it has to be
 * told again.
 */
int engine_wan(struct engine *e, size_t external, const struct in6_addr *addresses, size_t n, uint64_t now_ms,
	       struct round *r);

/* A port on which the gateway itself listens; address :: stands for every address of both families and ::ffff:0.0.0.0
 * for every IPv4 address. */
struct engine_busy {
	struct in6_addr address;
	uint16_t port;
	uint8_t protocol;
};
/* Replaces what the engine knows of them (copied). Existing leases stay. 0 or -ENOMEM. */
int engine_busy(struct engine *e, const struct engine_busy *v, size_t n);

/* At start, before anything else: the packet filter cannot tell apart the ports of a protocol. It is not mapped. */
void engine_without(struct engine *e, uint8_t protocol);

/*
 * The start, in this order, before the first request: engine_restore() for each record of a journal, engine_past(),
 * engine_adopt() for each mapping that the packet filter has, engine_adopted(), engine_end_over() while it is true,
 * engine_wan() for each external, engine_tick() while engine_walks(), engine_start(); rounds may be settled in between.
 * Without a journal the first two are left out.
 *
 * If engine_recalls(), what engine_missing() tells of may be looked for, and adopted, before, and what has filters: then engine_end_over(), and when rounds are
 * settled and the packet filter has as many mappings as engine_installed() says, all it has are adopted.
 */

struct record;
/* A lease as it was when the record was written; what is newer replaces what is older. Times are in the engine's clock.
 * Only records of leases and of their ends count. 0 or -ENOMEM. */
int engine_restore(struct engine *e, const struct record *record, uint64_t now_ms);

/* What is known of the engine before this one. */
struct engine_past {
	bool whole;	/* everything that it answered has been restored; else the packet filter may know more */
	bool same_boot; /* the packet filter has gone on since */
	bool natpmp_goes_on, pcp_goes_on; /* nothing can have been lost by the protocol's rules: its epoch goes on */
	struct epoch natpmp, pcp;
};
void engine_past(struct engine *e, const struct engine_past *past);

/*
 * A mapping that the packet filter has; remaining_ms 0 = no timeout. It is put together with the lease that was restored
 * for it. Without one, it is what nobody was told of, and is removed, if the past is whole; else it becomes a lease with
 * unknown origin and nonce, unless the configuration no longer allows it or it clashes. 0 or -ENOMEM.
 */
int engine_adopt(struct engine *e, const struct mapping *m, uint64_t remaining_ms, uint64_t now_ms, struct round *r);
/* That were all; any: there was at least one. 0 or -ENOMEM. */
int engine_adopted(struct engine *e, bool any, struct round *r);

/* Where a walk over what is missing is; starts at 0. */
struct engine_missing {
	uint32_t lease;
	size_t statics;
};
/* True if everything that the packet filter should have is known. */
bool engine_recalls(const struct engine *e);
/*
 * Mappings without filters that the packet filter should have, and of which nobody has told yet: up to n of them, borrowed until the
 * engine is changed. Returns how many; 0: there are no more. A static mapping that
 * is translated has the address ::ffff:0.0.0.0 outside, as it is not known.
 */
size_t engine_missing(const struct engine *e, struct engine_missing *at, struct mapping *v, size_t n);
/* How many mappings the packet filter has for what is adopted so far. Walks all leases. */
size_t engine_installed(const struct engine *e);
/* Ends leases that were over before the start, as far as a round goes. True if there may be more. */
bool engine_end_over(struct engine *e, uint64_t now_ms, struct round *r);
/* True if engine_tick() has leases to look at now: at start, what is to be put back into the packet filter. */
bool engine_walks(const struct engine *e);
/* Decides of the epochs, installs static mappings, schedules the start-up announcements (RFC 6886 3.2.1, RFC 6887
 * 14.1.3). */
void engine_start(struct engine *e, uint64_t now_ms, struct round *r);

/*
 * For the journal. What a settled round changed, as records: *cursor starts at 0; writes whole records into room octets,
 * RECORD_MAX or more, and returns their length; 0 = there are no more.
 */
size_t engine_records(const struct engine *e, const struct round *r, size_t *cursor, uint64_t now_ms, uint8_t *out,
		      size_t room);
/* All leases, in the same way. What changes between calls is in engine_records() too. */
size_t engine_snapshot(const struct engine *e, uint32_t *cursor, uint64_t now_ms, uint8_t *out, size_t room);
/* The epochs as they are now. */
void engine_epochs(const struct engine *e, struct epoch *natpmp, struct epoch *pcp);

/*
 * Replaces the configuration: leases that it refuses become removals, static mappings come and go, the others see
 * nothing. The caller may free the old conf when the round is cleared. 0, or -ENOMEM with nothing changed.
 */
int engine_reload(struct engine *e, const struct conf *conf, uint64_t now_ms, struct round *r);

/* The packet filter lost everything: installs all leases again (over as many ticks as it takes), restarts both epochs
 * and announces. */
void engine_reinstall(struct engine *e, uint64_t now_ms, struct round *r);

/* Ends leases by the operator's will. protocol 0, port 0, client NULL match all. Returns how many. */
size_t engine_revoke(struct engine *e, const struct in6_addr *client, uint8_t protocol, uint16_t external_port,
		     uint64_t now_ms, struct round *r);

/* The same for one lease, by the internal side of its mapping and its peer: for those who walk. Returns how many: 1 or
 * 0. */
size_t engine_revoke_mapping(struct engine *e, const struct mapping *m, uint64_t now_ms, struct round *r);

enum engine_origin { ENGINE_ORIGIN_NATPMP, ENGINE_ORIGIN_PCP, ENGINE_ORIGIN_STATIC, ENGINE_ORIGIN_ADOPTED };

/* One lease for those who look. */
struct engine_lease {
	struct mapping mapping;
	enum engine_origin origin;
	uint64_t expires_in_ms; /* 0 = never, for static mappings */
	uint32_t lifetime_s;	/* granted last; 0 = unknown, or for ever */
	struct in6_addr asker;	/* the host that asked, if it is another; else :: */
	const char *rule;	/* name, or of the static section; NULL if unknown */
	/* as its client has it, UTF-8 of any characters; length 0 = none. This and the mapping's filters are borrowed until
	 * the engine is changed. */
	const uint8_t *description;
	uint16_t description_length;
};

/*
 * Walks the leases that are in force: *cursor starts at 0; returns false at the end. Leases may be added and removed
 * between calls: none that stays is shown twice or left out. To be used in pages, not on the request path.
 */
bool engine_lease_next(const struct engine *e, uint32_t *cursor, uint64_t now_ms, struct engine_lease *l);

/* Why a request would be granted or refused, without doing anything. */
struct engine_question {
	struct in6_addr client;
	const char *interface;
	bool mac_known;
	struct conf_mac mac;
	uint8_t protocol;
	uint16_t internal_port; /* 0: all of the protocol, or of the host if that is 0 */
	uint16_t external_port; /* suggested, 0 = none */
};
enum { ENGINE_PASSED_MAX = 32 };
struct engine_explanation {
	bool allowed;
	uint8_t result;	  /* enum pcp_result that PCP would answer */
	const char *rule; /* the rule that matched first, or the static section; NULL = there is none */
	unsigned rule_line;
	const char *why; /* in words */
	bool exists;	 /* the client has this mapping already: lease */
	struct engine_lease lease;
	uint16_t external_port; /* what it would get; 0 = a random one of the allowed, or all if all were asked for */
	uint32_t lifetime_max_s;
	uint32_t client_mappings, client_mappings_max;
	/* The rules before the one that decides, or all if none does, and the key of each for which it does not; the first
	 * ENGINE_PASSED_MAX of them, valid until the next engine_reload(). */
	size_t passed_n;
	struct engine_passed {
		const char *rule, *key;
		unsigned line;
	} passed[ENGINE_PASSED_MAX];
};
void engine_explain(const struct engine *e, const struct engine_question *q, uint64_t now_ms,
		    struct engine_explanation *x);

enum engine_drop { /* datagrams that got no answer */
		   ENGINE_DROP_SHORT,
		   ENGINE_DROP_RESPONSE,
		   ENGINE_DROP_DISABLED, /* a protocol that this listen section does not serve in a way that allows an answer */
		   ENGINE_DROP_RATE,
		   ENGINE_DROP_SOURCE, /* unspecified, multicast, the gateway's own, another family; port 0 or 5351 */
		   ENGINE_DROP_FAMILY, /* NAT-PMP over IPv6 */
		   ENGINE_DROP_CROWD,  /* more came in than could be served, and the sender has no mappings */
		   ENGINE_DROP_N,
};

struct engine_stats {
	uint64_t requests_natpmp[4]; /* by opcode; [3]: others */
	uint64_t requests_pcp[4];
	uint64_t results_natpmp[8]; /* by result */
	uint64_t results_pcp[16];
	uint64_t drops[ENGINE_DROP_N];
	uint64_t made, renewed, deleted, expired, revoked, moved, refused_changes;
	uint64_t announcements;
	size_t leases; /* in force, static ones included */
	size_t clients;
	uint32_t epoch_natpmp_s, epoch_pcp_s;
};
void engine_stats(const struct engine *e, uint64_t now_ms, struct engine_stats *s);
/* Hits, refusals and mappings by rule, as many as conf.rules; valid until the next engine_reload(). */
const struct tally *engine_tally(const struct engine *e);

#endif
