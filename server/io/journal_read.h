/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading a journal: what a file of records (server/core/record.h) has, and what there is to go on from at start. */
#ifndef SERVER_IO_JOURNAL_READ_H
#define SERVER_IO_JOURNAL_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "server/core/record.h"

/* A record where it stands; returns 0 to go on. */
typedef int journal_scan_fn(void *context, uint64_t offset, const struct record *r);

/* The good records at the start of a file. */
struct journal_scan {
	uint64_t size;	  /* octets of the file */
	uint64_t end;	  /* where the good ones end: size if all are good */
	uint64_t records; /* how many those are, a record with its parts being one */
	uint64_t last_ms; /* the latest time at which one was written */
	struct record_header header;
	bool has_header, has_state;
	struct record_state state; /* the last one */
	bool clean;		   /* that is the last record, and says so */
	const char *bad;	   /* a static string: what is wrong at end; NULL: nothing */
};

/*
 * Reads the file at path, which is not followed if it is a symbolic link. fn gets every good record as it is written,
 * and may be NULL. 0, or what fn returned when it was not 0, or -errno: -ENOENT if there is none, -ELOOP for a symbolic
 * link, -EISDIR, -EINVAL for what else is no regular file, -ENOMEM.
 */
int journal_scan(const char *path, struct journal_scan *scan, journal_scan_fn *fn, void *context);

/* What there is to go on from, at start. */
enum journal_found {
	JOURNAL_NONE,  /* no file, or nothing of it can be used */
	JOURNAL_PART,  /* a good prefix, or the file knows that it is behind: answered things are missing */
	JOURNAL_WHOLE, /* everything that was answered is in it, as far as the file can tell */
};

struct journal_past {
	enum journal_found found;
	bool same_boot;		      /* written since the machine was started */
	bool clean;		      /* it ends with an orderly end */
	bool time_known;	      /* not same_boot: the wall clock says how long ago the last record was */
	uint64_t elapsed_ms;	      /* time_known: so long */
	uint64_t records, bad_offset; /* good ones; where the prefix ends, if it does */
	struct record_state state;    /* the last one; its times are in this boot's clock, see journal_read() */
	char why[256];		      /* not JOURNAL_WHOLE: the reason, for the log; "" if there is no file */
};

typedef int journal_read_fn(void *context, const struct record *r);

/*
 * Reads the file at path. fn gets every good record of type RECORD_LEASE or RECORD_END in order, with expires_ms in the
 * clock of now_ms (CLOCK_BOOTTIME; wall_ms: CLOCK_REALTIME; boot_id: of now, all zeros = unknown, which is no boot's).
 * Of this boot it is unchanged. Else it is what the lease had left when the last record was written, less the time that
 * the wall clock says has passed since; a lease that has nothing left comes with expires_ms <= now_ms. UINT64_MAX, never,
 * stays so. A wall clock that went back says nothing (time_known is false): nothing is taken off. past->state is moved in
 * the same way, as if the last record had been written elapsed_ms before now_ms; its boot_ms is 0 if that was before this
 * boot. fn may be NULL. past is complete before fn is called for the first time;
 * if the file has become shorter until it was read, it says so afterwards. 0, or what fn returned when it was not
 * 0, or -errno if the file is there and cannot be read (past says why).
 */
int journal_read(const char *path, const uint8_t boot_id[RECORD_BOOT_ID], uint64_t now_ms, uint64_t wall_ms,
		 struct journal_past *past, journal_read_fn *fn, void *context);

/* Which boot this is; all zeros if the kernel does not tell. */
void journal_boot(uint8_t boot_id[RECORD_BOOT_ID]);

#endif
