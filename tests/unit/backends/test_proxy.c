/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A backend whose other end is a process with a memory backend. */
#include "backends/proxy.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "backends/wire_socket.h"
#include "conf/conf.h"
#include "tests/unit/backends/warden_bed.h"

static const struct conf conf = {.sum = 1}, other_conf = {.sum = 2};

/* The other process */

struct far {
	struct serve s;
	int questions;
	struct wire_buffer question;
	struct wire_reload last;
};

static int far_send(void *context, const struct wire_buffer *b)
{
	return wire_send(((struct far *)context)->questions, b);
}

static int far_receive(void *context, struct wire_head *h, const uint8_t **body)
{
	struct far *f = context;
	int rc = wire_receive(f->questions, &f->question, h);

	*body = rc ? NULL : wire_body(&f->question);
	return rc;
}

static void far_refused(void *context, const struct change *c, const char *why)
{
	(void)context, (void)c, (void)why;
}

static int far_other(void *context, const struct wire_head *h, const uint8_t *body)
{
	const struct wire_open opened = {.maps_dccp = 1};
	struct far *f = context;
	struct conntrack_flow flow;

	switch (h->what) {
	case WIRE_OPEN:
		assert_int_equal(backend_memory_open(&f->s.backend), 0);
		wire_begin(&f->s.answer, WIRE_DONE);
		wire_put(&f->s.answer, &opened, sizeof(opened));
		wire_put(&f->s.answer, "a warning", 9);
		wire_end(&f->s.answer, 0, 0);
		return far_send(f, &f->s.answer);
	case WIRE_RELOAD:
		memcpy(&f->last, body, sizeof(f->last));
		return serve_why(&f->s, f->last.sum == 2 ? -EINVAL : (int)f->last.again,
				 f->last.sum == 2 ? "not that one" : "");
	case WIRE_FIND:
		wire_get_flow(body, h->length, &flow);
		flow.external_port = 4711;
		wire_begin(&f->s.answer, WIRE_DONE);
		wire_put_flow(&f->s.answer, &flow);
		wire_end(&f->s.answer, 0, flow.remote_port ? 0 : -ENOENT);
		return far_send(f, &f->s.answer);
	default: /* WIRE_CLOSE */
		serve_done(&f->s, 0);
		return -EPIPE;
	}
}

/* Says of each item that its connections go on for as long as its external port says. */
static void search(int fd)
{
	struct wire_buffer b = {0}, a = {0};
	struct wire_room r = {0};
	struct wire_searched found = {.ended = 3, .took_ms = 2};
	struct ender_item *v;
	struct wire_head h;

	while (wire_receive(fd, &b, &h) == 0) {
		if (wire_get_items(&r, wire_body(&b) + sizeof(struct wire_search),
				   h.length - sizeof(struct wire_search), h.n, &v))
			_exit(9);
		wire_begin(&a, WIRE_DONE);
		wire_put(&a, &found, sizeof(found));
		for (size_t i = 0; i < h.n; i++)
			wire_put(&a, &(uint32_t){v[i].external_port}, sizeof(uint32_t));
		wire_end(&a, h.n, 0);
		wire_send(fd, &a);
	}
	_exit(0);
}

static void far(int questions, int searches)
{
	struct far f = {.questions = questions};
	struct wire_head h;
	const uint8_t *body;

	if (fork() == 0) {
		close(questions);
		search(searches);
	}
	close(searches);
	f.s = (struct serve){.permit = bed_permit,
			     .shaped = bed_shaped,
			     .refused = far_refused,
			     .send = far_send,
			     .receive = far_receive,
			     .other = far_other,
			     .context = &f};
	while (far_receive(&f, &h, &body) == 0 && serve_question(&f.s, &h, body) == 0)
		;
	_exit(0);
}

struct bed {
	struct proxy *p;
	struct backend *b;
	pid_t pid;
};

static void up(struct bed *t)
{
	int questions[2], searches[2];
	struct proxy_ends ends;
	char why[64];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, questions), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, searches), 0);
	t->pid = fork();
	if (t->pid == 0) {
		close(questions[0]);
		close(searches[0]);
		far(questions[1], searches[1]);
	}
	close(questions[1]);
	close(searches[1]);
	ends = (struct proxy_ends){questions[0], searches[0], eventfd(0, EFD_NONBLOCK)};
	assert_int_equal(proxy_open(&t->p, &ends, &conf, why, sizeof(why)), 0);
	assert_string_equal(why, "a warning");
	t->b = proxy_backend(t->p);
}

static void down(struct bed *t)
{
	t->b->ops->close(t->b, false);
	assert_int_equal(waitpid(t->pid, NULL, 0), t->pid);
}

static void opened(void **state)
{
	struct bed t;

	(void)state;
	up(&t);
	assert_true(proxy_maps_dccp(t.p));
	assert_false(proxy_elicits(t.p));
	assert_false(proxy_broken(t.p));
	down(&t);
}

static void changes(void **state)
{
	struct change v[3] = {bed_add(1, 1), bed_add(2, BED_FORBIDDEN), bed_add(3, 1)};
	uint64_t token = 7;
	struct bed t;
	size_t n = 9;

	(void)state;
	up(&t);
	assert_int_equal(t.b->ops->commit(t.b, v, 3), 0);
	assert_int_equal(v[0].verdict, 0);
	assert_int_equal(v[1].verdict, -EPERM);
	assert_int_equal(v[2].verdict, -EEXIST);
	assert_int_equal(t.b->ops->count(t.b, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(t.b->ops->token(t.b, &token), 0);
	assert_int_equal(token, 0);
	assert_int_equal(t.b->ops->set_token(t.b, 5), 0);
	down(&t);
}

/* A commit that is larger than what a socket takes at once. */
static void large(void **state)
{
	enum { N = 20000 };
	struct change *v = calloc(N, sizeof(*v));
	struct bed t;
	size_t n;

	(void)state;
	up(&t);
	for (uint16_t i = 0; i < N; i++)
		v[i] = bed_add(i, (uint16_t)(1000 + i));
	assert_int_equal(t.b->ops->commit(t.b, v, N), 0);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(v[i].verdict, 0);
	assert_int_equal(t.b->ops->count(t.b, &n), 0);
	assert_int_equal(n, N);
	down(&t);
	free(v);
}

struct look {
	struct bed *t;
	size_t n, filters;
	bool changes;
};

static void look(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	struct look *l = context;
	struct change c = bed_add(1, 60000);

	assert_int_equal(m->protocol, 17);
	assert_true(remaining_ms > 0);
	l->filters += m->filters_n;
	if (m->filters_n)
		assert_int_equal(m->filters[1].port, 80);
	if (l->n++ == 0 && l->changes) {
		assert_int_equal(l->t->b->ops->commit(l->t->b, &c, 1), 0);
		assert_int_equal(c.verdict, 0);
	}
}

/* In pieces, with changes in between. */
static void lists(void **state)
{
	static const struct mapping_filter filters[2] = {{.prefix_length = 128}, {.prefix_length = 128, .port = 80}};
	enum { N = 3000 };
	struct change *v = calloc(N, sizeof(*v));
	struct look l = {.changes = true};
	struct bed t;

	(void)state;
	up(&t);
	l.t = &t;
	for (uint16_t i = 0; i < N; i++) {
		v[i] = bed_add(i, (uint16_t)(1000 + i));
		if (i % 3 == 0) {
			v[i].mapping.filters = filters;
			v[i].mapping.filters_n = 2;
		}
	}
	assert_int_equal(t.b->ops->commit(t.b, v, N), 0);
	assert_int_equal(t.b->ops->list(t.b, look, &l), 0);
	assert_true(l.n == N || l.n == N + 1); /* it may or may not see the new one */
	assert_int_equal(l.filters, N / 3 * 2);
	l = (struct look){.t = &t};
	assert_int_equal(t.b->ops->list_filtered(t.b, look, &l), 0);
	assert_int_equal(l.n, N / 3);
	l = (struct look){.t = &t};
	assert_int_equal(t.b->ops->ask(t.b, &v[1].mapping, 1, look, &l), 0);
	assert_int_equal(l.n, 1);
	down(&t);
	free(v);
}

/* What was in force is asked for as that: the file may have another text. */
static void reloads(void **state)
{
	static const struct conf third = {.sum = 3};
	struct bed t;
	char why[16];

	(void)state;
	up(&t);
	assert_int_equal(t.b->ops->reload(t.b, &conf, why, sizeof(why)), 1);
	assert_int_equal(t.b->ops->reload(t.b, &other_conf, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "not that one");
	assert_int_equal(t.b->ops->reload(t.b, &conf, why, sizeof(why)), 1);
	assert_int_equal(t.b->ops->reload(t.b, &third, why, sizeof(why)), 0);
	assert_int_equal(t.b->ops->reload(t.b, &conf, why, sizeof(why)), 1);
	down(&t);
}

static void flows(void **state)
{
	struct conntrack_flow f = {.remote_port = 80};
	struct ender_list l = {0};
	struct ender_seen seen;
	uint64_t ended, took_ms;
	struct bed t;

	(void)state;
	up(&t);
	assert_int_equal(proxy_find(t.p, &f), 0);
	assert_int_equal(f.external_port, 4711);
	f.remote_port = 0;
	assert_int_equal(proxy_find(t.p, &f), -ENOENT);
	for (uint32_t i = 0; i < WIRE_ITEMS_MAX + 10; i++) {
		struct change c = bed_add(1, (uint16_t)i);

		assert_int_equal(ender_list_add(&l, &c.mapping, ENDER_ASK, NULL), 0);
	}
	assert_int_equal(proxy_search(t.p, &l, &seen, &ended, &took_ms), 0);
	for (size_t i = 0; i < l.n; i++)
		assert_int_equal(l.v[i].left_s, (uint16_t)i);
	/* in two searches */
	assert_int_equal(ended, 6);
	assert_int_equal(took_ms, 4);
	ender_list_clear(&l);
	down(&t);
}

static void news(void **state)
{
	struct bed t;
	int fd;

	(void)state;
	up(&t);
	fd = t.b->ops->watch_fd(t.b);
	assert_false(t.b->ops->drain(t.b));
	eventfd_write(fd, 3);
	assert_true(t.b->ops->drain(t.b));
	assert_false(t.b->ops->drain(t.b));
	down(&t);
}

/* Nothing works any more, and nothing waits. */
static void gone(void **state)
{
	struct change v[2] = {bed_add(1, 1), bed_add(2, 2)};
	struct look l = {0};
	struct ender_list list = {0};
	struct ender_seen seen;
	uint64_t ended, took_ms;
	struct bed t;
	char why[64];
	size_t n;

	(void)state;
	up(&t);
	kill(t.pid, SIGKILL);
	assert_int_equal(waitpid(t.pid, NULL, 0), t.pid);
	assert_true(t.b->ops->commit(t.b, v, 2) < 0);
	assert_true(v[0].verdict < 0 && v[1].verdict < 0);
	assert_true(proxy_broken(t.p));
	assert_true(t.b->ops->list(t.b, look, &l) < 0);
	assert_true(t.b->ops->count(t.b, &n) < 0);
	assert_true(t.b->ops->watch(t.b, why, sizeof(why)) < 0);
	assert_int_equal(l.n, 0);
	/* the searching process of this bed is another one */
	assert_int_equal(proxy_search(t.p, &list, &seen, &ended, &took_ms), 0);
	t.b->ops->close(t.b, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(opened),  cmocka_unit_test(changes), cmocka_unit_test(large), cmocka_unit_test(lists),
	    cmocka_unit_test(reloads), cmocka_unit_test(flows),	  cmocka_unit_test(news),  cmocka_unit_test(gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
