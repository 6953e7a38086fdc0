/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The end that changes the packet filter: questions are read, checked and given to a backend, and what it says is the
 * answer. What is asked for comes from a process that may have been taken over. Pure but for what its callers give it.
 */
#ifndef BACKENDS_SERVE_H
#define BACKENDS_SERVE_H

#include "backends/backend.h"
#include "backends/wire.h"

/* Why a change may not be made, NULL = it may. */
typedef const char *serve_permit_fn(void *context, const struct change *c);
/* False: no mapping can be like this one, and it must not even be asked for. */
typedef bool serve_shaped_fn(void *context, const struct mapping *m);
/* The change was refused for that. */
typedef void serve_refused_fn(void *context, const struct change *c, const char *why);
/* Sends an answer that is complete. 0 or -errno: nobody is there any more. */
typedef int serve_send_fn(void *context, const struct wire_buffer *b);
/* Waits for the next question while a list is told; the body is good until the next call. 0 or -errno. */
typedef int serve_receive_fn(void *context, struct wire_head *h, const uint8_t **body);
/* What is none of a backend's. 0 if it was answered; -EBADMSG if there is no such question; or -errno of sending. */
typedef int serve_other_fn(void *context, const struct wire_head *h, const uint8_t *body);

struct serve {
	struct backend *backend; /* NULL: not open yet */
	serve_permit_fn *permit;
	serve_shaped_fn *shaped;
	serve_refused_fn *refused;
	serve_send_fn *send;
	serve_receive_fn *receive;
	serve_other_fn *other;
	void *context;
	/* its own; zero at the start */
	struct wire_buffer answer;
	struct wire_room room, asked;
	struct wire_buffer found, filters; /* of a list, what was not told yet */
	size_t found_n;
	struct change *left; /* of a commit, those that were not refused */
	size_t *places;
	size_t left_capacity;
	bool listing;
	int error, broken; /* why no more of a list can be told; why nothing can */
};

/* Answers one question. 0; -EBADMSG: it was none, and the other end is not to be trusted; or the -errno of sending, or of
 * waiting for another one. */
int serve_question(struct serve *s, const struct wire_head *h, const uint8_t *body);
/* An answer without a body, for serve_other_fn. */
int serve_done(struct serve *s, int result);
/* An answer with a text. */
int serve_why(struct serve *s, int result, const char *why);
/* Frees what is its own. */
void serve_clear(struct serve *s);

#endif
