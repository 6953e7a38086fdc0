/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What control.c answers on a loopback address, and streams that wait. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/io/control.h"

struct fixture {
	char where[32], why[256];
	uint16_t port;
	struct loop *loop;
	struct control *control;
	struct loop_event *timer, *readable;
	int client;
	char answer[65536];
	size_t n, wanted; /* octets of the answer after which it is looked at; 0: at its end */
	struct control_stream *stream;
	const char *piece; /* the stream's next; NULL: later */
	bool end, cut;	   /* cut: the client sends no more than its request */
	unsigned done;
};

static struct fixture f;

static char *piece(void *context, size_t *length)
{
	char *text = f.piece ? strdup(f.piece) : NULL;

	(void)context;
	f.piece = NULL;
	*length = text ? strlen(text) : f.end ? 0 : CONTROL_LATER;
	return text;
}

static void ended(void *context)
{
	(void)context;
	f.stream = NULL;
	f.done++;
}

static void request(void *context, struct control_request *q)
{
	(void)context;
	assert_true(control_read_only(q));
	if (!strcmp(control_path(q), "/stream")) {
		f.stream = control_stream(q, CONTROL_EVENTS, piece, ended, NULL);
		if (f.stream)
			control_wake(f.stream);
		return;
	}
	if (!strcmp(control_path(q), "/page"))
		control_add_header(q, "Content-Security-Policy", "default-src 'self'");
	control_reply(q, 200, CONTROL_JSON, "{}", 2);
}

static void give_up(void *context)
{
	(void)context;
	loop_stop(f.loop);
}

static void answer(void *context)
{
	ssize_t n = recv(f.client, f.answer + f.n, sizeof(f.answer) - 1 - f.n, MSG_DONTWAIT);

	(void)context;
	if (n > 0)
		f.n += (size_t)n;
	f.answer[f.n] = '\0';
	if (n == 0 || (f.wanted && f.n >= f.wanted))
		loop_stop(f.loop);
}

/* A port that nobody has. */
static uint16_t free_port(const char *address)
{
	struct sockaddr_in name = {.sin_family = AF_INET};
	socklen_t length = sizeof(name);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, address, &name.sin_addr);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &length), 0);
	close(fd);
	return ntohs(name.sin_port);
}

static int setup(void **state)
{
	int rc = -EADDRINUSE;

	(void)state;
	memset(&f, 0, sizeof(f));
	f.client = -1;
	f.loop = loop_new();
	f.timer = loop_timer(f.loop, give_up, NULL);
	/* somebody else may take it first */
	for (int i = 0; rc == -EADDRINUSE && i < 20; i++) {
		f.port = free_port("127.0.0.1");
		snprintf(f.where, sizeof(f.where), "127.0.0.1:%u", f.port);
		rc = control_open_http(&f.control, f.loop, f.where, request, NULL, f.why, sizeof(f.why));
	}
	return rc;
}

static int teardown(void **state)
{
	(void)state;
	control_close(f.control);
	loop_forget(f.readable);
	if (f.client >= 0)
		close(f.client);
	loop_forget(f.timer);
	loop_free(f.loop);
	return 0;
}

static void run(unsigned most_ms)
{
	loop_timer_set(f.timer, loop_now_ms(f.loop) + most_ms);
	assert_int_equal(loop_run(f.loop, NULL, NULL), 0);
}

static void ask(const char *text)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(f.port)};

	loop_forget(f.readable);
	if (f.client >= 0)
		close(f.client);
	inet_pton(AF_INET, "127.0.0.1", &name.sin_addr);
	f.n = 0;
	f.client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(f.client, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(send(f.client, text, strlen(text), 0), strlen(text));
	if (f.cut)
		shutdown(f.client, SHUT_WR);
	f.readable = loop_readable(f.loop, f.client, answer, NULL);
	run(20000);
}

/* Nothing but to look, and no page of others. %s is the port. */
static void requests(void **state)
{
	static const struct {
		const char *request;
		int status;
	} cases[] = {
	    {"GET /v1/x HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n", 200},
	    {"GET /v1/x HTTP/1.1\r\nHost: localhost:%s\r\n", 200},
	    {"GET http://localhost:%s/v1/x HTTP/1.1\r\n", 421},
	    {"GET /v1/x HTTP/1.1\r\nHost: rebound.example:%s\r\n", 421},
	    {"GET /v1/x HTTP/1.1\r\nHost: 127.0.0.1\r\nX: %s\r\n", 421},
	    {"GET /v1/x HTTP/1.1\r\nX: %s\r\n", 421},
	    {"GET /v1/x HTTP/1.0\r\nX: %s\r\n", 421},
	    {"GET /v1/x HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nhost: rebound.example\r\n", 421},
	    {"POST /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nContent-Length: 0\r\n", 405},
	    {"PUT /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nContent-Length: 0\r\n", 405},
	    {"DELETE /v1/x HTTP/1.1\r\nHost: localhost:%s\r\n", 405},
	    {"OPTIONS /v1/x HTTP/1.1\r\nHost: localhost:%s\r\n", 405},
	    {"TRACE /v1/x HTTP/1.1\r\nHost: localhost:%s\r\n", 405},
	    {"PATCH /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nContent-Length: 0\r\n", 405},
	    {"POST /v1/x HTTP/1.1\r\nHost: rebound.example:%s\r\nContent-Length: 0\r\n", 421},
	    {"GET /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nOrigin: http://rebound.example\r\n", 403},
	    {"GET /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nOrigin: http://localhost:%s\r\n", 200},
	    {"GET /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nSec-Fetch-Site: cross-site\r\n", 403},
	    {"GET / HTTP/1.1\r\nHost: localhost:%s\r\nSec-Fetch-Site: cross-site\r\n", 200},
	    {"GET /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nSec-Fetch-Site: same-origin\r\n", 200},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[512], port[8], status[16];
		const char *at;
		size_t n = 0;

		snprintf(port, sizeof(port), "%u", f.port);
		for (at = cases[i].request; *at; at++) {
			if (*at != '%') {
				text[n++] = *at;
				continue;
			}
			at++;
			n += (size_t)sprintf(text + n, "%s", port);
		}
		snprintf(text + n, sizeof(text) - n, "Connection: close\r\n\r\n");
		ask(text);
		snprintf(status, sizeof(status), "HTTP/1.%c %d ", strstr(text, "HTTP/1.0") ? '0' : '1',
			 cases[i].status);
		if (strncmp(f.answer, status, strlen(status)) != 0)
			fail_msg("%s: %s", text, f.answer);
	}
}

/* What is no HTTP is refused or dropped, and the next one is served. */
static void malformed(void **state)
{
	static const char *const cases[] = {
	    "\r\n\r\n\r\n\r\n",
	    "GET\r\n\r\n",
	    "GET / HTTP/9.9\r\n\r\n",
	    "BREW / HTTP/1.1\r\n\r\n",
	    "GET / HTTP/1.1\r\nno colon\r\n\r\n",
	    "GET / HTTP/1.1\r\n: no name\r\n\r\n",
	    "GET /%00%zz?%=&&=% HTTP/1.1\r\n\r\n",
	    "GET * HTTP/1.1\r\n\r\n",
	    "GET //////../../etc/passwd HTTP/1.1\r\n\r\n",
	    "CONNECT 192.0.2.1:80 HTTP/1.1\r\n\r\n",
	    "OPTIONS * HTTP/1.1\r\n\r\n",
	    "GET http://[::1 HTTP/1.1\r\n\r\n",
	    "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
	    "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
	    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
	};
	static char longest[32768];
	char good[96];

	(void)state;
	snprintf(good, sizeof(good), "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", f.where);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		f.cut = true;
		ask(cases[i]);
		assert_true(f.n == 0 || !strncmp(f.answer, "HTTP/1.1 4", 10) || !strncmp(f.answer, "HTTP/1.1 5", 10) ||
			    !strncmp(f.answer, "HTTP/1.0 4", 10));
		f.cut = false;
		ask(good);
		assert_memory_equal(f.answer, "HTTP/1.1 200 ", 13);
	}
	memset(longest, 'a', sizeof(longest) - 1);
	memcpy(longest, "GET /", 5);
	f.cut = true;
	ask(longest);
	f.cut = false;
	ask(good);
	assert_memory_equal(f.answer, "HTTP/1.1 200 ", 13);
}

static void headers(void **state)
{
	static const char *const all[] = {
	    "\r\nCache-Control: no-store\r\n",
	    "\r\nCross-Origin-Resource-Policy: same-origin\r\n",
	    "\r\nReferrer-Policy: no-referrer\r\n",
	    "\r\nX-Content-Type-Options: nosniff\r\n",
	};
	static const struct {
		const char *request, *has;
		bool body;
	} cases[] = {
	    {"GET /x", "\r\nContent-Type: application/json\r\n", true},
	    {"GET /x", "\r\nContent-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n", true},
	    {"GET /page", "\r\nContent-Security-Policy: default-src 'self'\r\n", true},
	    {"HEAD /x", "\r\nContent-Length: 2\r\n", false},
	    {"HEAD /stream", "\r\nContent-Type: text/event-stream\r\n", false},
	    {"POST /x", "\r\nAllow: GET, HEAD\r\n", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[160];

		snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", cases[i].request,
			 f.where);
		ask(text);
		assert_non_null(strstr(f.answer, cases[i].has));
		for (size_t j = 0; j < sizeof(all) / sizeof(all[0]); j++)
			assert_non_null(strstr(f.answer, all[j]));
		assert_int_equal(strstr(f.answer, "\r\n\r\n")[4] != '\0', cases[i].body);
		/* RFC 9110 8.6: not the length of something else than GET has */
		if (!strcmp(cases[i].request, "HEAD /stream"))
			assert_null(strstr(f.answer, "Content-Length"));
	}
	assert_int_equal(f.done, 1);
}

static void stream_begin(void)
{
	char text[96];

	snprintf(text, sizeof(text), "GET /stream HTTP/1.0\r\nHost: %s\r\n\r\n", f.where);
	f.piece = "first";
	f.wanted = 1;
	ask(text);
	while (!strstr(f.answer, "first")) {
		f.wanted = f.n + 1;
		run(20000);
	}
}

/* A stream that has nothing to say waits, and goes on when it is woken. */
static void waits(void **state)
{
	(void)state;
	stream_begin();
	run(50);
	assert_non_null(f.stream);
	assert_int_equal(f.done, 0);
	control_wake(f.stream); /* for nothing */
	assert_non_null(f.stream);
	f.piece = "second";
	f.wanted = f.n + 6;
	control_wake(f.stream);
	control_wake(f.stream); /* while it is being written */
	run(20000);
	assert_string_equal(strstr(f.answer, "first"), "firstsecond");
	f.wanted = 0;
	f.end = true;
	control_wake(f.stream);
	run(20000);
	assert_int_equal(f.done, 1);
	assert_string_equal(strstr(f.answer, "first"), "firstsecond");
}

/* Its reader goes away while there is nothing to say to it: that is noticed at once. */
static void reader_gone(void **state)
{
	(void)state;
	stream_begin();
	loop_forget(f.readable);
	f.readable = NULL;
	close(f.client);
	f.client = -1;
	for (unsigned i = 0; !f.done && i < 100; i++)
		run(20);
	assert_int_equal(f.done, 1);
}

/* Whatever is sent to a stream that waits: little of it is kept, and it goes on. */
static void flood(void **state)
{
	static char much[1 << 20];
	size_t sent = 0, most = 32 << 20;

	(void)state;
	stream_begin();
	for (unsigned i = 0; i < 200 && sent < most; i++) {
		ssize_t n = send(f.client, much, sizeof(much), MSG_DONTWAIT);

		sent += n > 0 ? (size_t)n : 0;
		run(1);
	}
	assert_true(sent < most);
	f.piece = "second";
	f.wanted = f.n + 6;
	control_wake(f.stream);
	run(20000);
	assert_string_equal(strstr(f.answer, "first"), "firstsecond");
	assert_int_equal(f.done, 0);
}

static void server_gone(void **state)
{
	(void)state;
	stream_begin();
	control_close(f.control);
	f.control = NULL;
	assert_int_equal(f.done, 1);
}

/* IPv6, addresses that are none of ours, and one that is taken. */
static void addresses(void **state)
{
	struct control *second = NULL;
	char where[32];

	(void)state;
	assert_int_equal(control_open_http(&second, f.loop, f.where, request, NULL, f.why, sizeof(f.why)), -EADDRINUSE);
	assert_non_null(strstr(f.why, f.where));
	assert_int_equal(control_open_http(&second, f.loop, "192.0.2.1:80", request, NULL, f.why, sizeof(f.why)),
			 -EINVAL);
	assert_int_equal(control_open_http(&second, f.loop, "0.0.0.0:80", request, NULL, f.why, sizeof(f.why)),
			 -EINVAL);
	assert_int_equal(control_open_http(&second, f.loop, "[::]:80", request, NULL, f.why, sizeof(f.why)), -EINVAL);
	assert_int_equal(control_open_http(&second, f.loop, "127.0.0.1", request, NULL, f.why, sizeof(f.why)), -EINVAL);
	snprintf(where, sizeof(where), "[::1]:%u", f.port);
	if (control_open_http(&second, f.loop, where, request, NULL, f.why, sizeof(f.why)) == 0)
		control_close(second);
	else
		assert_non_null(strstr(f.why, where)); /* a machine without IPv6 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(requests, setup, teardown),
	    cmocka_unit_test_setup_teardown(malformed, setup, teardown),
	    cmocka_unit_test_setup_teardown(headers, setup, teardown),
	    cmocka_unit_test_setup_teardown(waits, setup, teardown),
	    cmocka_unit_test_setup_teardown(reader_gone, setup, teardown),
	    cmocka_unit_test_setup_teardown(flood, setup, teardown),
	    cmocka_unit_test_setup_teardown(server_gone, setup, teardown),
	    cmocka_unit_test_setup_teardown(addresses, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
