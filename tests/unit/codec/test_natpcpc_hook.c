/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "codec/natpcpc_hook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct hook_news news(const char *event, uint32_t address, uint16_t port)
{
	struct hook_news n = {.event = event,
			      .version = CODEC_VERSION_PCP,
			      .protocol = IPPROTO_UDP,
			      .internal_port = 4000,
			      .ports = 8,
			      .external_port = port,
			      .lifetime_s = 7200};

	n.gateway = codec_from_v4(0xc0000201);
	n.internal_address = codec_from_v4(0xc000020b);
	if (address)
		n.external_address = codec_from_v4(address);
	return n;
}

static void says(const char *room, size_t count, const char *want)
{
	for (size_t i = 0; i < count; i++, room += strlen(room) + 1)
		if (strcmp(room, want) == 0)
			return;
	fail_msg("no %s", want);
}

static void environment_of_a_change(void **state)
{
	struct hook_news old = news("mapped", 0xc6336401, 14000), n = news("changed", 0xc6336409, 15000);
	char room[2048];
	size_t count = hook_environment(&n, &old, room, sizeof(room));

	(void)state;
	assert_int_equal(count, 12);
	says(room, count, "NATPCP_EVENT=changed");
	says(room, count, "NATPCP_VERSION=pcp");
	says(room, count, "NATPCP_GATEWAY=192.0.2.1");
	says(room, count, "NATPCP_PROTOCOL=udp");
	says(room, count, "NATPCP_INTERNAL_ADDRESS=192.0.2.11");
	says(room, count, "NATPCP_INTERNAL_PORT=4000");
	says(room, count, "NATPCP_PORTS=8");
	says(room, count, "NATPCP_EXTERNAL_ADDRESS=198.51.100.9");
	says(room, count, "NATPCP_EXTERNAL_PORT=15000");
	says(room, count, "NATPCP_OLD_EXTERNAL_ADDRESS=198.51.100.1");
	says(room, count, "NATPCP_OLD_EXTERNAL_PORT=14000");
	says(room, count, "NATPCP_LIFETIME_S=7200");
}

/* What there is not is empty, never an address of zeros that a script would take for one. */
static void environment_of_a_loss(void **state)
{
	struct hook_news n = news("lost", 0, 0);
	char room[2048];
	size_t count = hook_environment(&n, NULL, room, sizeof(room));

	(void)state;
	says(room, count, "NATPCP_EXTERNAL_ADDRESS=");
	says(room, count, "NATPCP_EXTERNAL_PORT=");
	says(room, count, "NATPCP_OLD_EXTERNAL_PORT=");
	n.protocol = 250;
	n.version = CODEC_VERSION_NATPMP;
	count = hook_environment(&n, NULL, room, sizeof(room));
	says(room, count, "NATPCP_PROTOCOL=250");
	says(room, count, "NATPCP_VERSION=nat-pmp");
}

static void environment_fits_or_is_none(void **state)
{
	struct hook_news n = news("mapped", 0xc6336401, 14000);
	char room[2048];
	size_t needed = 0, count = hook_environment(&n, NULL, room, sizeof(room));

	(void)state;
	for (size_t i = 0; i < count; i++)
		needed += strlen(room + needed) + 1;
	for (size_t size = 1; size < needed; size++) {
		char *small = malloc(size);

		assert_int_equal(hook_environment(&n, NULL, small, size), 0);
		free(small);
	}
	assert_int_equal(hook_environment(&n, NULL, room, needed), count);
}

static void programs(void **state)
{
	(void)state;
	assert_true(hook_exists("/bin/sh"));
	assert_true(hook_exists("sh"));
	assert_false(hook_exists("/bin/no-such-program"));
	assert_false(hook_exists("no-such-program"));
	/* it is a name, not words for a shell */
	assert_false(hook_exists("sh -c true"));
}

/* Waits for the program as natpcpc's loop would, and lets the hook know. */
static void ends(struct hook *h)
{
	siginfo_t info;

	assert_int_equal(waitid(P_PID, (id_t)h->pid, &info, WEXITED | WNOWAIT), 0);
	hook_reap(h);
}

static void one_at_a_time_and_the_latest(void **state)
{
	struct hook h = {.program = "sh"};
	char *arguments[] = {(char[]){"-c"}, (char[]){"read line </dev/null; exit 0"}, NULL};
	struct hook_news a = news("mapped", 0xc6336401, 14000), b = news("changed", 0xc6336402, 14000),
			 c = news("changed", 0xc6336403, 14000);
	pid_t first;

	(void)state;
	h.arguments = arguments;
	hook_tell(&h, &a);
	first = h.pid;
	assert_true(first > 0);
	hook_tell(&h, &b);
	hook_tell(&h, &c);
	assert_int_equal(h.pid, first);
	ends(&h);
	assert_true(h.pid > 0 && h.pid != first);
	assert_memory_equal(&h.told.external_address, &c.external_address, sizeof(c.external_address));
	ends(&h);
	assert_int_equal(h.pid, 0);
	/* there and back again is nothing to be told */
	hook_tell(&h, &b);
	hook_tell(&h, &c);
	hook_tell(&h, &b);
	ends(&h);
	assert_int_equal(h.pid, 0);
	assert_false(h.pending);
}

static void without_a_program(void **state)
{
	struct hook h = {0};
	struct hook_news a = news("mapped", 0xc6336401, 14000);

	(void)state;
	hook_tell(&h, &a);
	hook_reap(&h);
	assert_int_equal(h.pid, 0);
	assert_false(h.pending);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(environment_of_a_change),	    cmocka_unit_test(environment_of_a_loss),
	    cmocka_unit_test(environment_fits_or_is_none),  cmocka_unit_test(programs),
	    cmocka_unit_test(one_at_a_time_and_the_latest), cmocka_unit_test(without_a_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
