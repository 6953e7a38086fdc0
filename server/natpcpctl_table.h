/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text in columns as wide as their widest cell. */
#ifndef SERVER_NATPCPCTL_TABLE_H
#define SERVER_NATPCPCTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "server/natpcpctl_look.h"

struct table;

/* The cells of headings[columns] are the first row. NULL if out of memory. */
struct table *table_new(const char *const *headings, size_t columns);
void table_free(struct table *t);
/* The column is left out unless a cell that is added below its heading has text. */
void table_hide(struct table *t, size_t column);
/* The column may be cut, marked by a ~, where lines are too long for the terminal. */
void table_elastic(struct table *t, size_t column);
/* Adds a cell, row after row; it is copied, characters that could make a terminal show something else become '?'. False
 * if out of memory. */
bool table_add(struct table *t, const char *cell);
/* How many rows there are below the headings; a row that is not full counts. */
size_t table_rows(const struct table *t);
/* The text, malloc()ed: two blanks between columns, none at the ends of lines. NULL if out of memory. */
char *table_text(const struct table *t);
/* The same in lines as long as they may be, if elastic columns allow it; order: the rows below the headings to show,
 * counted from 0, NULL: all as they were added. */
char *table_text_look(const struct table *t, const struct look *l, const size_t *order, size_t n);

#endif
