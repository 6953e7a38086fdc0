/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/watchdog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/io/loop.h"

static void set(const char *name, const char *value)
{
	if (value)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

static void test_interval(void **state)
{
	static const struct {
		const char *usec, *pid;
		uint64_t ms;
	} cases[] = {
	    {NULL, NULL, 0},
	    {"30000000", NULL, 15000},
	    {"30000000", "77", 15000},
	    {"30000000", "78", 0},
	    {"30000000", "", 0},
	    {"30000000", "77x", 0},
	    {"", NULL, 0},
	    {"0", NULL, 0},
	    {"-1", NULL, 0},
	    {"99999999999999999999999", NULL, 0},
	    {"1000 ", NULL, 0},
	    {"1", NULL, 1},
	    {"1999", NULL, 1},
	    {"5000", NULL, 2},
	    {"18446744073709551615", "77", 9223372036854775},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set("WATCHDOG_USEC", cases[i].usec);
		set("WATCHDOG_PID", cases[i].pid);
		if (watchdog_interval_ms(77) != cases[i].ms)
			fail_msg("%zu: %llu", i, (unsigned long long)watchdog_interval_ms(77));
	}
	set("WATCHDOG_USEC", NULL);
	set("WATCHDOG_PID", NULL);
}

struct listener {
	struct loop *loop;
	int fd;
	unsigned told;
};

static void heard(void *context)
{
	struct listener *l = context;
	char text[64];
	ssize_t n = recv(l->fd, text, sizeof(text), 0);

	assert_int_equal(n, strlen("WATCHDOG=1"));
	assert_memory_equal(text, "WATCHDOG=1", (size_t)n);
	if (++l->told == 3)
		loop_stop(l->loop);
}

static void test_tells(void **state)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct listener l = {.loop = loop_new(), .fd = socket(AF_UNIX, SOCK_DGRAM, 0)};
	struct loop_event *readable;
	struct watchdog *w;
	char path[64], pid[32];

	(void)state;
	snprintf(path, sizeof(path), "@natpcpd-test-%d", (int)getpid());
	memcpy(name.sun_path + 1, path + 1, strlen(path) - 1);
	assert_int_equal(bind(l.fd, (const struct sockaddr *)&name,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))),
			 0);
	/* nobody wants to know */
	assert_int_equal(watchdog_open(&w, l.loop), 0);
	assert_null(w);
	watchdog_close(w);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	set("NOTIFY_SOCKET", path);
	set("WATCHDOG_USEC", "2000");
	set("WATCHDOG_PID", pid);
	readable = loop_readable(l.loop, l.fd, heard, &l);
	assert_int_equal(watchdog_open(&w, l.loop), 0);
	assert_non_null(w);
	assert_int_equal(loop_run(l.loop, NULL, NULL), 0);
	assert_int_equal(l.told, 3);
	watchdog_close(w);
	loop_forget(readable);
	loop_free(l.loop);
	close(l.fd);
	set("NOTIFY_SOCKET", NULL);
	set("WATCHDOG_USEC", NULL);
	set("WATCHDOG_PID", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_interval),
	    cmocka_unit_test(test_tells),
	};

	return cmocka_run_group_tests_name("watchdog", tests, NULL, NULL);
}
