/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/flows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/backend.h"
#include "backends/proxy.h"
#include "conf/conf.h"
#include "server/core/round.h"
#include "server/io/log.h"
#include "server/io/loop.h"
#include "server/io/worker.h"

/* Between two searches there are so many times as much time as the last one took of a processor; and so much at least,
 * unless somebody waits for an answer. */
enum { PAUSE_TIMES = 10, PAUSE_ASK_TIMES = 5, PAUSE_MS = 1000 };
/* No packet that was counted takes longer until its connection is in the kernel's table. */
enum { SETTLED_MS = 2000 };

/* One search. The thread's while it runs. */
struct search {
	struct proxy *proxy;
	struct ender_list list;
	struct ender_seen seen;
	uint64_t ended, took_ms;
	int error;
};

struct flows {
	struct loop *loop;
	struct worker *worker; /* NULL: there are no connections */
	struct loop_event *timer;
	struct ender_list wanted; /* of the next search */
	size_t asks;		  /* of them that somebody waits for */
	struct search search;
	uint64_t pause_until_ms, pause_ask_until_ms;
	flows_answer_fn *answer;
	void *context;
	struct log_limit quiet;
	struct backend *backend;
	/* The count of connections that came about by mappings: as last read, when it first was so; whether it was read
	 * since the last round; and as it was before the search that search.seen is of. */
	struct backend_flows count, known;
	uint64_t count_since_ms;
	bool counted, fresh, known_valid, search_settled;
	uint64_t searches;
};

static void complain(struct flows *f, int error)
{
	if (log_limit_pass(&f->quiet, loop_now_ms(f->loop), NULL))
		log_print(CONF_LOG_WARNING, "flows-unknown",
			  "connections of mappings that ended go on, or lifetimes are not shortened: %s",
			  strerror(-error));
}

/* Searching */

static void work(void *context)
{
	struct search *s = &((struct flows *)context)->search;

	s->error = proxy_search(s->proxy, &s->list, &s->seen, &s->ended, &s->took_ms);
}

/* When the next one may begin. */
static void plan(struct flows *f)
{
	if (f->wanted.n > 0 && !worker_busy(f->worker))
		loop_timer_by(f->timer, f->asks > 0 ? f->pause_ask_until_ms : f->pause_until_ms);
}

static void answer_all(struct flows *f, const struct ender_list *l, int error)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].purpose == ENDER_ASK)
			f->answer(f->context, l->v[i].context, error ? UINT32_MAX : l->v[i].left_s);
}

static void done(void *context)
{
	struct flows *f = context;
	struct search *s = &f->search;
	uint64_t now_ms = loop_now_ms(f->loop), pause_ms = s->took_ms * PAUSE_TIMES;
	struct ender_list list = s->list;

	f->pause_ask_until_ms = now_ms + s->took_ms * PAUSE_ASK_TIMES;
	f->pause_until_ms = now_ms + (pause_ms > PAUSE_MS ? pause_ms : PAUSE_MS);
	f->known_valid = !s->error && f->search_settled;
	if (s->error)
		complain(f, s->error);
	else if (s->ended)
		log_print(CONF_LOG_INFO, "flows-ended", "connections of mappings that ended: %llu",
			  (unsigned long long)s->ended);
	s->list = (struct ender_list){0};
	answer_all(f, &list, s->error);
	ender_list_clear(&list);
	plan(f);
}

static bool same_count(const struct backend_flows *a, const struct backend_flows *b)
{
	return memcmp(a->v, b->v, sizeof(a->v)) == 0;
}

/* Reads the count, once in a round. False if there is none. */
static bool count(struct flows *f)
{
	struct backend_flows now;

	if (f->fresh)
		return f->counted;
	if (!f->backend || !f->backend->ops->flows || f->backend->ops->flows(f->backend, &now) != 0) {
		f->counted = false;
		return false;
	}
	if (!f->counted || !same_count(&f->count, &now)) {
		f->count = now;
		f->count_since_ms = loop_now_ms(f->loop);
	}
	f->counted = f->fresh = true;
	return true;
}

static void begin(void *context)
{
	struct flows *f = context;
	int error;

	if (f->wanted.n == 0 || worker_busy(f->worker))
		return;
	f->fresh = false;
	f->search_settled = count(f) && loop_now_ms(f->loop) - f->count_since_ms >= SETTLED_MS;
	f->known = f->count;
	f->known_valid = false;
	f->fresh = false;
	f->search.list = f->wanted;
	f->wanted = (struct ender_list){0};
	f->asks = 0;
	f->searches++;
	error = worker_run(f->worker, work, done, f);
	if (error) {
		f->search.error = error;
		f->search.took_ms = 0;
		done(f);
	}
}

int flows_open(struct flows **out, struct loop *loop, struct proxy *proxy, const struct conf *conf,
	       flows_answer_fn *answer, void *context)
{
	struct flows *f = calloc(1, sizeof(*f));
	int error;

	if (!f)
		return -ENOMEM;
	f->loop = loop;
	f->answer = answer;
	f->context = context;
	*out = f;
	if (!proxy)
		return 0;
	f->search.proxy = proxy;
	if (conf->backend.reset_flows && !proxy_elicits(proxy))
		log_print(CONF_LOG_WARNING, "resets-late",
			  "no privilege to send raw packets (CAP_NET_RAW): of the TCP connections of a NAT-PMP mapping "
			  "that ends, only those are reset over which something is sent soon");
	error = worker_open(&f->worker, loop);
	if (!error) {
		f->timer = loop_timer(loop, begin, f);
		error = f->timer ? 0 : -ENOMEM;
	}
	if (error) {
		flows_close(f);
		*out = NULL;
	}
	return error;
}

void flows_close(struct flows *f)
{
	if (!f)
		return;
	worker_close(f->worker);
	loop_forget(f->timer);
	ender_list_clear(&f->search.list);
	ender_list_clear(&f->wanted);
	free(f);
}

void flows_rest(struct flows *f)
{
	if (f && f->worker)
		worker_rest(f->worker);
}

void flows_watch(struct flows *f, struct backend *b)
{
	f->backend = b;
	f->fresh = false;
	count(f);
	f->fresh = false;
}

/* What is wanted */

void flows_take(struct flows *f, const struct round *r)
{
	enum round_flows what;
	struct mapping m;
	size_t cursor = 0;

	f->fresh = false;
	while (f->worker && (what = round_flows_next(r, &cursor, &m)) != ROUND_FLOWS_KEEP) {
		int error =
		    ender_list_add(&f->wanted, &m, what == ROUND_FLOWS_RESET ? ENDER_RESET : ENDER_FORGET, NULL);

		if (error)
			complain(f, error);
		else if (what == ROUND_FLOWS_RESET) /* before there is a mapping there again, and connections of it */
			f->asks++;
	}
	if (f->worker)
		plan(f);
}

bool flows_none(struct flows *f, const struct mapping *m)
{
	if (!f->worker)
		return true;
	return f->known_valid && count(f) && same_count(&f->count, &f->known) && !ender_seen_has(&f->search.seen, m);
}

int flows_ask(struct flows *f, const struct mapping *v, size_t n, void *ask)
{
	for (size_t i = 0; i < n; i++) {
		int error = ender_list_add(&f->wanted, &v[i], ENDER_ASK, ask);

		if (error) {
			f->wanted.n -= i;
			return error;
		}
	}
	f->asks += n;
	plan(f);
	return 0;
}

uint64_t flows_searches(const struct flows *f)
{
	return f->searches;
}
