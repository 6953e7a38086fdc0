/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/lab_self.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/io/log.h"
#include "server/lab/note.h"

#define OLDER_S 86400 /* the box seems to have been there for a day */

void lab_tell(const struct lab *l, size_t i, const struct in6_addr *client, uint16_t port)
{
	const struct plan_entry *e = &l->plan.v[i];

	note(&(struct note){
	    .what = fault_name(e->fault.kind),
	    .fault = e->text,
	    .client = client,
	    .client_port = port,
	    .to = e->fault.kind == FAULT_ADDRESS ? &e->fault.address : NULL,
	});
}

void lab_dispatch(const struct parcel *p)
{
	int error = parcel_send(p);

	if (error)
		log_print(CONF_LOG_WARNING, "lab-send-failed", "%s", strerror(-error));
}

/* Time */

static void arm(struct lab *l)
{
	uint64_t at_ms = plan_deadline(&l->plan);

	for (size_t i = 0; i < LAB_LATE_MAX; i++)
		if (l->late[i] && l->late[i]->at_ms < at_ms)
			at_ms = l->late[i]->at_ms;
	loop_timer_set(l->timer, at_ms);
}

void lab_later(struct lab *l, const struct parcel *p, uint64_t at_ms)
{
	for (size_t i = 0; i < LAB_LATE_MAX; i++) {
		if (l->late[i])
			continue;
		l->late[i] = malloc(sizeof(*l->late[i]));
		if (l->late[i]) {
			l->late[i]->at_ms = at_ms;
			parcel_copy(&l->late[i]->parcel, p);
		}
		arm(l);
		return;
	}
	log_print(CONF_LOG_WARNING, "lab-lost", "more than %d answers are late", LAB_LATE_MAX);
}

static void late_drop(struct lab *l, size_t i)
{
	free(l->late[i]);
	l->late[i] = NULL;
}

static void turn(void *context)
{
	struct lab *l = context;
	uint64_t now_ms = loop_now_ms(l->loop);
	enum plan_turn t;
	size_t i;

	while ((t = plan_next(&l->plan, now_ms, &i)) != PLAN_NOTHING) {
		if (t == PLAN_ENDS) {
			lab_unhappen(l, i);
			continue;
		}
		lab_tell(l, i, NULL, 0);
		lab_happen(l, i);
	}
	for (i = 0; i < LAB_LATE_MAX; i++) {
		if (l->late[i] && l->late[i]->at_ms <= now_ms) {
			lab_dispatch(&l->late[i]->parcel);
			late_drop(l, i);
		}
	}
	arm(l);
}

/* Orders */

static void obey(struct lab *l, const char *line)
{
	char why[FAULT_WHY];

	if (strcmp(line, "begin") == 0)
		plan_begin(&l->plan, loop_now_ms(l->loop));
	else if (!lab_add(l, line, why))
		log_print(CONF_LOG_WARNING, "lab-order", "%s", why);
}

static void ordered(void *context)
{
	struct lab *l = context;
	char *end;
	ssize_t n = read(l->orders, l->order + l->order_n, sizeof(l->order) - l->order_n);

	if (n <= 0) { /* whoever gave them is gone */
		loop_forget(l->readable);
		l->readable = NULL;
		return;
	}
	l->order_n += (size_t)n;
	while ((end = memchr(l->order, '\n', l->order_n))) {
		size_t length = (size_t)(end - l->order) + 1;

		*end = '\0';
		obey(l, l->order);
		l->order_n -= length;
		memmove(l->order, l->order + length, l->order_n);
	}
	if (l->order_n == sizeof(l->order))
		l->order_n = 0;
	turn(l);
}

/* The whole of it */

static int lab_open(void *context, struct loop *loop)
{
	struct lab *l = context;

	l->loop = loop;
	l->restart = false;
	l->timer = loop_timer(loop, turn, l);
	l->readable = l->orders >= 0 ? loop_readable(loop, l->orders, ordered, l) : NULL;
	if (!l->timer || (l->orders >= 0 && !l->readable))
		return -ENOMEM;
	if (l->orders < 0)
		plan_begin(&l->plan, loop_now_ms(loop));
	arm(l);
	return 0;
}

static void lab_close(void *context)
{
	struct lab *l = context;

	loop_forget(l->timer);
	loop_forget(l->readable);
	l->timer = l->readable = NULL;
	for (size_t i = 0; i < LAB_LATE_MAX; i++)
		late_drop(l, i);
	l->voices[0].known = l->voices[1].known = false;
}

struct lab *lab_new(uint64_t seed, int orders)
{
	struct lab *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->between = (struct between){lab_open, lab_close, lab_receive, lab_send, l};
	plan_init(&l->plan, seed);
	ages_init(&l->ages, OLDER_S);
	l->orders = orders;
	l->fresh = true;
	return l;
}

void lab_free(struct lab *l)
{
	free(l);
}

bool lab_add(struct lab *l, const char *text, char why[FAULT_WHY])
{
	return plan_add(&l->plan, text, l->loop ? loop_now_ms(l->loop) : 0, why);
}

const struct between *lab_between(const struct lab *l)
{
	return &l->between;
}

void lab_least(struct lab *l, uint32_t least_s)
{
	l->least_s = least_s;
}

bool lab_restarts(struct lab *l, bool *forget, uint32_t *down_ms)
{
	*forget = l->forget;
	*down_ms = l->down_ms;
	if (!l->restart)
		return false;
	if (l->forget) {
		ages_restart(&l->ages, SIGHT_NATPMP);
		ages_restart(&l->ages, SIGHT_PCP);
	}
	/* what it announces from now on is news */
	l->fresh = false;
	return true;
}
