/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A stream of server-sent events, taken apart. */
#ifndef SERVER_NATPCPCTL_SSE_H
#define SERVER_NATPCPCTL_SSE_H

#include <stdbool.h>
#include <stddef.h>

/* An event: its type, "" if it says none, and its data. */
typedef void sse_fn(void *context, const char *type, const char *data);

enum { SSE_LINE_MAX = 65536, SSE_TYPE_MAX = 32 };

struct sse {
	sse_fn *fn;
	void *context;
	char type[SSE_TYPE_MAX];
	char *data; /* of the event so far; NULL: none */
	char *line;
	size_t n; /* of the line so far */
	bool cut; /* the line is longer than SSE_LINE_MAX: it is left out */
};

void sse_init(struct sse *s, sse_fn *fn, void *context);
void sse_clear(struct sse *s);
/* The next octets. fn is called for each event that they complete; where memory lacks, events are left out. */
void sse_feed(struct sse *s, const char *data, size_t n);

#endif
