/* SPDX-License-Identifier: MIT */
#include "codec/client_op.h"

#define SILENCE_RETRY_S 900 /* RFC 7488 section 3 */

/* splitmix64 */
uint64_t client_op_random(struct client *c, uint64_t limit)
{
	uint64_t z = c->random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (z ^ (z >> 31)) % (limit + 1);
}

bool client_op_third_party(const uint8_t *options, size_t length, struct in6_addr *who)
{
	struct pcp_option o;
	size_t offset = 0;

	while (pcp_option_next(options, length, &offset, &o, NULL) == CODEC_OK)
		if (o.code == PCP_OPTION_THIRD_PARTY) {
			*who = o.third_party;
			return true;
		}
	return false;
}

bool client_op_prefers_failure(const struct client_request *r)
{
	struct pcp_option o;
	size_t offset = 0;

	while (pcp_option_next(r->options, r->options_length, &offset, &o, NULL) == CODEC_OK)
		if (o.code == PCP_OPTION_PREFER_FAILURE)
			return true;
	return false;
}

bool client_op_needs_pcp(const struct client_request *r)
{
	struct pcp_option o;
	size_t offset = 0;

	if (r->remote_port || (r->protocol != IPPROTO_TCP && r->protocol != IPPROTO_UDP))
		return true;
	while (pcp_option_next(r->options, r->options_length, &offset, &o, NULL) == CODEC_OK)
		if (o.code < 128)
			return true;
	return false;
}

bool client_op_may_use_natpmp(const struct client *c, const struct client_op *op)
{
	if (c->mode == CLIENT_PCP || !client_op_server_is_v4(c))
		return false;
	return op->kind != CLIENT_OP_MAP || !client_op_needs_pcp(&op->request);
}

void client_op_set_state(struct client_op *op, enum client_state s)
{
	op->result.state = s;
	op->changed = true;
}

void client_op_rest(struct client_op *op)
{
	op->phase = CLIENT_OP_REST;
	op->falling_back = false;
	op->due_ms = CLIENT_NEVER;
}

void client_op_begin(struct client_op *op, uint64_t at_ms)
{
	op->phase = CLIENT_OP_EXCHANGE;
	op->falling_back = false;
	op->refuses_natpmp = false;
	op->sent_pcp = op->sent_natpmp = false;
	op->tries = 0;
	op->due_ms = at_ms;
}

bool client_op_is_renewable(const struct client_op *op)
{
	return op->kind == CLIENT_OP_MAP && op->request.keep && !op->deleting;
}

void client_op_schedule_renewal(struct client *c, struct client_op *op)
{
	uint64_t life = op->result.expires_ms - op->granted_ms;
	uint64_t at;

	op->phase = CLIENT_OP_RENEW;
	op->renewal++;
	at = op->granted_ms + life - (life >> op->renewal);
	if (op->result.protocol != CODEC_VERSION_NATPMP || op->renewal > 1)
		at += client_op_random(c, life >> (op->renewal + 2));
	at = client_op_later(at, op->last_ms + CLIENT_OP_SPACING_MS);
	op->due_ms = at < op->result.expires_ms ? at : CLIENT_NEVER;
}

void client_op_give_up(struct client *c, struct client_op *op, uint64_t now_ms)
{
	if (client_op_is_renewable(op) && op->result.expires_ms > now_ms) {
		client_op_schedule_renewal(c, op);
		return;
	}
	op->result.expires_ms = 0;
	client_op_set_state(op, CLIENT_NO_ANSWER);
	client_op_rest(op);
	if (client_op_is_renewable(op)) {
		op->phase = CLIENT_OP_HOLD;
		op->due_ms = now_ms + SILENCE_RETRY_S * 1000;
	}
}
