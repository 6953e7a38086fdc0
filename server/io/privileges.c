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

/* Adds those of the role to the set that is being put together. 0 or libcap-ng's error. */
static int add_role(enum privileges_role role, bool have_all)
{
	const struct {
		unsigned capability;
		bool wanted;
	} v[] = {
	    {CAP_NET_ADMIN, role == PRIVILEGES_FILTER},
	    {CAP_NET_RAW, role == PRIVILEGES_PACKETS && bind_needs_raw()},
	    {CAP_NET_BIND_SERVICE, role == PRIVILEGES_PACKETS && port_is_privileged()},
	};
	bool have[sizeof(v) / sizeof(*v)];
	int error = 0;

	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++)
		have[i] = have_all || capng_have_capability(CAPNG_PERMITTED, v[i].capability);
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; error == 0 && i < sizeof(v) / sizeof(*v); i++)
		if (v[i].wanted && have[i])
			error = capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, v[i].capability);
	return error;
}

/* Who was started without root has what he was given. */
static int reduce(enum privileges_role role)
{
	int error = capng_get_caps_process();

	if (!error)
		error = add_role(role, false);
	return error ? error : capng_apply(CAPNG_SELECT_CAPS);
}

int privileges_drop(const struct privileges *p, enum privileges_role role, char *why, size_t size)
{
	int error = 0;

	if (p->drop) {
		error = add_role(role, true);
		if (!error)
			error = capng_change_id((int)p->uid, (int)p->gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
	} else if (geteuid() != 0) {
		error = reduce(role);
	}
	if (error) {
		snprintf(why, size, "cannot give up privileges as user %u: libcap-ng says %d, %s",
			 (unsigned)(p->drop ? p->uid : geteuid()), error, strerror(errno));
		return -EPERM;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		snprintf(why, size, "cannot set no_new_privs: %s", strerror(errno));
		return -EPERM;
	}
	return 0;
}

bool privileges_have_filter(void)
{
	return capng_get_caps_process() == 0 && capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN);
}
