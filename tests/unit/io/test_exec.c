/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/exec.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/io/loop.h"

/* What became of up to EXEC_MAX programs, by their id; the loop stops when so many have ended. */
struct bed {
	struct loop *loop;
	struct exec *exec;
	size_t ended, wanted;
	enum exec_end ends[EXEC_MAX];
	int codes[EXEC_MAX];
	const char *next; /* what the first that ends is followed by */
};

static int run(struct bed *b, uint32_t id, const char *text, uint32_t timeout_s)
{
	char path[] = "/bin/sh", option[] = "-c", command[256], variable[] = "A=b";
	char *argv[] = {path, option, command, NULL}, *envp[] = {variable, NULL};

	strcpy(command, text);
	return exec_run(b->exec, id, path, argv, envp, timeout_s);
}

static void done(void *context, uint32_t id, enum exec_end end, int code)
{
	struct bed *b = context;
	const char *next = b->next;

	b->ends[id] = end;
	b->codes[id] = code;
	b->next = NULL;
	if (next)
		assert_int_equal(run(b, EXEC_MAX - 1, next, 120), 0);
	if (++b->ended == b->wanted)
		loop_stop(b->loop);
}

static void open_bed(struct bed *b)
{
	*b = (struct bed){.loop = loop_new()};
	assert_non_null(b->loop);
	assert_int_equal(exec_open(&b->exec, b->loop, done, b), 0);
}

static void close_bed(struct bed *b)
{
	exec_close(b->exec);
	loop_free(b->loop);
}

static void wait_for(struct bed *b, size_t n)
{
	b->wanted = b->ended + n;
	assert_int_equal(loop_run(b->loop, NULL, NULL), 0);
}

static void test_ends(void **state)
{
	static const struct {
		const char *command;
		enum exec_end end;
		int code;
	} cases[] = {
	    {"exit 0", EXEC_EXITED, 0},
	    {"exit 3", EXEC_EXITED, 3},
	    {"kill -9 $$", EXEC_SIGNALED, SIGKILL},
	    /* what the daemon ignores the program does not: the shell would go on */
	    {"kill -PIPE $$; exit 0", EXEC_SIGNALED, SIGPIPE},
	    {"kill -TERM $$; exit 0", EXEC_SIGNALED, SIGTERM},
	    /* the environment is what was given, and the descriptors are three */
	    {"test \"$A\" = b && test -z \"$HOME$USER$NOT_FOR_HOOKS\"", EXEC_EXITED, 0},
	    {"for f in 0 1 2; do test $(readlink /proc/$$/fd/$f) = /dev/null || exit 1; done; test ! -e /proc/$$/fd/3",
	     EXEC_EXITED, 0},
	    {"test $(pwd) = / && grep -q '^NoNewPrivs:.1' /proc/$$/status", EXEC_EXITED, 0},
	    {"grep -q '^CapEff:.0*$' /proc/$$/status && grep -q '^CapAmb:.0*$' /proc/$$/status", EXEC_EXITED, 0},
	};
	enum { N = sizeof(cases) / sizeof(*cases) };
	struct bed b;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	setenv("NOT_FOR_HOOKS", "x", 1);
	open_bed(&b);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(run(&b, (uint32_t)i, cases[i].command, 120), 0);
	assert_int_equal(exec_count(b.exec), N);
	wait_for(&b, N);
	assert_int_equal(exec_count(b.exec), 0);
	for (size_t i = 0; i < N; i++)
		if (b.ends[i] != cases[i].end || b.codes[i] != cases[i].code)
			fail_msg("%s: %d, %d", cases[i].command, (int)b.ends[i], b.codes[i]);
	close_bed(&b);
}

/* What cannot be run is told at once, and leaves nothing. */
static void test_no_program(void **state)
{
	char absent[] = "/nonexistent/program", directory[] = "/", *argv[] = {absent, NULL}, *envp[] = {NULL};
	struct bed b;

	(void)state;
	open_bed(&b);
	assert_int_equal(exec_run(b.exec, 0, absent, argv, envp, 1), -ENOENT);
	assert_int_equal(exec_run(b.exec, 0, directory, argv, envp, 1), -EACCES);
	assert_int_equal(exec_count(b.exec), 0);
	/* one more after the end of another, from within */
	b.next = "exit 7";
	assert_int_equal(run(&b, 0, "exit 1", 120), 0);
	wait_for(&b, 2);
	assert_int_equal(b.codes[EXEC_MAX - 1], 7);
	close_bed(&b);
}

/* As many as there may be, and what is left of them ends with the daemon, which waits a moment at most. */
static void test_full_and_closed(void **state)
{
	struct timespec begin, end;
	struct bed b;

	(void)state;
	open_bed(&b);
	for (uint32_t i = 0; i < EXEC_MAX; i++)
		assert_int_equal(
		    run(&b, i, i == 7 ? "trap '' TERM; while :; do sleep 1000; done" : "exec sleep 1000", 3600), 0);
	assert_int_equal(run(&b, 0, "exit 0", 1), -EAGAIN);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	close_bed(&b);
	clock_gettime(CLOCK_MONOTONIC, &end);
	/* far from 1000 s, however slow the machine is */
	assert_in_range(end.tv_sec - begin.tv_sec, 0, 60);
	exec_close(NULL);
}

static void test_time_limit(void **state)
{
	struct bed b;

	(void)state;
	open_bed(&b);
	assert_int_equal(run(&b, 0, "exec sleep 1000", 1), 0);
	assert_int_equal(run(&b, 1, "trap 'exit 0' TERM; sleep 1000", 1), 0);
	wait_for(&b, 2);
	assert_int_equal(b.ends[0], EXEC_LATE);
	assert_int_equal(b.ends[1], EXEC_LATE);
	close_bed(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ends),
	    cmocka_unit_test(test_no_program),
	    cmocka_unit_test(test_full_and_closed),
	    cmocka_unit_test(test_time_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
