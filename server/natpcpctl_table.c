/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_table.h"

#include <stdlib.h>
#include <string.h>

#include "server/natpcpctl_look.h"
#include "server/natpcpctl_say.h"

#define GAP   2	 /* blanks between columns */
#define LEAST 12 /* a column is not cut to less */
#define MARKS 16 /* octets that colours take in a line, at most */

struct table {
	size_t columns;
	size_t n, room; /* cells */
	char **cells;
	size_t *widths;
	bool *hidden;
	bool *elastic;
};

struct table *table_new(const char *const *headings, size_t columns)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->columns = columns;
	t->widths = calloc(columns, sizeof(*t->widths));
	t->hidden = calloc(columns, sizeof(*t->hidden));
	t->elastic = calloc(columns, sizeof(*t->elastic));
	if (!t->widths || !t->hidden || !t->elastic) {
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

void table_elastic(struct table *t, size_t column)
{
	t->elastic[column] = true;
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
	free(t->elastic);
	free(t);
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
	n = look_width(copy);
	if (n > t->widths[column])
		t->widths[column] = n;
	t->cells[t->n++] = copy;
	return true;
}

size_t table_rows(const struct table *t)
{
	return (t->n + t->columns - 1) / t->columns - 1;
}

/* How wide columns are in lines of at most so many columns of the terminal. */
static void fit(const struct table *t, unsigned most, size_t *widths)
{
	size_t total = 0, widest;

	for (size_t i = 0; i < t->columns; i++) {
		widths[i] = t->hidden[i] ? 0 : t->widths[i];
		total += t->hidden[i] ? 0 : widths[i] + GAP;
	}
	while (most && total > most + GAP) {
		widest = t->columns;
		for (size_t i = 0; i < t->columns; i++)
			if (t->elastic[i] && widths[i] > LEAST && (widest == t->columns || widths[i] > widths[widest]))
				widest = i;
		if (widest == t->columns)
			return;
		widths[widest]--;
		total--;
	}
}

static char *put(char *p, const char *text, size_t n)
{
	memcpy(p, text, n);
	return p + n;
}

/* A cell as wide as its column. */
static char *put_cell(char *p, const char *cell, size_t width)
{
	bool cut = look_width(cell) > width;
	size_t n = cut ? look_cut(cell, width - 1) : strlen(cell), blanks = GAP;

	blanks += cut ? 0 : width - look_width(cell);
	p = put(p, cell, n);
	if (cut)
		*p++ = '~';
	memset(p, ' ', blanks);
	return p + blanks;
}

static char *put_row(const struct table *t, char *p, size_t row, const size_t *widths)
{
	size_t first = row * t->columns;
	char *begin = p;

	for (size_t i = 0; i < t->columns && first + i < t->n; i++)
		if (!t->hidden[i])
			p = put_cell(p, t->cells[first + i], widths[i]);
	while (p > begin && p[-1] == ' ')
		p--;
	return p;
}

/* Octets that a row takes at most. */
static size_t row_size(const struct table *t, size_t row)
{
	size_t size = MARKS;

	for (size_t i = row * t->columns; i < t->n && i < (row + 1) * t->columns; i++)
		size += strlen(t->cells[i]) + t->widths[i % t->columns] + GAP + 1;
	return size;
}

char *table_text_look(const struct table *t, const struct look *l, const size_t *order, size_t n)
{
	size_t size = row_size(t, 0) + 1, *widths = calloc(t->columns, sizeof(*widths));
	char *text, *p;

	for (size_t i = 0; i < n; i++)
		size += row_size(t, 1 + (order ? order[i] : i));
	p = text = widths ? malloc(size) : NULL;
	if (text) {
		fit(t, l ? l->columns : 0, widths);
		p = put(p, look_on(l, PAINT_TITLE), strlen(look_on(l, PAINT_TITLE)));
		p = put_row(t, p, 0, widths);
		p = put(p, look_off(l, PAINT_TITLE), strlen(look_off(l, PAINT_TITLE)));
		*p++ = '\n';
		for (size_t i = 0; i < n; i++) {
			p = put_row(t, p, 1 + (order ? order[i] : i), widths);
			*p++ = '\n';
		}
		*p = '\0';
	}
	free(widths);
	return text;
}

char *table_text(const struct table *t)
{
	return table_text_look(t, NULL, NULL, table_rows(t));
}
