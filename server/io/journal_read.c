/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/journal_read.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (256 * 1024) /* octets read at once */

static int open_file(const char *path, uint64_t *size)
{
	/* not blocking: it may be anything */
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY), error;
	struct stat st;

	if (fd < 0)
		return -errno;
	error = fstat(fd, &st) < 0 ? -errno : S_ISDIR(st.st_mode) ? -EISDIR : S_ISREG(st.st_mode) ? 0 : -EINVAL;
	if (error) {
		close(fd);
		return error;
	}
	*size = (uint64_t)st.st_size;
	return fd;
}

/* Octets on which the scan stands, more of the file behind them. */
struct window {
	int fd;
	size_t from, n; /* what of octets is left */
	uint64_t next;	/* of the file, behind them */
	bool end;	/* there is nothing behind them */
	struct record_storage storage;
	uint8_t octets[RECORD_MAX + CHUNK];
};

/* At least RECORD_MAX octets are there afterwards, or all that the file has. 0 or -errno. */
static int fill(struct window *w)
{
	if (w->end || w->n - w->from >= RECORD_MAX)
		return 0;
	memmove(w->octets, w->octets + w->from, w->n - w->from);
	w->n -= w->from;
	w->from = 0;
	while (w->n < RECORD_MAX) {
		ssize_t got = pread(w->fd, w->octets + w->n, sizeof(w->octets) - w->n, (off_t)w->next);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0) {
			w->end = true;
			return 0;
		}
		w->n += (size_t)got;
		w->next += (uint64_t)got;
	}
	return 0;
}

/* What only the place of a record makes wrong. */
static const char *misplaced(const struct journal_scan *scan, const struct record *r)
{
	if (!scan->has_header)
		return r->type == RECORD_HEADER ? NULL : "no journal of natpcpd";
	return r->type == RECORD_HEADER ? "a second header" : NULL;
}

static void note(struct journal_scan *scan, const struct record *r)
{
	scan->records++;
	if (r->written_ms > scan->last_ms)
		scan->last_ms = r->written_ms;
	scan->clean = false;
	if (r->type == RECORD_HEADER) {
		scan->header = r->header;
		scan->has_header = true;
	} else if (r->type == RECORD_STATE) {
		scan->state = r->state;
		scan->has_state = true;
		scan->clean = r->state.clean;
	}
}

static int walk(struct window *w, struct journal_scan *scan, journal_scan_fn *fn, void *context)
{
	struct record r;
	int end = 0;

	for (;;) {
		end = fill(w);
		if (end) {
			scan->bad = "the disk does not give it back";
			return scan->records ? 0 : end;
		}
		if (w->from == w->n)
			return 0;
		size_t n = record_get(w->octets + w->from, w->n - w->from, &w->storage, &r, &scan->bad);
		if (n && (scan->bad = misplaced(scan, &r)))
			n = 0;
		if (!n)
			return 0;
		note(scan, &r);
		end = fn ? fn(context, scan->end, &r) : 0;
		w->from += n;
		scan->end += n;
		if (end)
			return end;
	}
}

/* The file from its start; fd stays open. */
static int scan_file(int fd, uint64_t size, struct journal_scan *scan, journal_scan_fn *fn, void *context)
{
	struct window *w;
	int end;

	memset(scan, 0, sizeof(*scan));
	w = malloc(sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->fd = fd;
	w->from = w->n = 0;
	w->next = 0;
	w->end = false;
	scan->size = size;
	end = walk(w, scan, fn, context);
	free(w);
	return end;
}

int journal_scan(const char *path, struct journal_scan *scan, journal_scan_fn *fn, void *context)
{
	uint64_t size = 0;
	int fd = open_file(path, &size), end;

	memset(scan, 0, sizeof(*scan));
	if (fd < 0)
		return fd;
	end = scan_file(fd, size, scan, fn, context);
	close(fd);
	return end;
}

/* The scan for a reader who goes on from there. */
struct reader {
	journal_read_fn *fn;
	void *context;
	uint64_t now_ms, last_ms, end;
	const struct journal_past *past;
};

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static int deliver(void *context, uint64_t offset, const struct record *r)
{
	const struct reader *in = context;
	struct record copy;
	uint64_t left;

	/* the file is not longer for us than it was when it was judged */
	if (offset >= in->end || (r->type != RECORD_LEASE && r->type != RECORD_END))
		return 0;
	if (in->past->same_boot || r->lease.expires_ms == UINT64_MAX)
		return in->fn(in->context, r);
	copy = *r;
	left = less(less(r->lease.expires_ms, in->last_ms), in->past->elapsed_ms);
	copy.lease.expires_ms = in->now_ms + left;
	return in->fn(in->context, &copy);
}

static bool is_same_boot(const struct journal_scan *scan, const uint8_t *boot_id, uint64_t now_ms)
{
	static const uint8_t unknown[RECORD_BOOT_ID];

	/* a clock behind its own past is another one: that of a time namespace, say */
	return memcmp(boot_id, unknown, sizeof(unknown)) != 0 &&
	       memcmp(scan->header.boot_id, boot_id, RECORD_BOOT_ID) == 0 && scan->last_ms <= now_ms;
}

/* How long ago the last record was, and the state in this boot's clock. */
static void date(struct journal_past *past, const struct journal_scan *scan, uint64_t now_ms, uint64_t wall_ms)
{
	uint64_t last_wall = scan->state.wall_ms + less(scan->last_ms, scan->state.boot_ms);
	int64_t moved;

	past->state = scan->state;
	if (past->same_boot)
		return;
	past->time_known = wall_ms >= last_wall;
	past->elapsed_ms = past->time_known ? wall_ms - last_wall : 0;
	moved = (int64_t)(now_ms - past->elapsed_ms - scan->last_ms);
	past->state.natpmp.origin_ms = (int64_t)((uint64_t)scan->state.natpmp.origin_ms + (uint64_t)moved);
	past->state.pcp.origin_ms = (int64_t)((uint64_t)scan->state.pcp.origin_ms + (uint64_t)moved);
	past->state.boot_ms = less(scan->state.boot_ms + now_ms, scan->last_ms + past->elapsed_ms);
	past->state.wall_ms = scan->state.wall_ms;
}

static void judge(struct journal_past *past, const struct journal_scan *scan)
{
	past->records = scan->records;
	past->bad_offset = scan->end;
	past->clean = scan->clean;
	if (scan->bad)
		snprintf(past->why, sizeof(past->why), "%s at octet %" PRIu64 " of %" PRIu64, scan->bad, scan->end,
			 scan->size);
	else if (!scan->records)
		snprintf(past->why, sizeof(past->why), "it is empty");
	else if (!scan->has_state)
		snprintf(past->why, sizeof(past->why), "it says nothing but that it is a journal");
	else if (scan->header.behind)
		snprintf(past->why, sizeof(past->why), "it could not be written to any more at some time");
	if (scan->has_state)
		past->found = *past->why ? JOURNAL_PART : JOURNAL_WHOLE;
	past->clean = scan->clean && past->found == JOURNAL_WHOLE;
}

/* What of the past is in the open file: the past is judged before anything of it is delivered. */
static int read_file(int fd, uint64_t size, const uint8_t *boot_id, uint64_t wall_ms, struct reader *in,
		     struct journal_past *past)
{
	struct journal_scan scan;
	int end = scan_file(fd, size, &scan, NULL, NULL);

	if (end)
		return end;
	judge(past, &scan);
	if (past->found == JOURNAL_NONE)
		return 0;
	past->same_boot = is_same_boot(&scan, boot_id, in->now_ms);
	date(past, &scan, in->now_ms, wall_ms);
	in->last_ms = scan.last_ms;
	in->end = scan.end;
	end = in->fn ? scan_file(fd, size, &scan, deliver, in) : 0;
	if (!end && scan.end < in->end) {
		past->found = JOURNAL_PART;
		past->clean = false;
		past->records = scan.records;
		past->bad_offset = scan.end;
		snprintf(past->why, sizeof(past->why), "it changed while it was read");
	}
	return end;
}

int journal_read(const char *path, const uint8_t boot_id[RECORD_BOOT_ID], uint64_t now_ms, uint64_t wall_ms,
		 struct journal_past *past, journal_read_fn *fn, void *context)
{
	struct reader in = {.fn = fn, .context = context, .now_ms = now_ms, .past = past};
	uint64_t size = 0;
	int fd = open_file(path, &size), end;

	memset(past, 0, sizeof(*past));
	if (fd == -ENOENT)
		return 0;
	end = fd < 0 ? fd : read_file(fd, size, boot_id, wall_ms, &in, past);
	if (fd >= 0)
		close(fd);
	if (end < 0 && past->found == JOURNAL_NONE)
		snprintf(past->why, sizeof(past->why), "%s",
			 end == -ELOOP	  ? "it is a symbolic link, which is not followed"
			 : end == -EINVAL ? "it is no regular file"
					  : strerror(-end));
	return end;
}

void journal_boot(uint8_t boot_id[RECORD_BOOT_ID])
{
	char text[64];
	size_t n = 0;
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (fd >= 0)
		close(fd);
	memset(boot_id, 0, RECORD_BOOT_ID);
	/* digits in groups: 8-4-4-4-12 */
	for (ssize_t i = 0; i < got && n < 2 * (size_t)RECORD_BOOT_ID; i++) {
		const char *digits = "0123456789abcdef", *d = text[i] ? strchr(digits, text[i]) : NULL;

		if (d) {
			boot_id[n / 2] = (uint8_t)(boot_id[n / 2] << 4 | (d - digits));
			n++;
		}
	}
	if (n < 2 * (size_t)RECORD_BOOT_ID)
		memset(boot_id, 0, RECORD_BOOT_ID);
}
