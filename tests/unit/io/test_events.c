/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/events.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "codec/codec.h"

enum { CLIENTS = EVENTS_READERS + 1 };

struct client {
	int fd;
	char *v; /* what it has read, and room for more */
	size_t n;
};

struct fixture {
	char directory[64], path[96];
	struct loop *loop;
	struct loop_event *timer;
	struct control *control;
	struct events *events;
	struct client clients[CLIENTS];
	unsigned stats, refused;
};

static struct fixture f;

static void stats(void *context, struct event_stats *s)
{
	(void)context;
	f.stats++;
	*s = (struct event_stats){.requests = f.stats};
}

static void request(void *context, struct control_request *q)
{
	int error = events_serve(f.events, q, control_parameter(q, "types"));

	(void)context;
	if (error) {
		f.refused++;
		control_reply(q, error == -EUSERS ? 503 : 400, CONTROL_TEXT, "no", 2);
	}
}

static void stop(void *context)
{
	(void)context;
	loop_stop(f.loop);
}

static int setup(void **state)
{
	char why[256];

	(void)state;
	memset(&f, 0, sizeof(f));
	for (unsigned i = 0; i < CLIENTS; i++)
		f.clients[i].fd = -1;
	strcpy(f.directory, "/tmp/natpcpd-test-XXXXXX");
	if (!mkdtemp(f.directory))
		return -1;
	snprintf(f.path, sizeof(f.path), "%s/control.sock", f.directory);
	f.loop = loop_new();
	f.timer = loop_timer(f.loop, stop, NULL);
	f.events = events_new(f.loop, stats, NULL);
	return control_open(&f.control, f.loop, f.path, request, NULL, why, sizeof(why));
}

static int teardown(void **state)
{
	(void)state;
	control_close(f.control);
	events_free(f.events);
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (f.clients[i].fd >= 0)
			close(f.clients[i].fd);
		free(f.clients[i].v);
	}
	loop_forget(f.timer);
	loop_free(f.loop);
	return rmdir(f.directory);
}

static void run(unsigned ms)
{
	loop_timer_set(f.timer, loop_now_ms(f.loop) + ms);
	assert_int_equal(loop_run(f.loop, NULL, NULL), 0);
}

/* Asks; HTTP/1.0, so that nothing stands between the pieces. */
static struct client *ask(unsigned i, const char *query, const char *last_id)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct client *c = &f.clients[i];
	char text[256];
	int n = snprintf(text, sizeof(text), "GET /v1/events%s HTTP/1.0\r\n%s%s%s\r\n", query,
			 last_id ? "Last-Event-ID: " : "", last_id ? last_id : "", last_id ? "\r\n" : "");

	strcpy(name.sun_path, f.path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	c->v = calloc(1, 4 << 20);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(send(c->fd, text, (size_t)n, 0), n);
	return c;
}

static void read_all(struct client *c)
{
	ssize_t n;

	while ((n = recv(c->fd, c->v + c->n, 4096, MSG_DONTWAIT)) > 0)
		c->n += (size_t)n;
}

/* Runs until the client has read the text; NULL: it has not in 30 s. */
static const char *until(struct client *c, const char *text)
{
	for (unsigned i = 0; i < 3000; i++) {
		const char *found;

		read_all(c);
		found = strstr(c->v, text);
		if (found)
			return found;
		run(10);
	}
	fail_msg("no %s in: %s", text, c->v);
	return NULL;
}

static struct round_event event(enum round_event_kind kind, uint16_t port)
{
	return (struct round_event){.kind = kind,
				    .pcp = true,
				    .opcode = PCP_MAP,
				    .mapping = {.protocol = 17, .internal_port = port, .external_port = port},
				    .client = codec_from_v4(0xc000020a),
				    .result = PCP_NOT_AUTHORIZED,
				    .lifetime_s = 7200};
}

static void put(enum round_event_kind kind, uint16_t port)
{
	struct round_event e = event(kind, port);

	events_round(f.events, &e, 1, loop_now_ms(f.loop));
}

/* Where in a line a text is, from there on; NULL: nowhere. To strstr() a sanitizer would read all that is left, each time. */
static const char *next(const struct client *c, const char *at, const char *text)
{
	const char *end = c->v + c->n, *line_end, *found = NULL;

	for (; at < end && !found; at = line_end + 1) {
		line_end = memchr(at, '\n', (size_t)(end - at));
		if (!line_end)
			line_end = end;
		found = memmem(at, (size_t)(line_end - at), text, strlen(text));
	}
	return found;
}

static size_t count(const struct client *c, const char *text)
{
	size_t n = 0;

	for (const char *at = c->v; (at = next(c, at, text)) != NULL; at++)
		n++;
	return n;
}

static void reads(void **state)
{
	struct client *all, *some;

	(void)state;
	put(ROUND_MADE, 1); /* nobody reads */
	all = ask(0, "", NULL);
	some = ask(1, "?types=refused,external", NULL);
	until(all, "retry: ");
	until(some, "retry: ");
	assert_int_equal(events_readers(f.events), 2);
	put(ROUND_MADE, 2);
	put(ROUND_REFUSED, 3);
	events_external(f.events, &(struct event_external){.name = "wan", .interface = "wan0", .state = "ok"});
	events_reload(f.events, false, "because");
	events_backend(f.events, "failed", "so");
	until(all, "event: made\nid: 2\ndata: {\"schema\":1,");
	until(all, "event: refused\nid: 3\n");
	until(all, "event: external\nid: 4\n");
	until(all, "event: reload\nid: 5\n");
	until(all, "\"state\":\"failed\",\"why\":\"so\"}\n\n");
	until(some, "event: external\nid: 4\n");
	assert_int_equal(count(some, "event: "), 2);
	assert_null(strstr(all->v, "\"internal_port\":1,"));
	assert_non_null(strstr(all->v, "\"internal_port\":2,"));
}

/* Who comes again goes on where he was, if that is still there. */
static void again(void **state)
{
	struct client *first = ask(0, "", NULL), *second, *third, *fourth;

	(void)state;
	until(first, "retry: ");
	for (uint16_t i = 1; i <= 5; i++)
		put(ROUND_MADE, i);
	until(first, "id: 5\n");
	second = ask(1, "", "3");
	until(second, "id: 5\n");
	assert_non_null(strstr(second->v, "id: 4\n"));
	assert_null(strstr(second->v, "id: 3\n"));
	/* what cannot be is not believed */
	third = ask(2, "", "99");
	until(third, "retry: ");
	fourth = ask(3, "", "nonsense");
	until(fourth, "retry: ");
	put(ROUND_MADE, 6);
	until(third, "id: 6\n");
	until(fourth, "id: 6\n");
	assert_null(strstr(third->v, "id: 5\n"));
	assert_null(strstr(fourth->v, "id: 5\n"));
}

/* What nobody read is not there for whoever comes later, and he is told how much that is. */
static void missed(void **state)
{
	struct client *c;

	(void)state;
	for (uint16_t i = 1; i <= 10; i++)
		put(ROUND_MADE, i);
	c = ask(0, "", "4");
	until(c, "event: lost\nid: 10\n");
	until(c, "\"count\":6}");
	put(ROUND_MADE, 11);
	until(c, "id: 11\n");
	assert_int_equal(count(c, "event: made"), 1);
}

/* One who does not read misses something and is told how much; another misses nothing, and nobody waits. */
static void slow(void **state)
{
	struct client *lazy = ask(0, "?types=made", NULL), *keen = ask(1, "?types=made", NULL);
	size_t lost = 0;
	char last[32];

	(void)state;
	until(lazy, "retry: ");
	until(keen, "retry: ");
	for (uint16_t i = 0; i < 40; i++) {
		for (uint16_t j = 0; j < 250; j++)
			put(ROUND_MADE, (uint16_t)(1 + i * 250 + j));
		snprintf(last, sizeof(last), "\"internal_port\":%d,", 250 + i * 250);
		until(keen, last);
	}
	until(lazy, "\"internal_port\":10000,");
	assert_int_equal(count(keen, "event: made"), 10000);
	assert_int_equal(count(keen, "event: lost"), 0);
	assert_true(count(lazy, "event: lost") >= 1);
	for (const char *at = lazy->v; (at = next(lazy, at, "\"count\":")) != NULL; at++)
		lost += strtoul(at + 8, NULL, 10);
	assert_true(lost > 1000);
	/* a second may have passed: its figures are an event too, which neither wanted */
	assert_true(count(lazy, "event: made") + lost >= 10000);
	assert_true(count(lazy, "event: made") + lost <= 10000 + f.stats);
}

static void crowd(void **state)
{
	struct client *more = &f.clients[EVENTS_READERS];

	(void)state;
	for (unsigned i = 0; i < EVENTS_READERS; i++)
		until(ask(i, "?types=made", NULL), "retry: ");
	assert_int_equal(events_readers(f.events), EVENTS_READERS);
	ask(EVENTS_READERS, "", NULL);
	until(more, "HTTP/1.0 503");
	close(more->fd);
	free(more->v);
	*more = (struct client){.fd = -1};
	/* each of them is told, and whoever goes makes room at once, though nothing is said */
	put(ROUND_MADE, 1);
	for (unsigned i = 0; i < EVENTS_READERS; i++)
		until(&f.clients[i], "event: made");
	close(f.clients[3].fd);
	f.clients[3].fd = -1;
	for (unsigned i = 0; events_readers(f.events) == EVENTS_READERS && i < 100; i++)
		run(10);
	ask(EVENTS_READERS, "", NULL);
	until(more, "retry: ");
}

/* Figures are asked for while somebody reads, once a second, and then no more. */
static void seconds(void **state)
{
	struct client *c;
	unsigned n;

	(void)state;
	assert_int_equal(f.stats, 0);
	c = ask(0, "?types=stats", NULL);
	until(c, "event: stats");
	assert_non_null(strstr(c->v, "\"requests\":2,"));
	close(c->fd);
	c->fd = -1;
	for (unsigned i = 0; events_readers(f.events) && i < 100; i++)
		run(10);
	n = f.stats;
	run(1100);
	assert_int_equal(f.stats, n);
}

static void wrong(void **state)
{
	static const char *const queries[] = {"?types=", "?types=mad", "?types=made,", "?types=,made",
					      "?types=made%20"};

	(void)state;
	for (unsigned i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
		until(ask(i, queries[i], NULL), "HTTP/1.0 400");
	assert_int_equal(events_readers(f.events), 0);
}

/* The newest comes first, with its words, which may be gone where they came from. */
static void refusals(void **state)
{
	char out[EVENT_TEXT_MAX], rule[16];

	(void)state;
	assert_int_equal(events_refusal(f.events, 0, out), 0);
	for (uint16_t i = 1; i <= EVENTS_REFUSALS + 10; i++) {
		struct round_event e = event(ROUND_REFUSED, i);

		snprintf(rule, sizeof(rule), "rule %u", i);
		e.rule = rule;
		e.why = "denied by rule";
		events_round(f.events, &e, 1, loop_now_ms(f.loop));
		put(ROUND_MADE, i);
	}
	strcpy(rule, "another");
	for (unsigned i = 0; i < EVENTS_REFUSALS; i++) {
		char port[64], text[64];
		size_t n = events_refusal(f.events, i, out);

		assert_true(n > 0 && n < sizeof(out));
		out[n] = '\0';
		snprintf(port, sizeof(port), "\"internal_port\":%u,", EVENTS_REFUSALS + 10 - i);
		snprintf(text, sizeof(text), "\"rule\":\"rule %u\",\"why\":\"denied by rule\"}",
			 EVENTS_REFUSALS + 10 - i);
		assert_non_null(strstr(out, port));
		assert_non_null(strstr(out, text));
		assert_non_null(strstr(out, "\"result\":\"NOT_AUTHORIZED\""));
	}
	assert_int_equal(events_refusal(f.events, EVENTS_REFUSALS, out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(reads, setup, teardown),
	    cmocka_unit_test_setup_teardown(again, setup, teardown),
	    cmocka_unit_test_setup_teardown(missed, setup, teardown),
	    cmocka_unit_test_setup_teardown(slow, setup, teardown),
	    cmocka_unit_test_setup_teardown(crowd, setup, teardown),
	    cmocka_unit_test_setup_teardown(seconds, setup, teardown),
	    cmocka_unit_test_setup_teardown(wrong, setup, teardown),
	    cmocka_unit_test_setup_teardown(refusals, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
