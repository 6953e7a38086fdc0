/* SPDX-License-Identifier: MIT */
#include "codec/client_op.h"

#include "codec/client_request.h"

#define SILENCE_RETRY_S 900 /* RFC 7488 section 3 */

/* splitmix64 */
uint64_t client_op_random(struct client *c, uint64_t limit)
{
	uint64_t z = c->random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (z ^ (z >> 31)) % (limit + 1);
}

/* RFC 6886 section 3: NAT-PMP is for hosts with private addresses. No other address of this list is reached from the
 * internet either: shared (RFC 6598), this host, link-local, documentation and benchmarks (RFC 6890). */
static bool is_public_v4(const struct in6_addr *a)
{
	static const struct {
		uint32_t prefix;
		int bits;
	} others[] = {
	    {0x0a000000, 8},  {0xac100000, 12}, {0xc0a80000, 16}, {0x64400000, 10}, {0x7f000000, 8},
	    {0xa9fe0000, 16}, {0xc0000200, 24}, {0xc6336400, 24}, {0xcb007100, 24}, {0xc6120000, 15},
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if ((codec_to_v4(a) ^ others[i].prefix) >> (32 - others[i].bits) == 0)
			return false;
	return true;
}

bool client_op_may_use_natpmp(const struct client *c, const struct client_op *op)
{
	if (c->mode == CLIENT_PCP || !client_op_server_is_v4(c))
		return false;
	if (c->mode == CLIENT_AUTO && is_public_v4(&client_path_now(c)->own))
		return false;
	return op->kind != CLIENT_OP_MAP || !client_request_needs_pcp(c, &op->request);
}

bool client_op_is_waiting(const struct client_op *op, bool natpmp)
{
	if (op->falling_back || op->tries == 0 || op->last_natpmp != natpmp)
		return false;
	return op->phase == CLIENT_OP_EXCHANGE || op->phase == CLIENT_OP_RENEW;
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
	op->refuses_natpmp = op->checking = false;
	op->sent_pcp = op->sent_natpmp = false;
	op->tries = 0;
	op->due_ms = at_ms;
}

bool client_op_is_renewable(const struct client_op *op)
{
	return op->kind == CLIENT_OP_MAP && op->request.keep && !op->deleting;
}

void client_op_schedule_renewal(struct client *c, struct client_op *op, uint64_t now_ms)
{
	uint64_t life = op->result.expires_ms - op->granted_ms;
	uint64_t at;

	op->phase = CLIENT_OP_RENEW;
	op->renewal = 0;
	do {
		op->renewal++;
		at = op->granted_ms + life - (life >> op->renewal);
	} while (at <= now_ms && at < op->result.expires_ms);
	if (op->result.protocol != CODEC_VERSION_NATPMP || op->renewal > 1)
		at += client_op_random(c, life >> (op->renewal + 2));
	at = client_op_later(at, op->last_ms + CLIENT_OP_SPACING_MS);
	op->due_ms = at < op->result.expires_ms ? at : CLIENT_NEVER;
}

void client_op_give_up(struct client *c, struct client_op *op, uint64_t now_ms)
{
	if (client_op_is_renewable(op) && op->result.expires_ms > now_ms) {
		client_op_schedule_renewal(c, op, now_ms);
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

void client_op_renew_all(struct client *c, const struct client_op *fresh, uint64_t now_ms, uint64_t at_ms)
{
	for (struct client_op *op = c->ops; op; op = op->next) {
		uint64_t mine = client_op_later(at_ms, op->last_ms + CLIENT_OP_SPACING_MS);

		if (op == fresh || !client_op_is_renewable(op) || op->result.expires_ms <= now_ms)
			continue;
		if (op->phase == CLIENT_OP_EXCHANGE && (op->falling_back || op->due_ms <= mine))
			continue;
		client_op_begin(op, mine);
	}
}
