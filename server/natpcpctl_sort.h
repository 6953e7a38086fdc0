/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The order in which leases are shown. */
#ifndef SERVER_NATPCPCTL_SORT_H
#define SERVER_NATPCPCTL_SORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum sort_by {
	SORT_NONE, /* as the server says them */
	SORT_CLIENT,
	SORT_INTERNAL_PORT,
	SORT_EXTERNAL,
	SORT_EXTERNAL_PORT,
	SORT_PROTO,
	SORT_EXPIRES,
	SORT_RULE,
	SORT_ORIGIN,
};

/* The order of that name; NULL is SORT_NONE. False if there is none. */
bool sort_named(const char *name, enum sort_by *by);

struct sort;

/* NULL if out of memory. */
struct sort *sort_new(enum sort_by by, bool reverse);
void sort_free(struct sort *s);
/* The next lease; those that are equal go by address and port. False if out of memory. */
bool sort_add(struct sort *s, const json_t *lease);
/* The numbers of the leases, counted from 0 as they were added, in order; valid until the next call of any other
 * function. */
const size_t *sort_order(struct sort *s);

#endif
