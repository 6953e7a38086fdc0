/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/waiting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/flows.h"
#include "server/io/loop.h"
#include "server/parking.h"

struct waiting {
	struct loop *loop;
	struct loop_event *timer;
	struct parking *parking;
	waiting_again_fn *again;
	waiting_finish_fn *finish;
	void *context;
	struct parked *current; /* goes on at this moment, */
	bool held;		/* or does not: something else has to be found out */
	uint64_t dropped;
};

static void go_on(void *context)
{
	struct waiting *w = context;

	for (int i = 0; i < ROUND_REQUESTS_MAX && (w->current = parking_next(w->parking)); i++) {
		w->held = false;
		w->again(w->context, &w->current->datagram);
		if (w->held)
			parking_hold(w->parking, w->current);
		else
			parking_done(w->parking, w->current);
	}
	w->current = NULL;
	w->finish(w->context);
	parking_sweep(w->parking);
	/* others come in between */
	if (parking_next(w->parking))
		loop_timer_set(w->timer, loop_now_ms(w->loop));
}

int waiting_open(struct waiting **out, struct loop *loop, waiting_again_fn *again, waiting_finish_fn *finish,
		 void *context)
{
	struct waiting *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->loop = loop;
	w->again = again;
	w->finish = finish;
	w->context = context;
	w->parking = parking_new();
	w->timer = loop_timer(loop, go_on, w);
	if (!w->parking || !w->timer) {
		waiting_close(w);
		return -ENOMEM;
	}
	*out = w;
	return 0;
}

void waiting_close(struct waiting *w)
{
	if (!w)
		return;
	loop_forget(w->timer);
	parking_free(w->parking);
	free(w);
}

static bool none(struct flows *f, const struct mapping *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!flows_none(f, &v[i]))
			return false;
	return true;
}

static bool same_sides(const struct mapping *a, const struct mapping *b)
{
	return a->protocol == b->protocol && a->internal_port == b->internal_port &&
	       a->external_port == b->external_port && a->more_ports == b->more_ports &&
	       memcmp(&a->internal_address, &b->internal_address, sizeof(a->internal_address)) == 0 &&
	       memcmp(&a->external_address, &b->external_address, sizeof(a->external_address)) == 0;
}

static bool was_asked(const struct parked *p, const struct mapping *v, size_t n)
{
	if (p->asked_n != n || p->unanswered > 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!same_sides(&p->asked[i], &v[i]))
			return false;
	return true;
}

/* False if out of memory: nobody will know. */
static bool ask(struct flows *f, struct parked *p, const struct mapping *v, size_t n)
{
	struct mapping *asked = realloc(p->asked, n * sizeof(*asked));

	if (!asked)
		return false;
	p->asked = asked;
	memcpy(asked, v, n * sizeof(*asked));
	p->asked_n = n;
	p->left_s = 0;
	p->unanswered = flows_ask(f, v, n, p) == 0 ? n : 0;
	return p->unanswered > 0;
}

static void ready(struct waiting *w, struct parked *p)
{
	parking_ready(w->parking, p);
	loop_timer_by(w->timer, loop_now_ms(w->loop));
}

void waiting_answered(void *context, void *ask_of, uint32_t left_s)
{
	struct waiting *w = context;
	struct parked *p = ask_of;

	if (p->left_s < left_s)
		p->left_s = left_s;
	if (--p->unanswered == 0)
		ready(w, p);
}

/* What it depends on may have changed meanwhile. */
static bool takes_again(struct waiting *w, struct flows *f, const struct engine *e, struct engine_datagram *d,
			uint64_t now_ms)
{
	struct mapping v[ENGINE_ASKS_MAX];
	size_t n = engine_asks_left(e, d, now_ms, v);

	if (n == 0)
		return false;
	if (was_asked(w->current, v, n)) {
		d->flows_left_s = w->current->left_s;
		return false;
	}
	if (none(f, v, n))
		return false;
	w->held = ask(f, w->current, v, n);
	if (!w->held)
		d->flows_left_s = UINT32_MAX;
	return w->held;
}

static struct parked *park(struct waiting *w, const struct in6_addr *host, const struct udp_datagram *u)
{
	struct parked *p;
	int error = parking_put(w->parking, host, u, &p);

	w->dropped += error && error != -EEXIST;
	return error ? NULL : p;
}

bool waiting_takes(struct waiting *w, struct flows *f, const struct engine *e, const struct udp_datagram *u,
		   struct engine_datagram *d, uint64_t now_ms)
{
	struct mapping v[ENGINE_ASKS_MAX];
	struct in6_addr host;
	struct parked *p;
	size_t n;

	if (w->current)
		return takes_again(w, f, e, d, now_ms);
	if (parking_count(w->parking) > 0 && engine_asks_for(d, &host) && parking_has(w->parking, &host)) {
		park(w, &host, u);
		return true;
	}
	n = engine_asks_left(e, d, now_ms, v);
	if (n == 0 || none(f, v, n) || !engine_asks_for(d, &host))
		return false;
	p = park(w, &host, u);
	if (p && !ask(f, p, v, n)) {
		p->left_s = UINT32_MAX;
		ready(w, p);
	}
	return true;
}

uint64_t waiting_dropped(const struct waiting *w)
{
	return w->dropped;
}
