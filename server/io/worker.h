/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread for what takes longer than others should wait: one job at a time is done off the loop, on another processor if
 * there is one, and its end is told in the loop. A job shares nothing with the loop but its context, which is the job's until done is called.
 */
#ifndef SERVER_IO_WORKER_H
#define SERVER_IO_WORKER_H

#include <stdbool.h>

struct loop;
struct worker;

/* There is no thread before the first job, so that it has the privileges that are left by then. 0 or -errno. */
int worker_open(struct worker **w, struct loop *loop);
/* Waits for the end of the job, but does not call its done: the context is the caller's again. NULL is allowed. */
void worker_close(struct worker *w);

/* Calls work in the thread, then done in the loop; done may run the next job. 0; -EBUSY while one runs, that is until
 * done is called; or -errno: neither is called. */
int worker_run(struct worker *w, void (*work)(void *context), void (*done)(void *context), void *context);
bool worker_busy(const struct worker *w);
/* The thread ends, after its job; the next job gets another, which may do what this process may do by then. */
void worker_rest(struct worker *w);

#endif
