/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operator's door: HTTP on a unix socket. What the requests mean is not known here. */
#ifndef SERVER_IO_CONTROL_H
#define SERVER_IO_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
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
/* Gives the socket, and its directory if it was made here, to a user. 0 or -errno. */
int control_own(struct control *c, uid_t uid, gid_t gid);
/* Ends all exchanges and removes the socket. NULL is allowed. */
void control_close(struct control *c);

bool control_post(const struct control_request *q); /* else it is a GET */
const char *control_path(const struct control_request *q);
/* The decoded value of a parameter behind the "?"; NULL if it is not there. */
const char *control_parameter(const struct control_request *q, const char *key);

/* text is copied. */
void control_reply(struct control_request *q, int status, const char *text, size_t length);

/* The next piece of a long answer, malloc()ed, *length octets; NULL at its end. */
typedef char *control_next_fn(void *context, size_t *length);
typedef void control_done_fn(void *context);
/*
 * Answers in pieces: next is called for one whenever the one before has left, with other work of the loop in between.
 * done is called once, also if the other end goes away or control_close() is called.
 */
void control_stream(struct control_request *q, control_next_fn *next, control_done_fn *done, void *context);

#endif
