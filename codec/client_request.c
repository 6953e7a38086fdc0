/* SPDX-License-Identifier: MIT */
#include "codec/client_request.h"

#include "codec/client_op.h"
#include "codec/message.h"

#define THIRD_PARTY_LENGTH 20 /* as an option, with its header */

/* Advances like pcp_option_next(), but takes a malformed option for one that is not there. */
static bool next_option(const uint8_t *options, size_t length, size_t *offset, struct pcp_option *o)
{
	size_t before;
	enum codec_verdict v;

	do {
		before = *offset;
		v = pcp_option_next(options, length, offset, o, NULL);
	} while (v == CODEC_REFUSE && *offset > before);
	return v == CODEC_OK;
}

bool client_request_option(const uint8_t *options, size_t length, uint8_t code, struct pcp_option *o)
{
	size_t offset = 0;

	while (next_option(options, length, &offset, o))
		if (o->code == code)
			return true;
	return false;
}

bool client_request_has(const struct client_request *r, uint8_t code)
{
	struct pcp_option o;

	return client_request_option(r->options, r->options_length, code, &o);
}

static bool is_own(const struct client *c, const struct in6_addr *a)
{
	for (unsigned int i = 0; i < c->paths_count; i++)
		if (client_op_same_address(&c->paths[i].own, a))
			return true;
	return false;
}

/* The contents of one option, as far as it does not matter what else there is. */
static bool option_sound(const struct client *c, const struct client_request *r, const struct pcp_option *o, bool peer)
{
	switch (o->code) {
	case PCP_OPTION_THIRD_PARTY: /* RFC 6887 13.1 */
		return !is_own(c, &o->third_party) && codec_is_unspecified(&r->internal_address);
	case PCP_OPTION_PREFER_FAILURE: /* RFC 6887 13.2 */
		return !peer && (r->external_port || r->lifetime_s == 0);
	case PCP_OPTION_FILTER:
		return !peer;
	case PCP_OPTION_PORT_SET: /* RFC 7753 section 4, 4.1 */
		return !peer && o->port_set.size > 1 && o->port_set.first_internal_port == r->internal_port &&
		       !client_request_has(r, PCP_OPTION_PREFER_FAILURE);
	default:
		return true;
	}
}

static bool occurs_once(uint8_t code)
{
	return code == PCP_OPTION_THIRD_PARTY || code == PCP_OPTION_PREFER_FAILURE || code == PCP_OPTION_DESCRIPTION ||
	       code == PCP_OPTION_PORT_SET;
}

static bool options_sound(const struct client *c, const struct client_request *r, bool peer)
{
	size_t room = CODEC_MESSAGE_MAX - (peer ? PCP_PEER_LENGTH : PCP_MAP_LENGTH);
	size_t offset = 0;
	struct pcp_option o, other;
	enum codec_verdict v;

	/* on another path it may be needed for the own address, too */
	if (!codec_is_unspecified(&r->internal_address) && (c->paths_count > 1 || !is_own(c, &r->internal_address)))
		room -= THIRD_PARTY_LENGTH;
	if (r->options_length % 4 != 0 || r->options_length > room)
		return false;
	while ((v = pcp_option_next(r->options, r->options_length, &offset, &o, NULL)) == CODEC_OK) {
		if (!option_sound(c, r, &o, peer))
			return false;
		if (occurs_once(o.code) &&
		    client_request_option(r->options + offset, r->options_length - offset, o.code, &other))
			return false;
	}
	return v == CODEC_DROP;
}

/* RFC 6887 11.1, 11.2: where there are none the ports are 0; protocol 0 is all protocols. */
static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_DCCP ||
	       protocol == IPPROTO_SCTP || protocol == IPPROTO_UDPLITE;
}

bool client_request_sound(const struct client *c, const struct client_request *r, bool peer)
{
	if (!has_ports(r->protocol) && (r->internal_port || r->external_port || peer))
		return false;
	if (peer ? r->remote_port == 0 || r->lifetime_s == 0 : r->remote_port != 0)
		return false;
	return options_sound(c, r, peer);
}

bool client_request_third_party(const struct client *c, const struct client_request *r, struct in6_addr *inside)
{
	const struct in6_addr *own = &client_path_now(c)->own, *first = &c->paths[0].own;
	struct pcp_option o;

	*inside = *own;
	if (client_request_option(r->options, r->options_length, PCP_OPTION_THIRD_PARTY, &o))
		*inside = o.third_party;
	else if (!codec_is_unspecified(&r->internal_address))
		*inside = r->internal_address;
	else if (codec_is_v4(own) != codec_is_v4(first))
		*inside = *first;
	return !client_op_same_address(inside, own);
}

struct ports {
	uint32_t first, last;
};

static struct ports asked_ports(const struct client_request *r)
{
	struct ports p = {r->internal_port, r->internal_port};
	struct pcp_option o;

	if (client_request_option(r->options, r->options_length, PCP_OPTION_PORT_SET, &o))
		p.last += o.port_set.size - 1u;
	return p;
}

/* Once it is known how many were granted, the others are free to be asked for (RFC 7753 4.1). */
static struct ports ports_of(const struct client_op *op)
{
	struct ports p = asked_ports(&op->request);

	if (op->result.state == CLIENT_GRANTED && op->result.port_set_size > 0) {
		p.first = op->result.first_internal_port;
		p.last = p.first + op->result.port_set_size - 1u;
	}
	return p;
}

bool client_request_overlaps(const struct client *c, const struct client_request *r)
{
	struct ports mine = asked_ports(r);
	struct in6_addr inside, other;

	client_request_third_party(c, r, &inside);
	for (const struct client_op *op = c->ops; op; op = op->next) {
		struct ports p = ports_of(op);

		client_request_third_party(c, &op->request, &other);
		if (op->kind != CLIENT_OP_MAP || op->request.remote_port || op->request.protocol != r->protocol ||
		    !client_op_same_address(&inside, &other))
			continue;
		/* what begins at the same port is a deletion of what an earlier run has made, or replaces it */
		if (op->request.internal_port == r->internal_port || (p.first == p.last && mine.first == mine.last))
			continue;
		if (p.first <= mine.last && mine.first <= p.last)
			return true;
	}
	return false;
}

bool client_request_needs_pcp(const struct client *c, const struct client_request *r)
{
	struct in6_addr inside;
	struct pcp_option o;
	size_t offset = 0;

	if (r->remote_port || (r->protocol != IPPROTO_TCP && r->protocol != IPPROTO_UDP))
		return true;
	/* as NAT-PMP it would mean the mappings of all programs of the host (RFC 6886 3.4) */
	if (r->internal_port == 0 && !(c->mode == CLIENT_NATPMP && r->lifetime_s == 0))
		return true;
	if (r->external_family == AF_INET6 || client_request_third_party(c, r, &inside))
		return true;
	while (next_option(r->options, r->options_length, &offset, &o))
		if (o.code < PCP_OPTION_OPTIONAL)
			return true;
	return false;
}

static uint32_t lifetime(const struct client_op *op, uint64_t now_ms)
{
	uint64_t left_ms;

	if (op->deleting)
		return 0;
	if (!op->checking || op->result.expires_ms <= now_ms)
		return op->request.lifetime_s;
	left_ms = op->result.expires_ms - now_ms;
	return left_ms < 1000 ? 1 : (uint32_t)(left_ms / 1000);
}

size_t client_request_natpmp(const struct client_op *op, uint8_t *out, size_t capacity, uint64_t now_ms)
{
	const struct client_request *r = &op->request;
	struct natpmp_message m = {.opcode = NATPMP_ADDRESS};

	if (op->kind == CLIENT_OP_MAP) {
		m.opcode = r->protocol == IPPROTO_TCP ? NATPMP_MAP_TCP : NATPMP_MAP_UDP;
		m.internal_port = r->internal_port;
		m.lifetime_s = lifetime(op, now_ms);
		if (!op->deleting)
			m.external_port = r->external_port;
	}
	return natpmp_marshal(&m, out, capacity);
}

/* A deletion has no use for most options, and FILTER and PREFER_FAILURE would spoil it (RFC 6887 13.2, 13.3). THIRD_PARTY
 * depends on the path. */
static bool is_sent(const struct client_op *op, const struct pcp_option *o)
{
	return o->code != PCP_OPTION_THIRD_PARTY && (!op->deleting || o->code == PCP_OPTION_PORT_SET);
}

/* Puts the options of a request into area. What a server may ignore is left out where there is no room, because a
 * THIRD_PARTY has taken it. Returns more than capacity if the rest does not fit. */
static size_t put_options(const struct client *c, const struct client_op *op, uint8_t *area, size_t capacity)
{
	const struct client_request *r = &op->request;
	struct pcp_option o = {.code = PCP_OPTION_THIRD_PARTY};
	size_t length = 0, from, to = 0, reserved = 0;

	if (client_request_third_party(c, r, &o.third_party))
		pcp_option_put(&o, area, &length, capacity);
	for (from = 0; next_option(r->options, r->options_length, &to, &o); from = to)
		if (o.code < PCP_OPTION_OPTIONAL && is_sent(op, &o))
			reserved += to - from;
	if (length + reserved > capacity)
		return capacity + 4; /* does not fit */
	for (from = to = 0; next_option(r->options, r->options_length, &to, &o); from = to) {
		if (!is_sent(op, &o) || (o.code >= PCP_OPTION_OPTIONAL && to - from > capacity - length - reserved))
			continue;
		memcpy(area + length, r->options + from, to - from);
		length += to - from;
		if (o.code < PCP_OPTION_OPTIONAL)
			reserved -= to - from;
	}
	return length;
}

static struct in6_addr any_address(const struct client_request *r, const struct in6_addr *inside)
{
	bool v4 = r->external_family ? r->external_family == AF_INET : codec_is_v4(inside);

	return v4 ? codec_from_v4(0) : (struct in6_addr){0};
}

size_t client_request_pcp(const struct client *c, const struct client_op *op, uint8_t *out, size_t capacity,
			  uint64_t now_ms)
{
	const struct client_request *r = &op->request;
	struct pcp_message m = {
	    .version = CODEC_VERSION_PCP, .opcode = PCP_ANNOUNCE, .client_address = client_path_now(c)->own};
	size_t fixed = r->remote_port ? PCP_PEER_LENGTH : PCP_MAP_LENGTH;
	struct in6_addr inside;

	if (capacity > CODEC_MESSAGE_MAX)
		capacity = CODEC_MESSAGE_MAX;
	if (op->kind == CLIENT_OP_ANNOUNCE)
		return pcp_marshal(&m, out, capacity);
	if (capacity < fixed)
		return 0;
	m.opcode = r->remote_port ? PCP_PEER : PCP_MAP;
	m.mapping.remote_port = r->remote_port;
	m.mapping.remote_address = r->remote_address;
	/* already where they go */
	m.options = out + fixed;
	m.options_length = put_options(c, op, out + fixed, capacity - fixed);
	m.mapping.nonce = r->nonce;
	m.mapping.protocol = r->protocol;
	m.mapping.internal_port = r->internal_port;
	m.lifetime_s = lifetime(op, now_ms);
	client_request_third_party(c, r, &inside);
	/* no preference is the zero address of the wanted family (RFC 6887 11.1); a deletion has none (15.1) */
	m.mapping.external_address = any_address(r, &inside);
	if (!op->deleting) {
		m.mapping.external_port = r->external_port;
		if (!codec_is_unspecified(&r->external_address))
			m.mapping.external_address = r->external_address;
	}
	return m.options_length > capacity - fixed ? 0 : pcp_marshal(&m, out, capacity);
}
