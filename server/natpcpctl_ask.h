/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks the server, over its control socket. What goes wrong is said on stderr; functions return an exit code. */
#ifndef SERVER_NATPCPCTL_ASK_H
#define SERVER_NATPCPCTL_ASK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct ask;

/* Borrows socket. NULL if out of memory. */
struct ask *ask_new(const char *socket);
void ask_free(struct ask *a);

/* A path with parameters behind it. */
struct ask_path {
	char text[3072];
	bool cut; /* it did not fit */
};
void ask_path(struct ask_path *p, const char *path);
/* Appends key=value, escaped. value NULL appends nothing. */
void ask_parameter(struct ask_path *p, const char *key, const char *value);
/* The same of a number. */
void ask_number(struct ask_path *p, const char *key, unsigned long long value);

/* The answer's text, malloc()ed, with a NUL behind it. */
int ask_text(struct ask *a, bool post, const struct ask_path *p, char **text);
/* The answer; NULL unless CTL_DONE is returned. */
int ask_json(struct ask *a, bool post, const struct ask_path *p, json_t **o);
/* Prints the answer to stdout as it comes. */
int ask_copy(struct ask *a, bool post, const struct ask_path *p);

/* An answer that does not end. */
struct ask_stream;

typedef void ask_stream_fn(void *context, const char *data, size_t n);

/* *s is NULL unless CTL_DONE is returned; nothing has come yet. */
int ask_stream_open(struct ask *a, const struct ask_path *p, ask_stream_fn *fn, void *context, struct ask_stream **s);
/* Waits for a while at most, or until something came and was given to the function. CTL_FAILED: the stream has ended. */
int ask_stream_wait(struct ask_stream *s, int timeout_ms);
void ask_stream_close(struct ask_stream *s);

#endif
