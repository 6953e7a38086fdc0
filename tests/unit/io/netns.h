/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A network namespace of a test's own, for root and, where the system allows it, for everybody. */
#ifndef TESTS_UNIT_IO_NETNS_H
#define TESTS_UNIT_IO_NETNS_H

#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* One ip(8) command; false if it failed. */
__attribute__((format(printf, 1, 2))) static inline bool netns_ip(const char *format, ...)
{
	char command[512] = "ip ";
	va_list ap;

	va_start(ap, format);
	vsnprintf(command + 3, sizeof(command) - 3, format, ap);
	va_end(ap);
	return system(command) == 0;
}

/* Enters it, with the loopback interface up. False: not possible here, the test is skipped. */
static inline bool netns_enter(void)
{
	if (unshare(CLONE_NEWNET) < 0) {
		char map[64];
		uid_t uid = geteuid();
		FILE *f;

		if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
			return false;
		f = fopen("/proc/self/uid_map", "w");
		if (!f)
			return false;
		snprintf(map, sizeof(map), "0 %u 1\n", (unsigned)uid);
		if (fputs(map, f) < 0 || fclose(f) != 0)
			return false;
	}
	return netns_ip("link set lo up");
}

#endif
