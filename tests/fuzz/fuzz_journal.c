/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any file is a journal, as far as it is good: what is read of it ends where it says, is the same when it is read again,
 * and what comes of it at a start, or for people, is made of nothing else.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/io/journal_read.h"
#include "server/natpcpctl_journal.h"
#include "server/natpcpctl_result.h"
#include "tests/fuzz/repair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

enum { SEEN = 4096 };

static char path[64];

struct seen {
	struct result *result;
	uint64_t at[SEEN], next, now_ms, starts; /* of records */
	unsigned n;
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void remove_file(void)
{
	unlink(path);
}

static void save(const uint8_t *data, size_t length)
{
	int fd;

	if (!path[0]) {
		/* in memory where that is to be had: the journal follows no link, as one to a memfd would be */
		strcpy(path, access("/dev/shm", W_OK) ? "/tmp/natpcpd-fuzz-XXXXXX" : "/dev/shm/natpcpd-fuzz-XXXXXX");
		fd = mkstemp(path);
		require(fd >= 0);
		atexit(remove_file);
	} else {
		fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
		require(fd >= 0);
	}
	require(write(fd, data, length) == (ssize_t)length);
	close(fd);
}

static int scanned(void *context, uint64_t offset, const struct record *r)
{
	struct seen *s = context;

	require(r->type >= RECORD_HEADER && r->type < RECORD_PART);
	require(offset % RECORD_SIZE == 0 && offset >= s->next);
	s->next = offset + RECORD_SIZE;
	if (s->n < SEEN)
		s->at[s->n] = offset;
	s->n++;
	return result_add(s->result, offset, r);
}

static int started(void *context, const struct record *r)
{
	struct seen *s = context;

	require(r->type == RECORD_LEASE || r->type == RECORD_END);
	s->starts++;
	return 0;
}

static void look_at_scan(struct journal_scan *scan, size_t length)
{
	struct seen s = {.result = result_new()};
	int rc;

	require(s.result != NULL);
	rc = journal_scan(path, scan, scanned, &s);
	require(rc == 0 && scan->size == length && scan->end <= length && s.n == scan->records);
	require(scan->end % RECORD_SIZE == 0 && scan->records <= scan->end / RECORD_SIZE);
	require((scan->end == length) == (scan->bad == NULL));
	require(result_settle(s.result));
	for (unsigned i = 0; i < s.n && i < SEEN; i++)
		result_has(s.result, s.at[i]);
	result_free(s.result);
}

static void look_at_start(const struct journal_scan *scan, unsigned how)
{
	static const uint8_t boots[2][RECORD_BOOT_ID] = {{0xb0, 0x07}, {0}};
	static const uint64_t times[] = {0, 1, 1000000, UINT64_MAX / 2, UINT64_MAX};
	struct seen s = {0};
	struct journal_past past;
	int rc = journal_read(path, boots[how & 1], times[how >> 1 & 3], times[how >> 3 & 3], &past, started, &s);

	require(rc == 0 && past.records == scan->records);
	require((past.found == JOURNAL_WHOLE) == (past.why[0] == '\0'));
	require(past.found == JOURNAL_NONE || scan->has_header);
	require(s.starts <= past.records);
}

/* What it says to people goes nowhere. */
static void show(bool json, bool all)
{
	static FILE *nowhere;
	FILE *out = stdout, *err = stderr;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	require(nowhere != NULL);
	stdout = stderr = nowhere;
	journal_show(path, json, all);
	stdout = out;
	stderr = err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	struct journal_scan scan, again;
	uint8_t *copy;

	if (length < 2)
		return 0;
	copy = malloc(length);
	require(copy != NULL);
	memcpy(copy, data, length);
	if (data[0] & 1)
		repair(copy + 2, length - 2);
	save(copy + 2, length - 2);
	look_at_scan(&scan, length - 2);
	look_at_start(&scan, data[1]);
	if (data[0] & 2)
		show(data[0] & 4, data[0] & 8);
	/* torn where it was bad: now it is good */
	require(truncate(path, (off_t)scan.end) == 0);
	look_at_scan(&again, scan.end);
	require(again.records == scan.records && again.bad == NULL);
	free(copy);
	return 0;
}
