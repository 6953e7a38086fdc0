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
	struct loop_event *more, *end;
	int pipe[2];
	bool concerned;
	int events[16]; /* what watch() returns, one after the other */
	uint64_t looks_ms[16], begin_ms;
	unsigned looks, drains, lost, left;
	unsigned looks_wanted, drains_wanted; /* it goes on until then, however busy the machine is */
};

enum { PATIENCE_MS = 60000, TRIES = 20 };

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
	loop_free(s->loop);
	close(s->pipe[0]);
	close(s->pipe[1]);
}

/* A stream of changes is one look for each 20 ms, and it does not put the first one off. */
static unsigned looks_at_stream(void)
{
	struct scene s = {.concerned = true, .left = 10, .looks_wanted = 1};

	scene_open(&s);
	loop_timer_set(s.more, s.begin_ms);
	scene_run(&s, 250);
	assert_int_equal(s.left, 0);
	assert_in_range(s.looks, 1, 10);
	assert_true(s.looks_ms[0] >= 20);
	assert_int_equal(guard_looks(s.guard), s.looks);
	assert_int_equal(s.lost, 0);
	scene_close(&s);
	return s.looks;
}

static void groups(void **state)
{
	unsigned looks = 10;

	(void)state;
	/* on a busy machine the changes may come as far apart as the looks */
	for (unsigned i = 0; i < TRIES && looks > 9; i++)
		looks = looks_at_stream();
	assert_in_range(looks, 1, 9); /* fewer than there was news */
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

static bool soon_after(uint64_t passed_ms, uint64_t due_ms)
{
	assert_true(passed_ms >= due_ms);
	return passed_ms <= due_ms + 500;
}

/* What cannot be repaired is tried again, without a new wake-up, after 1 s, 2 s ...; then the mappings are back. True if it was
 * done as soon as it was due, which a busy machine need not do. */
static bool tried_again(void)
{
	struct scene s = {
	    .concerned = true, .events = {-EPERM, -EPERM, BACKEND_EMPTIED, BACKEND_REPAIRED}, .looks_wanted = 4};
	bool soon;

	scene_open(&s);
	tell(&s);
	scene_run(&s, 4600);
	assert_int_equal(s.looks, 4);
	/* after a loss once more, for what this could not say */
	soon = soon_after(s.looks_ms[1] - s.looks_ms[0], 1000) & soon_after(s.looks_ms[2] - s.looks_ms[1], 2000) &
	       soon_after(s.looks_ms[3] - s.looks_ms[2], 1000);
	assert_int_equal(s.lost, 1);
	scene_close(&s);
	return soon;
}

static void again(void **state)
{
	bool soon = false;

	(void)state;
	for (unsigned i = 0; i < TRIES && !soon; i++)
		soon = tried_again();
	assert_true(soon);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(groups), cmocka_unit_test(others), cmocka_unit_test(again)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
