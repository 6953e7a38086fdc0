/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_table.h"

#include <stdlib.h>
#include <string.h>

#include "server/natpcpctl_say.h"

#define GAP 2 /* blanks between columns */

struct table {
	size_t columns;
	size_t n, room; /* cells */
	char **cells;
	size_t *widths;
	bool *hidden;
};

struct table *table_new(const char *const *headings, size_t columns)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->columns = columns;
	t->widths = calloc(columns, sizeof(*t->widths));
	t->hidden = calloc(columns, sizeof(*t->hidden));
	if (!t->widths || !t->hidden) {
		table_free(t);
		return NULL;
	}
	for (size_t i = 0; i < columns; i++) {
		if (!table_add(t, headings[i])) {
			table_free(t);
			return NULL;
		}
	}
	return t;
}

void table_hide(struct table *t, size_t column)
{
	t->hidden[column] = true;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t->widths);
	free(t->hidden);
	free(t);
}

/* How many characters UTF-8 text has: an octet that goes on with one is not counted. */
static size_t width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

bool table_add(struct table *t, const char *cell)
{
	size_t column = t->n % t->columns, n;
	char *copy;

	if (t->n == t->room) {
		size_t room = t->room ? t->room * 2 : 64;
		char **cells = reallocarray(t->cells, room, sizeof(char *));

		if (!cells)
			return false;
		t->cells = cells;
		t->room = room;
	}
	copy = strdup(cell);
	if (!copy)
		return false;
	say_tame(copy);
	if (t->n >= t->columns && *copy)
		t->hidden[column] = false;
	n = width(copy);
	if (n > t->widths[column])
		t->widths[column] = n;
	t->cells[t->n++] = copy;
	return true;
}

size_t table_rows(const struct table *t)
{
	return (t->n + t->columns - 1) / t->columns - 1;
}

char *table_text(const struct table *t)
{
	size_t size = 1;
	char *text, *p;

	for (size_t i = 0; i < t->n; i++)
		size += strlen(t->cells[i]) + t->widths[i % t->columns] + GAP + 1;
	p = text = malloc(size);
	if (!text)
		return NULL;
	for (size_t i = 0; i < t->n; i++) {
		size_t column = i % t->columns, length = strlen(t->cells[i]);
		bool ends = column + 1 == t->columns || i + 1 == t->n;

		if (t->hidden[column])
			length = 0;
		memcpy(p, t->cells[i], length);
		p += length;
		if (ends) {
			while (p > text && p[-1] == ' ')
				p--;
			*p++ = '\n';
		} else if (!t->hidden[column]) {
			size_t blanks = t->widths[column] - width(t->cells[i]) + GAP;

			memset(p, ' ', blanks);
			p += blanks;
		}
	}
	*p = '\0';
	return text;
}
