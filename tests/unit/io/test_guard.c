/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When the ruleset is looked at: with a backend that says what the test wants, on the real loop. */
#include "server/guard.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct scene {
	struct backend backend;
	struct loop *loop;
	struct guard *guard;
	struct loop_event *more, *end, *beat;
	int pipe[2];
	bool concerned;
	int events[16]; /* what watch() returns, one after the other */
	uint64_t looks_ms[16], stood_then_ms[16], begin_ms;
	unsigned looks, drains, lost, left;
	uint64_t beat_ms, stood_ms;	      /* when time went by last, and how much of it without this process */
	unsigned looks_wanted, drains_wanted; /* it goes on until then, however busy the machine is */
};

enum { PATIENCE_MS = 60000, BEAT_MS = 10 };

/* For how long this process did not get to run, as a timer shows that is due all the time. */
static uint64_t stood(const struct scene *s)
{
	uint64_t ms = loop_now_ms(s->loop) - s->beat_ms;

	return s->stood_ms + (ms > 2 * BEAT_MS ? ms - BEAT_MS : 0);
}

static void beat(void *context)
{
	struct scene *s = context;

	s->stood_ms = stood(s);
	s->beat_ms = loop_now_ms(s->loop);
	loop_timer_set(s->beat, s->beat_ms + BEAT_MS);
}

static int watch_fd(const struct backend *b)
{
	return ((const struct scene *)b)->pipe[0];
}

static bool drain(struct backend *b)
{
	struct scene *s = (struct scene *)b;
	char octets[64];

	s->drains++;
	assert_true(read(s->pipe[0], octets, sizeof(octets)) > 0);
	return s->concerned;
}

static int watch(struct backend *b, char *why, size_t size)
{
	struct scene *s = (struct scene *)b;

	snprintf(why, size, "\"ip filter FORWARD\"");

	s->looks_ms[s->looks] = loop_now_ms(s->loop) - s->begin_ms;
	s->stood_then_ms[s->looks] = stood(s);
	return s->events[s->looks++];
}

static const struct backend_ops ops = {.name = "fake", .watch_fd = watch_fd, .drain = drain, .watch = watch};

static void lost(void *context)
{
	((struct scene *)context)->lost++;
}

static void tell(struct scene *s)
{
	assert_int_equal(write(s->pipe[1], "x", 1), 1);
}

/* Somebody changes rulesets every 10 ms. */
static void more(void *context)
{
	struct scene *s = context;

	tell(s);
	if (--s->left)
		loop_timer_set(s->more, loop_now_ms(s->loop) + 10);
}

static void end(void *context)
{
	struct scene *s = context;
	uint64_t now_ms = loop_now_ms(s->loop);

	if ((s->left || s->looks < s->looks_wanted || s->drains < s->drains_wanted) &&
	    now_ms - s->begin_ms < PATIENCE_MS)
		loop_timer_set(s->end, now_ms + 20);
	else
		loop_stop(s->loop);
}

static void scene_open(struct scene *s)
{
	s->backend.ops = &ops;
	s->loop = loop_new();
	s->begin_ms = loop_now_ms(s->loop);
	assert_int_equal(pipe(s->pipe), 0);
	assert_int_equal(guard_open(&s->guard, s->loop, &s->backend, lost, s), 0);
	s->more = loop_timer(s->loop, more, s);
	s->end = loop_timer(s->loop, end, s);
	s->beat = loop_timer(s->loop, beat, s);
	s->beat_ms = s->begin_ms;
	loop_timer_set(s->beat, s->begin_ms);
}

static void scene_run(struct scene *s, uint64_t ms)
{
	loop_timer_set(s->end, loop_now_ms(s->loop) + ms);
	assert_int_equal(loop_run(s->loop, NULL, NULL), 0);
}

static void scene_close(struct scene *s)
{
	guard_close(s->guard);
	loop_forget(s->more);
	loop_forget(s->end);
	loop_forget(s->beat);
	loop_free(s->loop);
	close(s->pipe[0]);
	close(s->pipe[1]);
}

/* A stream of changes is one look for each 20 ms, and it does not put the first one off. */
static void groups(void **state)
{
	struct scene s = {.concerned = true, .left = 10, .looks_wanted = 1};

	(void)state;
	scene_open(&s);
	loop_timer_set(s.more, s.begin_ms);
	scene_run(&s, 250);
	assert_int_equal(s.left, 0);
	/* fewer than there was news, unless that came as far apart as looks */
	assert_in_range(s.looks, 1, stood(&s) ? 10 : 9);
	assert_true(s.looks_ms[0] >= 20);
	assert_int_equal(guard_looks(s.guard), s.looks);
	assert_int_equal(s.lost, 0);
	scene_close(&s);
}

static void others(void **state)
{
	struct scene s = {.concerned = false, .drains_wanted = 1};

	(void)state;
	scene_open(&s);
	tell(&s);
	scene_run(&s, 120);
	assert_int_equal(s.drains, 1);
	assert_int_equal(s.looks, 0);
	scene_close(&s);
}

static void due_after(const struct scene *s, unsigned look, uint64_t due_ms)
{
	uint64_t passed_ms = s->looks_ms[look] - s->looks_ms[look - 1],
		 stood_ms = s->stood_then_ms[look] - s->stood_then_ms[look - 1];

	assert_in_range(passed_ms, due_ms, due_ms + 500 + stood_ms);
}

/* What cannot be repaired is tried again, without a new wake-up, after 1 s, 2 s ...; then the mappings are back. */
static void again(void **state)
{
	struct scene s = {
	    .concerned = true, .events = {-EPERM, -EPERM, BACKEND_EMPTIED, BACKEND_REPAIRED}, .looks_wanted = 4};

	(void)state;
	scene_open(&s);
	tell(&s);
	scene_run(&s, 4600);
	assert_int_equal(s.looks, 4);
	due_after(&s, 1, 1000);
	due_after(&s, 2, 2000);
	/* after a loss once more, for what this could not say */
	due_after(&s, 3, 1000);
	assert_int_equal(s.lost, 1);
	scene_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(groups), cmocka_unit_test(others), cmocka_unit_test(again)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
