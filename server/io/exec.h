/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs that are run beside the loop: without a shell, with a given environment and nothing else, in a process group
 * of their own, with a time limit. They have no descriptors but /dev/null, no capabilities and no way to gain any.
 */
#ifndef SERVER_IO_EXEC_H
#define SERVER_IO_EXEC_H

#include <stddef.h>
#include <stdint.h>

struct exec;
struct loop;

enum {
	EXEC_MAX = 64,	      /* processes at the same time */
	EXEC_TERM_MS = 2000,  /* after SIGTERM for the time limit, SIGKILL follows */
	EXEC_CLOSE_MS = 1000, /* that exec_close() may take */
};

enum exec_end {
	EXEC_EXITED,   /* code: what with */
	EXEC_SIGNALED, /* code: by which signal */
	EXEC_LATE,     /* it was ended for its time limit */
	EXEC_FAILED,   /* exec_far.h alone: it could not be started; code: an errno */
};

/* The program of that id has ended, and its process group with it. In the loop; may run another one. */
typedef void exec_done_fn(void *context, uint32_t id, enum exec_end end, int code);

/* 0 or -ENOMEM. */
int exec_open(struct exec **x, struct loop *loop, exec_done_fn *done, void *context);
/* Ends what still runs, waiting a moment for each to end by itself. NULL is allowed. */
void exec_close(struct exec *x);

/* Runs a program; argv and envp end with NULL and are needed no longer than this call, which lasts until the kernel has the
 * program. 0: done() will be called. -EAGAIN if EXEC_MAX run; or -errno. */
int exec_run(struct exec *x, uint32_t id, const char *path, char *const argv[], char *const envp[], uint32_t timeout_s);
/* How many run. */
size_t exec_count(const struct exec *x);

#endif
