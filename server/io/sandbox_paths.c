/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/sandbox_paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/io/sandbox_calls.h"

/* The kernel's interface, from linux/landlock.h: the headers that one builds with are often older than the kernel that one
 * runs on, and these numbers never change. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule	    445
#define SYS_landlock_restrict_self  446
#endif
#define CREATE_VERSION	  1U
#define RULE_PATH_BENEATH 1

struct ruleset {
	uint64_t files, net, scoped; /* what is refused unless a rule allows it */
};

struct path_beneath {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

#define FS_WRITE_FILE  (1ULL << 1)
#define FS_READ_FILE   (1ULL << 2)
#define FS_READ_DIR    (1ULL << 3)
#define FS_REMOVE_FILE (1ULL << 5)
#define FS_MAKE_REG    (1ULL << 8)
#define FS_TRUNCATE    (1ULL << 14)
#define FS_OF_FILES    (FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE)
#define NET_TCP	       3ULL /* to bind, to connect */
#define SCOPE_ABSTRACT 1ULL
#define SCOPE_SIGNALS  2ULL

/* Each version can refuse what those before it can, and more. */
static struct ruleset ruleset_of(int version, bool abstract)
{
	static const uint64_t files[] = {(1ULL << 13) - 1, (1ULL << 14) - 1, (1ULL << 15) - 1, (1ULL << 15) - 1,
					 (1ULL << 16) - 1};
	const int last = sizeof(files) / sizeof(files[0]);

	return (struct ruleset){
	    .files = files[(version < last ? version : last) - 1],
	    .net = version >= 4 ? NET_TCP : 0,
	    .scoped = version < 6 ? 0
		      : abstract  ? SCOPE_SIGNALS
				  : SCOPE_SIGNALS | SCOPE_ABSTRACT,
	};
}

static size_t ruleset_size(int version)
{
	return version >= 6 ? 24 : version >= 4 ? 16 : 8;
}

static uint64_t rights(unsigned access)
{
	uint64_t v = 0;

	if (access & SANDBOX_READ)
		v |= FS_READ_FILE | FS_READ_DIR;
	if (access & SANDBOX_WRITE)
		v |= FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_TRUNCATE | FS_MAKE_REG | FS_REMOVE_FILE;
	if (access & SANDBOX_REMOVE)
		v |= FS_REMOVE_FILE;
	return v;
}

static int allow(int ruleset, uint64_t handled, const struct sandbox_path *p)
{
	struct path_beneath rule = {.allowed = rights(p->access) & handled};
	struct stat st;
	int error = 0;

	rule.parent = open(p->path, O_PATH | O_CLOEXEC);
	if (rule.parent < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -errno;
	if (fstat(rule.parent, &st) < 0)
		error = -errno;
	else if (!S_ISDIR(st.st_mode))
		rule.allowed &= FS_OF_FILES;
	if (!error && syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0)
		error = -errno;
	close(rule.parent);
	return error;
}

int sandbox_paths(const struct sandbox *s)
{
	/* what a report of a sanitizer is made from */
	static const struct sandbox_path own = {"/proc", SANDBOX_READ};
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
	struct ruleset wanted;
	int ruleset, error = 0;

	if (version < 1) /* turned off, or refused by what natpcpd runs in */
		return -ENOSYS;
	wanted = ruleset_of((int)version, s->abstract);
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &wanted, ruleset_size((int)version), 0);
	if (ruleset < 0)
		return -errno;
	for (size_t i = 0; !error && i < s->paths_n; i++)
		error = allow(ruleset, wanted.files, &s->paths[i]);
	if (!error && sandbox_sanitized)
		error = allow(ruleset, wanted.files, &own);
	if (!error && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		error = -errno;
	close(ruleset);
	return error ? error : (int)version;
}
