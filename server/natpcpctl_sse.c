/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_sse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sse_init(struct sse *s, sse_fn *fn, void *context)
{
	memset(s, 0, sizeof(*s));
	s->fn = fn;
	s->context = context;
}

void sse_clear(struct sse *s)
{
	free(s->data);
	free(s->line);
	memset(s, 0, sizeof(*s));
}

/* A second line of data is one more line of the same. */
static void add_data(struct sse *s, const char *value)
{
	char *both;

	if (asprintf(&both, "%s%s%s", s->data ? s->data : "", s->data ? "\n" : "", value) < 0)
		return;
	free(s->data);
	s->data = both;
}

static void line_end(struct sse *s)
{
	char *line = s->line, *value;

	line[s->n] = '\0';
	if (s->n && line[s->n - 1] == '\r')
		line[--s->n] = '\0';
	if (!s->n) {
		if (s->data)
			s->fn(s->context, s->type, s->data);
		free(s->data);
		s->data = NULL;
		s->type[0] = '\0';
		return;
	}
	value = strchr(line, ':');
	if (value) {
		*value++ = '\0';
		value += *value == ' ';
	} else {
		value = line + s->n;
	}
	/* a comment begins with a colon: its name is "" */
	if (!strcmp(line, "data"))
		add_data(s, value);
	else if (!strcmp(line, "event"))
		snprintf(s->type, sizeof(s->type), "%s", value);
}

void sse_feed(struct sse *s, const char *data, size_t n)
{
	if (!s->line)
		s->line = malloc(SSE_LINE_MAX + 1);
	if (!s->line)
		return;
	for (size_t i = 0; i < n; i++) {
		if (data[i] == '\n') {
			if (!s->cut)
				line_end(s);
			s->cut = false;
			s->n = 0;
		} else if (s->n < SSE_LINE_MAX) {
			s->line[s->n++] = data[i];
		} else {
			s->cut = true;
		}
	}
}
