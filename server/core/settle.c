/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of a round when the packet filter has spoken: refused changes are taken back, accepted ones are final. */
#include <errno.h>

#include "server/core/natpmp.h"
#include "server/core/pcp.h"
#include "server/core/peer.h"

static const char *const causes[] = {
    [ROUND_DELETED] = "deleted by its client",
    [ROUND_EXPIRED] = "expired",
    [ROUND_REVOKED] = "revoked",
    [ROUND_FORBIDDEN] = "no longer allowed",
    [ROUND_HOMELESS] = "its external address is gone",
    [ROUND_RETRIED] = "ended, at another try",
    [ROUND_CLASHED] = "a static mapping takes its place",
};

/* The packet filter that refuses this one change, or the packet filter that cannot be reached. */
static enum mapper_result result_of(int error)
{
	switch (-error) {
	case EEXIST:
	case ENOENT:
	case ENOSPC:
	case ENOMEM:
	case ENFILE:
	case EBUSY:
	case EAGAIN:
	case E2BIG:
	case EINVAL:
	case EOPNOTSUPP:
		return MAPPER_NO_RESOURCES;
	default:
		return MAPPER_NETWORK_FAILURE;
	}
}

/* The lease is again what it was before the step. */
static void restore(struct engine *e, const struct round_step *s)
{
	struct lease *l = lease_at(e->leases, s->lease);
	const struct lease *b = &s->before;

	if (s->flags & ROUND_STEP_NEW) {
		portset_free(e, s->lease);
		return;
	}
	if (l->state != b->state)
		portset_state(e, s->lease, b->state);
	portset_move(e, s->lease, &b->external_address, b->external_port);
	portset_external(e, s->lease, b->external);
	portset_extra(e, s->lease, b->extra);
	l->nonce = b->nonce;
	l->flags = b->flags;
	portset_judged(e, s->lease, b->origin, b->rule);
	l->lifetime_s = b->lifetime_s;
	l->listen = b->listen;
	l->reply_port = b->reply_port;
	lease_due(e->leases, s->lease, b->expires_ms);
	portset_refresh(e, s->lease);
}

/* What the engine does by itself is not given up, only put off. */
static void try_again(struct engine *e, const struct round_step *s, uint64_t now_ms)
{
	if (s->flags & ROUND_STEP_NEW) {
		e->statics.at_ms = engine_retry_at(&e->statics, now_ms);
	} else if (s->flags & ROUND_STEP_END) {
		portset_state(e, s->lease, LEASE_REMOVING);
		lease_due(e->leases, s->lease, engine_retry_at(&e->removal, now_ms));
	} else {
		e->walk_again.at_ms = engine_retry_at(&e->walk_again, now_ms);
	}
}

static void take_back(struct engine *e, const struct change *c, const struct round_step *s, uint64_t now_ms)
{
	e->stats.refused_changes++;
	if (s->lease == LEASE_NONE)
		return;
	if (c->verdict == -EEXIST && c->op == CHANGE_ADD && s->before.kind == MAPPING_NAT &&
	    c->mapping.remote_port == 0)
		outside_busy_foreign(e, c->mapping.external, &c->mapping.external_address, c->mapping.protocol,
				     c->mapping.external_port, now_ms);
	restore(e, s);
	if (s->flags & ROUND_STEP_OWN)
		try_again(e, s, now_ms);
	if (c->verdict == -ENOENT && c->op == CHANGE_RENEW) {
		/* somebody else removed it: it is to be put back */
		engine_set_generation(lease_at(e->leases, s->lease), ENGINE_LOST);
		e->walk_again.at_ms = engine_retry_at(&e->walk_again, now_ms);
	}
}

/* The port of a mapping that was translated is kept from others for a while (RFC 6887 15), as long as its client has not
 * more ports in all than it may have mappings. */
static void end_one(struct engine *e, uint32_t i, uint64_t now_ms)
{
	const struct lease *l = lease_peek(e->leases, i);
	const struct lease_client *client = lease_client(e->leases, &l->internal_address);
	uint64_t hold_ms = (uint64_t)e->conf->lifetime.hold_s * 1000;

	if (l->kind != MAPPING_NAT || l->origin == ENGINE_ORIGIN_STATIC || hold_ms == 0 ||
	    l->external >= e->conf->externals_n || !outside_has(e, l->external, &l->external_address) ||
	    client->active + client->held > e->conf->limits.mappings_per_client ||
	    (lease_is_peer(l) && !peer_is_alone(e, i))) {
		struct lease was = *l;

		lease_free(e->leases, i);
		engine_refresh(e, &was);
		return;
	}
	lease_state(e->leases, i, LEASE_HELD);
	lease_due(e->leases, i, now_ms + hold_ms);
	engine_refresh(e, l);
}

/* The ports of a set end one by one, the first, which knows of the others, at last. */
static void end(struct engine *e, uint32_t i, uint64_t now_ms)
{
	for (uint32_t n = portset_more(lease_peek(e->leases, i)) + 1u; n-- > 0;)
		end_one(e, portset_at(e, i, n), now_ms);
}

static void count(struct engine_stats *s, const struct round_step *step)
{
	uint8_t cause = step->cause == ROUND_RETRIED ? step->before.cause : step->cause;

	switch (step->event) {
	case ROUND_MADE:
		s->made++;
		break;
	case ROUND_RENEWED:
		s->renewed++;
		break;
	case ROUND_MOVED:
		s->moved++;
		break;
	case ROUND_ENDED:
		if (cause == ROUND_DELETED)
			s->deleted++;
		else if (cause == ROUND_EXPIRED)
			s->expired++;
		else
			s->revoked++;
		break;
	default:
		break;
	}
}

static void tell(struct engine *e, const struct change *c, const struct round_step *s, struct round *r)
{
	const struct round_answer *a = s->answer == ROUND_NONE ? NULL : &r->answers[s->answer];
	const struct lease *l = s->event == ROUND_ENDED ? &s->before : lease_peek(e->leases, s->lease);
	struct mapping m = c->mapping;

	m.more_ports = portset_more(l); /* of a set that is split, too */
	count(&e->stats, s);
	round_event(r, &(struct round_event){.kind = s->event,
					     .pcp = a ? a->request.pcp : l->origin == ENGINE_ORIGIN_PCP,
					     .permanent = !a && l->origin == ENGINE_ORIGIN_STATIC,
					     .opcode = a ? a->opcode : 0,
					     .mapping = m,
					     .client = a ? a->request.source : s->before.internal_address,
					     .lifetime_s = s->lifetime_s,
					     .rule = engine_rule_name(e, l),
					     .why = s->event == ROUND_ENDED ? causes[s->cause] : NULL});
}

/* True if its host asked by PCP for one of the connections that run from its internal port. */
static bool has_peer(const struct engine *e, const struct lease *l)
{
	struct lease_peers peers = {.protocol = l->protocol, .address = &l->internal_address, .port = l->internal_port};
	uint32_t i;

	while ((i = lease_next_peer(e->leases, &peers)) != LEASE_NONE)
		if (lease_peek(e->leases, i)->state == LEASE_ACTIVE)
			return true;
	return false;
}

/*
 * Connections outlive their mapping in the packet filter. Those of a mapping that the operator took away are ended, and
 * those on an address that may be ours no more, since a host that keeps sending would never get another. RFC 6886 3.4
 * wants both ends of TCP told, however the mapping ended; RFC 6887 lets them go on.
 */
static enum round_flows flows_after(const struct engine *e, const struct change *c, const struct round_step *s)
{
	const struct lease *b = &s->before, *l = lease_peek(e->leases, s->lease);
	bool moved =
	    l->external_port != b->external_port || !engine_same_address(&l->external_address, &b->external_address);
	bool natural = b->cause == ROUND_DELETED || b->cause == ROUND_EXPIRED;

	if (!(s->flags & ROUND_STEP_END))
		return moved && c->op == CHANGE_ADD && !(s->flags & ROUND_STEP_NEW) ? ROUND_FLOWS_END
										    : ROUND_FLOWS_KEEP;
	if (e->conf->backend.reset_flows && b->origin == ENGINE_ORIGIN_NATPMP && b->protocol == IPPROTO_TCP &&
	    !has_peer(e, b))
		return ROUND_FLOWS_RESET;
	return natural && e->conf->backend.expired_flows == CONF_FLOWS_KEEP ? ROUND_FLOWS_KEEP : ROUND_FLOWS_END;
}

static void make_final(struct engine *e, const struct change *c, struct round_step *s, uint64_t now_ms, struct round *r)
{
	bool ends = s->flags & ROUND_STEP_END;

	if (s->lease == LEASE_NONE)
		return;
	/* a later step of the round may have called it back to life */
	if (ends && lease_peek(e->leases, s->lease)->state != LEASE_REMOVING)
		return;
	s->flows = flows_after(e, c, s);
	if (s->flags & ROUND_STEP_EVENT)
		tell(e, c, s, r);
	if (ends) {
		if (s->flags & ROUND_STEP_OWN)
			e->removal.wait_ms = 0;
		end(e, s->lease, now_ms);
	} else if (s->event == ROUND_MOVED && s->flags & ROUND_STEP_OWN && s->flags & ROUND_STEP_EVENT) {
		update_begin(e, s->lease, now_ms);
	}
}

/* Why an answer is not true after all: a refusal among its changes, or that what it tells of is not there. */
static int broken(const struct engine *e, const struct round *r, const struct round_answer *a)
{
	const struct lease *l = a->lease == LEASE_NONE ? NULL : lease_peek(e->leases, a->lease);

	for (size_t i = a->first; i < a->first + a->n; i++)
		if (r->changes[i].verdict != 0)
			return r->changes[i].verdict;
	if (a->n == 0 && l && (l->state != LEASE_ACTIVE || l->external_port != a->external_port))
		return -ENOENT;
	return 0;
}

static void settle_answer(struct engine *e, struct round_answer *a, uint64_t now_ms, struct round *r)
{
	static const char why[] = "the packet filter refused it";
	int error = a->refused ? 0 : broken(e, r, a);

	if (error == 0)
		return;
	if (a->request.pcp)
		pcp_refuse(e, a, result_of(error), 0, why, now_ms, r);
	else
		natpmp_refuse(e, a, result_of(error), why, now_ms, r);
}

static void count_result(struct engine_stats *s, const struct round_answer *a)
{
	if (a->request.pcp)
		s->results_pcp[a->buffer[3] & 15]++;
	else
		s->results_natpmp[a->buffer[3] & 7]++;
}

void engine_settle(struct engine *e, uint64_t now_ms, struct round *r)
{
	/* the last first, so that each finds what it left */
	for (size_t i = r->changes_n; i-- > 0;)
		if (r->changes[i].verdict != 0)
			take_back(e, &r->changes[i], &r->steps[i], now_ms);
	for (size_t i = 0; i < r->changes_n; i++)
		if (r->changes[i].verdict == 0)
			make_final(e, &r->changes[i], &r->steps[i], now_ms, r);
	for (size_t i = 0; i < r->replies_n; i++) {
		struct round_answer *a = &r->answers[i];

		if (!a->buffer)
			continue;
		settle_answer(e, a, now_ms, r);
		if (r->replies[i].length >= 4)
			count_result(&e->stats, a);
	}
}
