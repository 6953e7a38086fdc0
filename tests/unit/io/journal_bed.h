/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A journal of a test's own in a directory of its own, with an engine that is a table of ports, and calls of the system
 * that fail when they are told to: the program's own take the place of the C library's. Its time runs FAST times as fast.
 * Included once per program.
 */
#ifndef TESTS_UNIT_IO_JOURNAL_BED_H
#define TESTS_UNIT_IO_JOURNAL_BED_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "server/io/journal.h"
#include "server/io/log.h"
#include "server/io/loop.h"

enum { PORTS = 65536, FAST = 20 };

/* A call fails with error, once or for as long as the fault stands; after lets that many succeed first. */
struct fault {
	int error;
	unsigned after;
	bool lasting;
	size_t part; /* pwrite: so many octets are taken, before the error */
	unsigned calls;
};

struct bed {
	char directory[64], path[128], other[128];
	struct loop *loop;
	struct journal *j;
	struct loop_event *timer;
	bool timed_out;
	uint32_t due[PORTS]; /* of the lease, 0 = none */
	struct epoch natpmp, pcp;
	size_t at_once; /* how many leases the source gives in one call; 0: as fit */
	unsigned slices;
};

static struct bed bed;
static const uint8_t bed_boot[RECORD_BOOT_ID] = {0xb0, 0x07};

static struct fault fail_pwrite, fail_sync, fail_rename, fail_truncate;
static int fail_header_error; /* of pwrite at the start of a file */

/* Where the thread is held: before the n-th sync from now, or when it has renamed. */
static unsigned gate_sync, gate_rename;
static sem_t gate_reached, gate_open;

static inline void gate(unsigned *n)
{
	if (gettid() == getpid() || !*n || --*n)
		return;
	sem_post(&gate_reached);
	while (sem_wait(&gate_open) < 0)
		;
}

/* The thread's calls, too. */
static pthread_mutex_t fault_lock = PTHREAD_MUTEX_INITIALIZER;

static inline bool failing(struct fault *f)
{
	bool now;

	pthread_mutex_lock(&fault_lock);
	f->calls++;
	now = f->error && !f->after;
	if (f->after)
		f->after--;
	if (now)
		errno = f->error;
	if (now && !f->lasting)
		f->error = 0;
	pthread_mutex_unlock(&fault_lock);
	return now;
}

static _Atomic uint64_t bed_written; /* octets, into whatever file */

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
	ssize_t end;

	if (at == 0 && n == RECORD_SIZE && fail_header_error) {
		errno = fail_header_error;
		return -1;
	}
	if (at != 0 && fail_pwrite.part && fail_pwrite.error && !fail_pwrite.after) {
		n = fail_pwrite.part < n ? fail_pwrite.part : n;
		fail_pwrite.part = 0;
	} else if (at != 0 && failing(&fail_pwrite)) {
		return -1;
	}
	end = syscall(SYS_pwrite64, fd, data, n, at);
	if (end > 0)
		bed_written += (uint64_t)end;
	return end;
}

int fdatasync(int fd)
{
	gate(&gate_sync);
	return failing(&fail_sync) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int rename(const char *from, const char *to)
{
	int end = failing(&fail_rename) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);

	gate(&gate_rename);
	return end;
}

int ftruncate(int fd, off_t n)
{
	return failing(&fail_truncate) ? -1 : (int)syscall(SYS_ftruncate, fd, n);
}

static uint64_t bed_wall_ms; /* the wall clock is so much ahead */

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	int end = (int)syscall(SYS_clock_gettime, clock, ts);

	if (clock == CLOCK_BOOTTIME || clock == CLOCK_REALTIME) {
		uint64_t ns = (uint64_t)ts->tv_nsec * FAST;

		ts->tv_sec = ts->tv_sec * FAST + (time_t)(ns / 1000000000);
		ts->tv_nsec = (long)(ns % 1000000000);
	}
	if (clock == CLOCK_REALTIME) {
		ts->tv_sec += (time_t)(bed_wall_ms / 1000);
		ts->tv_nsec += (long)(bed_wall_ms % 1000) * 1000000;
	}
	return end;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	struct itimerspec its = *new;
	uint64_t ns = (uint64_t)(its.it_value.tv_sec % FAST) * 1000000000 + (uint64_t)its.it_value.tv_nsec;

	its.it_value.tv_sec /= FAST;
	its.it_value.tv_nsec = (long)((ns + FAST - 1) / FAST);
	if (its.it_value.tv_nsec >= 1000000000) {
		its.it_value.tv_sec++;
		its.it_value.tv_nsec = 0;
	}
	return (int)syscall(SYS_timerfd_settime, fd, flags, &its, old);
}

static inline uint64_t bed_clock(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static inline struct record bed_record(uint16_t port, uint32_t due)
{
	struct record r = {.type = due ? RECORD_LEASE : RECORD_END, .written_ms = bed_clock(CLOCK_BOOTTIME)};

	r.lease.protocol = 17;
	r.lease.internal_address = codec_from_v4(0xc000020b);
	r.lease.external_address = codec_from_v4(0xc6336401);
	r.lease.internal_port = r.lease.external_port = port;
	r.lease.expires_ms = due;
	return r;
}

static inline size_t bed_leases(void *context, uint32_t *cursor, uint8_t *out, size_t room)
{
	size_t n = 0, leases = 0;

	(void)context;
	bed.slices++;
	assert_true(room >= RECORD_MAX);
	for (; *cursor < PORTS && n + RECORD_SIZE <= room; ++*cursor) {
		if (!bed.due[*cursor])
			continue;
		struct record r = bed_record((uint16_t)*cursor, bed.due[*cursor]);

		if (bed.at_once && leases++ == bed.at_once)
			break;
		n += record_put(&r, out + n, room - n);
	}
	return n;
}

static inline void bed_state(void *context, struct record_state *state)
{
	(void)context;
	state->natpmp = bed.natpmp;
	state->pcp = bed.pcp;
}

static const struct journal_source bed_source = {bed_leases, bed_state, NULL};

/* A lease begins or changes, or with due 0 ends. */
static inline void bed_put(uint16_t port, uint32_t due)
{
	uint8_t octets[RECORD_SIZE];
	struct record r = bed_record(port, due);

	bed.due[port] = due;
	assert_int_equal(record_put(&r, octets, sizeof(octets)), RECORD_SIZE);
	journal_append(bed.j, octets, sizeof(octets));
}

static inline void bed_open(enum conf_sync sync)
{
	assert_int_equal(journal_open(&bed.j, bed.loop, bed.path, sync, bed_boot, &bed_source), 0);
}

static inline void bed_close(void)
{
	journal_close(bed.j);
	bed.j = NULL;
}

static inline struct journal_stats bed_stats(void)
{
	struct journal_stats s;

	journal_stats(bed.j, &s);
	return s;
}

static uint32_t bed_seen[PORTS];

static inline int bed_see(void *context, const struct record *r)
{
	(void)context;
	bed_seen[r->lease.internal_port] = r->type == RECORD_LEASE ? (uint32_t)r->lease.expires_ms : 0;
	return 0;
}

/* What somebody finds who starts now. */
static inline struct journal_past bed_read(const char *path)
{
	struct journal_past past;

	memset(bed_seen, 0, sizeof(bed_seen));
	journal_read(path, bed_boot, bed_clock(CLOCK_BOOTTIME), bed_clock(CLOCK_REALTIME), &past, bed_see, NULL);
	return past;
}

/* A file that claims to be whole has everything. */
static inline bool bed_is_true(const char *path)
{
	struct journal_past past = bed_read(path);

	return past.found != JOURNAL_WHOLE || memcmp(bed_seen, bed.due, sizeof(bed.due)) == 0;
}

static inline bool bed_is_whole(const char *path)
{
	return bed_read(path).found == JOURNAL_WHOLE && bed_is_true(path);
}

typedef bool bed_condition(void);
static bed_condition *bed_wanted;

static inline void bed_after(void *context)
{
	(void)context;
	if (bed_wanted() || bed.timed_out)
		loop_stop(bed.loop);
}

static inline void bed_give_up(void *context)
{
	(void)context;
	bed.timed_out = true;
}

/* Runs the loop until it holds; false after 20 s of the real clock. */
static inline bool bed_until(bed_condition *wanted)
{
	bed_wanted = wanted;
	bed.timed_out = false;
	if (wanted())
		return true;
	loop_worked(bed.loop);
	loop_timer_set(bed.timer, loop_now_ms(bed.loop) + 20000 * FAST);
	loop_run(bed.loop, bed_after, NULL);
	loop_timer_set(bed.timer, UINT64_MAX);
	return !bed.timed_out;
}

/* Runs the loop until the thread is held; it goes on when gate_open is posted. */
static inline bool bed_until_gate(void)
{
	struct timespec deadline;
	bool held = false;

	/* nothing wakes the loop then */
	for (unsigned i = 0; !held && i < 20000; i++) {
		syscall(SYS_clock_gettime, CLOCK_REALTIME, &deadline);
		deadline.tv_nsec += 1000000;
		deadline.tv_sec += deadline.tv_nsec / 1000000000;
		deadline.tv_nsec %= 1000000000;
		held = sem_timedwait(&gate_reached, &deadline) == 0;
		if (!held)
			event_base_loop(loop_base(bed.loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
		loop_worked(bed.loop);
	}
	return held;
}

static inline bool bed_caught_up(void)
{
	return !bed_stats().behind;
}

static inline int bed_setup(void **state)
{
	(void)state;
	memset(&bed, 0, sizeof(bed));
	fail_pwrite = fail_sync = fail_rename = fail_truncate = (struct fault){0};
	fail_header_error = 0;
	bed_wall_ms = 0;
	gate_sync = gate_rename = 0;
	sem_init(&gate_reached, 0, 0);
	sem_init(&gate_open, 0, 0);
	strcpy(bed.directory, "/tmp/natpcpd-test-XXXXXX");
	assert_non_null(mkdtemp(bed.directory));
	snprintf(bed.path, sizeof(bed.path), "%s/leases.journal", bed.directory);
	snprintf(bed.other, sizeof(bed.other), "%s/other.journal", bed.directory);
	bed.loop = loop_new();
	bed.timer = loop_timer(bed.loop, bed_give_up, NULL);
	log_open(CONF_LOG_ERROR, CONF_LOG_STDERR);
	return bed.loop && bed.timer ? 0 : -1;
}

static inline unsigned bed_empty(const char *directory)
{
	DIR *d = opendir(directory);
	unsigned n = 0;

	for (struct dirent *e; d && (e = readdir(d));) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		n++;
		if (unlinkat(dirfd(d), e->d_name, 0) < 0)
			unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
	}
	if (d)
		closedir(d);
	return n;
}

static inline int bed_teardown(void **state)
{
	(void)state;
	gate_sync = gate_rename = 0;
	sem_post(&gate_open);
	if (bed.j)
		journal_close(bed.j);
	loop_forget(bed.timer);
	loop_free(bed.loop);
	bed_empty(bed.directory);
	rmdir(bed.directory);
	return 0;
}

/* How many files are in the bed's directory. */
static inline unsigned bed_files(void)
{
	DIR *d = opendir(bed.directory);
	unsigned n = 0;

	for (struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

#define BED_TEST(f) cmocka_unit_test_setup_teardown(f, bed_setup, bed_teardown)

#endif
