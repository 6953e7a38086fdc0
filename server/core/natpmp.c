/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/natpmp.h"

/* RFC 6886 3.5 has fewer words than the mapper; the other half of this table is in pcp.c. */
static const uint8_t results[MAPPER_RESULTS_N] = {
    [MAPPER_OK] = NATPMP_SUCCESS,
    [MAPPER_NOT_AUTHORIZED] = NATPMP_NOT_AUTHORIZED,
    [MAPPER_NONCE] = NATPMP_NOT_AUTHORIZED,
    [MAPPER_NONSENSE] = NATPMP_NOT_AUTHORIZED,
    [MAPPER_NETWORK_FAILURE] = NATPMP_NETWORK_FAILURE,
    [MAPPER_NO_RESOURCES] = NATPMP_NO_RESOURCES,
    [MAPPER_QUOTA] = NATPMP_NO_RESOURCES,
    [MAPPER_CANNOT_PROVIDE] = NATPMP_NO_RESOURCES,
    [MAPPER_FILTERS] = NATPMP_NO_RESOURCES,
};

static void send_error(struct engine *e, struct round_answer *a, enum natpmp_result result, const char *why,
		       uint64_t now_ms, struct round *r)
{
	reply_length(r, a,
		     natpmp_marshal_error(a->request.data, a->request.length, result,
					  epoch_seconds(&e->epoch_natpmp, now_ms), a->buffer, a->capacity));
	reply_refused(r, a, (uint8_t)result, why);
}

void natpmp_refuse(struct engine *e, struct round_answer *a, enum mapper_result result, const char *why,
		   uint64_t now_ms, struct round *r)
{
	send_error(e, a, results[result], why, now_ms, r);
}

void natpmp_version(struct engine *e, const struct engine_datagram *d, uint64_t now_ms, struct round *r)
{
	struct round_answer *a = reply_begin(d, false, d->data[1] & 0x7f, r);

	if (a)
		send_error(e, a, NATPMP_UNSUPP_VERSION, "only NAT-PMP is served here", now_ms, r);
}

static void send_success(struct engine *e, const struct round_answer *a, struct natpmp_message *m, uint64_t now_ms,
			 struct round *r)
{
	m->response = true;
	m->opcode = a->opcode;
	m->epoch_s = epoch_seconds(&e->epoch_natpmp, now_ms);
	reply_length(r, a, natpmp_marshal(m, a->buffer, a->capacity));
}

static void answer_address(struct engine *e, struct round_answer *a, uint64_t now_ms, struct round *r)
{
	struct natpmp_message m = {.result = NATPMP_SUCCESS};
	size_t external = e->conf->listens[a->request.listen].external;

	if (outside_at(e, external, 0, &m.external_address))
		send_success(e, a, &m, now_ms, r);
	else
		natpmp_refuse(e, a, MAPPER_NETWORK_FAILURE, outside_none(e, external), now_ms, r);
}

static void answer_map(struct engine *e, struct round_answer *a, const struct mapper_want *w, uint64_t now_ms,
		       struct round *r)
{
	struct mapper_verdict v;
	struct natpmp_message m = {.internal_port = w->internal_port};

	mapper_do(e, w, now_ms, r, &v);
	a->rule = v.rule;
	a->lease = v.lease;
	a->external_port = v.external_port;
	a->n = r->changes_n - a->first;
	if (v.result != MAPPER_OK) {
		natpmp_refuse(e, a, v.result, v.why, now_ms, r);
		return;
	}
	if (w->lifetime_s > 0) {
		m.external_port = v.external_port;
		m.lifetime_s = v.lifetime_s;
	}
	send_success(e, a, &m, now_ms, r);
}

/* RFC 6886 3.4: internal port 0 ends all of the client's mappings of one transport. What cannot be ended stays, and is
 * what the answer tells of; each lease is a group of its own. */
static void answer_delete_all(struct engine *e, struct round_answer *a, uint8_t protocol, uint64_t now_ms,
			      struct round *r)
{
	const struct lease_client *client = lease_client(e->leases, &a->request.source);
	struct natpmp_message m = {0};
	enum mapper_result result = MAPPER_OK;

	for (uint32_t i = client ? client->first : LEASE_NONE, next; i != LEASE_NONE; i = next) {
		const struct lease *l = lease_peek(e->leases, i);

		next = l->client_next;
		if (l->protocol != protocol || l->state == LEASE_HELD || portset_follows(l))
			continue;
		if (l->state == LEASE_ACTIVE &&
		    (l->origin == ENGINE_ORIGIN_STATIC || l->origin == ENGINE_ORIGIN_PCP || portset_more(l)))
			result = MAPPER_NOT_AUTHORIZED;
		else if (round_reserve(r, portset_changes(l)))
			mapper_end(e, i, ROUND_DELETED, reply_index(r, a), r);
		else if (result == MAPPER_OK)
			result = MAPPER_NO_RESOURCES;
	}
	a->n = r->changes_n - a->first;
	if (result == MAPPER_OK)
		send_success(e, a, &m, now_ms, r);
	else
		natpmp_refuse(e, a, result, "some mappings are not the client's to delete", now_ms, r);
}

void natpmp_request(struct engine *e, const struct engine_datagram *d, const struct natpmp_message *m, uint64_t now_ms,
		    struct round *r)
{
	struct round_answer *a = reply_begin(d, false, m->opcode, r);
	struct mapper_want w = {.protocol = m->opcode == NATPMP_MAP_TCP ? IPPROTO_TCP : IPPROTO_UDP,
				.internal_port = m->internal_port,
				.suggested_port = m->external_port,
				.internal_address = d->source,
				.lifetime_s = m->lifetime_s,
				.mac_known = d->mac_known,
				.mac = d->mac,
				.interface = d->interface,
				.listen = d->listen,
				.reply_port = d->source_port};

	if (!a)
		return;
	w.answer = reply_index(r, a);
	if (m->opcode == NATPMP_MAP_UDP || m->opcode == NATPMP_MAP_TCP) {
		a->mapping.protocol = w.protocol;
		a->mapping.internal_port = w.internal_port;
		a->mapping.external_port = w.suggested_port;
	}
	switch (m->opcode) {
	case NATPMP_ADDRESS:
		answer_address(e, a, now_ms, r);
		break;
	case NATPMP_MAP_UDP:
	case NATPMP_MAP_TCP:
		if (m->internal_port > 0)
			answer_map(e, a, &w, now_ms, r);
		else if (m->lifetime_s == 0)
			answer_delete_all(e, a, w.protocol, now_ms, r);
		else
			natpmp_refuse(e, a, MAPPER_NOT_AUTHORIZED, "internal port 0 cannot be mapped", now_ms, r);
		break;
	default:
		send_error(e, a, NATPMP_UNSUPP_OPCODE, "unknown opcode", now_ms, r);
		break;
	}
}

size_t natpmp_announcement(const struct engine *e, size_t external, uint64_t now_ms, uint8_t *out, size_t capacity)
{
	struct natpmp_message m = {.response = true,
				   .opcode = NATPMP_ADDRESS,
				   .epoch_s = epoch_seconds(&e->epoch_natpmp, now_ms),
				   .external_address = codec_from_v4(0)};

	if (!outside_at(e, external, 0, &m.external_address))
		m.result = NATPMP_NETWORK_FAILURE;
	return natpmp_marshal(&m, out, capacity);
}
