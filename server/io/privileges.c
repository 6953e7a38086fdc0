/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "codec/codec.h"

int privileges_find(const char *user, bool named, struct privileges *p, char *why, size_t size)
{
	const struct passwd *entry;

	memset(p, 0, sizeof(*p));
	if (!*user || geteuid() != 0)
		return 0;
	errno = 0;
	entry = getpwnam(user);
	if (!entry && named) {
		snprintf(why, size,
			 "process.user: there is no user %s: make one with: useradd --system --shell /usr/sbin/nologin "
			 "%s; or write user = \"\" to stay root",
			 user, user);
		return -ENOENT;
	}
	p->absent = !entry;
	if (!entry || entry->pw_uid == 0)
		return 0;
	p->drop = true;
	p->uid = entry->pw_uid;
	p->gid = entry->pw_gid;
	return 0;
}

/* Before Linux 5.7 binding to an interface asked for CAP_NET_RAW. */
static bool bind_needs_raw(void)
{
	struct utsname u;
	unsigned major, minor;

	return uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2 || major < 5 ||
	       (major == 5 && minor < 7);
}

/* An administrator may have moved the limit of privileged ports above ours. */
static bool port_is_privileged(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
	unsigned start = 0;

	if (!f)
		return false;
	if (fscanf(f, "%u", &start) != 1)
		start = 0;
	fclose(f);
	return start > CODEC_SERVER_PORT;
}

int privileges_drop(const struct privileges *p, char *why, size_t size)
{
	const capng_type_t set = CAPNG_EFFECTIVE | CAPNG_PERMITTED;
	int error;

	if (p->drop) {
		capng_clear(CAPNG_SELECT_BOTH);
		error = capng_update(CAPNG_ADD, set, CAP_NET_ADMIN);
		if (!error && bind_needs_raw())
			error = capng_update(CAPNG_ADD, set, CAP_NET_RAW);
		if (!error && port_is_privileged())
			error = capng_update(CAPNG_ADD, set, CAP_NET_BIND_SERVICE);
		if (!error)
			error = capng_change_id((int)p->uid, (int)p->gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
		if (error) {
			snprintf(why, size, "cannot become user %u: libcap-ng says %d, %s", (unsigned)p->uid, error,
				 strerror(errno));
			return -EPERM;
		}
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		snprintf(why, size, "cannot set no_new_privs: %s", strerror(errno));
		return -EPERM;
	}
	return 0;
}
