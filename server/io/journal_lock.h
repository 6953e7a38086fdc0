/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One daemon has a journal at a time. */
#ifndef SERVER_IO_JOURNAL_LOCK_H
#define SERVER_IO_JOURNAL_LOCK_H

/*
 * Takes the journal at path, whether there is a file or not: a lock on an empty file beside it, PATH.lock, that stays, so
 * that the journal can be renamed. It is given back by close(), and by the end of the process, however that comes.
 * Returns a descriptor, or -errno: -EWOULDBLOCK if another process has it; else nobody can tell, for want of rights or
 * of a directory, say.
 */
int journal_lock(const char *path);

#endif
