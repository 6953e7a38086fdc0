/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "server/io/sandbox_calls.h"
#include "server/io/sandbox_filter.h"
#include "server/io/sandbox_paths.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif
#define MDWE_REFUSE_EXEC_GAIN 1UL
#define MDWE_NO_INHERIT	      2UL

/* A limit of both kinds, or as much of it as there is: it cannot be raised again. */
static int limit(int what, rlim_t n)
{
	struct rlimit r;

	if (getrlimit(what, &r) < 0)
		return -errno;
	r.rlim_max = r.rlim_max < n ? r.rlim_max : n;
	r.rlim_cur = r.rlim_max;
	return setrlimit(what, &r) < 0 ? -errno : 0;
}

void sandbox_memory(uint64_t octets)
{
	struct rlimit r = {.rlim_max = RLIM_INFINITY};

	if (!octets || sandbox_sanitized || getrlimit(RLIMIT_AS, &r) < 0)
		return;
	r.rlim_cur = octets < r.rlim_max ? (rlim_t)octets : r.rlim_max;
	setrlimit(RLIMIT_AS, &r);
}

/*
 * No RLIMIT_NPROC: it counts all processes of the user, those of hooks and of another daemon too; what is a process and no
 * thread is the filter's to refuse.
 */
static int limits(const struct sandbox *s)
{
	int error = limit(RLIMIT_CORE, 0); /* leases, nonces and addresses are nobody's */

	if (!error)
		error = limit(RLIMIT_NOFILE, SANDBOX_DESCRIPTORS);
	if (!s->programs)
		sandbox_memory(s->memory);
	/* nobody of the same user reads or writes its memory, either */
	if (!error && !sandbox_sanitized && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		error = -errno;
	return error;
}

/* Landlock binds the thread that calls, so another one would stay free. */
static bool alone(void)
{
	DIR *d = opendir("/proc/self/task");
	const struct dirent *e;
	unsigned n = 0;

	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n <= 1;
}

static int failed(char *why, size_t size, const char *what, int error)
{
	snprintf(why, size, "%s: %s; process { sandbox = false } does without", what, strerror(-error));
	return error;
}

static int no_code(const struct sandbox *s, struct sandbox_state *state)
{
	unsigned long how = MDWE_REFUSE_EXEC_GAIN | (s->programs ? MDWE_NO_INHERIT : 0);

	state->no_code = prctl(PR_SET_MDWE, how, 0, 0, 0) == 0;
	if (!state->no_code)
		state->no_no_code = "memory that becomes code cannot be refused by the kernel itself";
	return state->no_code || errno == EINVAL || errno == EPERM ? 0 : -errno;
}

int sandbox_enter(const struct sandbox *s, struct sandbox_state *state, char *why, size_t size)
{
	int error;

	*state = (struct sandbox_state){.on = true};
	if (!alone())
		return failed(why, size, "sandbox: another thread runs", -EBUSY);
	tzset(); /* syslog() would read a file for it later */
	error = limits(s);
	if (error)
		return failed(why, size, "sandbox: limits", error);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failed(why, size, "sandbox: no_new_privs", -errno);
	error = no_code(s, state);
	if (error)
		return failed(why, size, "sandbox: memory", error);
	if (s->programs) {
		state->no_landlock = "programs of hooks would be confined with natpcpd";
	} else {
		error = sandbox_paths(s);
		if (error < 0 && error != -ENOSYS)
			return failed(why, size, "sandbox: Landlock", error);
		state->landlock = error < 0 ? 0 : error;
		state->no_landlock = error < 0 ? "there is no Landlock here" : NULL;
	}
	error = sandbox_filter(s);
	if (error && error != -ENOSYS)
		return failed(why, size, "sandbox: seccomp", error);
	state->filter = !error;
	if (error)
		state->no_filter =
		    sandbox_has_filter() ? "there are no seccomp filters here" : "natpcpd was built without libseccomp";
	return 0;
}
