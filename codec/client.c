/* SPDX-License-Identifier: MIT */
#include "codec/client.h"

#include "codec/client_op.h"

#define NATPMP_TRIES	9
#define NATPMP_FIRST_MS 250
#define DISCARD_PORT	9
#define ADDRESS_LIFE_S	60

/* RFC 6886 1.1: every request, retransmission and renewal opens with PCP, whatever the server said before. Only the
 * address has no PCP request of its own. */
static bool opens_with_natpmp(const struct client *c, const struct client_op *op)
{
	if (c->mode == CLIENT_AUTO)
		return op->kind == CLIENT_OP_ADDRESS && client_op_server_is_v4(c) && !op->refuses_natpmp;
	return c->mode == CLIENT_NATPMP;
}

static bool sends_natpmp_next(const struct client *c, const struct client_op *op)
{
	return op->falling_back || opens_with_natpmp(c, op);
}

/* RFC 6886 3.1: one NAT-PMP request at a time. */
static bool natpmp_line_free(const struct client *c, const struct client_op *op)
{
	for (const struct client_op *o = c->ops; o; o = o->next)
		if (o != op && o->phase == CLIENT_OP_EXCHANGE && o->sent_natpmp)
			return false;
	return true;
}

static bool is_exhausted(const struct client *c, const struct client_op *op, uint64_t now_ms)
{
	const struct client_schedule *s = &c->schedule;

	if (op->tries == 0)
		return false;
	if (op->deleting && op->until_ms && now_ms >= op->until_ms)
		return true;
	if (op->natpmp_pace)
		return op->tries >= NATPMP_TRIES;
	return (s->mrc && op->tries >= s->mrc) || (s->mrd_ms && now_ms >= op->first_ms + s->mrd_ms);
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

static size_t marshal_natpmp(const struct client_op *op, uint8_t *out, size_t capacity)
{
	const struct client_request *r = &op->request;
	struct natpmp_message m = {.opcode = NATPMP_ADDRESS};

	if (op->kind == CLIENT_OP_MAP) {
		m.opcode = r->protocol == IPPROTO_TCP ? NATPMP_MAP_TCP : NATPMP_MAP_UDP;
		m.internal_port = r->internal_port;
		if (!op->deleting) {
			m.external_port = r->external_port;
			m.lifetime_s = r->lifetime_s;
		}
	}
	return natpmp_marshal(&m, out, capacity);
}

static size_t marshal_pcp(const struct client *c, const struct client_op *op, uint8_t *out, size_t capacity)
{
	const struct client_request *r = &op->request;
	struct pcp_message m = {.version = CODEC_VERSION_PCP, .opcode = PCP_ANNOUNCE, .client_address = c->own};
	struct in6_addr inside = c->own;

	if (op->kind == CLIENT_OP_ANNOUNCE)
		return pcp_marshal(&m, out, capacity);
	m.opcode = r->remote_port ? PCP_PEER : PCP_MAP;
	m.mapping.remote_port = r->remote_port;
	m.mapping.remote_address = r->remote_address;
	m.options = r->options;
	m.options_length = r->options_length;
	client_op_third_party(r->options, r->options_length, &inside);
	m.mapping.nonce = r->nonce;
	m.mapping.protocol = r->protocol;
	m.mapping.internal_port = r->internal_port;
	/* no preference is the zero address of the wanted family (RFC 6887 11.1); a deletion has none (15.1) */
	m.mapping.external_address = codec_is_v4(&inside) ? codec_from_v4(0) : (struct in6_addr){0};
	if (!op->deleting) {
		m.lifetime_s = r->lifetime_s;
		m.mapping.external_port = r->external_port;
		if (!codec_is_unspecified(&r->external_address))
			m.mapping.external_address = r->external_address;
	}
	return pcp_marshal(&m, out, capacity);
}

static size_t send_op(struct client *c, struct client_op *op, uint8_t *out, size_t capacity, uint64_t now_ms)
{
	bool natpmp = sends_natpmp_next(c, op);
	size_t n = natpmp ? marshal_natpmp(op, out, capacity) : marshal_pcp(c, op, out, capacity);

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

	if (op->phase == CLIENT_OP_EXCHANGE && !op->falling_back && is_exhausted(c, op, now_ms)) {
		client_op_give_up(c, op, now_ms);
		return 0;
	}
	if (op->phase == CLIENT_OP_RENEW && !op->falling_back && !op->natpmp_pace) {
		/* a single datagram at each renewal time, not a series */
		client_op_begin(op, now_ms);
		n = send_op(c, op, out, capacity, now_ms);
		client_op_schedule_renewal(c, op);
		return n;
	}
	if (op->phase != CLIENT_OP_EXCHANGE)
		client_op_begin(op, now_ms);
	return send_op(c, op, out, capacity, now_ms);
}

/* When an operation has something to do, its end included. */
static uint64_t due(const struct client *c, const struct client_op *op)
{
	uint64_t at = op->falling_back ? 0 : op->due_ms;

	if (op->phase == CLIENT_OP_REST || at == CLIENT_NEVER)
		return CLIENT_NEVER;
	/* giving up needs no line and is under no hold */
	if (op->phase == CLIENT_OP_EXCHANGE && !op->falling_back && is_exhausted(c, op, at))
		return at;
	if (sends_natpmp_next(c, op) && !natpmp_line_free(c, op))
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
	struct client_op *op = c->ops;

	while (op && due(c, op) > now_ms)
		op = op->next;
	return op;
}

size_t client_next(struct client *c, uint8_t *out, size_t capacity, struct client_endpoint *to, uint64_t *deadline_ms,
		   uint64_t now_ms)
{
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
		*to = c->server;
		*deadline_ms = now_ms;
		return n;
	}
	for (op = c->ops; op; op = op->next) {
		*deadline_ms = client_op_earlier(*deadline_ms, due(c, op));
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
	c->server = *server;
	c->own = *own;
	c->random = seed;
}

static void add(struct client *c, struct client_op *op, enum client_op_kind kind, const struct client_request *r,
		uint64_t now_ms)
{
	struct client_op **end = &c->ops;

	memset(op, 0, sizeof(*op));
	op->request = *r;
	op->kind = (uint8_t)kind;
	op->deleting = kind == CLIENT_OP_MAP && r->lifetime_s == 0;
	op->result.state = CLIENT_ASKING;
	client_op_begin(op, now_ms);
	while (*end)
		end = &(*end)->next;
	*end = op;
}

static bool options_are_sound(const struct client_request *r)
{
	struct pcp_option o;
	size_t offset = 0;
	enum codec_verdict v;

	if (r->options_length % 4 != 0 || r->options_length > CLIENT_OPTIONS_MAX)
		return false;
	do
		v = pcp_option_next(r->options, r->options_length, &offset, &o, NULL);
	while (v == CODEC_OK);
	return v == CODEC_DROP;
}

bool client_map(struct client *c, struct client_op *op, const struct client_request *r, uint64_t now_ms)
{
	if (!options_are_sound(r))
		return false;
	if (r->remote_port && (r->lifetime_s == 0 || r->options_length > CLIENT_OPTIONS_MAX - 20))
		return false;
	if (c->mode == CLIENT_NATPMP && (!client_op_server_is_v4(c) || client_op_needs_pcp(r)))
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

void client_delete(struct client *c, struct client_op *op, uint64_t now_ms)
{
	(void)c;
	op->deleting = true;
	op->until_ms = op->result.expires_ms;
	if (op->kind != CLIENT_OP_MAP || !op->ever_sent || op->request.remote_port) {
		client_op_set_state(op, CLIENT_DELETED);
		client_op_rest(op);
		return;
	}
	op->result.state = CLIENT_ASKING;
	client_op_begin(op, now_ms);
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
