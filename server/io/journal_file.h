/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A journal's file as octets that are there as a whole or not at all. */
#ifndef SERVER_IO_JOURNAL_FILE_H
#define SERVER_IO_JOURNAL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct journal_file {
	int fd; /* -1: none */
	uint64_t octets;
	dev_t device;
	ino_t inode;
};

/* Makes an empty file, mode 0600, where none may be but an older one of ours, which is removed; its directory is made
 * if it lacks. made (may be NULL) tells whether it was. 0 or -errno. */
int journal_file_new(struct journal_file *f, const char *path, bool *made);
/* NULL-safe in effect: nothing happens if there is none. */
void journal_file_close(struct journal_file *f);

/* Appends. 0, or -errno: then the file is as it was before, or if that fails too it does not end with a whole record. */
int journal_file_write(struct journal_file *f, const void *data, size_t n);

/* True if path still leads to it. */
bool journal_file_at(const struct journal_file *f, const char *path);

/*
 * Marks a journal as behind, in place: it no longer claims to have everything. What has no header of ours claims nothing.
 * If it cannot be marked it is emptied. 0 or -errno.
 */
int journal_file_behind(int fd);
/* The same with whatever file is at path; one that cannot be marked is removed. Nothing there is well. 0 or -errno. */
int journal_file_spoil(const char *path);

/* Makes names in the directory of path durable. 0 or -errno. */
int journal_file_sync_directory(const char *path);
/* The directory of path, malloc()ed; NULL if out of memory. */
char *journal_file_directory(const char *path);

#endif
