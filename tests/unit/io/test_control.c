/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/control.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/io/notify.h"

struct fixture {
	char directory[64], path[96], why[256];
	struct loop *loop;
	struct control *control;
	struct loop_event *timer, *readable;
	int client;
	char answer[1 << 20];
	size_t n;
	unsigned pieces, done; /* of a stream */
	unsigned wanted;
	unsigned looked; /* for the end of a stream whose client has left */
	bool left;
	size_t stop_at; /* octets of the answer after which the client goes away; 0: at the end */
};

static struct fixture f;
static time_t ahead_s; /* of the clocks' time */

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	int rc = (int)syscall(SYS_clock_gettime, clock, ts);

	ts->tv_sec += ahead_s;
	return rc;
}

static void say(struct control_request *q, int status, const char *text)
{
	control_reply(q, status, CONTROL_TEXT, text, strlen(text));
}

static char *piece(void *context, size_t *length)
{
	char *text;

	(void)context;
	if (f.pieces == f.wanted)
		return NULL;
	text = malloc(4096);
	memset(text, '0' + (int)(f.pieces % 10), 4096);
	f.pieces++;
	*length = 4096;
	return text;
}

static void ended(void *context)
{
	(void)context;
	f.done++;
}

static void request(void *context, struct control_request *q)
{
	char text[256];

	(void)context;
	if (!strcmp(control_path(q), "/stream")) {
		struct control_stream *s = control_stream(q, CONTROL_TEXT, piece, ended, NULL);

		if (s)
			control_wake(s);
		return;
	}
	snprintf(text, sizeof(text), "%s %s a=%s b=%s", control_post(q) ? "POST" : "GET", control_path(q),
		 control_parameter(q, "a") ? control_parameter(q, "a") : "-",
		 control_parameter(q, "b") ? control_parameter(q, "b") : "-");
	say(q, strcmp(control_path(q), "/none") ? 200 : 404, text);
}

static void give_up(void *context)
{
	(void)context;
	/* a client that went away is noticed when its server gets to run */
	if (f.left && !f.done && f.looked++ < 1000)
		loop_timer_set(f.timer, loop_now_ms(f.loop) + 10);
	else
		loop_stop(f.loop);
}

static void answer(void *context)
{
	ssize_t n = recv(f.client, f.answer + f.n, sizeof(f.answer) - 1 - f.n, MSG_DONTWAIT);

	(void)context;
	if (n > 0)
		f.n += (size_t)n;
	f.answer[f.n] = '\0';
	if (n == 0 || (f.stop_at && f.n >= f.stop_at)) {
		loop_forget(f.readable);
		f.readable = NULL;
		close(f.client);
		f.client = -1;
		f.left = f.stop_at;
		loop_timer_set(f.timer, loop_now_ms(f.loop) + (f.stop_at ? 50 : 0));
	}
}

static int setup(void **state)
{
	(void)state;
	memset(&f, 0, sizeof(f));
	ahead_s = 0;
	strcpy(f.directory, "/tmp/natpcpd-test-XXXXXX");
	if (!mkdtemp(f.directory))
		return -1;
	snprintf(f.path, sizeof(f.path), "%s/run/control.sock", f.directory);
	f.loop = loop_new();
	f.timer = loop_timer(f.loop, give_up, NULL);
	return control_open(&f.control, f.loop, f.path, request, NULL, f.why, sizeof(f.why));
}

static int teardown(void **state)
{
	char run[80];

	(void)state;
	control_close(f.control);
	loop_forget(f.readable);
	loop_forget(f.timer);
	loop_free(f.loop);
	snprintf(run, sizeof(run), "%s/run", f.directory);
	rmdir(run);
	return rmdir(f.directory); /* fails if the socket was left behind */
}

static void ask(const char *text)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int rc;

	strcpy(name.sun_path, f.path);
	f.n = 0;
	f.client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	rc = connect(f.client, (struct sockaddr *)&name, sizeof(name));
	/* a full backlog has room when the server, which is this process, has got to it */
	for (unsigned i = 0; rc < 0 && errno == EAGAIN && i < 3000; i++) {
		loop_timer_set(f.timer, loop_now_ms(f.loop) + 10);
		assert_int_equal(loop_run(f.loop, NULL, NULL), 0);
		rc = connect(f.client, (struct sockaddr *)&name, sizeof(name));
	}
	assert_int_equal(rc, 0);
	assert_int_equal(send(f.client, text, strlen(text), 0), strlen(text));
	f.readable = loop_readable(f.loop, f.client, answer, NULL);
	loop_timer_set(f.timer, UINT64_MAX);
	assert_int_equal(loop_run(f.loop, NULL, NULL), 0);
}

#define CLOSE "Connection: close\r\n\r\n"

static void requests(void **state)
{
	static const struct {
		const char *request, *status, *body;
	} cases[] = {
	    {"GET /x HTTP/1.1\r\n" CLOSE, "HTTP/1.1 200", "GET /x a=- b=-"},
	    {"GET /x?a=1&b=%22two%20words%22 HTTP/1.1\r\n" CLOSE, "HTTP/1.1 200", "GET /x a=1 b=\"two words\""},
	    {"GET /x? HTTP/1.1\r\n" CLOSE, "HTTP/1.1 200", "GET /x a=- b=-"},
	    {"POST /x?a=1 HTTP/1.1\r\nContent-Length: 0\r\n" CLOSE, "HTTP/1.1 200", "POST /x a=1 b=-"},
	    {"GET /none HTTP/1.1\r\n" CLOSE, "HTTP/1.1 404", "GET /none a=- b=-"},
	    {"DELETE /x HTTP/1.1\r\n" CLOSE, "HTTP/1.1 501", NULL},
	    {"POST /x HTTP/1.1\r\nContent-Length: 999999\r\n" CLOSE, "HTTP/1.1 413", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ask(cases[i].request);
		assert_memory_equal(f.answer, cases[i].status, strlen(cases[i].status));
		if (cases[i].body)
			assert_string_equal(strstr(f.answer, "\r\n\r\n") + 4, cases[i].body);
	}
}

static void stream(void **state)
{
	(void)state;
	f.wanted = 100;
	ask("GET /stream HTTP/1.0\r\n\r\n");
	assert_memory_equal(f.answer, "HTTP/1.0 200", 12);
	assert_int_equal(f.pieces, 100);
	assert_int_equal(f.done, 1);
	assert_int_equal(f.n - (size_t)(strstr(f.answer, "\r\n\r\n") + 4 - f.answer), 100 * 4096);
}

/* The reader goes away in the middle: the stream ends, and nothing of it is left. */
static void stream_left(void **state)
{
	(void)state;
	f.wanted = 100000;
	f.stop_at = 20000;
	ask("GET /stream HTTP/1.1\r\n\r\n");
	assert_int_equal(f.done, 1);
	assert_true(f.pieces < 1000);
	f.stop_at = 0;
	ask("GET /x HTTP/1.1\r\n" CLOSE);
	assert_memory_equal(f.answer, "HTTP/1.1 200", 12);
}

/* The server ends in the middle. */
static void stream_closed(void **state)
{
	(void)state;
	f.wanted = 100000;
	f.stop_at = 20000;
	f.client = -1;
	loop_timer_set(f.timer, 0);
	assert_int_equal(loop_run(f.loop, NULL, NULL), 0);
	{
		struct sockaddr_un name = {.sun_family = AF_UNIX};

		strcpy(name.sun_path, f.path);
		f.client = socket(AF_UNIX, SOCK_STREAM, 0);
		assert_int_equal(connect(f.client, (struct sockaddr *)&name, sizeof(name)), 0);
		assert_int_equal(send(f.client, "GET /stream HTTP/1.1\r\n\r\n", 24, 0), 24);
	}
	/* the client reads nothing: the stream stands */
	loop_timer_set(f.timer, loop_now_ms(f.loop) + 50);
	assert_int_equal(loop_run(f.loop, NULL, NULL), 0);
	assert_true(f.pieces > 0 && f.done == 0);
	control_close(f.control);
	f.control = NULL;
	assert_int_equal(f.done, 1);
	close(f.client);
}

static void the_file(void **state)
{
	struct control *second = NULL;
	struct stat st;
	char other[128];
	int fd;

	(void)state;
	assert_int_equal(stat(f.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	/* somebody answers there */
	assert_int_equal(control_open(&second, f.loop, f.path, request, NULL, f.why, sizeof(f.why)), -EADDRINUSE);
	assert_non_null(strstr(f.why, f.path));
	assert_int_equal(stat(f.path, &st), 0);
	/* a file that is no socket stays */
	snprintf(other, sizeof(other), "%s/file", f.directory);
	fd = creat(other, 0600);
	close(fd);
	assert_int_equal(control_open(&second, f.loop, other, request, NULL, f.why, sizeof(f.why)), -EEXIST);
	assert_int_equal(unlink(other), 0);
	/* one that a killed server left behind does not */
	struct sockaddr_un name = {.sun_family = AF_UNIX};

	strcpy(name.sun_path, other);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	close(fd);
	assert_int_equal(control_open(&second, f.loop, other, request, NULL, f.why, sizeof(f.why)), 0);
	/* nor is another server's socket removed at the end */
	assert_int_equal(unlink(other), 0);
	fd = creat(other, 0600);
	close(fd);
	control_close(second);
	assert_int_equal(unlink(other), 0);
}

static void notifying(void **state)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	char path[128], got[64] = "";
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify("READY=1"), 0);
	snprintf(path, sizeof(path), "%s/notify", f.directory);
	strcpy(name.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	setenv("NOTIFY_SOCKET", path, 1);
	assert_int_equal(notify("READY=1"), 0);
	assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), 7);
	assert_memory_equal(got, "READY=1", 7);
	assert_int_equal(notify_reloading(), 0);
	assert_true(recv(fd, got, sizeof(got), MSG_DONTWAIT) > 28);
	assert_memory_equal(got, "RELOADING=1\nMONOTONIC_USEC=", 27);
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_int_equal(notify("READY=1"), -EINVAL);
	unsetenv("NOTIFY_SOCKET");
	close(fd);
	unlink(path);
}

static void count(void *context)
{
	++*(unsigned *)context;
}

/* Many who connect and say nothing: descriptors are left for other work, the loop does not spin, and when they are gone
 * the next one is served. */
static void crowd(void **state)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct rlimit before, few;
	int clients[60], spare[16];
	unsigned wakes = 0;

	(void)state;
	strcpy(name.sun_path, f.path);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	for (size_t i = 0; i < 60; i++) {
		/* out of the way of what is counted: they belong to other processes in earnest */
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

		clients[i] = fcntl(fd, F_DUPFD, 200);
		close(fd);
		assert_true(clients[i] >= 200);
	}
	few = (struct rlimit){.rlim_cur = 64, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (size_t i = 0; i < 60; i++) {
		connect(clients[i], (struct sockaddr *)&name, sizeof(name));
		loop_timer_set(f.timer, loop_now_ms(f.loop) + 1);
		assert_int_equal(loop_run(f.loop, count, &wakes), 0);
	}
	loop_timer_set(f.timer, loop_now_ms(f.loop) + 100);
	wakes = 0;
	assert_int_equal(loop_run(f.loop, count, &wakes), 0);
	assert_true(wakes < 20);
	for (size_t i = 0; i < 16; i++) {
		spare[i] = dup(0);
		assert_true(spare[i] >= 0);
	}
	for (size_t i = 0; i < 16; i++)
		close(spare[i]);
	for (size_t i = 0; i < 60; i++)
		close(clients[i]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	/* those who still wait in the backlog are gone too, once it is looked at again */
	loop_timer_set(f.timer, loop_now_ms(f.loop) + 1100);
	assert_int_equal(loop_run(f.loop, NULL, NULL), 0);
	ask("GET /after HTTP/1.1\r\nHost: x\r\n" CLOSE);
	assert_non_null(strstr(f.answer, "GET /after"));
}

/* Somebody else has the descriptors: no accept can succeed. The loop does not spin, and who waits is served later. */
static void no_descriptor(void **state)
{
	static const char later[] = "GET /later HTTP/1.1\r\n" CLOSE;
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct rlimit before, none;
	unsigned wakes = 0;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
	strcpy(name.sun_path, f.path);
	f.n = 0;
	f.client = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(f.client, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(send(f.client, later, strlen(later), 0), strlen(later));
	f.readable = loop_readable(f.loop, f.client, answer, NULL);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	loop_timer_set(f.timer, loop_now_ms(f.loop) + 100);
	assert_int_equal(loop_run(f.loop, count, &wakes), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(wakes < 10);
	assert_int_equal(f.n, 0);
	loop_timer_set(f.timer, loop_now_ms(f.loop) + 10000);
	assert_int_equal(loop_run(f.loop, NULL, NULL), 0);
	assert_non_null(strstr(f.answer, "GET /later"));
	assert_null(f.readable);
}

/* All that is ready, whenever that is. */
static void turn(void)
{
	loop_worked(f.loop);
	assert_true(event_base_loop(loop_base(f.loop), EVLOOP_NONBLOCK) >= 0);
}

static int reader(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(name.sun_path, f.path);
	assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	return fd;
}

/* A request that comes octet by octet is ended after 30 s, though no pause is as long as an idle one may be; one that was
 * answered is not held against the next. */
static void drip(void **state)
{
	static const char text[] = "GET /drip HTTP/1.1\r\nHost: x\r\nX: yyyyyyyyyyyyyyyy",
			  whole[] = "GET /whole HTTP/1.1\r\n\r\n";
	int fd = reader();
	char buffer[4096];
	unsigned sent = 0;
	ssize_t n = -1;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		ahead_s += 20;
		assert_int_equal(send(fd, whole, strlen(whole), 0), strlen(whole));
		turn();
		assert_true(recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) > 0);
	}
	for (; n != 0 && sent < strlen(text); sent++) {
		assert_int_equal(send(fd, text + sent, 1, MSG_NOSIGNAL), 1);
		turn();
		n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		ahead_s += 9;
	}
	close(fd);
	assert_int_equal(n, 0);
	assert_int_equal(sent, 5); /* at 36 s */
}

/* Who does not read what he asked for is ended after 30 s, however much more of it there is. */
static void stuck(void **state)
{
	static const char text[] = "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n";
	int fd = reader();

	(void)state;
	f.wanted = 1 << 20;
	assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
	for (unsigned i = 0; i < 4; i++) {
		turn();
		assert_int_equal(f.done, i == 3);
		ahead_s += 11;
	}
	assert_in_range(f.pieces, 1, 200);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(requests, setup, teardown),
	    cmocka_unit_test_setup_teardown(stream, setup, teardown),
	    cmocka_unit_test_setup_teardown(stream_left, setup, teardown),
	    cmocka_unit_test_setup_teardown(stream_closed, setup, teardown),
	    cmocka_unit_test_setup_teardown(crowd, setup, teardown),
	    cmocka_unit_test_setup_teardown(drip, setup, teardown),
	    cmocka_unit_test_setup_teardown(stuck, setup, teardown),
	    cmocka_unit_test_setup_teardown(no_descriptor, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_file, setup, teardown),
	    cmocka_unit_test_setup_teardown(notifying, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
