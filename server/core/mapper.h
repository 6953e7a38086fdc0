/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mapper: who wants what for how long -> a verdict, and the changes that make it true. It knows neither protocol's
 * messages; natpmp.c and pcp.c put their requests into its words and its results into theirs. Expiry, moves, revocation
 * and reload end and change leases through it too.
 */
#ifndef SERVER_CORE_MAPPER_H
#define SERVER_CORE_MAPPER_H

#include "server/core/policy.h"
#include "server/core/portset.h"
#include "server/core/state.h"
#include "server/core/terms.h"

enum mapper_result {
	MAPPER_OK,
	MAPPER_NOT_AUTHORIZED,
	MAPPER_NONCE,	 /* another nonce than the mapping's */
	MAPPER_NONSENSE, /* an option that makes no sense for the request */
	MAPPER_NETWORK_FAILURE,
	MAPPER_NO_RESOURCES,
	MAPPER_QUOTA,
	MAPPER_CANNOT_PROVIDE,
	MAPPER_FILTERS, /* more filters than a mapping may have, or on one that can have none */
	MAPPER_RESULTS_N,
};

/* A request in neutral words. */
struct mapper_want {
	bool pcp;
	uint8_t protocol;
	uint16_t internal_port;
	uint16_t suggested_port;
	struct in6_addr internal_address;
	struct in6_addr suggested_address;
	uint32_t lifetime_s;
	struct codec_nonce nonce;
	bool prefer_failure;
	bool third_party;      /* asked for by another host, */
	struct in6_addr asker; /* which is this one; else :: */
	bool nonsense;	       /* to be refused for its options, if nothing weightier is wrong (RFC 6887 11.3) */
	bool mac_known;
	struct conf_mac mac;
	const char *interface;
	uint16_t listen;
	uint16_t reply_port;
	const struct terms *terms; /* NULL = none */
	uint32_t ports;		   /* from internal_port on; 0 and 1 = an ordinary mapping: RFC 7753 */
	bool parity;		   /* even ones to even ones */
	/* a PEER: remote_port is not 0, flow what is known of it */
	uint16_t remote_port;
	struct in6_addr remote_address;
	const struct engine_flow *flow;
	uint32_t flows_left_s; /* of PCP: how long the mapping's connections go on, floor.h */
	uint32_t answer;       /* index in the round */
};

struct mapper_verdict {
	enum mapper_result result;
	const char *why;
	const char *rule;
	uint32_t error_s; /* for how long the refusal will stand; 0 = the usual for the result */
	uint32_t lease;	  /* that the answer rests on, LEASE_NONE = none */
	struct in6_addr external_address;
	uint16_t external_port;
	uint32_t lifetime_s;
	bool kept; /* the mapping has the request's terms now */
	/* the set that the answer is about: its first internal port, and how many follow it; 0 = no set */
	uint16_t set_first, set_more;
};

/* What is to be done about a request. */
enum mapper_action {
	MAPPER_TELL,	/* nothing, but to tell what is */
	MAPPER_RENEW,	/* the lease goes on */
	MAPPER_REPLACE, /* the lease goes on, but has to be put into the packet filter again, maybe elsewhere */
	MAPPER_MAKE,	/* a new lease */
	MAPPER_END,	/* the lease ends */
	MAPPER_SHORTEN, /* the lease does not end, but sooner than it would have */
};

struct mapper_plan {
	enum mapper_action action;
	struct mapper_verdict verdict; /* external_port 0: not yet chosen, a random one will do */
	uint8_t kind;		       /* enum mapping_kind */
	uint64_t due_ms;	       /* not 0: the lifetime is that of connections, and ends then */
	size_t external;
	struct portset_choice set; /* MAPPER_MAKE: n > 1 = a set */
	struct extra *extra;	   /* what the lease will have beside its keys; mapper_do() alone has it */
	struct policy_verdict policy;
};

/* Decides, without changing anything. lifetime_s 0 asks for the end of the mapping. */
void mapper_plan(const struct engine *e, const struct mapper_want *w, uint64_t now_ms, struct mapper_plan *p);
/* Decides, and puts what is to be done into the round. */
void mapper_do(struct engine *e, const struct mapper_want *w, uint64_t now_ms, struct round *r,
	       struct mapper_verdict *v);

/* The steps of a plan. Refuses; error_s as in the verdict. */
void mapper_refuse(struct mapper_plan *p, enum mapper_result result, const char *why, uint32_t error_s);
/* What the rules are asked. */
struct policy_request mapper_asks(const struct mapper_want *w);
/* Asks them, and sets the lifetime. False if it was refused. */
bool mapper_judge(const struct engine *e, const struct mapper_want *w, struct mapper_plan *p);
/* Refuses a new lease that would be one too many. */
void mapper_room(const struct engine *e, const struct mapper_want *w, struct mapper_plan *p);
/* The client is told what it has; the lease stays as it is. */
void mapper_tell(const struct engine *e, const struct lease *l, uint32_t i, uint32_t lifetime_s, struct mapper_plan *p);
/* True if a PCP request may touch the lease, by the nonce or by what stands for it. */
bool mapper_may_touch(const struct engine *e, const struct mapper_want *w, const struct lease *l);
/* True if there is an external address, or none is needed. */
bool mapper_has_address(const struct engine *e, const struct mapper_plan *p);
/* True if the lease has to be put into the packet filter again. */
bool mapper_stale(const struct engine *e, const struct lease *l);

/* Ends a lease for its owner, in a group of its own. Room for a change must have been made. */
void mapper_end(struct engine *e, uint32_t lease, enum round_cause cause, uint32_t answer, struct round *r);
/* The same as the engine's own work, which is tried again if it is refused. False if out of memory. */
bool mapper_end_own(struct engine *e, uint32_t lease, enum round_cause cause, struct round *r);

/* Puts a lease into the packet filter again, at another external side if it is stranded: the engine's own work. False
 * if out of memory or if there is no port for it; why not is in *cause, ROUND_RETRIED = out of memory. */
bool mapper_again(struct engine *e, uint32_t lease, struct policy_verdict *policy, uint64_t now_ms, struct round *r,
		  enum round_cause *cause);

/* A lease made without a request, by adoption or as a static mapping; installed: the packet filter has it. Its index, or
 * LEASE_NONE if out of memory. */
uint32_t mapper_make_own(struct engine *e, const struct lease *init, bool installed, struct round *r);

#endif
