/* SPDX-License-Identifier: MIT */
/* Which of a server's addresses a client uses: RFC 7488 section 3. */
#include "codec/client_op.h"

const struct client_path *client_path_now(const struct client *c)
{
	return &c->paths[c->path];
}

bool client_paths_stale(const struct client *c)
{
	return c->paths_stale;
}

/* What is unanswered begins anew, on the same path no sooner than it would go on. */
static void go_over(struct client *c, uint8_t path, bool same, uint64_t now_ms)
{
	c->path = path;
	c->path_answered = c->speaks_pcp = false;
	for (struct client_op *op = c->ops; op; op = op->next) {
		bool checking = op->checking;

		/* a delay that has not run out yet stays */
		if (op->tries == 0 || (op->phase != CLIENT_OP_EXCHANGE && op->phase != CLIENT_OP_RENEW))
			continue;
		if (same && op->phase == CLIENT_OP_RENEW)
			continue;
		client_op_begin(op, same ? client_op_later(now_ms, op->due_ms) : now_ms);
		op->natpmp_pace = false;
		op->checking = checking;
	}
}

void client_path_use(struct client *c, uint8_t path, uint64_t now_ms)
{
	go_over(c, path, path == c->path, now_ms);
}

void client_paths_spent(struct client *c)
{
	c->path = 0;
	c->paths_spent = true;
}

void client_path_failed(struct client *c, bool hard, uint64_t now_ms)
{
	if (c->path_answered) {
		/* all addresses once more, but one of which the network says that it is closed comes last of all */
		bool closed = hard && c->path == 0 && c->paths_count > 1;

		c->paths_stale = true;
		client_path_use(c, closed ? 1 : 0, now_ms);
	} else if (c->path + 1 < c->paths_count) {
		client_path_use(c, (uint8_t)(c->path + 1), now_ms);
	} else {
		client_paths_spent(c);
		for (struct client_op *op = c->ops; op; op = op->next)
			if (op->phase == CLIENT_OP_EXCHANGE && op->tries > 0)
				client_op_give_up(c, op, now_ms);
	}
}

static bool same_endpoint(const struct client_endpoint *a, const struct client_endpoint *b)
{
	return client_op_same_address(&a->address, &b->address) && a->port == b->port && a->scope == b->scope;
}

bool client_paths(struct client *c, const struct client_path *paths, size_t count, uint64_t now_ms)
{
	struct client_path now_used = *client_path_now(c), usable[CLIENT_PATHS_MAX];
	bool was_used = c->paths_count > 0;
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if (codec_is_unspecified(&paths[i].own))
			continue;
		if (n == CLIENT_PATHS_MAX || (c->mode == CLIENT_NATPMP && !codec_is_v4(&paths[i].server.address)))
			return false;
		usable[n++] = paths[i];
	}
	if (n == 0)
		return false;
	memcpy(c->paths, usable, n * sizeof(usable[0]));
	c->paths_count = (uint8_t)n;
	c->paths_stale = c->paths_spent = false;
	c->path = 0;
	for (uint8_t i = 0; i < n && was_used && c->path_answered; i++)
		if (same_endpoint(&usable[i].server, &now_used.server)) {
			c->path = i;
			if (!client_op_same_address(&usable[i].own, &now_used.own))
				client_op_renew_all(c, NULL, now_ms, now_ms);
			return true;
		}
	go_over(c, 0, same_endpoint(&usable[0].server, &now_used.server), now_ms);
	return true;
}
