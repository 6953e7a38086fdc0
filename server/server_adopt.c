/* SPDX-License-Identifier: GPL-2.0-or-later */
/* At start: what the packet filter has comes together with what the journal says. */
#include "server/server_self.h"

#include <errno.h>
#include <poll.h>

#include "backends/backend.h"
#include "server/io/loop.h"

/* ASK: mappings that are asked for at once, and adopted between two looks at the clock.
 * LIST: a list of so many takes no time that matters; the time for one grows with their square.
 * CLEAR_MS, STEP_MS: within this the packet filter clears away what has ended; how often it is looked at. */
enum { ASK = 2048, LIST = 20000, CLEAR_MS = 3000, STEP_MS = 100 };

struct adoption {
	struct server *s;
	size_t n;
	int error;
};

/* So much was done that it is later now. */
static void finish(struct server *s)
{
	loop_worked(s->loop);
	server_round(s);
}

static void take(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	struct adoption *t = context;
	struct server *s = t->s;
	size_t changes;
	int error;

	if (t->n++ % ASK == 0)
		loop_worked(s->loop);
	error = engine_adopt(s->engine, m, remaining_ms, loop_now_ms(s->loop), s->round);
	if (error)
		t->error = error;
	round_changes(s->round, &changes);
	if (changes >= ROUND_CHANGES_MAX)
		finish(s);
}

/* Leases that were over before go, so that what is left in the packet filter can be counted. */
static void end_over(struct server *s)
{
	while (engine_end_over(s->engine, loop_now_ms(s->loop), s->round))
		finish(s);
	finish(s);
}

/* -EAGAIN: the packet filter may have more than could be asked for. */
static int compare(struct server *s)
{
	size_t wanted = engine_installed(s->engine), n;
	int rc = s->backend->ops->count(s->backend, &n);

	/* a short wait or a long list */
	for (int ms = 0; rc == 0 && n > wanted && n > LIST && ms < CLEAR_MS; ms += STEP_MS) {
		poll(NULL, 0, STEP_MS);
		rc = s->backend->ops->count(s->backend, &n);
	}
	return rc ? rc : n == wanted ? 0 : -EAGAIN;
}

/* Asks for everything that should be there. 0: there is nothing else; -ENOMEM; another -errno: a list must tell. */
static int ask(struct adoption *t)
{
	struct server *s = t->s;
	struct engine_missing at = {0};
	static struct mapping v[ASK];
	size_t n, had;
	int rc = engine_recalls(s->engine) ? s->backend->ops->count(s->backend, &had) : -EAGAIN;

	while (rc == 0 && (n = engine_missing(s->engine, &at, v, ASK)) > 0) {
		rc = s->backend->ops->ask(s->backend, v, n, take, t);
		finish(s);
		if (t->error)
			return t->error;
	}
	if (rc == 0)
		rc = s->backend->ops->list_filtered(s->backend, take, t);
	finish(s);
	if (rc || t->error)
		return rc ? rc : t->error;
	end_over(s);
	return compare(s);
}

int server_adopt(struct server *s, const char **what)
{
	struct adoption t = {.s = s};
	int rc = ask(&t);

	*what = "the packet filter could not be listed";
	if (rc && t.error == 0) {
		rc = s->backend->ops->list(s->backend, take, &t);
		if (rc)
			return rc;
		finish(s);
	}
	*what = "adoption";
	rc = t.error ? t.error : engine_adopted(s->engine, t.n > 0, s->round);
	if (rc)
		return rc;
	end_over(s);
	return 0;
}
