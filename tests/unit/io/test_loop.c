/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/loop.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

struct probe {
	struct loop *loop;
	struct loop_event *event, *other;
	unsigned calls, wakes, stop_after;
	uint64_t seen_ms, again_ms;
};

static void count(void *context)
{
	struct probe *p = context;

	struct timespec begin, now;

	p->seen_ms = loop_now_ms(p->loop);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - begin.tv_sec) * 1000000000 + now.tv_nsec - begin.tv_nsec < 2000000);
	p->again_ms = loop_now_ms(p->loop);
	if (++p->calls == p->stop_after)
		loop_stop(p->loop);
}

static void woken(void *context)
{
	struct probe *p = context;

	p->wakes++;
}

/* 6886-3.6-03, 6887-8.5-01: the clock that nobody sets, suspended or not */
static void clock_is_boottime(void **state)
{
	struct loop *l = loop_new();
	struct timespec before, after;
	uint64_t now_ms;

	(void)state;
	clock_gettime(CLOCK_BOOTTIME, &before);
	now_ms = loop_now_ms(l);
	clock_gettime(CLOCK_BOOTTIME, &after);
	assert_true(now_ms >= (uint64_t)before.tv_sec * 1000 + (uint64_t)before.tv_nsec / 1000000);
	assert_true(now_ms <= (uint64_t)after.tv_sec * 1000 + (uint64_t)after.tv_nsec / 1000000);
	/* it stands still until the next wake-up, or until somebody says that he took long */
	do
		clock_gettime(CLOCK_BOOTTIME, &after);
	while ((uint64_t)after.tv_sec * 1000 + (uint64_t)after.tv_nsec / 1000000 < now_ms + 2);
	assert_int_equal(loop_now_ms(l), now_ms);
	loop_worked(l);
	assert_true(loop_now_ms(l) >= now_ms + 2);
	loop_free(l);
}

static void timer(void **state)
{
	struct probe p = {.loop = loop_new(), .stop_after = 1};
	uint64_t start_ms = loop_now_ms(p.loop);

	(void)state;
	p.event = loop_timer(p.loop, count, &p);
	loop_timer_set(p.event, start_ms + 20);
	assert_int_equal(loop_run(p.loop, woken, &p), 0);
	assert_int_equal(p.calls, 1);
	assert_true(p.wakes >= 1);
	assert_true(p.seen_ms >= start_ms + 20);
	/* one reading for one wake-up */
	assert_int_equal(p.seen_ms, p.again_ms);
	/* a time that has passed, 0 too, is the next wake-up; it fires once */
	loop_timer_set(p.event, 0);
	p.stop_after = 2;
	assert_int_equal(loop_run(p.loop, NULL, NULL), 0);
	assert_int_equal(p.calls, 2);
	loop_forget(p.event);
	loop_free(p.loop);
}

static void timer_changes(void **state)
{
	struct probe early = {.loop = loop_new(), .stop_after = 9};
	struct probe late = {.loop = early.loop, .stop_after = 1};
	uint64_t start_ms = loop_now_ms(early.loop);

	(void)state;
	early.event = loop_timer(early.loop, count, &early);
	late.event = loop_timer(early.loop, count, &late);
	loop_timer_set(early.event, start_ms + 5);
	loop_timer_set(early.event, UINT64_MAX); /* disarmed */
	loop_timer_set(late.event, start_ms + 3600000);
	loop_timer_by(late.event, start_ms + 30);      /* earlier */
	loop_timer_by(late.event, start_ms + 7200000); /* later: no change */
	assert_int_equal(loop_run(early.loop, NULL, NULL), 0);
	assert_int_equal(early.calls, 0);
	assert_int_equal(late.calls, 1);
	loop_forget(early.event);
	loop_forget(late.event);
	loop_free(early.loop);
}

static void readable(void **state)
{
	struct probe p = {.loop = loop_new(), .stop_after = 3};
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	p.event = loop_readable(p.loop, ends[0], count, &p);
	assert_int_equal(write(ends[1], "x", 1), 1);
	/* nobody reads it: it stays readable, once a wake-up */
	assert_int_equal(loop_run(p.loop, woken, &p), 0);
	assert_int_equal(p.calls, 3);
	assert_int_equal(p.wakes, 3);
	loop_forget(p.event);
	loop_free(p.loop);
	close(ends[0]);
	close(ends[1]);
}

static void forget_both(void *context)
{
	struct probe *p = context;

	loop_forget(p->event);
	loop_forget(p->other);
	count(p);
}

/* Two events of one wake-up: the one that runs first ends both, and the other does not run. */
static void forgotten_inside(void **state)
{
	struct probe p = {.loop = loop_new(), .stop_after = 1};
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	p.event = loop_readable(p.loop, ends[0], forget_both, &p);
	p.other = loop_readable(p.loop, ends[0], forget_both, &p);
	assert_int_equal(loop_run(p.loop, NULL, NULL), 0);
	assert_int_equal(p.calls, 1);
	loop_free(p.loop);
	close(ends[0]);
	close(ends[1]);
}

static void signals(void **state)
{
	struct probe p = {.loop = loop_new(), .stop_after = 1};

	(void)state;
	p.event = loop_signal(p.loop, SIGUSR1, count, &p);
	raise(SIGUSR1);
	assert_int_equal(loop_run(p.loop, NULL, NULL), 0);
	assert_int_equal(p.calls, 1);
	loop_forget(p.event);
	loop_free(p.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(clock_is_boottime), cmocka_unit_test(timer),
	    cmocka_unit_test(timer_changes),	 cmocka_unit_test(readable),
	    cmocka_unit_test(forgotten_inside),	 cmocka_unit_test(signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
