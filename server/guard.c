/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/guard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/io/log.h"

#define SETTLE_MS    20 /* changes come in groups; with what the kernel takes, all is back in less than 100 ms */
#define RETRY_MS     1000
#define RETRY_MAX_MS 10000

enum { GUARD_WHY_MAX = 256 };

struct guard {
	struct loop *loop;
	struct backend *backend;
	guard_lost_fn *lost;
	void *context;
	struct loop_event *readable, *look;
	uint64_t retry_ms; /* how long is waited after the next failure */
	uint64_t looks;
	struct log_limit quiet;
};

void guard_later(struct guard *g)
{
	if (g)
		loop_timer_by(g->look, loop_now_ms(g->loop) + g->retry_ms);
}

static void look(void *context)
{
	struct guard *g = context;
	char why[GUARD_WHY_MAX];
	int event = g->backend->ops->watch(g->backend, why, sizeof(why));

	g->looks++;
	if (event == -ENOENT)
		log_print(
		    CONF_LOG_WARNING, "forward-chain-gone",
		    "another program removed %s, named by backend.forward-chain; our rule goes in when it is back",
		    why);
	else if (event < 0 && log_limit_pass(&g->quiet, loop_now_ms(g->loop), NULL))
		log_print(CONF_LOG_ERROR, "ruleset-broken",
			  "it was changed by another program and cannot be repaired: %s", strerror(-event));
	if (event < 0) {
		/* what stands in the way may go without a word: the kernel tells nobody of a table that dies with its
		 * owner */
		guard_later(g);
		g->retry_ms = g->retry_ms * 2 < RETRY_MAX_MS ? g->retry_ms * 2 : RETRY_MAX_MS;
		return;
	}
	g->retry_ms = RETRY_MS;
	if (event == BACKEND_EMPTIED) {
		log_print(CONF_LOG_WARNING, "ruleset-lost", "another program removed our mappings; they are put back");
		g->lost(g->context);
		/* whoever did that may have removed the operator's chain too, which this look could not tell */
		guard_later(g);
	} else if (event == BACKEND_REPAIRED) {
		log_print(CONF_LOG_WARNING, "ruleset-repaired",
			  "another program removed a part of our ruleset; it is back");
	}
}

static void readable(void *context)
{
	struct guard *g = context;

	/* what comes later does not put it off, so that a stream of changes cannot delay it */
	if (g->backend->ops->drain(g->backend))
		loop_timer_by(g->look, loop_now_ms(g->loop) + SETTLE_MS);
}

int guard_open(struct guard **out, struct loop *loop, struct backend *backend, guard_lost_fn *lost, void *context)
{
	struct guard *g = calloc(1, sizeof(*g));
	int fd = backend->ops->watch_fd(backend);

	if (!g)
		return -ENOMEM;
	g->loop = loop;
	g->backend = backend;
	g->lost = lost;
	g->context = context;
	g->retry_ms = RETRY_MS;
	g->look = loop_timer(loop, look, g);
	if (fd >= 0)
		g->readable = loop_readable(loop, fd, readable, g);
	if (!g->look || (fd >= 0 && !g->readable)) {
		guard_close(g);
		return -ENOMEM;
	}
	*out = g;
	return 0;
}

void guard_close(struct guard *g)
{
	if (!g)
		return;
	loop_forget(g->readable);
	loop_forget(g->look);
	free(g);
}

uint64_t guard_looks(const struct guard *g)
{
	return g->looks;
}
