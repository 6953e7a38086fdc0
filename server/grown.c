/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/grown.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool room(struct grown *t, size_t size)
{
	size_t wanted = (t->room + size) * 2;
	char *v;

	if (t->failed)
		return false;
	if (t->room - t->n >= size)
		return true;
	v = realloc(t->v, wanted);
	if (!v) {
		t->failed = true;
		return false;
	}
	t->v = v;
	t->room = wanted;
	return true;
}

int grown_put(const char *piece, size_t size, void *context)
{
	struct grown *t = context;

	if (!room(t, size))
		return -1;
	memcpy(t->v + t->n, piece, size);
	t->n += size;
	return 0;
}

int grown_string(struct grown *t, const char *piece)
{
	return grown_put(piece, strlen(piece), t);
}

int grown_format(struct grown *t, const char *format, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (!room(t, (size_t)n + 1))
		return -1;
	va_start(arguments, format);
	vsnprintf(t->v + t->n, (size_t)n + 1, format, arguments);
	va_end(arguments);
	t->n += (size_t)n;
	return 0;
}
