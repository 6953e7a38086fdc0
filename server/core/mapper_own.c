/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What nobody asks for: leases end, move, and are made by the operator. */
#include "server/core/choice.h"
#include "server/core/mapper_self.h"
#include "server/core/mapper_set.h"
#include "server/core/peer.h"

static void end(struct engine *e, uint32_t i, enum round_cause cause, uint32_t answer, uint8_t flags, struct round *r)
{
	struct lease *l = lease_at(e->leases, i);
	struct round_step s = {.lease = i,
			       .answer = answer,
			       .flags = (uint8_t)(ROUND_STEP_END | ROUND_STEP_EVENT | flags),
			       .event = ROUND_ENDED,
			       .cause = (uint8_t)cause,
			       .extra = l->extra};

	if (cause != ROUND_RETRIED)
		l->cause = (uint8_t)cause;
	s.before = *l;
	round_group(r);
	portset_change(r, CHANGE_REMOVE, l, 0, &s);
	/* it is in the round's hands now: settling frees it or makes it due again */
	portset_state(e, i, LEASE_REMOVING);
	lease_due(e->leases, i, UINT64_MAX);
}

void mapper_end(struct engine *e, uint32_t lease, enum round_cause cause, uint32_t answer, struct round *r)
{
	end(e, lease, cause, answer, 0, r);
}

bool mapper_end_own(struct engine *e, uint32_t lease, enum round_cause cause, struct round *r)
{
	lease = portset_head(e, lease);
	if (!round_reserve(r, portset_changes(lease_peek(e->leases, lease))))
		return false;
	end(e, lease, cause, ROUND_NONE, ROUND_STEP_OWN, r);
	return true;
}

bool mapper_again(struct engine *e, uint32_t lease, struct policy_verdict *policy, uint64_t now_ms, struct round *r,
		  enum round_cause *cause)
{
	const struct lease *l = lease_peek(e->leases, lease);
	size_t home = engine_home(e, l);
	bool lost = engine_lost(e, l), stranded = engine_stranded(e, l);
	bool moves = stranded && !outside_has(e, home, &l->external_address);
	struct in6_addr address = l->external_address;
	uint16_t port = l->external_port;
	struct choice c = {.external = home,
			   .protocol = l->protocol,
			   .pcp = l->origin != ENGINE_ORIGIN_NATPMP,
			   .client = l->internal_address,
			   .internal_port = l->internal_port,
			   .wish_port = port,
			   .ports = policy_ports(policy)};
	struct round_step s = {.lease = lease,
			       .answer = ROUND_NONE,
			       .flags = (uint8_t)(ROUND_STEP_OWN | (moves ? ROUND_STEP_EVENT : 0)),
			       .event = ROUND_MOVED,
			       .before = *l,
			       .extra = l->extra};
	uint64_t timeout_ms = 0;

	*cause = ROUND_HOMELESS;
	if (moves && l->origin == ENGINE_ORIGIN_STATIC) {
		if (!outside_at(e, home, 0, &address) ||
		    lease_find_external(e->leases, l->protocol, &address, port) != LEASE_NONE)
			return false;
	} else if (moves && portset_more(l)) {
		if (!mapper_set_place(e, l, &c, &address, &port))
			return false;
	} else if (moves) {
		/* what one internal side has stays together, unless it came to be on two externals */
		bool beside =
		    peer_side(e, l->protocol, &l->internal_address, l->internal_port, lease, &address, &port) &&
		    outside_has(e, home, &address);
		enum choice_result found = CHOICE_FOUND;

		if (beside && !lease_is_peer(l))
			c.wish_port = port;
		if (!beside || !lease_is_peer(l))
			found = choice_find(e, &c, &address, &port);
		if (found != CHOICE_FOUND && (found != CHOICE_RANDOM || !choice_pick(e, &c, &address, &port)))
			return false;
	}
	*cause = ROUND_RETRIED;
	if (!round_reserve(r, 2 * (portset_more(l) + 1u)))
		return false;
	if (l->expires_ms != UINT64_MAX) {
		s.lifetime_s = engine_remaining_s(l, now_ms);
		timeout_ms = mapper_timeout(l->expires_ms > now_ms ? l->expires_ms - now_ms : 0);
	}
	if (stranded)
		portset_external(e, lease, (uint8_t)home);
	/* after a clean loss there is nothing to be cleared, unless that was tried and refused */
	mapper_replace(e, lease, &address, port, timeout_ms, !lost || e->walk_again.wait_ms != 0, &s, r);
	mapper_refresh_left(e, lease, &s.before);
	/* after the epoch has started anew a client may come with a new nonce, once */
	if (lost && e->nonces_open && l->origin == ENGINE_ORIGIN_PCP)
		lease_at(e->leases, lease)->flags |= LEASE_NONCE_OPEN;
	return true;
}

uint32_t mapper_make_own(struct engine *e, const struct lease *init, bool installed, struct round *r)
{
	struct round_step s = {
	    .answer = ROUND_NONE, .flags = ROUND_STEP_NEW | ROUND_STEP_OWN | ROUND_STEP_EVENT, .event = ROUND_MADE};
	uint32_t i;

	if (!round_reserve(r, portset_changes(init)))
		return LEASE_NONE;
	portset_free_held(e, init);
	i = portset_new(e, init);
	if (i == LEASE_NONE)
		return LEASE_NONE;
	engine_set_generation(lease_at(e->leases, i), e->generation);
	portset_refresh(e, i);
	s.lease = i;
	s.before = *lease_peek(e->leases, i);
	s.extra = s.before.extra;
	if (!installed) {
		round_group(r);
		portset_change(r, CHANGE_ADD, &s.before, 0, &s);
	}
	return i;
}
