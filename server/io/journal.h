/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal: a file of records (server/core/record.h) in which every lease that was answered stands. New records are
 * appended before the answer leaves. When most of the file is out of date it is written anew beside the old one, in
 * slices between requests, made durable off the loop, and renamed into its place.
 */
#ifndef SERVER_IO_JOURNAL_H
#define SERVER_IO_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "server/core/record.h"

struct loop;
struct journal;

/* What there is to go on from, at start. */
enum journal_found {
	JOURNAL_NONE,  /* no file, or nothing of it can be used */
	JOURNAL_PART,  /* a good prefix, or the file knows that it is behind: answered things are missing */
	JOURNAL_WHOLE, /* everything that was answered is in it, as far as the file can tell */
};

struct journal_past {
	enum journal_found found;
	bool same_boot;	   /* written since the machine was started */
	bool clean;	   /* it ends with an orderly end */
	bool time_known;   /* not same_boot: the wall clock says how long ago the last record was */
	uint64_t elapsed_ms; /* time_known: so long */
	uint64_t records, bad_offset; /* good ones; where the prefix ends, if it does */
	struct record_state state; /* the last one; its times are in this boot's clock if they can be, see journal_read() */
	char why[256];	/* not JOURNAL_WHOLE: the reason, for the log */
};

typedef int journal_read_fn(void *context, const struct record *r);

/*
 * Reads the file at path. fn gets every good record of type RECORD_LEASE or RECORD_END in order, with expires_ms in the
 * clock of now_ms (CLOCK_BOOTTIME; wall_ms: CLOCK_REALTIME; boot_id: of now): unchanged if it is of this boot. Else what a lease had left when the
 * last record was written, less the time that the wall clock says has passed since, and never more than it had left; a
 * lease that has nothing left comes with expires_ms <= now_ms. A wall clock that went back says nothing (time_known false): nothing is taken off.
 * fn may be NULL. 0, or what fn returned when it was not 0, or -errno if the file is there and cannot be read (past says why).
 */
int journal_read(const char *path, const uint8_t boot_id[RECORD_BOOT_ID], uint64_t now_ms, uint64_t wall_ms,
		 struct journal_past *past, journal_read_fn *fn, void *context);

/* Where a new file gets what is to be in it. */
struct journal_source {
	/* Writes records of leases from *cursor on (0 at first) into room octets (RECORD_MAX at least), returns how many octets; 0 = that was all.
	 * Leases may come and go between calls: what changed is appended as well. */
	size_t (*leases)(void *context, uint32_t *cursor, uint8_t *out, size_t room);
	/* The epochs as they are now. */
	void (*state)(void *context, struct record_state *state);
	void *context;
};

struct journal_stats {
	bool behind;	       /* the file lacks something; it is tried again */
	uint64_t records, octets, live; /* in the file; live: at the last time that it was written anew */
	uint64_t appended, rewritten, syncs, failures;
	int error;	       /* -errno of the last failure, 0 = none since it was whole */
};

/*
 * Begins a new file at path with all that the source has now, in one go, and makes it durable unless sync is CONF_SYNC_NONE: the caller has not
 * answered anybody yet. What stands at path is replaced. A failure is no error: the journal is then behind (an old file is marked so, or taken away if it cannot be marked), and tried again. 0 or -ENOMEM.
 */
int journal_open(struct journal **j, struct loop *loop, const char *path, enum conf_sync sync,
		 const uint8_t boot_id[RECORD_BOOT_ID], const struct journal_source *source);
/* Appends octets of whole records. With CONF_SYNC_ALWAYS they are on the disk when it returns. A failure is logged (at most every 10 s), the file is marked as
 * behind, and the whole of it is tried anew after a while. */
void journal_append(struct journal *j, const uint8_t *records, size_t octets);
/* The epochs changed: appends a state. It is also appended by itself when the wall clock was set, before other records. */
void journal_state(struct journal *j);
/* The settings changed: another path begins a new file there and removes the old one. */
int journal_reload(struct journal *j, const char *path, enum conf_sync sync);
void journal_stats(const struct journal *j, struct journal_stats *stats);
/* Ends in order: a clean state, durable. NULL is allowed. */
void journal_close(struct journal *j);

#endif
