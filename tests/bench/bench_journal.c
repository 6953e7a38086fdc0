/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the journal costs: nanoseconds for each record that is appended, alone and 64 in a round, for each kind of sync;
 * beginning, writing anew and reading a file of a million leases, and for how long that holds the loop. In /var/tmp or
 * in the directory that is named.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/io/journal.h"
#include "server/io/loop.h"

enum { LEASES = 1000000, ROUND = 64, BEAT_MS = 1 };

static char path[256];
static struct loop *loop;
static struct journal *j;
static uint32_t leases;
static uint8_t octets[ROUND * RECORD_SIZE];

static double read_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double now_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}

static size_t put(uint32_t i, uint8_t *out, size_t room)
{
	struct record r = {.type = RECORD_LEASE, .written_ms = 1};

	r.lease.protocol = 17;
	r.lease.internal_address = codec_from_v4(0xc6120000 + i / 16);
	r.lease.external_address = codec_from_v4(0xc6336401 + i / 60000);
	r.lease.internal_port = (uint16_t)(1024 + i % 16);
	r.lease.external_port = (uint16_t)(1024 + i % 60000);
	r.lease.expires_ms = 7200000;
	return record_put(&r, out, room);
}

static size_t source_leases(void *context, uint32_t *cursor, uint8_t *out, size_t room)
{
	size_t n = 0;

	(void)context;
	while (*cursor < leases && room - n >= RECORD_MAX)
		n += put((*cursor)++, out + n, room - n);
	return n;
}

static void source_state(void *context, struct record_state *state)
{
	(void)context;
	(void)state;
}

static void begin(enum conf_sync sync)
{
	static const struct journal_source source = {source_leases, source_state, NULL};
	static const uint8_t boot_id[RECORD_BOOT_ID] = {1};
	struct journal_stats stats;

	if (journal_open(&j, loop, path, sync, boot_id, &source))
		exit(1);
	journal_stats(j, &stats);
	if (stats.behind)
		exit(1);
}

static void round_of(uint32_t first, size_t n)
{
	for (size_t k = 0; k < n; k++)
		put(first + (uint32_t)k, octets + k * RECORD_SIZE, RECORD_SIZE);
	journal_append(j, octets, n * RECORD_SIZE);
}

static void appends(enum conf_sync sync, const char *name)
{
	uint32_t times = sync == CONF_SYNC_ALWAYS ? 500 : 8000;
	double start, one, many;

	leases = 0;
	begin(sync);
	start = now_ms();
	for (uint32_t i = 0; i < times; i++)
		round_of(i, 1);
	one = (now_ms() - start) * 1e6 / times;
	journal_close(j);
	begin(sync);
	start = now_ms();
	for (uint32_t i = 0; i < 100; i++)
		round_of(i, ROUND);
	many = (now_ms() - start) * 1e6 / 100 / ROUND;
	journal_close(j);
	printf("append, sync %-9s %9.0f ns a record alone, %7.0f ns of %d in a round\n", name, one, many, ROUND);
}

static struct loop_event *beat;
static double beat_due, latest, longest, wake_cpu;

/* Requests meanwhile: a round each millisecond. */
static void on_beat(void *context)
{
	double late = read_ms(CLOCK_BOOTTIME) - beat_due;

	(void)context;
	latest = late > latest ? late : latest;
	round_of(7, ROUND);
	beat_due = (double)loop_now_ms(loop) + 1 + BEAT_MS;
	loop_timer_set(beat, (uint64_t)beat_due);
}

static void after(void *context)
{
	double cpu = read_ms(CLOCK_THREAD_CPUTIME_ID);
	struct journal_stats stats;

	(void)context;
	longest = cpu - wake_cpu > longest ? cpu - wake_cpu : longest;
	wake_cpu = cpu;
	journal_stats(j, &stats);
	if (stats.rewritten > 1)
		loop_stop(loop);
}

static void anew(void)
{
	double start = now_ms();
	struct journal_stats stats;

	leases = LEASES;
	begin(CONF_SYNC_INTERVAL);
	journal_stats(j, &stats);
	printf("begin with %d leases   %9.0f ms, %.1f octets a lease\n", LEASES, now_ms() - start,
	       (double)stats.octets / LEASES);
	/* nearly as long as it may be */
	for (uint64_t i = stats.records; i < 2 * stats.live + 8192 - 2 * ROUND; i += ROUND)
		round_of((uint32_t)(i % LEASES), ROUND);
	beat = loop_timer(loop, on_beat, NULL);
	beat_due = read_ms(CLOCK_BOOTTIME);
	loop_timer_set(beat, 0);
	start = now_ms();
	wake_cpu = read_ms(CLOCK_THREAD_CPUTIME_ID);
	loop_run(loop, after, NULL);
	journal_stats(j, &stats);
	printf("written anew              %9.0f ms in all, loop held for %.2f ms at most (processor time), a timer "
	       "late by "
	       "%.2f ms\n",
	       now_ms() - start, longest, latest);
	loop_forget(beat);
	journal_close(j);
}

static int count(void *context, const struct record *r)
{
	(void)r;
	++*(uint64_t *)context;
	return 0;
}

static void reading(void)
{
	static const uint8_t boot_id[RECORD_BOOT_ID] = {1};
	struct journal_past past;
	uint64_t n = 0;
	double start = now_ms(), cpu = read_ms(CLOCK_THREAD_CPUTIME_ID);

	journal_read(path, boot_id, UINT64_MAX / 2, UINT64_MAX / 2, &past, count, &n);
	printf("read                      %9.0f ms for %llu records, %.0f ms of the processor\n", now_ms() - start,
	       (unsigned long long)n, read_ms(CLOCK_THREAD_CPUTIME_ID) - cpu);
}

int main(int argc, char **argv)
{
	snprintf(path, sizeof(path), "%s/natpcpd-bench.journal", argc > 1 ? argv[1] : "/var/tmp");
	loop = loop_new();
	if (!loop)
		return 1;
	appends(CONF_SYNC_NONE, "none");
	appends(CONF_SYNC_INTERVAL, "interval");
	appends(CONF_SYNC_ALWAYS, "always");
	anew();
	reading();
	unlink(path);
	loop_free(loop);
	return 0;
}
