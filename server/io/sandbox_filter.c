/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/sandbox_filter.h"

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/seccomp.h>

#include "server/io/sandbox_calls.h"

#define WORD	     0xffffffffULL /* an int: what stands above it in its register is anything */
#define ROOM	     (8U << 20)	   /* octets: more than it takes */
#define SOCKET_TYPES 0xfULL	   /* without SOCK_CLOEXEC and SOCK_NONBLOCK */
#ifdef __s390__
#define CLONE_FLAGS 1 /* the argument's place */
#define MMAP_PLAIN  0 /* arguments stand in memory, which a filter cannot see */
#else
#define CLONE_FLAGS 0
#define MMAP_PLAIN  1
#endif

#define SAME(argument, value)	      SCMP_CMP((argument), SCMP_CMP_MASKED_EQ, WORD, (value))
#define MASKED(argument, mask, value) SCMP_CMP((argument), SCMP_CMP_MASKED_EQ, (mask), (value))

bool sandbox_has_filter(void)
{
	return true;
}

/* One rule for a call by its name; 0 too if there is no such call here. */
static int rule(scmp_filter_ctx c, uint32_t action, const char *name, unsigned n, const struct scmp_arg_cmp *v)
{
	int number = seccomp_syscall_resolve_name(name);
	int error = number == __NR_SCMP_ERROR ? 0 : seccomp_rule_add_array(c, action, number, n, v);

	/* a call that only other architectures have, or one that is answered so anyway */
	return error == -EDOM || error == -EACCES || error == -EEXIST ? 0 : error;
}

#define RULE(c, name, ...)                                                                                             \
	rule((c), SCMP_ACT_ALLOW, (name), sizeof((struct scmp_arg_cmp[]){__VA_ARGS__}) / sizeof(struct scmp_arg_cmp),  \
	     (struct scmp_arg_cmp[]){__VA_ARGS__})

static int socket_netlink(scmp_filter_ctx c, int bus)
{
	return RULE(c, "socket", SAME(0, AF_NETLINK), SAME(2, (unsigned)bus));
}

static int sockets(scmp_filter_ctx c, unsigned wanted)
{
	static const unsigned families[] = {AF_INET, AF_INET6}, types[] = {SOCK_DGRAM, SOCK_STREAM};
	int error = 0;

	for (unsigned i = 0; !error && wanted & SANDBOX_UDP && i < 2; i++)
		error =
		    RULE(c, "socket", SAME(0, families[i]), MASKED(1, SOCKET_TYPES, SOCK_DGRAM), SAME(2, IPPROTO_UDP));
	for (unsigned i = 0; !error && wanted & SANDBOX_UNIX && i < 2; i++)
		error = RULE(c, "socket", SAME(0, AF_UNIX), MASKED(1, SOCKET_TYPES, types[i]));
	if (!error && wanted & SANDBOX_ROUTE)
		error = socket_netlink(c, NETLINK_ROUTE);
	if (!error && wanted & SANDBOX_DIAG)
		error = socket_netlink(c, NETLINK_SOCK_DIAG);
	if (!error && wanted & SANDBOX_NETFILTER)
		error = socket_netlink(c, NETLINK_NETFILTER);
	return error;
}

/* Memory is never code: what is written to cannot be run, and nothing that is to be run is loaded any more. */
static int memory(scmp_filter_ctx c)
{
	int error = RULE(c, "mprotect", MASKED(2, PROT_EXEC, 0));

	if (!error)
		error = RULE(c, "mmap2", MASKED(2, PROT_EXEC, 0));
	if (!error)
		error =
		    MMAP_PLAIN ? RULE(c, "mmap", MASKED(2, PROT_EXEC, 0)) : rule(c, SCMP_ACT_ALLOW, "mmap", 0, NULL);
	return error;
}

/* Threads, but no processes; signals to itself, as abort() sends one. */
static int itself(scmp_filter_ctx c)
{
	uint32_t pid = (uint32_t)getpid();
	int error = sandbox_sanitized ? rule(c, SCMP_ACT_ALLOW, "clone", 0, NULL)
				      : RULE(c, "clone", MASKED(CLONE_FLAGS, CLONE_THREAD, CLONE_THREAD));

	if (!error)
		error = RULE(c, "tgkill", SAME(0, pid));
	if (!error)
		error = RULE(c, "tkill", SAME(0, pid));
	if (!error) /* what its limits are, and another one of its memory */
		error = RULE(c, "prlimit64", SAME(0, 0), MASKED(2, ~0ULL, 0));
	if (!error)
		error = RULE(c, "prlimit64", SAME(0, 0), SAME(1, RLIMIT_AS));
	if (!error) /* how much there is to read, libevent's question */
		error = RULE(c, "ioctl", SAME(1, FIONREAD));
	return error;
}

static int strict(scmp_filter_ctx c, const struct sandbox *s)
{
	int error = 0;

	for (const struct sandbox_call *v = sandbox_calls; !error && v->name; v++)
		error =
		    rule(c, v->kind == SANDBOX_CALL_ALLOW ? SCMP_ACT_ALLOW : SCMP_ACT_KILL_PROCESS, v->name, 0, NULL);
	if (!error)
		error = sockets(c, s->sockets);
	if (!error)
		error = memory(c);
	return error ? error : itself(c);
}

/* Programs of others are to be told no, and not killed for a try. */
static int loose(scmp_filter_ctx c)
{
	int error = 0;

	for (const struct sandbox_call *v = sandbox_calls; !error && v->name; v++)
		if (v->kind == SANDBOX_CALL_HOSTILE)
			error = rule(c, SCMP_ACT_ERRNO(EPERM), v->name, 0, NULL);
	return error;
}

/* libseccomp ends the process, or never comes back, where it gets no memory: so there is some, or it is not begun. */
static bool room(void)
{
	void *volatile p = malloc(ROOM); /* a compiler may leave out what is never used */

	free(p);
	return p != NULL;
}

int sandbox_filter(const struct sandbox *s)
{
	scmp_filter_ctx c;
	int error;

	/* without an argument it is EFAULT where there are filters */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) < 0 && errno != EFAULT)
		return -ENOSYS;
	if (!room())
		return -ENOMEM;
	c = seccomp_init(s->programs ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(ENOSYS));
	if (!c)
		return -ENOMEM;
	seccomp_attr_set(c, SCMP_FLTATR_API_SYSRAWRC, 1);
	seccomp_attr_set(c, SCMP_FLTATR_CTL_TSYNC, 1);
	/* older kernels would slow everything down, for programs that run code of strangers */
	seccomp_attr_set(c, SCMP_FLTATR_CTL_SSB, 1);
	/* a binary tree: as many comparisons for each call as the logarithm of the list is long */
	seccomp_attr_set(c, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	error =
	    seccomp_attr_set(c, SCMP_FLTATR_ACT_BADARCH, s->programs ? SCMP_ACT_ERRNO(ENOSYS) : SCMP_ACT_KILL_PROCESS);
	if (!error)
		error = s->programs ? loose(c) : strict(c, s);
	if (!error)
		error = seccomp_load(c);
	seccomp_release(c);
	return error;
}
