/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/warden.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "backends/wire_socket.h"
#include "codec/codec.h"
#include "tests/unit/io/netns.h"
#include "tests/unit/io/settings_bed.h"

/* A configuration, and the process that has it, too. */
struct bed {
	struct settings_bed bed;
	struct conf *conf;
	struct warden warden;
};

/* The configuration, with more at its end. */
static struct conf *configure(const struct bed *b, const char *more)
{
	return settings_bed_conf(
	    &b->bed,
	    "external wan { addresses = { 198.51.100.1 } }\nlisten lan { interfaces = lan0 }\n"
	    "rule yes { action = allow clients = { 192.0.2.0/24 } }\nprocess { sandbox = false }\n%s\n",
	    more);
}

static void up(struct bed *b)
{
	const struct privileges stay = {0};

	memset(b, 0, sizeof(*b));
	settings_bed_open(&b->bed);
	b->conf = configure(b, "");
	assert_int_equal(warden_start(&b->warden, &b->bed.settings, b->conf, &stay), 0);
	assert_true(b->warden.pid > 0);
}

static void down(struct bed *b)
{
	warden_wait(&b->warden);
	assert_int_equal(b->warden.pid, 0);
	conf_free(b->conf);
	settings_bed_close(&b->bed);
}

/* True if it is there and has the signal's disposition that it gives itself before it hears anything. */
static bool ignores(pid_t pid, int signal)
{
	char path[32], line[256];
	unsigned long long mask = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "SigIgn: %llx", &mask);
	fclose(f);
	return mask >> (signal - 1) & 1;
}

/* It ends with its parent's ends, and not by what ends the parent. */
static void ends(void **state)
{
	static const int those[] = {SIGTERM, SIGINT, SIGHUP};
	struct wire_buffer answer = {0};
	struct wire_head h = {.what = WIRE_COUNT};
	struct bed b;
	int status;

	(void)state;
	up(&b);
	down(&b);
	up(&b);
	for (int tries = 0; !ignores(b.warden.pid, SIGUSR2); tries++) {
		assert_in_range(tries, 0, 30000);
		usleep(1000);
	}
	for (size_t i = 0; i < sizeof(those) / sizeof(*those); i++)
		assert_int_equal(kill(b.warden.pid, those[i]), 0);
	/* what is wrong it logs, and ends with 1 */
	assert_int_equal(write(b.warden.ends.questions, &h, sizeof(h)), sizeof(h));
	assert_int_equal(wire_receive(b.warden.ends.questions, &answer, &h), -EPIPE);
	assert_int_equal(waitpid(b.warden.pid, &status, 0), b.warden.pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	down(&b);
	wire_clear(&answer);
}

/* Before there is a packet filter nothing but that is answered, and who asks otherwise is not listened to any more. */
static void mistrusts(void **state)
{
	static const enum wire_what asked[] = {WIRE_COUNT, WIRE_COMMIT, WIRE_FIND, WIRE_CLOSE, WIRE_DONE};
	struct wire_buffer b = {0}, answer = {0};
	struct wire_head h;
	struct bed bed;

	(void)state;
	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
		up(&bed);
		wire_begin(&b, asked[i]);
		assert_true(wire_end(&b, 0, 0));
		assert_int_equal(wire_send(bed.warden.ends.questions, &b), 0);
		assert_int_equal(wire_receive(bed.warden.ends.questions, &answer, &h), -EPIPE);
		/* the searches are answered by it, too */
		assert_int_equal(wire_receive(bed.warden.ends.searches, &answer, &h), -EPIPE);
		down(&bed);
	}
	/* longer than any question */
	up(&bed);
	h = (struct wire_head){.length = WIRE_MAX + 1, .what = WIRE_OPEN};
	assert_int_equal(write(bed.warden.ends.questions, &h, sizeof(h)), sizeof(h));
	assert_int_equal(wire_receive(bed.warden.ends.questions, &answer, &h), -EPIPE);
	down(&bed);
	wire_clear(&b);
	wire_clear(&answer);
}

static struct change change(uint32_t internal, uint16_t port)
{
	return (struct change){.mapping = {.internal_address = codec_from_v4(internal),
					   .external_address = codec_from_v4(0xc6336401),
					   .internal_port = port,
					   .external_port = port,
					   .protocol = 17,
					   .kind = MAPPING_NAT},
			       .timeout_ms = 60000,
			       .op = CHANGE_ADD};
}

/* A packet filter of a namespace's: what the configuration allows is made there, and nothing else. */
static void guards(void **state)
{
	struct change v[3];
	char why[WIRE_WHY_MAX];
	struct conf *wanted, *other;
	struct backend *x;
	struct proxy *p;
	struct bed b;
	size_t n;
	int rc;

	(void)state;
	if (!netns_enter() || !netns_ip("link add lan0 type veth peer name lan0p"))
		skip();
	assert_true(netns_ip("addr add 192.0.2.1/24 dev lan0") && netns_ip("link set lan0 up"));
	up(&b);
	rc = proxy_open(&p, &b.warden.ends, b.conf, why, sizeof(why));
	if (rc) { /* the kernel has no nftables, or no connection tracking */
		print_message("%s\n", why);
		down(&b);
		skip();
	}
	b.warden.ends = (struct proxy_ends){-1, -1, -1};
	x = proxy_backend(p);
	v[0] = change(0xc000020b, 8080);
	v[1] = change(0xc6120001, 8081); /* no rule */
	v[2] = change(0xc0000201, 8082); /* the router */
	v[1].group = 1;
	v[2].group = 2;
	assert_int_equal(x->ops->commit(x, v, 3), 0);
	assert_int_equal(v[0].verdict, 0);
	assert_true(v[1].verdict < 0 && v[2].verdict < 0);
	rc = x->ops->count(x, &n);
	assert_true(rc == -EOPNOTSUPP || (rc == 0 && n == 1));
	/* another configuration, which it reads itself */
	wanted = configure(&b, "rule too { action = allow clients = { 198.18.0.0/15 } }");
	v[1] = change(0xc6120001, 8081);
	assert_int_equal(x->ops->commit(x, &v[1], 1), 0);
	assert_true(v[1].verdict < 0);
	assert_int_equal(x->ops->reload(x, wanted, why, sizeof(why)), 0);
	v[1] = change(0xc6120001, 8081);
	assert_int_equal(x->ops->commit(x, &v[1], 1), 0);
	assert_int_equal(v[1].verdict, 0);
	/* the file has become another since the parent read it: all stays as it is */
	other = configure(&b, "rule three { action = deny }");
	conf_free(configure(&b, ""));
	assert_int_equal(x->ops->reload(x, other, why, sizeof(why)), -EAGAIN);
	v[1] = change(0xc6120001, 8083);
	assert_int_equal(x->ops->commit(x, &v[1], 1), 0);
	assert_int_equal(v[1].verdict, 0);
	x->ops->close(x, true);
	conf_free(other);
	conf_free(wanted);
	down(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ends),
	    cmocka_unit_test(mistrusts),
	    cmocka_unit_test(guards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
