/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/exec_far.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/io/loop.h"

struct bed {
	struct loop *loop;
	struct exec_far *x;
	int fd; /* of the end that runs programs */
	unsigned done;
	uint32_t id;
	enum exec_end end;
	int code;
};

static void done(void *context, uint32_t id, enum exec_end end, int code)
{
	struct bed *b = context;

	b->done++;
	b->id = id;
	b->end = end;
	b->code = code;
	loop_stop(b->loop);
}

static void up(struct bed *b)
{
	int fds[2];

	memset(b, 0, sizeof(*b));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	b->loop = loop_new();
	assert_non_null(b->loop);
	assert_int_equal(exec_far_open(&b->x, b->loop, fds[0], done, b), 0);
	b->fd = fds[1];
}

static void down(struct bed *b)
{
	if (b->fd >= 0)
		close(b->fd);
	exec_far_close(b->x);
	loop_free(b->loop);
}

static char one[] = "X_A=1", two[] = "X_B=two words";
static char *const variables[] = {one, two, NULL};

static void there_and_back(void **state)
{
	struct exec_far_order o;
	char *envp[EXEC_FAR_VARIABLES + 1];
	uint64_t sum = 0;
	struct bed b;

	(void)state;
	up(&b);
	assert_int_equal(exec_far_run(b.x, 7, "one", "made", variables), 0);
	assert_int_equal(exec_far_count(b.x), 1);
	assert_int_equal(exec_far_hear(b.fd, &o, &sum), EXEC_FAR_RUN);
	assert_int_equal(o.id, 7);
	assert_string_equal(o.name, "one");
	assert_string_equal(o.event, "made");
	assert_true(exec_far_environment(&o, "X_", envp));
	assert_string_equal(envp[0], "X_A=1");
	assert_string_equal(envp[1], "X_B=two words");
	assert_null(envp[2]);
	exec_far_tell(b.fd, 7, EXEC_EXITED, 3);
	assert_int_equal(loop_run(b.loop, NULL, NULL), 0);
	assert_int_equal(b.id, 7);
	assert_int_equal(b.end, EXEC_EXITED);
	assert_int_equal(b.code, 3);
	assert_int_equal(exec_far_count(b.x), 0);
	exec_far_reload(b.x, 99);
	assert_int_equal(exec_far_hear(b.fd, &o, &sum), EXEC_FAR_RELOAD);
	assert_int_equal(sum, 99);
	down(&b);
}

static void too_much(void **state)
{
	static char long_one[EXEC_FAR_TEXT_MAX + 1];
	char *const large[] = {long_one, NULL};
	struct bed b;

	(void)state;
	memset(long_one, 'x', EXEC_FAR_TEXT_MAX);
	up(&b);
	assert_int_equal(exec_far_run(b.x, 1, "one", "made", large), -E2BIG);
	for (uint32_t i = 0; i < EXEC_MAX; i++)
		assert_int_equal(exec_far_run(b.x, i, "one", "made", variables), 0);
	assert_int_equal(exec_far_run(b.x, 99, "one", "made", variables), -EAGAIN);
	down(&b);
}

/* What runs is told of as failed, and no more can be asked for. */
static void other_end_gone(void **state)
{
	struct bed b;

	(void)state;
	up(&b);
	assert_int_equal(exec_far_run(b.x, 5, "one", "made", variables), 0);
	close(b.fd);
	b.fd = -1;
	assert_int_equal(loop_run(b.loop, NULL, NULL), 0);
	assert_int_equal(b.done, 1);
	assert_int_equal(b.end, EXEC_FAILED);
	assert_int_equal(exec_far_count(b.x), 0);
	assert_int_equal(exec_far_run(b.x, 6, "one", "made", variables), -EPIPE);
	down(&b);
}

/* Nobody asked for that one. */
static void false_end(void **state)
{
	struct bed b;

	(void)state;
	up(&b);
	assert_int_equal(exec_far_run(b.x, 5, "one", "made", variables), 0);
	exec_far_tell(b.fd, 6, EXEC_EXITED, 0);
	assert_int_equal(loop_run(b.loop, NULL, NULL), 0);
	assert_int_equal(b.id, 5);
	assert_int_equal(b.end, EXEC_FAILED);
	down(&b);
}

/* A message like those of exec_far.c, with a text of so many octets; length: what it says of them. */
static enum exec_far_what forged(uint32_t what, const char *text, size_t n, uint32_t length, size_t cut,
				 struct exec_far_order *o)
{
	struct {
		uint32_t what, none;
		uint64_t sum;
		struct exec_far_order order;
	} q;
	uint64_t sum;
	int fds[2];
	enum exec_far_what heard;

	memset(&q, 0, sizeof(q));
	q.what = what;
	strcpy(q.order.name, "one");
	q.order.length = length;
	memcpy(q.order.text, text, n);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	n += offsetof(struct exec_far_order, text) + 16 - cut;
	assert_int_equal(send(fds[0], &q, n, 0), n);
	heard = exec_far_hear(fds[1], o, &sum);
	close(fds[0]);
	close(fds[1]);
	return heard;
}

static void forgeries(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		bool good;
	} environments[] = {
	    {"X_A=1", 6, true},
	    {"", 0, true},
	    {"X_A=1", 5, false}, /* no end */
	    {"LD_PRELOAD=/x", 14, false},
	    {"X_A=1\0PATH=/x", 14, false},
	    {"X_A=1\0", 7, false}, /* an empty one */
	    {"X_A", 4, false},
	    {"X_A=\n", 6, false},
	    {"X_A=\x7f", 6, false},
	};
	struct exec_far_order o;
	char *envp[EXEC_FAR_VARIABLES + 1];
	char many[EXEC_FAR_VARIABLES * 4 + 4];

	(void)state;
	for (size_t i = 0; i < sizeof(environments) / sizeof(*environments); i++) {
		assert_int_equal(
		    forged(EXEC_FAR_RUN, environments[i].text, environments[i].n, (uint32_t)environments[i].n, 0, &o),
		    EXEC_FAR_RUN);
		if (exec_far_environment(&o, "X_", envp) != environments[i].good)
			fail_msg("environment %zu", i);
	}
	for (size_t i = 0; i < sizeof(many); i += 4)
		memcpy(many + i, "X_=", 4);
	assert_int_equal(forged(EXEC_FAR_RUN, many, sizeof(many), sizeof(many), 0, &o), EXEC_FAR_RUN);
	assert_false(exec_far_environment(&o, "X_", envp));
	assert_int_equal(forged(EXEC_FAR_RUN, "X_A=1", 6, 7, 0, &o), EXEC_FAR_WRONG);
	assert_int_equal(forged(EXEC_FAR_RUN, "X_A=1", 6, UINT32_MAX, 0, &o), EXEC_FAR_WRONG);
	assert_int_equal(forged(EXEC_FAR_RUN, "", 0, 0, 1, &o), EXEC_FAR_WRONG);
	assert_int_equal(forged(EXEC_FAR_RELOAD, "", 0, 0, 8, &o), EXEC_FAR_WRONG);
	assert_int_equal(forged(77, "", 0, 0, 0, &o), EXEC_FAR_WRONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(there_and_back), cmocka_unit_test(too_much),  cmocka_unit_test(other_end_gone),
	    cmocka_unit_test(false_end),      cmocka_unit_test(forgeries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
