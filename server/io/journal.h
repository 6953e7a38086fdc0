/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal: a file of records (server/core/record.h) in which every lease that was answered stands. New records are
 * appended before the answer leaves. When most of the file is out of date it is written anew beside the old one, in
 * slices between requests, made durable off the loop, and renamed into its place. Whatever fails, the leases are in
 * memory, the file on the disk does not claim to have what it lacks, and the whole of it is tried anew later and later.
 */
#ifndef SERVER_IO_JOURNAL_H
#define SERVER_IO_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/conf.h"
#include "server/core/record.h"
#include "server/io/journal_read.h"

struct loop;
struct journal;

/* Where a new file gets what is to be in it. */
struct journal_source {
	/* Writes records of leases from *cursor on (0 at first) into room octets (RECORD_MAX at least), returns how many
	 * octets; 0 = that was all. Leases may come and go between calls: what changed is appended as well. */
	size_t (*leases)(void *context, uint32_t *cursor, uint8_t *out, size_t room);
	/* The epochs as they are now; the clocks are the journal's to fill in. */
	void (*state)(void *context, struct record_state *state);
	void *context;
};

struct journal_stats {
	const char *path;		/* where it is, or is to be; good until a reload */
	bool behind;			/* the file lacks something, or is not where it should be; it is tried again */
	uint64_t octets, records, live; /* in the file; in units of RECORD_SIZE; live: when it was last written anew */
	uint64_t appended;		/* octets */
	uint64_t rewritten, syncs, failures;
	int error; /* -errno of the last failure, 0 = none since the file is whole */
};

/*
 * Begins a new file at path with all that the source has now, in one go, and makes it durable: the caller has not
 * answered anybody yet, and from now on no file can be taken for one that ended in order. What stands at path is
 * replaced, also if it is a symbolic link; its directory is made if it lacks. A failure is no error: the journal is then
 * behind (an old file is marked so, or taken away if it cannot be marked), and tried again. 0, or -errno (-ENOMEM,
 * -EMFILE) if there is no journal.
 */
int journal_open(struct journal **j, struct loop *loop, const char *path, enum conf_sync sync,
		 const uint8_t boot_id[RECORD_BOOT_ID], const struct journal_source *source);
/*
 * Gives the file to a user, and its directory if that was made here, so that the user can write
 * files anew there. 0, or -errno with one line in why, -EACCES if the user will not be able to.
 */
int journal_own(struct journal *j, uid_t uid, gid_t gid, char *why, size_t size);

/* No thread of it runs when this returns, until there is something to do. */
void journal_rest(struct journal *j);

/*
 * Appends octets of whole records. With CONF_SYNC_ALWAYS they are on the disk when it returns. A failure is logged (at
 * most every 10 s), the file is marked as behind, and the whole of it is tried anew after a while: then the source says
 * what these records would have said.
 */
void journal_append(struct journal *j, const uint8_t *records, size_t octets);
/* The epochs changed: appends a state. It is also appended by itself when the wall clock was set, before other records. */
void journal_state(struct journal *j);
/* The settings changed: another path begins a new file there, in slices, and removes the old one when it is complete. A
 * file that stands there now is marked as behind at once. 0 or -ENOMEM, with nothing changed. */
int journal_reload(struct journal *j, const char *path, enum conf_sync sync);
void journal_stats(const struct journal *j, struct journal_stats *stats);
/* Ends in order: a clean state, durable. A file that is behind is tried once more, in one go. NULL is allowed. */
void journal_close(struct journal *j);
/* Ends because nothing is to be remembered any more: the file is removed, for what is answered from now on would not be
 * in it. NULL is allowed. */
void journal_remove(struct journal *j);

#endif
