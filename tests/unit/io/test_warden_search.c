/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/warden_self.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "backends/ender.h"
#include "backends/wire_socket.h"
#include "codec/codec.h"

static size_t searched; /* how many items the last search was for */
static int fails;

/* In the place of the kernel's connections: one of each mapping goes on for as many seconds as its inside port says. */
int ender_search(struct ender *e, struct ender_list *l, struct ender_seen *seen, uint64_t *ended)
{
	(void)e;
	searched = l->n;
	ender_list_sort(l);
	for (size_t i = 0; i < l->n; i++)
		l->v[i].left_s = l->v[i].internal_port;
	seen->bits[1] = 7;
	*ended = 5;
	return fails;
}

/* Asks, and reads the answer. What warden_search() said, which answers nothing if it is not 0. */
static int ask(struct wire_buffer *question, struct wire_buffer *answer, struct wire_head *h)
{
	struct ward w = {0};
	int fds[2], rc;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	w.searches = fds[0];
	assert_int_equal(wire_send(fds[1], question), 0);
	assert_int_equal(wire_receive(fds[0], &w.search_question, h), 0);
	searched = 99;
	rc = warden_search(&w, h);
	close(fds[0]);
	assert_int_equal(wire_receive(fds[1], answer, h), rc ? -EPIPE : 0);
	close(fds[1]);
	wire_clear(&w.search_question);
	wire_clear(&w.search_answer);
	wire_room_clear(&w.search_room);
	wire_clear(question);
	return rc;
}

static struct ender_list list(const uint16_t *ports, size_t n)
{
	struct ender_list l = {0};

	for (size_t i = 0; i < n; i++) {
		const struct mapping m = {.internal_address = codec_from_v4(0xc000020b),
					  .external_address = codec_from_v4(0xc6336401),
					  .internal_port = ports[i],
					  .external_port = (uint16_t)(60000 - ports[i]),
					  .protocol = 17};

		assert_int_equal(ender_list_add(&l, &m, ENDER_ASK, NULL), 0);
	}
	return l;
}

static void question_begin(struct wire_buffer *b, enum wire_what what)
{
	static const struct wire_search anywhere;

	wire_begin(b, what);
	wire_put(b, &anywhere, sizeof(anywhere));
}

/* The search puts what it is for in another order: the answer has that of the question. */
static void order(void **state)
{
	static const uint16_t ports[] = {30, 10, 50, 20, 40};
	enum { N = sizeof(ports) / sizeof(*ports) };
	struct wire_buffer question = {0}, answer = {0};
	struct ender_list l = list(ports, N);
	struct wire_searched found;
	struct wire_head h;
	uint32_t left_s[N];

	(void)state;
	question_begin(&question, WIRE_SEARCH);
	wire_put_items(&question, l.v, N);
	assert_true(wire_end(&question, N, 0));
	assert_int_equal(ask(&question, &answer, &h), 0);
	assert_int_equal(searched, N);
	assert_true(h.what == WIRE_DONE && h.n == N && h.result == 0);
	assert_int_equal(h.length, sizeof(found) + sizeof(left_s));
	memcpy(&found, wire_body(&answer), sizeof(found));
	memcpy(left_s, wire_body(&answer) + sizeof(found), sizeof(left_s));
	assert_true(found.ended == 5 && found.seen.bits[1] == 7 && found.took_ms > 0);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(left_s[i], ports[i]);
	wire_clear(&answer);
	ender_list_clear(&l);
}

/* Nothing to look for is a search, too; and what went wrong is said. */
static void empty(void **state)
{
	struct wire_buffer question = {0}, answer = {0};
	struct wire_head h;

	(void)state;
	for (fails = 0; fails >= -EIO; fails -= EIO) {
		question_begin(&question, WIRE_SEARCH);
		assert_true(wire_end(&question, 0, 0));
		assert_int_equal(ask(&question, &answer, &h), 0);
		assert_int_equal(searched, 0);
		assert_true(h.n == 0 && h.result == fails && h.length == sizeof(struct wire_searched));
	}
	fails = 0;
	wire_clear(&answer);
}

/* What the other process never asks ends all: nothing is searched for, nothing answered. */
static void wrong(void **state)
{
	static const uint16_t ports[] = {10, 20};
	struct ender_list l = list(ports, 2);
	struct wire_buffer question = {0}, answer = {0};
	struct wire_item bad;
	struct wire_head h;

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		if (i == 1) { /* too short for what every one has */
			wire_begin(&question, WIRE_SEARCH);
			wire_put(&question, ports, sizeof(ports));
		} else {
			question_begin(&question, i == 0 ? WIRE_COMMIT : WIRE_SEARCH);
			wire_put_items(&question, l.v, 2);
		}
		if (i == 4) { /* a purpose that there is not */
			memcpy(&bad, question.data + question.length - sizeof(bad), sizeof(bad));
			bad.purpose = 99;
			memcpy(question.data + question.length - sizeof(bad), &bad, sizeof(bad));
		}
		/* fewer than it says, and more */
		assert_true(wire_end(&question, i == 2 ? 3 : i == 3 ? 1 : i == 1 ? 0 : 2, 0));
		assert_int_equal(ask(&question, &answer, &h), -EBADMSG);
		assert_int_equal(searched, 99);
	}
	wire_clear(&answer);
	ender_list_clear(&l);
}

/* It keeps to the processors that it is given; none given means any. */
static void processors(void **state)
{
	struct wire_buffer question = {0}, answer = {0};
	struct wire_search s = {0};
	cpu_set_t before, now;
	struct wire_head h;
	int one = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	while (!CPU_ISSET(one, &before))
		one++;
	if (one >= (int)(sizeof(s.processors) * 8))
		skip();
	for (unsigned given = 0; given < 2; given++) {
		if (given)
			s.processors[one / 64] = (uint64_t)1 << one % 64;
		wire_begin(&question, WIRE_SEARCH);
		wire_put(&question, &s, sizeof(s));
		assert_true(wire_end(&question, 0, 0));
		assert_int_equal(ask(&question, &answer, &h), 0);
		assert_int_equal(sched_getaffinity(0, sizeof(now), &now), 0);
		assert_int_equal(CPU_COUNT(&now), given ? 1 : CPU_COUNT(&before));
		assert_true(CPU_ISSET(one, &now));
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	wire_clear(&answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(order),
	    cmocka_unit_test(empty),
	    cmocka_unit_test(wrong),
	    cmocka_unit_test(processors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
