/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/io/exec_far.h"
#include "server/io/loop.h"
#include "tests/unit/io/settings_bed.h"

/* A program that says what it was started with, and the process that may start it. */
struct bed {
	struct settings_bed bed;
	char program[64], told[64];
	struct conf *conf;
	struct runner runner;
	struct loop *loop;
	struct exec_far *x;
	enum exec_end end;
	int code;
};

static void done(void *context, uint32_t id, enum exec_end end, int code)
{
	struct bed *b = context;

	assert_int_equal(id, 7);
	b->end = end;
	b->code = code;
	loop_stop(b->loop);
}

/* The configuration, with one hook of this name. */
static struct conf *configure(const struct bed *b, const char *hook)
{
	return settings_bed_conf(
	    &b->bed,
	    "external wan { interface = wan0 }\nlisten lan { interfaces = lan0 }\nprocess { sandbox = false }\n"
	    "hook %s { exec = \"%s\" events = { made } }\n",
	    hook, b->program);
}

static void up(struct bed *b)
{
	const struct privileges stay = {0};
	int fd;

	memset(b, 0, sizeof(*b));
	settings_bed_open(&b->bed);
	snprintf(b->program, sizeof(b->program), "%s/program", b->bed.directory);
	snprintf(b->told, sizeof(b->told), "%s/told", b->bed.directory);
	fd = open(b->program, O_WRONLY | O_CREAT | O_EXCL, 0755);
	assert_true(fd >= 0);
	dprintf(fd, "#!/bin/sh\necho \"$1 $NATPCPD_A ${HOME-homeless} $PATH\" >%s\nexit 3\n", b->told);
	close(fd);
	b->conf = configure(b, "one");
	b->loop = loop_new();
	assert_non_null(b->loop);
	assert_int_equal(setenv("HOME", "/", 1), 0);
	assert_int_equal(runner_start(&b->runner, &b->bed.settings, b->conf, &stay), 0);
	assert_int_equal(exec_far_open(&b->x, b->loop, b->runner.fd, done, b), 0);
	b->runner.fd = -1;
}

static void down(struct bed *b)
{
	exec_far_close(b->x);
	runner_wait(&b->runner);
	assert_int_equal(b->runner.pid, 0);
	loop_free(b->loop);
	conf_free(b->conf);
	unlink(b->program);
	unlink(b->told);
	settings_bed_close(&b->bed);
}

/* Asks for a program, and waits for what becomes of it. */
static void ask(struct bed *b, const char *hook, const char *event, const char *variable)
{
	char text[64], *const variables[] = {text, NULL};

	snprintf(text, sizeof(text), "%s", variable);
	assert_int_equal(exec_far_run(b->x, 7, hook, event, variables), 0);
	assert_int_equal(loop_run(b->loop, NULL, NULL), 0);
}

static void runs(void **state)
{
	char line[256] = "";
	struct bed b;
	FILE *f;

	(void)state;
	up(&b);
	ask(&b, "one", "made", "NATPCPD_A=two words");
	assert_true(b.end == EXEC_EXITED && b.code == 3);
	f = fopen(b.told, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	/* nothing of the environment that natpcpd was started in */
	assert_string_equal(line,
			    "made two words homeless /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n");
	down(&b);
}

/* What is no hook's, no event, or no variable of ours is not run, whoever asks. */
static void refusals(void **state)
{
	static const struct {
		const char *hook, *event, *variable;
	} cases[] = {
	    {"two", "made", "NATPCPD_A=1"},    {"", "made", "NATPCPD_A=1"},	 {"one", "", "NATPCPD_A=1"},
	    {"one", "-c id", "NATPCPD_A=1"},   {"one", "made", "LD_PRELOAD=/x"}, {"one", "made", "PATH=/tmp"},
	    {"one", "made", "NATPCPD_A=\x1b"},
	};
	struct bed b;

	(void)state;
	up(&b);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ask(&b, cases[i].hook, cases[i].event, cases[i].variable);
		if (b.end != EXEC_FAILED || b.code != ENOENT)
			fail_msg("%s %s %s: %d, %d", cases[i].hook, cases[i].event, cases[i].variable, (int)b.end,
				 b.code);
	}
	assert_int_equal(access(b.told, F_OK), -1);
	down(&b);
}

/* It reads the configuration itself, and takes it if it is the one that the other process has read. */
static void reloads(void **state)
{
	struct conf *other;
	struct bed b;

	(void)state;
	up(&b);
	other = configure(&b, "two");
	ask(&b, "two", "made", "NATPCPD_A=1");
	assert_int_equal(b.end, EXEC_FAILED);
	exec_far_reload(b.x, other->sum + 1);
	ask(&b, "two", "made", "NATPCPD_A=1");
	assert_int_equal(b.end, EXEC_FAILED);
	exec_far_reload(b.x, other->sum);
	ask(&b, "two", "made", "NATPCPD_A=1");
	assert_int_equal(b.end, EXEC_EXITED);
	ask(&b, "one", "made", "NATPCPD_A=1");
	assert_int_equal(b.end, EXEC_FAILED);
	/* one that cannot be read: what there was stays */
	assert_int_equal(unlink(b.bed.file), 0);
	exec_far_reload(b.x, b.conf->sum);
	ask(&b, "two", "made", "NATPCPD_A=1");
	assert_int_equal(b.end, EXEC_EXITED);
	conf_free(other);
	down(&b);
}

/* Signals that end natpcpd end this one when natpcpd is done with it. */
static void signals(void **state)
{
	static const int those[] = {SIGTERM, SIGINT, SIGHUP};
	struct bed b;

	(void)state;
	up(&b);
	ask(&b, "one", "made", "NATPCPD_A=1"); /* by now it ignores them */
	for (size_t i = 0; i < sizeof(those) / sizeof(*those); i++)
		assert_int_equal(kill(b.runner.pid, those[i]), 0);
	b.code = 0;
	ask(&b, "one", "made", "NATPCPD_A=1");
	assert_true(b.end == EXEC_EXITED && b.code == 3);
	down(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(runs),
	    cmocka_unit_test(refusals),
	    cmocka_unit_test(reloads),
	    cmocka_unit_test(signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
