/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/worker.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/io/loop.h"

struct worker {
	struct loop_event *readable;
	int fd; /* tells the loop of the end of a job */
	bool busy, started;
	pthread_t thread;
	/* the job, of the thread from worker_run() until fd is readable */
	void (*work)(void *context);
	void (*done)(void *context);
	void *context;
	int loop_cpu;
	cpu_set_t cpus; /* that the process may use, empty = not known */
	/* what the two sides share */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool wanted, end;
};

static bool wait_for_job(struct worker *w)
{
	bool wanted;

	pthread_mutex_lock(&w->lock);
	while (!w->wanted && !w->end)
		pthread_cond_wait(&w->changed, &w->lock);
	wanted = w->wanted;
	w->wanted = false;
	pthread_mutex_unlock(&w->lock);
	return wanted;
}

/* In a kernel that does not preempt itself, the loop would wait on the processor that does the job for as long as if it
 * did it. It usually stays on the one where it is. */
static void keep_away(const struct worker *w)
{
	cpu_set_t others = w->cpus;

	if (w->loop_cpu < 0 || w->loop_cpu >= CPU_SETSIZE)
		return;
	CPU_CLR((unsigned)w->loop_cpu, &others);
	if (CPU_COUNT(&others) > 0)
		sched_setaffinity(0, sizeof(others), &others);
}

static void *run(void *context)
{
	struct worker *w = context;

	while (wait_for_job(w)) {
		keep_away(w);
		w->work(w->context);
		eventfd_write(w->fd, 1);
	}
	return NULL;
}

static void readable(void *context)
{
	struct worker *w = context;
	eventfd_t n;

	if (eventfd_read(w->fd, &n) < 0)
		return;
	w->busy = false;
	w->done(w->context);
}

int worker_open(struct worker **out, struct loop *loop)
{
	struct worker *w = calloc(1, sizeof(*w));
	int error;

	if (!w)
		return -ENOMEM;
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->fd < 0) {
		error = -errno;
		free(w);
		return error;
	}
	w->readable = loop_readable(loop, w->fd, readable, w);
	if (!w->readable) {
		close(w->fd);
		free(w);
		return -ENOMEM;
	}
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	*out = w;
	return 0;
}

static void tell(struct worker *w, bool *what)
{
	pthread_mutex_lock(&w->lock);
	*what = true;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

void worker_rest(struct worker *w)
{
	if (!w->started)
		return;
	tell(w, &w->end);
	pthread_join(w->thread, NULL);
	w->started = w->end = false;
}

void worker_close(struct worker *w)
{
	if (!w)
		return;
	worker_rest(w);
	loop_forget(w->readable);
	close(w->fd);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* Signals are the loop's. */
static int start(struct worker *w)
{
	sigset_t all, before;
	int error;

	if (sched_getaffinity(0, sizeof(w->cpus), &w->cpus) < 0)
		CPU_ZERO(&w->cpus);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	w->started = !error;
	return -error;
}

int worker_run(struct worker *w, void (*work)(void *context), void (*done)(void *context), void *context)
{
	int error;

	if (w->busy)
		return -EBUSY;
	if (!w->started) {
		error = start(w);
		if (error)
			return error;
	}
	w->busy = true;
	w->work = work;
	w->done = done;
	w->context = context;
	w->loop_cpu = sched_getcpu();
	tell(w, &w->wanted);
	return 0;
}

bool worker_busy(const struct worker *w)
{
	return w->busy;
}
