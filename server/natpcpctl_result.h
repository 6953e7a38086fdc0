/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which records of a journal remain: the last of each lease, unless that has ended. */
#ifndef SERVER_NATPCPCTL_RESULT_H
#define SERVER_NATPCPCTL_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "server/core/record.h"

struct result;

/* NULL if out of memory. */
struct result *result_new(void);
void result_free(struct result *r);
/* The next record of the file, for journal_scan(): 0 or -ENOMEM. */
int result_add(void *result, uint64_t offset, const struct record *record);
/* All have been added. False if out of memory. */
bool result_settle(struct result *r);
/* True if the record at offset remains. */
bool result_has(const struct result *r, uint64_t offset);

#endif
