/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operator's door: HTTP on a unix socket; and one with a window only, HTTP on a loopback address. What the requests
 * mean is not known here.
 */
#ifndef SERVER_IO_CONTROL_H
#define SERVER_IO_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/io/loop.h"

struct control;
struct control_request;

/* Answers q, before it returns, by control_reply() or control_stream(). */
typedef void control_fn(void *context, struct control_request *q);

/*
 * Listens on path, mode 0660; its directory is made if it lacks, a socket that nobody listens on any more is removed.
 * 0, -EADDRINUSE if another server answers there, or another -errno, with one line in why.
 */
int control_open(struct control **c, struct loop *loop, const char *path, control_fn *fn, void *context, char *why,
		 size_t size);
/*
 * Listens on "127.0.0.1:PORT" or "[::1]:PORT". Only GET and HEAD get through, and only if they name this address, or
 * localhost, as their Host and come from no other site's page; all else has been answered. 0 or -errno, with one line
 * in why.
 */
int control_open_http(struct control **c, struct loop *loop, const char *where, control_fn *fn, void *context,
		      char *why, size_t size);
/* Of a unix socket. Gives it, and its directory if it was made here, to a user. 0 or -errno. */
int control_own(struct control *c, uid_t uid, gid_t gid);
/* Ends all exchanges and removes the socket. NULL is allowed. */
void control_close(struct control *c);

bool control_post(const struct control_request *q); /* else it is a GET, or a HEAD, which is answered as one */
/* True if it did not come by the unix socket. */
bool control_read_only(const struct control_request *q);
const char *control_path(const struct control_request *q);
/* The decoded value of a parameter behind the "?"; NULL if it is not there. */
const char *control_parameter(const struct control_request *q, const char *key);

/* The value of a header of the request; NULL if it is not there. */
const char *control_header(const struct control_request *q, const char *key);

#define CONTROL_JSON   "application/json"
#define CONTROL_HTML   "text/html; charset=utf-8"
#define CONTROL_TEXT   "text/plain; charset=utf-8"
#define CONTROL_EVENTS "text/event-stream"
/* Prometheus' text format */
#define CONTROL_METRICS "text/plain; version=0.0.4; charset=utf-8"

/* Before the answer: one more header, or another value of one that all answers have (Content-Security-Policy). */
void control_add_header(struct control_request *q, const char *key, const char *value);
/* type: one of those above. text is copied. */
void control_reply(struct control_request *q, int status, const char *type, const char *text, size_t length);

struct control_stream;
/* What *length is set to beside NULL: there is nothing now. */
#define CONTROL_LATER SIZE_MAX
/* The next piece of a long answer, malloc()ed, *length octets, at least one; NULL at its end. */
typedef char *control_next_fn(void *context, size_t *length);
typedef void control_done_fn(void *context);
/*
 * Answers in pieces, from control_wake() on: next is called for a piece whenever the one before has left, with other
 * work of the loop in between, until it says CONTROL_LATER or is at the end. done is called once, also if the other end
 * goes away or control_close() is called; then the stream is no more. NULL: that has happened already.
 */
struct control_stream *control_stream(struct control_request *q, const char *type, control_next_fn *next,
				      control_done_fn *done, void *context);
/* Goes on with a stream that waits; else nothing happens. May end it. */
void control_wake(struct control_stream *s);

#endif
