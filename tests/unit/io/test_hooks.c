/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/hooks.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "codec/codec.h"
#include "server/io/loop.h"

/* A program that appends a line to a file, and what the configuration says of it. */
struct bed {
	char directory[32], program[64], told[64];
	struct loop *loop;
	struct conf *conf;
	struct hooks *hooks;
};

static struct conf *configure(const struct bed *b, const char *events, const char *more)
{
	char text[1024], why[CONF_LOCATION_MAX];
	struct conf *c;

	snprintf(text, sizeof(text),
		 "external wan { interface = wan0 }\nlisten lan { interfaces = lan0 }\n%s%s%s%s%s\n%s\n",
		 *events ? "hook h { exec = \"" : "", *events ? b->program : "", *events ? "\" events = { " : "",
		 events, *events ? " } }" : "", more);
	c = conf_parse(text, strlen(text), "test", why);
	if (!c)
		fail_msg("%s", why);
	return c;
}

static void open_bed(struct bed *b, const char *events, const char *more)
{
	int fd;

	strcpy(b->directory, "/tmp/natpcpd-test-XXXXXX");
	assert_non_null(mkdtemp(b->directory));
	snprintf(b->program, sizeof(b->program), "%s/program", b->directory);
	snprintf(b->told, sizeof(b->told), "%s/told", b->directory);
	fd = open(b->program, O_WRONLY | O_CREAT | O_EXCL, 0755);
	assert_true(fd >= 0);
	dprintf(fd, "#!/bin/sh\necho \"$1 $NATPCPD_INTERNAL_PORT $NATPCPD_LIFETIME\" >>%s\n", b->told);
	close(fd);
	b->conf = configure(b, events, more);
	b->loop = loop_new();
	assert_non_null(b->loop);
	assert_int_equal(hooks_open(&b->hooks, b->loop, b->conf, -1), 0);
}

static void close_bed(struct bed *b)
{
	hooks_close(b->hooks);
	loop_free(b->loop);
	conf_free(b->conf);
	unlink(b->told);
	unlink(b->program);
	rmdir(b->directory);
}

static struct round_event event_of(enum round_event_kind kind, const char *client, uint16_t port)
{
	struct round_event e = {.kind = kind,
				.pcp = true,
				.mapping = {.internal_port = port, .external_port = port, .protocol = 17},
				.lifetime_s = 600,
				.rule = "hosts",
				.why = "because"};

	assert_true(codec_address_parse(client, strlen(client), &e.client));
	e.mapping.internal_address = e.client;
	return e;
}

static void happen(struct bed *b, enum round_event_kind kind, const char *client, uint16_t port)
{
	struct round_event e = event_of(kind, client, port);

	hooks_round(b->hooks, &e, 1);
}

static struct hooks_stats stats_of(const struct bed *b)
{
	struct hooks_stats s;

	hooks_stats(b->hooks, &s);
	return s;
}

static void until_idle(void *context)
{
	struct bed *b = context;
	struct hooks_stats s = stats_of(b);

	if (s.waiting == 0 && s.running == 0)
		loop_stop(b->loop);
}

/* Lets everything that waits run, and reads what was told. */
static void let_run(struct bed *b, char out[1024])
{
	FILE *f;
	size_t n;

	hooks_start(b->hooks);
	assert_int_equal(loop_run(b->loop, until_idle, b), 0);
	f = fopen(b->told, "re");
	assert_non_null(f);
	n = fread(out, 1, 1023, f);
	out[n] = '\0';
	fclose(f);
}

/* Nothing runs before the start; then in order, and what is the same and still waits is told once, with the latest. */
static void test_order(void **state)
{
	struct round_event renewed = event_of(ROUND_RENEWED, "192.0.2.1", 1);
	struct bed b;
	char out[1024];

	(void)state;
	open_bed(&b, "made, renewed, ended", "limits { hooks = 1 }");
	happen(&b, ROUND_MADE, "192.0.2.1", 1);
	happen(&b, ROUND_RENEWED, "192.0.2.1", 1);
	renewed.lifetime_s = 700;
	hooks_round(b.hooks, &renewed, 1);
	happen(&b, ROUND_MADE, "192.0.2.1", 2);
	happen(&b, ROUND_ENDED, "192.0.2.1", 1);
	happen(&b, ROUND_MADE, "192.0.2.1", 1);
	/* nobody wants these */
	happen(&b, ROUND_REFUSED, "192.0.2.1", 1);
	happen(&b, ROUND_MOVED, "192.0.2.1", 1);
	assert_int_equal(stats_of(&b).waiting, 5);
	assert_int_equal(stats_of(&b).merged, 1);
	assert_int_equal(stats_of(&b).running, 0);
	let_run(&b, out);
	assert_string_equal(out, "made 1 600\nrenewed 1 700\nmade 2 600\nended 1 \nmade 1 600\n");
	assert_int_equal(stats_of(&b).runs, 5);
	assert_int_equal(stats_of(&b).failures, 0);
	close_bed(&b);
}

/* One client does not take the place of others, however many addresses of its network it takes. */
static void test_full(void **state)
{
	char client[48];
	struct bed b;

	(void)state;
	open_bed(&b, "made", "");
	for (uint16_t i = 1; i <= HOOKS_OF_CLIENT_MAX + 10; i++) {
		snprintf(client, sizeof(client), "2001:db8:1::%x", i);
		happen(&b, ROUND_MADE, client, i);
	}
	assert_int_equal(stats_of(&b).waiting, HOOKS_OF_CLIENT_MAX);
	assert_int_equal(stats_of(&b).dropped, 10);
	for (uint16_t i = 0; i < HOOKS_WAITING_MAX - HOOKS_OF_CLIENT_MAX + 5; i++) {
		snprintf(client, sizeof(client), "198.18.%u.%u", i / 250, i % 250 + 1);
		happen(&b, ROUND_MADE, client, 7);
	}
	assert_int_equal(stats_of(&b).waiting, HOOKS_WAITING_MAX);
	assert_int_equal(stats_of(&b).dropped, 15);
	close_bed(&b);
}

/* One refusal of a client in a while, and of so many clients. */
static void test_refusals(void **state)
{
	char client[48];
	struct bed b;

	(void)state;
	open_bed(&b, "refused", "");
	for (uint16_t i = 1; i <= 100; i++)
		happen(&b, ROUND_REFUSED, "192.0.2.1", i);
	for (uint16_t i = 1; i <= 100; i++) {
		snprintf(client, sizeof(client), "2001:db8:1::%x", i);
		happen(&b, ROUND_REFUSED, client, i);
	}
	assert_int_equal(stats_of(&b).waiting, 2);
	assert_int_equal(stats_of(&b).limited, 198);
	for (uint16_t i = 0; i < 200; i++) {
		snprintf(client, sizeof(client), "198.18.0.%u", i + 1);
		happen(&b, ROUND_REFUSED, client, i);
	}
	assert_int_equal(stats_of(&b).waiting, HOOKS_REFUSED_CLIENTS);
	close_bed(&b);
}

/* A reload: hooks come, go, and want other things. */
static void test_reload(void **state)
{
	struct conf *old;
	struct bed b;
	char out[1024];

	(void)state;
	open_bed(&b, "", "");
	happen(&b, ROUND_MADE, "192.0.2.1", 1);
	assert_int_equal(stats_of(&b).waiting, 0);
	old = b.conf;
	b.conf = configure(&b, "made, ended, reload", "limits { hooks = 1 }");
	hooks_use(b.hooks, b.conf);
	conf_free(old);
	happen(&b, ROUND_MADE, "192.0.2.1", 1);
	happen(&b, ROUND_ENDED, "192.0.2.1", 1);
	happen(&b, ROUND_MADE, "192.0.2.1", 2);
	assert_int_equal(stats_of(&b).waiting, 4);
	old = b.conf;
	b.conf = configure(&b, "ended, reload", "");
	hooks_use(b.hooks, b.conf);
	conf_free(old);
	/* the two reloads are one */
	assert_int_equal(stats_of(&b).waiting, 2);
	happen(&b, ROUND_ENDED, "192.0.2.1", 3);
	let_run(&b, out);
	assert_non_null(strstr(out, "reload  \n"));
	assert_non_null(strstr(out, "ended 1 \n"));
	assert_non_null(strstr(out, "ended 3 \n"));
	assert_int_equal(stats_of(&b).runs, 3);
	old = b.conf;
	b.conf = configure(&b, "", "");
	happen(&b, ROUND_ENDED, "192.0.2.1", 4);
	hooks_use(b.hooks, b.conf);
	conf_free(old);
	assert_int_equal(stats_of(&b).waiting, 0);
	close_bed(&b);
}

/* The latest of a mapping is that of the queue, wherever it stands in memory. */
static void test_latest(void **state)
{
	struct conf *ended, *both;
	struct bed b;

	(void)state;
	open_bed(&b, "made", "");
	ended = configure(&b, "ended", "");
	both = configure(&b, "made, ended", "");
	happen(&b, ROUND_MADE, "192.0.2.1", 1);
	happen(&b, ROUND_MADE, "192.0.2.1", 2);
	/* both places are given back, and used again in another order */
	hooks_use(b.hooks, ended);
	assert_int_equal(stats_of(&b).waiting, 0);
	hooks_use(b.hooks, both);
	happen(&b, ROUND_ENDED, "192.0.2.1", 1);
	happen(&b, ROUND_MADE, "192.0.2.1", 1);
	happen(&b, ROUND_MADE, "192.0.2.1", 1);
	assert_int_equal(stats_of(&b).waiting, 2);
	assert_int_equal(stats_of(&b).merged, 1);
	happen(&b, ROUND_ENDED, "192.0.2.1", 1);
	assert_int_equal(stats_of(&b).waiting, 3);
	close_bed(&b);
	conf_free(ended);
	conf_free(both);
}

static void test_failures(void **state)
{
	struct bed b;
	char out[1024];
	int fd;

	(void)state;
	open_bed(&b, "made", "");
	fd = open(b.program, O_WRONLY | O_APPEND);
	dprintf(fd, "exit 5\n");
	close(fd);
	happen(&b, ROUND_MADE, "192.0.2.1", 1);
	let_run(&b, out);
	assert_int_equal(stats_of(&b).failures, 1);
	/* it has gone since the configuration was read */
	unlink(b.program);
	happen(&b, ROUND_MADE, "192.0.2.1", 2);
	assert_int_equal(stats_of(&b).failures, 2);
	assert_int_equal(stats_of(&b).runs, 1);
	assert_int_equal(stats_of(&b).waiting, 0);
	close_bed(&b);
	hooks_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order),  cmocka_unit_test(test_full),	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_reload), cmocka_unit_test(test_failures), cmocka_unit_test(test_latest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
