/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into the daemon by tests/netns/t-*.py: allocations that fail, netlink messages that are lost, dumps that were
 * disturbed, small socket buffers, clocks that jump. What is to happen stands in a file that both sides map.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* tests/lab/trouble.py has the same. */
struct orders {
	int64_t fail_in;   /* this allocation from now fails, 0: none */
	int64_t fail_n;	   /* and so many in all */
	int64_t calls;	   /* allocations so far */
	int64_t held;	   /* octets that are allocated now */
	int64_t lose_in;   /* this netlink message from now is lost, 0: none; the kernel says ENOBUFS */
	int64_t disturb;   /* so many messages of dumps say that the dump was disturbed */
	int64_t bus;	   /* of sockets of this netlink bus, without multicast groups */
	int64_t received;  /* messages on them so far */
	int64_t small;	   /* socket buffers cannot be made larger than usual */
	int64_t suspended; /* milliseconds that this machine was suspended for */
	int64_t wall_s;	   /* how far off the clock on the wall is */
};

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

static struct orders nothing, *orders = &nothing;

__attribute__((constructor)) static void map_orders(void)
{
	const char *path = getenv("NATPCP_TROUBLE");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*orders), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	if (p != MAP_FAILED)
		orders = p;
}

static int64_t add(int64_t *v, int64_t n)
{
	return __atomic_add_fetch(v, n, __ATOMIC_RELAXED);
}

/* True when the countdown comes to its end, and then n - 1 times more. */
static bool due(int64_t *in, int64_t *n)
{
	int64_t left = __atomic_load_n(in, __ATOMIC_RELAXED);

	if (left == 0 || add(in, -1) > 0)
		return false;
	if (n && add(n, -1) > 0)
		__atomic_store_n(in, 1, __ATOMIC_RELAXED);
	else
		__atomic_store_n(in, 0, __ATOMIC_RELAXED);
	return true;
}

static bool fails(void)
{
	add(&orders->calls, 1);
	if (!due(&orders->fail_in, &orders->fail_n))
		return false;
	errno = ENOMEM;
	return true;
}

static void *note(void *p)
{
	if (p)
		add(&orders->held, (int64_t)malloc_usable_size(p));
	return p;
}

static void forget(void *p)
{
	if (p)
		add(&orders->held, -(int64_t)malloc_usable_size(p));
}

void *malloc(size_t size)
{
	return fails() ? NULL : note(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : note(__libc_calloc(n, size));
}

void *realloc(void *p, size_t size)
{
	void *q;

	if (fails())
		return NULL;
	forget(p);
	q = __libc_realloc(p, size);
	return note(q ? q : size ? p : NULL);
}

void *reallocarray(void *p, size_t n, size_t size)
{
	if (size && n > SIZE_MAX / size) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, n * size);
}

void free(void *p)
{
	forget(p);
	__libc_free(p);
}

/* The function that this file hides, in the type of the pointer at real. */
static void find(void *real, const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	memcpy(real, &found, sizeof(found));
}

static bool concerned(int fd)
{
	struct sockaddr_nl a = {0};
	socklen_t length = sizeof(a);
	int protocol = -1, domain = -1;
	socklen_t size = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_NETLINK &&
	       getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && protocol == orders->bus &&
	       getsockname(fd, (struct sockaddr *)&a, &length) == 0 && a.nl_groups == 0;
}

static ssize_t received(int fd, void *data, ssize_t n)
{
	struct nlmsghdr *h = data;

	if (n < (ssize_t)sizeof(*h) || !concerned(fd))
		return n;
	add(&orders->received, 1);
	if (due(&orders->lose_in, NULL)) {
		errno = ENOBUFS;
		return -1;
	}
	if (h->nlmsg_flags & NLM_F_MULTI && __atomic_load_n(&orders->disturb, __ATOMIC_RELAXED) > 0) {
		add(&orders->disturb, -1);
		h->nlmsg_flags |= NLM_F_DUMP_INTR;
	}
	return n;
}

ssize_t recv(int fd, void *data, size_t size, int flags)
{
	static ssize_t (*real)(int, void *, size_t, int);

	if (!real)
		find(&real, "recv");
	return received(fd, data, real(fd, data, size, flags));
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	static ssize_t (*real)(int, struct msghdr *, int);
	ssize_t n;

	if (!real)
		find(&real, "recvmsg");
	n = real(fd, m, flags);
	return n > 0 && m->msg_iovlen ? received(fd, m->msg_iov[0].iov_base, n) : n;
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
	static int (*real)(int, int, int, const void *, socklen_t);

	if (!real)
		find(&real, "setsockopt");
	if (orders->small && level == SOL_SOCKET && (option == SO_SNDBUFFORCE || option == SO_RCVBUFFORCE)) {
		errno = EPERM;
		return -1;
	}
	return real(fd, level, option, value, size);
}

static void shift(struct timespec *t, int64_t ms)
{
	int64_t whole_ns = t->tv_nsec + ms % 1000 * 1000000;

	t->tv_sec += ms / 1000 + whole_ns / 1000000000;
	t->tv_nsec = whole_ns % 1000000000;
	if (t->tv_nsec < 0) {
		t->tv_nsec += 1000000000;
		t->tv_sec--;
	}
}

time_t time(time_t *out)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	if (out)
		*out = t.tv_sec;
	return t.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec t;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &t);
	*out = (struct timeval){.tv_sec = t.tv_sec, .tv_usec = t.tv_nsec / 1000};
	return 0;
}

enum { TIMERS_MAX = 256 };

/* The timers on CLOCK_BOOTTIME, by descriptor, and what they are set to. */
static struct {
	bool ours;
	struct timespec at;
} timers[TIMERS_MAX];

int timerfd_create(int clock, int flags)
{
	static int (*real)(int, int);
	int fd;

	if (!real)
		find(&real, "timerfd_create");
	fd = real(clock, flags);
	if (fd >= 0 && fd < TIMERS_MAX) {
		memset(&timers[fd], 0, sizeof(timers[fd]));
		timers[fd].ours = clock == CLOCK_BOOTTIME;
	}
	return fd;
}

/* The kernel's clock was not suspended: times on it are so much earlier. */
static int set_timer(int fd, int flags, struct itimerspec its, struct itimerspec *old)
{
	static int (*real)(int, int, const struct itimerspec *, struct itimerspec *);

	if (!real)
		find(&real, "timerfd_settime");
	if (flags & TFD_TIMER_ABSTIME && (its.it_value.tv_sec || its.it_value.tv_nsec)) {
		shift(&its.it_value, -orders->suspended);
		if (its.it_value.tv_sec < 0)
			its.it_value = (struct timespec){.tv_nsec = 1};
	}
	return real(fd, flags, &its, old);
}

int timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	if (fd < 0 || fd >= TIMERS_MAX || !timers[fd].ours || !(flags & TFD_TIMER_ABSTIME)) {
		static int (*real)(int, int, const struct itimerspec *, struct itimerspec *);

		if (!real)
			find(&real, "timerfd_settime");
		return real(fd, flags, new, old);
	}
	timers[fd].at = new->it_value;
	return set_timer(fd, flags, *new, old);
}

/* The machine wakes up: the timers of that clock that are due fire, as the kernel lets them, and no others. */
static void resume(void)
{
	static int64_t known;

	if (known == orders->suspended)
		return;
	known = orders->suspended;
	for (int fd = 0; fd < TIMERS_MAX; fd++)
		if (timers[fd].ours && (timers[fd].at.tv_sec || timers[fd].at.tv_nsec))
			set_timer(fd, TFD_TIMER_ABSTIME, (struct itimerspec){.it_value = timers[fd].at}, NULL);
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
	static int (*real)(clockid_t, struct timespec *);
	int rc;

	if (!real)
		find(&real, "clock_gettime");
	rc = real(clock, t);
	if (clock == CLOCK_BOOTTIME) {
		shift(t, orders->suspended);
		resume();
	}
	if (clock == CLOCK_REALTIME)
		shift(t, orders->wall_s * 1000);
	return rc;
}
