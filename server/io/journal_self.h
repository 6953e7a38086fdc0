/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the journal is made of, for the files that are the journal. */
#ifndef SERVER_IO_JOURNAL_SELF_H
#define SERVER_IO_JOURNAL_SELF_H

#include "server/io/journal.h"
#include "server/io/journal_file.h"
#include "server/io/log.h"

enum {
	JOURNAL_SLICE = 64 * 1024,	  /* octets written at once when the file is written anew */
	JOURNAL_FLUSH = 4 * 1024 * 1024,  /* after so many it waits for the disk, so that nobody else has to */
	JOURNAL_SPARE = 8192,		  /* records out of date that even a small file may have */
	JOURNAL_SYNC_MS = 5000,		  /* CONF_SYNC_INTERVAL: what is not on the disk is at most that old */
	JOURNAL_LOOK_MS = 1000,		  /* so often it is looked whether the file is still there */
	JOURNAL_RETRY_MIN_MS = 1000,	  /* after a failure it is tried again, */
	JOURNAL_RETRY_MAX_MS = 60 * 1000, /* doubling up to this */
	JOURNAL_CLOCK_MS = 1000,	  /* the wall clock was set if it differs by more from what it was to show */
};

/* How far a new file is. The thread has one in hand in the last three. */
enum journal_phase {
	JOURNAL_IDLE,	  /* there is none */
	JOURNAL_FILLING,  /* leases are written to it, slice by slice */
	JOURNAL_FLUSHING, /* the disk takes what there is so far */
	JOURNAL_SETTLING, /* everything is written, the disk takes the rest */
	JOURNAL_NAMING,	  /* both files get all records, and either may be the one that a crash leaves */
};

/* What the thread does; its own while it does so. */
struct journal_job {
	int fd, error;
	const char *from, *to; /* NAMING: the name that it has, the name that it gets */
	bool named;
};

struct journal {
	struct loop *loop;
	struct worker *worker;
	struct loop_event *timer;
	enum conf_sync sync;
	uint8_t boot_id[RECORD_BOOT_ID];
	struct journal_source source;

	char *path; /* where the file is */
	struct journal_file file;
	int64_t wall_offset; /* the wall clock was so many ms ahead of CLOCK_BOOTTIME in the last state */
	bool dirty;	     /* something is written that the disk need not have */
	uint64_t looked_ms;

	char *wanted; /* where it is to be, the same as path mostly */
	char *target; /* where the new one is to be, */
	char *beside; /* and where it is until it is complete */
	struct journal_file fresh;
	enum journal_phase phase;
	struct journal_job job;
	uint32_t cursor;
	uint64_t flushed, fresh_live; /* octets of fresh that the disk has; records that are no repetition */
	int fresh_error;
	bool directory_made;

	/* UINT64_MAX: not due */
	uint64_t slice_ms, retry_ms, sync_ms;
	uint64_t retry_wait_ms, failed_ms; /* the wait after the last failure, and when that was */
	struct log_limit limit;
	struct journal_stats stats;
	uint8_t slice[JOURNAL_SLICE];
};

/* journal.c: something failed, what says what. lost: the file lacks something now. */
void journal_failed(struct journal *j, int error, const char *what, bool lost);
/* Arms the timer for what is due next. */
void journal_arm(struct journal *j);
/* Writes a record of state. Returns its octets. */
size_t journal_put_state(struct journal *j, bool clean, uint8_t *out, size_t room);

/* journal_anew.c: begins a file beside the old one; 0 or -errno, with nothing left of it. */
int journal_anew_begin(struct journal *j);
/* Goes on with it, one slice or one job of the thread. */
void journal_anew_go(struct journal *j);
/* The same in one go, on the loop. 0 or -errno. */
int journal_anew_at_once(struct journal *j);
/* What is appended to the file meanwhile. */
void journal_anew_append(struct journal *j, const uint8_t *records, size_t octets);
/* Forgets it; the thread must have nothing in hand. */
void journal_anew_abandon(struct journal *j);
/* The thread ended, and nobody told: what it did is taken over. */
void journal_anew_settle(struct journal *j);

#endif
