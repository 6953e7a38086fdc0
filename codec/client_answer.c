/* SPDX-License-Identifier: MIT */
/* What a datagram from the server means for the operations of a client. */
#include "codec/client_op.h"

#include "codec/client_request.h"

/* what an answer's lifetime is believed at most, RFC 6887 section 15 */
#define LIFETIME_MAX_S	86400
#define VERSION_RETRY_S 1800 /* RFC 6887 section 9, 5. */
/* errors of no lifetime to speak of: what may pass soon is asked again this late, the rest that late */
#define ERROR_SOON_S	 30
#define ERROR_LATE_S	 1800
#define NATPMP_EPOCH_END 8    /* octets */
#define BURST_MS	 5000 /* RFC 6886 3.7, RFC 6887 14.1.3 */
#define CLOCK_MS	 2000 /* how far an end that is told in seconds may be off */

/* Repeats in NAT-PMP what was sent as PCP, at once (RFC 6886 1.1). */
static void fall_back(struct client_op *op)
{
	if (!op->natpmp_pace) {
		op->natpmp_pace = true;
		op->tries = 1;
	}
	op->phase = CLIENT_OP_EXCHANGE;
	op->falling_back = true;
}

static void refuse(struct client_op *op, enum codec_version v, uint16_t code, uint32_t lifetime_s, uint64_t now_ms)
{
	op->result.protocol = v;
	op->result.code = code;
	op->result.lifetime_s = lifetime_s;
	client_op_set_state(op, CLIENT_REFUSED);
	client_op_rest(op);
	if (op->deleting || !op->request.keep)
		return;
	op->phase = CLIENT_OP_HOLD;
	/* NAT-PMP errors carry no lifetime (RFC 6886 3.5) */
	if (v == CODEC_VERSION_NATPMP && code != NATPMP_NETWORK_FAILURE && code != NATPMP_NO_RESOURCES)
		lifetime_s = ERROR_LATE_S;
	op->due_ms = now_ms + client_op_later(ERROR_SOON_S, client_op_earlier(lifetime_s, LIFETIME_MAX_S)) * 1000;
}

/* UNSUPP_VERSION is about the server and not about one request; an old server's form of it names none. */
static bool version_refused(struct client *c, uint8_t version, uint32_t lifetime_s, uint64_t now_ms)
{
	bool taken = false;

	/* RFC 6887 section 9, 5.: half an hour at most */
	lifetime_s = lifetime_s < VERSION_RETRY_S ? lifetime_s : VERSION_RETRY_S;
	for (struct client_op *op = c->ops; op; op = op->next) {
		if (client_op_is_waiting(op, false)) {
			c->speaks_pcp = false;
			taken = true;
			/* a server that names a later version has none below it (RFC 6887 section 9, 3.) */
			if (version <= CODEC_VERSION_PCP && client_op_may_use_natpmp(c, op) && !op->refuses_natpmp)
				fall_back(op);
			else
				refuse(op, CODEC_VERSION_PCP, PCP_UNSUPP_VERSION, lifetime_s, now_ms);
		} else if (client_op_is_waiting(op, true) && version != CODEC_VERSION_NATPMP && !op->sent_pcp) {
			/* after PCP was refused as well this can only be a second copy of that refusal */
			taken = true;
			if (c->mode == CLIENT_AUTO && version == CODEC_VERSION_PCP) {
				client_op_begin(op, now_ms);
				op->refuses_natpmp = true;
				op->natpmp_pace = false;
			} else {
				refuse(op, CODEC_VERSION_NATPMP, NATPMP_UNSUPP_VERSION, lifetime_s, now_ms);
			}
		}
	}
	return taken;
}

/* Reads a refusal of the version in any of its forms, before any rule on lengths (RFC 6887 8.3, RFC 6886 3.5): PCP's,
 * with whatever version, and NAT-PMP's eight octets, whose opcode is 128 or, by a misprint of the RFC, 0. */
static bool is_version_refusal(const uint8_t *data, size_t length, uint32_t *lifetime_s)
{
	if (length < 4 || data[3] != PCP_UNSUPP_VERSION)
		return false;
	/* version 0 has two octets of result, PCP one behind a reserved one */
	if (data[0] == CODEC_VERSION_NATPMP && data[2] != 0)
		return false;
	if (!(data[1] & 0x80) && !(data[0] == CODEC_VERSION_NATPMP && data[1] == 0 && length == 8))
		return false;
	*lifetime_s = 0;
	if (length >= 24)
		*lifetime_s = (uint32_t)data[4] << 24 | (uint32_t)data[5] << 16 | (uint32_t)data[6] << 8 | data[7];
	else
		*lifetime_s = VERSION_RETRY_S;
	return true;
}

/* The server may have lost everything: ask anew for all mappings, after a delay that keeps the clients of a link apart
 * (RFC 6886 3.7, RFC 6887 8.5, 14.1.3). What was answered just now is on the new server already. */
static void recreate(struct client *c, const struct client_op *fresh, uint64_t now_ms)
{
	client_op_renew_all(c, fresh, now_ms, now_ms + client_op_random(c, BURST_MS));
}

/* A server that announces itself is there: what got no answer is asked once more (RFC 6886 3.1). */
static void retry_unanswered(struct client *c, uint64_t now_ms)
{
	for (struct client_op *op = c->ops; op; op = op->next)
		if (op->phase == CLIENT_OP_HOLD && op->result.state == CLIENT_NO_ANSWER)
			op->due_ms = client_op_earlier(op->due_ms, now_ms + client_op_random(c, BURST_MS));
}

static uint64_t expiry(uint32_t lifetime_s, uint64_t now_ms)
{
	return now_ms + client_op_earlier(lifetime_s, LIFETIME_MAX_S) * 1000;
}

static void grant(struct client *c, struct client_op *op, uint32_t lifetime_s, uint64_t now_ms)
{
	op->result.code = 0;
	op->result.lifetime_s = lifetime_s;
	op->granted_ms = now_ms;
	op->tries = 0;
	if (op->deleting) {
		op->result.expires_ms = 0;
		client_op_set_state(op, CLIENT_DELETED);
		client_op_rest(op);
		return;
	}
	client_op_set_state(op, CLIENT_GRANTED);
	client_op_rest(op);
	if (op->kind != CLIENT_OP_MAP)
		return;
	op->result.expires_ms = expiry(lifetime_s, now_ms);
	if (op->request.keep) {
		/* the server is reminded of what it gave (RFC 6887 11.2.1, RFC 6886 3.3) */
		op->request.external_port = op->result.external_port;
		if (op->result.protocol == CODEC_VERSION_PCP)
			op->request.external_address = op->result.external_address;
		client_op_schedule_renewal(c, op, now_ms);
	}
}

/* The mapping that is wanted is said to have no time left: it is gone. An answer to an earlier deletion looks the same
 * and must not pass for the one that is waited for. */
static void lapse(struct client_op *op, uint64_t now_ms)
{
	if (op->result.expires_ms)
		op->result.expires_ms = now_ms;
}

/* RFC 7753 section 4: the ports that were granted. Without the option it is one. */
static void port_set_told(struct client_op *op, const struct pcp_message *m)
{
	struct client_result *r = &op->result;
	struct pcp_option set;
	uint32_t room;

	r->first_internal_port = op->request.internal_port;
	r->port_set_size = 1;
	if (!client_request_has(&op->request, PCP_OPTION_PORT_SET) ||
	    !client_request_option(m->options, m->options_length, PCP_OPTION_PORT_SET, &set) || set.port_set.size == 0)
		return;
	r->first_internal_port = set.port_set.first_internal_port;
	/* no more than there are */
	room = 65536u - (r->first_internal_port > r->external_port ? r->first_internal_port : r->external_port);
	r->port_set_size = set.port_set.size < room ? set.port_set.size : (uint16_t)room;
}

/* RFC 6887 7.3: of the options that a server may ignore it repeats what it has processed. An update that nobody asked
 * for has none of them (14.2) and says nothing. */
static void options_told(struct client_op *op, const uint8_t *options, size_t length)
{
	const struct client_request *r = &op->request;
	struct client_result *result = &op->result;
	struct pcp_option o, answer;
	size_t offset = 0;

	result->unprocessed = 0;
	while (pcp_option_next(r->options, r->options_length, &offset, &o, NULL) == CODEC_OK)
		if (o.code >= PCP_OPTION_OPTIONAL && result->unprocessed < UINT8_MAX &&
		    !client_request_option(options, length, o.code, &answer))
			result->unprocessed++;
	result->description_taken = client_request_has(r, PCP_OPTION_DESCRIPTION) &&
				    client_request_option(options, length, PCP_OPTION_DESCRIPTION, &answer);
}

static void natpmp_address_told(struct client *c, const struct natpmp_message *m)
{
	c->natpmp_address = m->external_address;
	for (struct client_op *op = c->ops; op; op = op->next) {
		struct client_result *r = &op->result;

		if (op->kind != CLIENT_OP_MAP || r->state != CLIENT_GRANTED || r->protocol != CODEC_VERSION_NATPMP ||
		    client_op_same_address(&r->external_address, &m->external_address))
			continue;
		r->external_address = m->external_address;
		op->changed = true;
	}
}

static bool natpmp_answers(const struct client_op *op, const struct natpmp_message *m)
{
	if (op->phase != CLIENT_OP_EXCHANGE || !op->sent_natpmp)
		return false;
	if (op->kind != CLIENT_OP_MAP)
		return m->opcode == NATPMP_ADDRESS;
	if (m->opcode != (op->request.protocol == IPPROTO_TCP ? NATPMP_MAP_TCP : NATPMP_MAP_UDP) ||
	    m->internal_port != op->request.internal_port)
		return false;
	/* a deletion's success says 0, a mapping's never does: a late answer to the other is none to this */
	return m->result != NATPMP_SUCCESS || op->deleting == (m->lifetime_s == 0);
}

/* has_epoch: the datagram reaches as far; an error may end before */
static bool natpmp_deliver(struct client *c, const struct natpmp_message *m, bool has_epoch, uint64_t now_ms)
{
	struct client_op *op = c->ops;
	bool told = m->opcode == NATPMP_ADDRESS && m->result == NATPMP_SUCCESS;

	if (m->opcode > NATPMP_MAP_TCP)
		return false;
	while (op && !natpmp_answers(op, m))
		op = op->next;
	if (told)
		natpmp_address_told(c, m);
	if (op) {
		op->result.protocol = CODEC_VERSION_NATPMP;
		op->result.epoch_s = m->epoch_s;
		if (m->result != NATPMP_SUCCESS) {
			refuse(op, CODEC_VERSION_NATPMP, m->result, 0, now_ms);
		} else {
			op->result.external_port = m->external_port;
			op->result.external_address = c->natpmp_address;
			op->result.first_internal_port = m->internal_port;
			op->result.port_set_size = 1;
			options_told(op, NULL, 0);
			grant(c, op, m->lifetime_s, now_ms);
		}
	}
	/* every datagram of the server counts here, asked for or not (RFC 6886 3.6) */
	if (has_epoch && !epoch_check_natpmp(&c->epoch_natpmp, m->epoch_s, now_ms))
		recreate(c, op, now_ms);
	if (!op && m->opcode == NATPMP_ADDRESS)
		retry_unanswered(c, now_ms);
	return op || m->opcode == NATPMP_ADDRESS;
}

/* A mapping that was ever asked for may be answered again at any time (RFC 6887 8.3, 14.2); the rest only once. */
static bool was_asked(const struct client_op *op)
{
	if (op->kind == CLIENT_OP_MAP && !op->deleting)
		return op->ever_pcp;
	return op->phase == CLIENT_OP_EXCHANGE && op->sent_pcp;
}

/* RFC 6887 11.4; the answer to a third party's request names that party (13.1). */
static bool pcp_answers(const struct client *c, const struct client_op *op, const struct pcp_message *m)
{
	const struct client_request *r = &op->request;
	struct pcp_option theirs;
	struct in6_addr inside;

	if (!was_asked(op))
		return false;
	if (op->kind == CLIENT_OP_ANNOUNCE)
		return m->opcode == PCP_ANNOUNCE;
	if (m->opcode != (r->remote_port ? PCP_PEER : PCP_MAP))
		return false;
	/* RFC 6887 12.4 */
	if (r->remote_port && (m->mapping.remote_port != r->remote_port ||
			       !client_op_same_address(&m->mapping.remote_address, &r->remote_address)))
		return false;
	if (m->mapping.protocol != r->protocol || m->mapping.internal_port != r->internal_port ||
	    memcmp(&m->mapping.nonce, &r->nonce, sizeof(r->nonce)) != 0)
		return false;
	if (!client_request_option(m->options, m->options_length, PCP_OPTION_THIRD_PARTY, &theirs))
		return !client_request_third_party(c, r, &inside);
	return client_request_third_party(c, r, &inside) && client_op_same_address(&inside, &theirs.third_party);
}

/* RFC 6887 13.2: with PREFER_FAILURE a success with other values is not the answer. */
static bool is_as_suggested(const struct client_op *op, const struct pcp_message *m)
{
	const struct client_request *r = &op->request;

	if (op->deleting || !client_request_has(r, PCP_OPTION_PREFER_FAILURE))
		return true;
	if (r->external_port && r->external_port != m->mapping.external_port)
		return false;
	return codec_is_unspecified(&r->external_address) ||
	       client_op_same_address(&r->external_address, &m->mapping.external_address);
}

static void pcp_refused(struct client *c, struct client_op *op, const struct pcp_message *m, uint64_t now_ms)
{
	uint64_t until = expiry(m->lifetime_s, now_ms);

	if (m->result == PCP_NO_RESOURCES && op->kind == CLIENT_OP_MAP) {
		/* RFC 6887 11.4: no new mappings; if not even a deletion could be done, nothing at all */
		if (op->deleting)
			c->hold_all_ms = client_op_later(c->hold_all_ms, until);
		else
			c->hold_new_ms = client_op_later(c->hold_new_ms, until);
	}
	/* the address that the mapping had may be gone; it was not what was wanted */
	if (m->result == PCP_CANNOT_PROVIDE_EXTERNAL && op->any_external)
		op->request.external_address = (struct in6_addr){0};
	refuse(op, CODEC_VERSION_PCP, m->result, m->lifetime_s, now_ms);
}

/*
 * A Mapping Update, or the late answer to a renewal. The answer to a deletion has no lifetime, or names nothing outside
 * (RFC 6887 15.1), or, where traffic keeps the mapping open a while (section 15), less than it had. If it is left all that
 * it had the two look alike: then the one that comes after the deletion was sent again is taken for the answer.
 */
static bool is_still_mapped(const struct client_op *op, const struct pcp_message *m, uint64_t now_ms)
{
	if (m->lifetime_s == 0 || codec_is_unspecified(&m->mapping.external_address) ||
	    (m->mapping.external_port == 0 && op->request.internal_port != 0))
		return false;
	return op->tries < 2 && expiry(m->lifetime_s, now_ms) + CLOCK_MS >= op->result.expires_ms;
}

static void pcp_granted(struct client *c, struct client_op *op, const struct pcp_message *m, uint64_t now_ms)
{
	op->natpmp_pace = false;
	if (op->deleting && is_still_mapped(op, m, now_ms)) {
		if (op->until_ms)
			op->until_ms = client_op_later(op->until_ms, expiry(m->lifetime_s, now_ms));
		return;
	}
	if (op->kind != CLIENT_OP_ANNOUNCE) {
		if (m->lifetime_s == 0 && !op->deleting) {
			lapse(op, now_ms);
			return;
		}
		op->result.external_port = m->mapping.external_port;
		op->result.external_address = m->mapping.external_address;
		if (client_op_is_waiting(op, false) || op->result.state != CLIENT_GRANTED) {
			port_set_told(op, m);
			options_told(op, m->options, m->options_length);
		}
	}
	op->result.protocol = CODEC_VERSION_PCP;
	grant(c, op, m->lifetime_s, now_ms);
}

static bool pcp_deliver(struct client *c, const struct pcp_message *m, uint64_t now_ms)
{
	struct client_op *op = c->ops;

	while (op && !pcp_answers(c, op, m))
		op = op->next;
	if (!op && m->opcode != PCP_ANNOUNCE)
		return false;
	if (op && m->result == PCP_SUCCESS && op->kind == CLIENT_OP_MAP && !is_as_suggested(op, m))
		return false;
	c->speaks_pcp = true;
	if (op) {
		op->result.epoch_s = m->epoch_s;
		if (m->result != PCP_SUCCESS)
			pcp_refused(c, op, m, now_ms);
		else
			pcp_granted(c, op, m, now_ms);
	}
	if (!epoch_check_pcp(&c->epoch_pcp, m->epoch_s, now_ms))
		recreate(c, op, now_ms);
	if (!op)
		retry_unanswered(c, now_ms);
	return true;
}

static bool comes_from(const struct client_endpoint *server, const struct client_endpoint *from)
{
	return client_op_same_address(&from->address, &server->address) && from->port == server->port &&
	       (!from->scope || !server->scope || from->scope == server->scope);
}

static bool is_announcement(const uint8_t *data, size_t length)
{
	struct codec_message m;

	if (codec_parse(data, length, &m, NULL) != CODEC_OK)
		return false;
	if (m.protocol == CODEC_VERSION_NATPMP)
		return m.natpmp.response && m.natpmp.opcode == NATPMP_ADDRESS && m.natpmp.result == NATPMP_SUCCESS;
	return m.pcp.response && m.pcp.opcode == PCP_ANNOUNCE && m.pcp.result == PCP_SUCCESS;
}

/* RFC 7488 section 3, 4.: an address that was given up is not listened to, unless all were and it announces itself. */
static bool path_heard(struct client *c, const uint8_t *data, size_t length, const struct client_endpoint *from,
		       uint64_t now_ms)
{
	if (c->paths_spent && is_announcement(data, length))
		for (uint8_t i = 0; i < c->paths_count; i++)
			if (i != c->path && comes_from(&c->paths[i].server, from))
				client_path_use(c, i, now_ms);
	return comes_from(&client_path_now(c)->server, from);
}

static bool take(struct client *c, const uint8_t *data, size_t length, uint64_t now_ms)
{
	struct codec_message m;
	uint32_t lifetime_s;

	if (is_version_refusal(data, length, &lifetime_s))
		return version_refused(c, data[0], lifetime_s, now_ms);
	if (codec_parse(data, length, &m, NULL) != CODEC_OK)
		return false;
	if (m.protocol == CODEC_VERSION_NATPMP)
		return m.natpmp.response && c->mode != CLIENT_PCP &&
		       natpmp_deliver(c, &m.natpmp, length >= NATPMP_EPOCH_END, now_ms);
	return m.pcp.response && m.pcp.version == CODEC_VERSION_PCP && c->mode != CLIENT_NATPMP &&
	       pcp_deliver(c, &m.pcp, now_ms);
}

bool client_deliver(struct client *c, const uint8_t *data, size_t length, const struct client_endpoint *from,
		    uint64_t now_ms)
{
	if (!path_heard(c, data, length, from, now_ms) || !take(c, data, length, now_ms))
		return false;
	c->path_answered = true;
	c->heard_ms = now_ms;
	return true;
}

static bool anything_out(const struct client *c)
{
	for (const struct client_op *op = c->ops; op; op = op->next)
		if (client_op_is_waiting(op, false) || client_op_is_waiting(op, true))
			return true;
	return false;
}

/* Something is tried on, by another protocol on the same path. */
static bool anything_left(const struct client *c)
{
	for (const struct client_op *op = c->ops; op; op = op->next)
		if (op->phase == CLIENT_OP_EXCHANGE && op->tries > 0)
			return true;
	return false;
}

void client_unreachable(struct client *c, uint64_t now_ms)
{
	bool more = c->paths_count > 1 && (c->path_answered || c->path + 1 < c->paths_count);
	bool was_out = anything_out(c);

	if (more && was_out) {
		client_path_failed(c, true, now_ms);
		return;
	}
	for (struct client_op *op = c->ops; op; op = op->next) {
		if (op->phase != CLIENT_OP_EXCHANGE)
			continue;
		if (client_op_is_waiting(op, false) && c->mode == CLIENT_AUTO && client_op_may_use_natpmp(c, op) &&
		    !op->refuses_natpmp)
			fall_back(op);
		else if (client_op_is_waiting(op, false) || client_op_is_waiting(op, true))
			client_op_give_up(c, op, now_ms);
	}
	if (c->paths_count > 1 && was_out && !anything_left(c))
		client_paths_spent(c);
}
