/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs that another process runs (exec.h), which is told their number and their environment: a message each way for
 * each program, over a socket that keeps messages apart. Who asks for one cannot say what program it is.
 */
#ifndef SERVER_IO_EXEC_FAR_H
#define SERVER_IO_EXEC_FAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/io/exec.h"

enum {
	EXEC_FAR_NAME_MAX = 64,	  /* octets of a name with its NUL */
	EXEC_FAR_TEXT_MAX = 2560, /* octets of an environment, each variable with its NUL */
	EXEC_FAR_VARIABLES = 32,
};

/* One program. */
struct exec_far_order {
	uint32_t id;
	char name[EXEC_FAR_NAME_MAX];  /* whose program */
	char event[EXEC_FAR_NAME_MAX]; /* its argument */
	uint32_t length;	       /* octets of text that count */
	char text[EXEC_FAR_TEXT_MAX];
};

/* The end that asks. */

struct exec_far;

/* Takes the socket over, if it succeeds. done is called for each program that was asked for. 0 or -ENOMEM. */
int exec_far_open(struct exec_far **x, struct loop *loop, int fd, exec_done_fn *done, void *context);
/* Waits for the end of the other process, which ends what runs. NULL is allowed. */
void exec_far_close(struct exec_far *x);
/* envp ends with NULL. 0: done() will be called; -EAGAIN if EXEC_MAX run; or -errno. */
int exec_far_run(struct exec_far *x, uint32_t id, const char *name, const char *event, char *const envp[]);
size_t exec_far_count(const struct exec_far *x);
/* The other process is to read the configuration anew, if its sum (struct conf) is this one. */
void exec_far_reload(struct exec_far *x, uint64_t sum);

/* The end that runs them. */

/* What was asked for. */
enum exec_far_what {
	EXEC_FAR_END,	 /* nobody asks any more */
	EXEC_FAR_RUN,	 /* a program: *order */
	EXEC_FAR_RELOAD, /* *sum */
	EXEC_FAR_WRONG,	 /* none of these: who asks is not to be trusted */
};
/* Waits for a question. */
enum exec_far_what exec_far_hear(int fd, struct exec_far_order *order, uint64_t *sum);
/*
 * The environment of an order, as what is to be given to a program: envp gets a pointer for each variable, which points
 * into the order, and a NULL. False if one has a name that does not begin with prefix, or control characters in it; or if
 * there are more than EXEC_FAR_VARIABLES.
 */
bool exec_far_environment(struct exec_far_order *order, const char *prefix, char *envp[EXEC_FAR_VARIABLES + 1]);
/* Tells how a program ended, which an exec_done_fn was told. */
void exec_far_tell(int fd, uint32_t id, enum exec_end end, int code);

#endif
