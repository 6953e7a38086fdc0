/* SPDX-License-Identifier: MIT */
#include "codec/client.h"

#include "codec/client_op.h"
#include "codec/client_request.h"

#define NATPMP_TRIES	9
#define NATPMP_FIRST_MS 250
#define DISCARD_PORT	9
#define ADDRESS_LIFE_S	60

/* RFC 6886 1.1: every request, retransmission and renewal opens with PCP, whatever the server said before. Only the
 * address has no PCP request of its own. */
static bool opens_with_natpmp(const struct client *c, const struct client_op *op)
{
	if (c->mode == CLIENT_AUTO)
		return op->kind == CLIENT_OP_ADDRESS && client_op_may_use_natpmp(c, op) && !op->refuses_natpmp;
	return c->mode == CLIENT_NATPMP;
}

static bool sends_natpmp_next(const struct client *c, const struct client_op *op)
{
	return op->falling_back || opens_with_natpmp(c, op);
}

/* RFC 6886 3.1: one request at a time, as long as it is or may be NAT-PMP that the server speaks. */
static bool is_serial(const struct client *c, const struct client_op *op)
{
	return sends_natpmp_next(c, op) || (c->mode == CLIENT_AUTO && !c->speaks_pcp && client_op_server_is_v4(c));
}

/* The request that the others wait for, or NULL. A PCP request that had no answer in its time keeps nobody waiting: it
 * may be one that this server ignores. */
static const struct client_op *first_out(const struct client *c)
{
	const struct client_op *op = c->ops;

	while (op && !(op->phase == CLIENT_OP_EXCHANGE && (op->sent_natpmp || (op->tries == 1 && is_serial(c, op)))))
		op = op->next;
	return op;
}

/* RFC 6886 3.1: no use in deleting what would have ended by now. */
static bool is_pointless(const struct client_op *op, uint64_t now_ms)
{
	return op->tries > 0 && op->deleting && op->until_ms && now_ms >= op->until_ms;
}

static bool is_exhausted(const struct client *c, const struct client_op *op, uint64_t now_ms)
{
	uint32_t mrc = client_path_tries(c), mrd_ms = c->schedule.mrd_ms;

	if (op->tries == 0)
		return false;
	if (op->natpmp_pace)
		return op->tries >= NATPMP_TRIES;
	return (mrc && op->tries >= mrc) || (mrd_ms && now_ms >= op->first_ms + mrd_ms);
}

static bool is_over(const struct client *c, const struct client_op *op, uint64_t now_ms)
{
	return op->phase == CLIENT_OP_EXCHANGE && !op->falling_back &&
	       (is_pointless(op, now_ms) || is_exhausted(c, op, now_ms));
}

/* True if it is the path that does not answer, and not the server that has no answer to this. */
static bool is_deaf(const struct client *c, const struct client_op *op)
{
	return c->paths_count > 1 && !(c->path_answered && c->heard_ms >= op->first_ms);
}

/* As many renewals as requests on one path got no answer: another path is to be tried while the mapping lives. */
static bool renews_in_vain(const struct client *c, const struct client_op *op)
{
	return op->phase == CLIENT_OP_RENEW && op->tries > 0 && op->renewal > client_path_tries(c) && is_deaf(c, op);
}

/* Sets the timer behind a datagram that counts as the tries-th. */
static void arm(struct client *c, struct client_op *op, uint64_t now_ms)
{
	const struct client_schedule *s = &c->schedule;

	if (op->natpmp_pace) {
		op->due_ms = now_ms + ((uint64_t)NATPMP_FIRST_MS << (op->tries - 1));
	} else {
		op->rt_ms = op->tries == 1 ? s->irt_ms : 2 * op->rt_ms;
		if (s->mrt_ms && op->tries > 1)
			op->rt_ms = client_op_earlier(op->rt_ms, s->mrt_ms);
		op->rt_ms = op->rt_ms * (900 + client_op_random(c, 200)) / 1000;
		op->due_ms = now_ms + op->rt_ms;
		if (s->mrd_ms)
			op->due_ms = client_op_earlier(op->due_ms, op->first_ms + s->mrd_ms);
	}
	if (op->deleting && op->until_ms)
		op->due_ms = client_op_earlier(op->due_ms, op->until_ms);
}

static size_t send_op(struct client *c, struct client_op *op, uint8_t *out, size_t capacity, uint64_t now_ms)
{
	bool natpmp = sends_natpmp_next(c, op);
	size_t n = natpmp ? client_request_natpmp(op, out, capacity, now_ms)
			  : client_request_pcp(c, op, out, capacity, now_ms);

	if (op->tries == 0)
		op->first_ms = now_ms;
	/* what only repeats a refused PCP request is no further try */
	if (!op->falling_back || op->tries == 0)
		op->tries++;
	op->natpmp_pace = op->natpmp_pace || natpmp;
	op->falling_back = false;
	op->last_ms = now_ms;
	op->last_natpmp = natpmp;
	op->ever_sent = true;
	c->paths_spent = false;
	if (natpmp)
		op->sent_natpmp = true;
	else
		op->sent_pcp = op->ever_pcp = true;
	arm(c, op, now_ms);
	return n;
}

/* The timer of an operation has come. Returns the length of what is to be sent, or 0. */
static size_t fire(struct client *c, struct client_op *op, uint8_t *out, size_t capacity, uint64_t now_ms)
{
	size_t n;

	if (is_over(c, op, now_ms)) {
		if (is_deaf(c, op) && !is_pointless(op, now_ms))
			client_path_failed(c, false, now_ms);
		else
			client_op_give_up(c, op, now_ms);
		return 0;
	}
	if (renews_in_vain(c, op)) {
		client_path_failed(c, false, now_ms);
		return 0;
	}
	if (op->phase == CLIENT_OP_RENEW && !op->falling_back && !op->natpmp_pace) {
		/* a single datagram at each renewal time, not a series */
		client_op_begin(op, now_ms);
		n = send_op(c, op, out, capacity, now_ms);
		client_op_schedule_renewal(c, op, now_ms);
		return n;
	}
	if (op->phase != CLIENT_OP_EXCHANGE)
		client_op_begin(op, now_ms);
	return send_op(c, op, out, capacity, now_ms);
}

/* When an operation has something to do, its end included. */
static uint64_t due(const struct client *c, const struct client_op *op, const struct client_op *out)
{
	uint64_t at = op->falling_back ? 0 : op->due_ms;

	if (op->phase == CLIENT_OP_REST || at == CLIENT_NEVER)
		return CLIENT_NEVER;
	/* giving up needs no line and is under no hold */
	if (is_over(c, op, at))
		return at;
	if (out && out != op && is_serial(c, op))
		return CLIENT_NEVER;
	at = client_op_later(at, c->hold_all_ms);
	if (op->kind == CLIENT_OP_MAP && !op->deleting && op->result.expires_ms == 0)
		at = client_op_later(at, c->hold_new_ms);
	return at;
}

static bool can_run_out(const struct client_op *op)
{
	return client_op_is_renewable(op) && op->result.expires_ms && op->phase != CLIENT_OP_REST;
}

static void run_out(struct client_op *op, uint64_t now_ms)
{
	op->result.expires_ms = 0;
	if (op->phase == CLIENT_OP_HOLD)
		return;
	client_op_set_state(op, CLIENT_ASKING);
	if (op->phase == CLIENT_OP_RENEW)
		client_op_begin(op, client_op_later(now_ms, op->last_ms + CLIENT_OP_SPACING_MS));
}

static struct client_op *first_due(const struct client *c, uint64_t now_ms)
{
	const struct client_op *out = first_out(c);
	struct client_op *op = c->ops;

	while (op && due(c, op, out) > now_ms)
		op = op->next;
	return op;
}

size_t client_next(struct client *c, uint8_t *out, size_t capacity, struct client_endpoint *to, uint64_t *deadline_ms,
		   uint64_t now_ms)
{
	const struct client_op *first;
	struct client_op *op;

	*deadline_ms = CLIENT_NEVER;
	for (op = c->ops; op; op = op->next)
		if (can_run_out(op) && op->result.expires_ms <= now_ms)
			run_out(op, now_ms);
	/* who gives up may make way for another */
	while ((op = first_due(c, now_ms)) != NULL) {
		size_t n = fire(c, op, out, capacity, now_ms);

		if (n == 0)
			continue;
		*to = client_path_now(c)->server;
		*deadline_ms = now_ms;
		return n;
	}
	first = first_out(c);
	for (op = c->ops; op; op = op->next) {
		*deadline_ms = client_op_earlier(*deadline_ms, due(c, op, first));
		if (can_run_out(op))
			*deadline_ms = client_op_earlier(*deadline_ms, op->result.expires_ms);
	}
	return 0;
}

struct client_op *client_changed(struct client *c)
{
	for (struct client_op *op = c->ops; op; op = op->next)
		if (op->changed) {
			op->changed = false;
			return op;
		}
	return NULL;
}

const char *client_code_name(const struct client_result *r)
{
	return r->protocol == CODEC_VERSION_PCP ? pcp_result_name((uint8_t)r->code) : natpmp_result_name(r->code);
}

void client_init(struct client *c, enum client_mode mode, const struct client_endpoint *server,
		 const struct in6_addr *own, uint64_t seed)
{
	memset(c, 0, sizeof(*c));
	c->schedule = (struct client_schedule){.irt_ms = 3000, .mrt_ms = 1024000};
	c->mode = mode;
	c->paths[0] = (struct client_path){*server, *own};
	c->paths_count = 1;
	c->random = seed;
}

void client_request_init(struct client_request *r, uint8_t protocol, uint16_t internal_port,
			 const struct codec_nonce *nonce)
{
	memset(r, 0, sizeof(*r));
	r->protocol = protocol;
	r->internal_port = internal_port;
	r->lifetime_s = CLIENT_LIFETIME;
	r->nonce = *nonce;
	r->keep = true;
}

static void add(struct client *c, struct client_op *op, enum client_op_kind kind, const struct client_request *r,
		uint64_t now_ms)
{
	/* r may be in op */
	struct client_request request = *r;
	struct client_op **end = &c->ops;

	client_forget(c, op);
	memset(op, 0, sizeof(*op));
	op->request = request;
	op->kind = (uint8_t)kind;
	op->deleting = kind == CLIENT_OP_MAP && request.lifetime_s == 0;
	op->any_external = codec_is_unspecified(&request.external_address);
	op->result.state = CLIENT_ASKING;
	client_op_begin(op, now_ms);
	while (*end)
		end = &(*end)->next;
	*end = op;
}

bool client_map(struct client *c, struct client_op *op, const struct client_request *r, uint64_t now_ms)
{
	if (!client_request_sound(c, r, false) || client_request_overlaps(c, r))
		return false;
	if (c->mode == CLIENT_NATPMP && (!client_op_server_is_v4(c) || client_request_needs_pcp(c, r)))
		return false;
	add(c, op, CLIENT_OP_MAP, r, now_ms);
	return true;
}

bool client_peer(struct client *c, struct client_op *op, const struct client_request *r, uint64_t now_ms)
{
	if (c->mode == CLIENT_NATPMP || !client_request_sound(c, r, true))
		return false;
	add(c, op, CLIENT_OP_MAP, r, now_ms);
	return true;
}

bool client_address(struct client *c, struct client_op *op, const struct codec_nonce *nonce, uint64_t now_ms)
{
	struct client_request r = {
	    .protocol = IPPROTO_UDP, .internal_port = DISCARD_PORT, .lifetime_s = ADDRESS_LIFE_S, .nonce = *nonce};

	if (c->mode == CLIENT_NATPMP && !client_op_server_is_v4(c))
		return false;
	add(c, op, CLIENT_OP_ADDRESS, &r, now_ms);
	return true;
}

bool client_announce(struct client *c, struct client_op *op, uint64_t now_ms)
{
	struct client_request r = {0};

	if (c->mode == CLIENT_NATPMP && !client_op_server_is_v4(c))
		return false;
	add(c, op, CLIENT_OP_ANNOUNCE, &r, now_ms);
	return true;
}

/* When the mapping is gone at the latest, 0 = not known. What has no answer yet may have been granted. */
static uint64_t last_end(const struct client_op *op)
{
	uint64_t granted_ms = op->result.expires_ms;

	if (op->request.lifetime_s == 0 || (granted_ms && op->tries == 0))
		return granted_ms;
	return client_op_later(granted_ms, op->last_ms + (uint64_t)op->request.lifetime_s * 1000);
}

void client_delete(struct client *c, struct client_op *op, uint64_t now_ms)
{
	(void)c;
	if (!op->deleting)
		op->until_ms = last_end(op);
	op->deleting = true;
	if (op->kind != CLIENT_OP_MAP || !op->ever_sent || op->request.remote_port) {
		client_op_set_state(op, CLIENT_DELETED);
		client_op_rest(op);
		return;
	}
	op->result.state = CLIENT_ASKING;
	client_op_begin(op, now_ms);
}

bool client_check(struct client *c, struct client_op *op, uint64_t now_ms)
{
	(void)c;
	if (!client_op_is_renewable(op) || op->result.expires_ms <= now_ms)
		return false;
	/* what is on its way tells as much */
	if (op->phase == CLIENT_OP_EXCHANGE && op->tries > 0)
		return true;
	client_op_begin(op, client_op_later(now_ms, op->last_ms + CLIENT_OP_SPACING_MS));
	op->checking = true;
	return true;
}

void client_retry(struct client *c, uint64_t now_ms)
{
	for (struct client_op *op = c->ops; op; op = op->next)
		if (op->phase == CLIENT_OP_HOLD && op->result.state == CLIENT_NO_ANSWER)
			op->due_ms = now_ms;
}

void client_forget(struct client *c, struct client_op *op)
{
	struct client_op **at = &c->ops;

	while (*at && *at != op)
		at = &(*at)->next;
	if (*at)
		*at = op->next;
	op->next = NULL;
	op->result.state = CLIENT_IDLE;
}
