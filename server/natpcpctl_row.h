/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A lease in JSON, as the server says it, as a row of a table. */
#ifndef SERVER_NATPCPCTL_ROW_H
#define SERVER_NATPCPCTL_ROW_H

#include <jansson.h>

#include "server/natpcpctl_table.h"

enum { ROW_COLUMNS = 9 };

/* The headings of a lease's columns. */
extern const char *const row_headings[ROW_COLUMNS];

/* A value as a cell. Returns text, which is buffer or lives in v. */
const char *row_cell(const json_t *v, char *buffer, size_t size);
/* The same of a member. */
const char *row_field(const json_t *o, const char *key, char *buffer, size_t size);
/* The same of a protocol or a port, of which 0 stands for all. */
const char *row_all(const json_t *o, const char *key, char *buffer, size_t size);

/* What two members say, as "ADDRESS:PORT", or of a set "ADDRESS:FIRST-LAST". */
void row_endpoint(const json_t *o, const char *address_key, const char *port_key, char *out, size_t size);

/* Hides the columns that few leases need, and lets texts be cut; the lease's columns begin at first. */
void row_hide(struct table *table, size_t first);
/* Adds the cells of a lease. False if out of memory. */
bool row_lease(struct table *table, const json_t *lease);

#endif
