/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leases as a table. */
#ifndef SERVER_NATPCPCTL_LEASES_H
#define SERVER_NATPCPCTL_LEASES_H

#include "server/natpcpctl.h"
#include "server/natpcpctl_ask.h"
#include "server/natpcpctl_sort.h"

/* Which leases, and in which order. */
struct leases_query {
	struct ask_path path; /* with the filters */
	enum sort_by by;
	bool reverse;
	size_t most; /* no more are needed; 0: all */
};

struct leases_list {
	struct table *table;
	const size_t *order; /* of its rows */
	size_t n;
	bool more; /* there are, than were needed */
	struct sort *sort;
	json_t *objects; /* an array, if they are wanted */
};

/* Asks for them all; objects: keep them as JSON, too. An exit code; the list is to be cleared in any case. */
int leases_get(struct tool *t, const struct leases_query *q, bool objects, struct leases_list *l);
void leases_clear(struct leases_list *l);

/* leases --watch: until it is stopped. An exit code. */
int leases_live(struct tool *t, const struct leases_query *q);

#endif
