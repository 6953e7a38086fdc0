/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A journal for people and for programs. */
#ifndef SERVER_NATPCPCTL_JOURNAL_H
#define SERVER_NATPCPCTL_JOURNAL_H

#include <stdbool.h>

/*
 * Prints what the file at path has to stdout: its state and the leases that result, or with all each record; json: as
 * one object, a lease as the server says it. What is wrong with the file goes to stderr, or into the object.
 * Returns 0, or 1 if it is not whole, cannot be read, or memory lacks.
 */
int journal_show(const char *path, bool json, bool all);

#endif
