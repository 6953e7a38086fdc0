/* SPDX-License-Identifier: MIT */
/* map --keep and peer --keep. */
#include <stdio.h>
#include <string.h>

#include "codec/natpcpc_move.h"
#include "codec/natpcpc_result.h"

#define SETTLE_MS   1000  /* from the first sign of a move until a look at where we are */
#define PATIENCE_MS 15000 /* without a first answer, until that is said */
#define HOOK_END_MS 3000  /* for --exec's program to hear that the mapping is gone */

/* What a gateway may think better of; after any other refusal of the first request it makes no sense to stay. */
static bool may_pass(const struct client_result *r)
{
	if (r->protocol == CODEC_VERSION_PCP)
		return r->code == PCP_NETWORK_FAILURE || r->code == PCP_NO_RESOURCES || r->code == PCP_USER_EX_QUOTA;
	return r->code == NATPMP_NETWORK_FAILURE || r->code == NATPMP_NO_RESOURCES;
}

static bool same_outside(const struct client_result *a, const struct client_result *b)
{
	return a->external_port == b->external_port && a->port_set_size == b->port_set_size &&
	       memcmp(&a->external_address, &b->external_address, sizeof(a->external_address)) == 0;
}

static void tell_hook(struct app *a, struct session *s, const char *event)
{
	const struct client_result *r = &s->op.result;
	struct hook_news n = {.event = event,
			      .version = r->protocol,
			      .gateway = s->server.address,
			      .protocol = s->op.request.protocol,
			      .internal_address = a->o.third ? a->o.third_party : s->own,
			      .internal_port = r->first_internal_port,
			      .ports = r->port_set_size};

	if (s->mapped) {
		n.external_address = r->external_address;
		n.external_port = r->external_port;
		n.lifetime_s = r->lifetime_s;
	}
	hook_tell(&s->hook, &n);
}

static void look_granted(struct app *a, struct session *s, const char *operation)
{
	const struct client_result *r = &s->op.result;
	bool first = !s->mapped, moved;

	map_learn_address(a, s);
	moved = first || !same_outside(r, &s->told);
	s->mapped = true;
	s->warned = false;
	if (moved || s->moved || s->told.state != CLIENT_GRANTED || s->told.protocol != r->protocol)
		result_show(a, s, operation);
	s->moved = false;
	if (moved)
		tell_hook(a, s, first ? "mapped" : "changed");
}

/* There is no mapping, or its renewal failed. */
static void look_troubled(struct app *a, struct session *s, const char *operation)
{
	const struct client_result *r = &s->op.result;
	/* where the host has gone nothing is lost before somebody has said so */
	bool waits = s->moved && r->state == CLIENT_ASKING;
	bool lost = s->mapped && r->expires_ms == 0 && !waits, never = !s->mapped && s->told.state != CLIENT_GRANTED;

	if (r->state == CLIENT_REFUSED && (s->told.state != CLIENT_REFUSED || s->told.code != r->code)) {
		s->code = result_show(a, s, operation);
		s->finished = never && !may_pass(r);
	} else if (lost) {
		result_show(a, s, operation);
	} else if (r->state == CLIENT_NO_ANSWER && never && !s->warned) {
		s->code = result_show(a, s, operation);
		s->warned = true;
	}
	if (lost) {
		s->mapped = false;
		tell_hook(a, s, "lost");
	}
}

/* Tells what has changed. */
static void look(struct app *a, struct session *s, const char *operation)
{
	const struct client_result *r = &s->op.result;

	if (s->finished)
		return;
	if (s->error) {
		s->code = result_show(a, s, operation);
		s->finished = true;
		return;
	}
	if (r->state == CLIENT_GRANTED)
		look_granted(a, s, operation);
	else
		look_troubled(a, s, operation);
	/* what is only asked for again has told nothing yet */
	if (r->state != CLIENT_ASKING)
		s->told = *r;
}

/* No first answer in the time that --timeout gives ends it; without that option it is said once. */
static uint64_t look_at_time(struct app *a, struct session *s, const char *operation, uint64_t begin_ms)
{
	uint64_t at = begin_ms + (a->o.timeout_ms ? a->o.timeout_ms : PATIENCE_MS);

	if (s->finished || s->mapped || s->told.state == CLIENT_GRANTED || s->told.state == CLIENT_REFUSED || s->warned)
		return CLIENT_NEVER;
	if (session_now() < at)
		return at;
	s->code = result_show(a, s, operation);
	s->warned = true;
	s->finished = a->o.timeout_ms;
	if (!s->finished)
		fputs("natpcpc: goes on asking\n", stderr);
	return CLIENT_NEVER;
}

/* Deletes what there is, and tells. PEER's cannot be deleted. */
static int say_goodbye(struct app *a, const char *operation)
{
	uint64_t until_ms = app_deadline(a, GOODBYE_MS);
	bool deletes = strcmp(operation, "map") == 0;
	int code = EXIT_DONE;

	for (size_t i = 0; i < a->count; i++)
		if (!a->sessions[i].finished && !a->sessions[i].error && deletes)
			client_delete(&a->sessions[i].client, &a->sessions[i].op, session_now());
	for (size_t i = 0; i < a->count; i++) {
		struct session *s = &a->sessions[i];

		if (s->finished || !deletes) {
			code = app_worse(code, s->code);
			continue;
		}
		session_await(a->sessions, a->count, s, &s->op, until_ms);
		if (!s->mapped) {
			/* what was asked for may have been made all the same: the deletion was for that */
			code = app_worse(code, s->told.state == CLIENT_GRANTED ? EXIT_DONE
					       : s->code		       ? s->code
									       : EXIT_SILENCE);
			continue;
		}
		code = app_worse(code, result_show(a, s, "unmap"));
		s->mapped = false;
		tell_hook(a, s, "unmapped");
	}
	return code;
}

/* The programs may hear the last news, but not hold us up for ever. */
static void end_hooks(struct app *a)
{
	uint64_t until_ms = session_now() + HOOK_END_MS;
	bool runs = true;

	while (runs && session_now() < until_ms) {
		runs = false;
		for (size_t i = 0; i < a->count; i++) {
			hook_reap(&a->sessions[i].hook);
			runs = runs || a->sessions[i].hook.pid;
		}
		if (runs)
			session_poll(NULL, 0, until_ms);
	}
	for (size_t i = 0; i < a->count; i++)
		if (a->sessions[i].hook.pending)
			fprintf(stderr, "natpcpc: %s still runs, and was not told the end\n", a->o.exec);
}

static bool any_left(const struct app *a)
{
	for (size_t i = 0; i < a->count; i++)
		if (!a->sessions[i].finished)
			return true;
	return false;
}

int keep_run(struct app *a, const char *operation)
{
	uint64_t begin_ms = session_now(), moved_ms = CLIENT_NEVER;
	struct conn watch;
	int code;

	for (size_t i = 0; i < a->count; i++) {
		struct session *s = &a->sessions[i];

		s->hook.program = a->o.exec;
		s->hook.arguments = a->o.exec_arguments;
		/* without the listener news come with the next renewal */
		if (!s->error && session_hear(s))
			fputs("natpcpc: cannot hear the gateway's announcements\n", stderr);
	}
	move_watch(&watch);
	while (!session_stopped() && any_left(a)) {
		uint64_t until_ms = moved_ms;

		for (size_t i = 0; i < a->count; i++) {
			uint64_t at = look_at_time(a, &a->sessions[i], operation, begin_ms);

			until_ms = at < until_ms ? at : until_ms;
		}
		session_step(a->sessions, a->count, &watch, until_ms);
		if (watch.fd >= 0 && move_heard(&watch) && moved_ms == CLIENT_NEVER)
			moved_ms = session_now() + SETTLE_MS;
		if (session_now() >= moved_ms) {
			moved_ms = CLIENT_NEVER;
			for (size_t i = 0; i < a->count; i++)
				move_follow(a, &a->sessions[i]);
		}
		for (size_t i = 0; i < a->count && !session_stopped(); i++) {
			hook_reap(&a->sessions[i].hook);
			look(a, &a->sessions[i], operation);
		}
	}
	conn_close(&watch);
	code = say_goodbye(a, operation);
	end_hooks(a);
	return code;
}
