/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "server/io/log.h"
#include "server/io/reserve.h"

struct loop {
	struct event_base *base;
	uint64_t now_ms;
	bool now_read; /* in this wake-up */
	bool stop;
};

struct loop_event {
	struct event *event;
	loop_fn *fn;
	void *context;
	int timer_fd;	   /* -1: not a timer */
	uint64_t timer_ms; /* UINT64_MAX: not armed */
};

static void libevent_log(int severity, const char *text)
{
	enum conf_log_level level = severity == EVENT_LOG_ERR	 ? CONF_LOG_ERROR
				    : severity == EVENT_LOG_WARN ? CONF_LOG_WARNING
								 : CONF_LOG_DEBUG;

	log_print(level, "libevent", "%s", text);
}

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	event_set_mem_functions(reserve_malloc, reserve_realloc, reserve_free);
	event_set_log_callback(libevent_log);
	l->base = event_base_new();
	if (!l->base) {
		free(l);
		return NULL;
	}
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	event_base_free(l->base);
	free(l);
}

uint64_t loop_now_ms(struct loop *l)
{
	struct timespec ts;

	if (!l->now_read) {
		clock_gettime(CLOCK_BOOTTIME, &ts);
		l->now_ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
		l->now_read = true;
	}
	return l->now_ms;
}

uint64_t loop_clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000 + 1;
}

void loop_worked(struct loop *l)
{
	l->now_read = false;
}

static void fire(evutil_socket_t fd, short what, void *context)
{
	struct loop_event *e = context;
	uint64_t expirations;

	(void)what;
	if (e->timer_fd >= 0) {
		/* nothing to read: it was disarmed or set anew by an earlier function of this wake-up */
		if (read(fd, &expirations, sizeof(expirations)) != (ssize_t)sizeof(expirations))
			return;
		e->timer_ms = UINT64_MAX;
	}
	e->fn(e->context);
}

static struct loop_event *event_add_new(struct loop *l, int fd, short what, loop_fn *fn, void *context, int timer_fd)
{
	struct loop_event *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->fn = fn;
	e->context = context;
	e->timer_fd = timer_fd;
	e->timer_ms = UINT64_MAX;
	e->event = event_new(l->base, fd, what, fire, e);
	if (!e->event || event_add(e->event, NULL) < 0) {
		if (e->event)
			event_free(e->event);
		free(e);
		return NULL;
	}
	return e;
}

struct loop_event *loop_readable(struct loop *l, int fd, loop_fn *fn, void *context)
{
	return event_add_new(l, fd, EV_READ | EV_PERSIST, fn, context, -1);
}

struct loop_event *loop_signal(struct loop *l, int number, loop_fn *fn, void *context)
{
	return event_add_new(l, number, EV_SIGNAL | EV_PERSIST, fn, context, -1);
}

struct loop_event *loop_timer(struct loop *l, loop_fn *fn, void *context)
{
	struct loop_event *e;
	/* libevent's timers run on CLOCK_MONOTONIC, which stands still in a suspend; lifetimes do not */
	int fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd < 0)
		return NULL;
	e = event_add_new(l, fd, EV_READ | EV_PERSIST, fn, context, fd);
	if (!e)
		close(fd);
	return e;
}

void loop_timer_set(struct loop_event *timer, uint64_t at_ms)
{
	struct itimerspec its = {0};

	if (at_ms == timer->timer_ms)
		return;
	timer->timer_ms = at_ms;
	if (at_ms != UINT64_MAX) {
		its.it_value.tv_sec = (time_t)(at_ms / 1000);
		/* a zero time would disarm it */
		its.it_value.tv_nsec = (long)(at_ms % 1000) * 1000000 + (at_ms == 0);
	}
	timerfd_settime(timer->timer_fd, TFD_TIMER_ABSTIME, &its, NULL);
}

void loop_timer_by(struct loop_event *timer, uint64_t at_ms)
{
	if (at_ms < timer->timer_ms)
		loop_timer_set(timer, at_ms);
}

void loop_forget(struct loop_event *e)
{
	if (!e)
		return;
	event_free(e->event);
	if (e->timer_fd >= 0)
		close(e->timer_fd);
	free(e);
}

int loop_run(struct loop *l, loop_fn *after, void *context)
{
	l->stop = false;
	while (!l->stop) {
		l->now_read = false;
		if (event_base_loop(l->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY) < 0)
			return -EIO;
		if (after)
			after(context);
	}
	return 0;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
	event_base_loopbreak(l->base);
}

struct event_base *loop_base(struct loop *l)
{
	return l->base;
}
