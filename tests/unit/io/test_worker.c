/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/worker.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/io/loop.h"

struct probe {
	struct loop *loop;
	struct worker *worker;
	struct loop_event *gate_open;
	pthread_t worked_in, done_in;
	unsigned worked, done, seen, others, jobs;
	int gate; /* the job waits until something is written to it, -1 = it does not */
	int again, cpu;
	bool blocked;
};

static void work(void *context)
{
	struct probe *p = context;
	sigset_t now;
	eventfd_t n;

	p->worked_in = pthread_self();
	p->cpu = sched_getcpu();
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	p->blocked =
	    sigismember(&now, SIGTERM) == 1 && sigismember(&now, SIGHUP) == 1 && sigismember(&now, SIGINT) == 1;
	if (p->gate >= 0)
		eventfd_read(p->gate, &n);
	p->worked++;
}

static void done(void *context)
{
	struct probe *p = context;

	p->done_in = pthread_self();
	p->seen = p->worked;
	p->done++;
	if (p->done < p->jobs)
		p->again = worker_run(p->worker, work, done, p);
	else
		loop_stop(p->loop);
}

/* What others want of the loop while the job is busy. */
static void others(void *context)
{
	struct probe *p = context;

	p->others++;
	assert_int_equal(p->done, 0);
	assert_true(worker_busy(p->worker));
	assert_int_equal(worker_run(p->worker, work, done, p), -EBUSY);
	eventfd_write(p->gate, 1);
}

static void jobs_run_off_the_loop(void **state)
{
	struct probe p = {.loop = loop_new(), .jobs = 1, .gate = eventfd(0, EFD_CLOEXEC)};
	struct loop_event *timer;
	sigset_t before;

	(void)state;
	assert_int_equal(worker_open(&p.worker, p.loop), 0);
	timer = loop_timer(p.loop, others, &p);
	assert_false(worker_busy(p.worker));
	assert_int_equal(worker_run(p.worker, work, done, &p), 0);
	/* the loop goes on: only what it does lets the job end */
	loop_timer_set(timer, 0);
	assert_int_equal(loop_run(p.loop, NULL, NULL), 0);
	assert_int_equal(p.others, 1);
	assert_int_equal(p.done, 1);
	assert_int_equal(p.seen, 1);
	assert_false(worker_busy(p.worker));
	assert_false(pthread_equal(p.worked_in, pthread_self()));
	assert_true(pthread_equal(p.done_in, pthread_self()));
	/* no signal goes there, and they still come here */
	assert_true(p.blocked);
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(sigismember(&before, SIGTERM), 0);
	loop_forget(timer);
	worker_close(p.worker);
	loop_free(p.loop);
	close(p.gate);
}

static void the_end_of_one_begins_the_next(void **state)
{
	struct probe p = {.loop = loop_new(), .jobs = 100, .gate = -1};

	(void)state;
	assert_int_equal(worker_open(&p.worker, p.loop), 0);
	assert_int_equal(worker_run(p.worker, work, done, &p), 0);
	assert_int_equal(loop_run(p.loop, NULL, NULL), 0);
	assert_int_equal(p.again, 0);
	assert_int_equal(p.done, 100);
	assert_int_equal(p.worked, 100);
	worker_close(p.worker);
	loop_free(p.loop);
}

/* The thread of a process alone. */
static unsigned threads(void)
{
	DIR *d = opendir("/proc/self/task");
	unsigned n = 0;

	assert_non_null(d);
	for (const struct dirent *e = readdir(d); e; e = readdir(d))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* One that was joined may be listed for a moment yet. */
static bool only(unsigned n)
{
	for (unsigned i = 0; i < 20000 && threads() != n; i++)
		usleep(1000);
	return threads() == n;
}

static void a_thread_rests_after_its_job(void **state)
{
	struct probe p = {.loop = loop_new(), .jobs = 1, .gate = -1};
	unsigned before = threads();

	(void)state;
	assert_int_equal(worker_open(&p.worker, p.loop), 0);
	worker_rest(p.worker);
	assert_int_equal(worker_run(p.worker, work, done, &p), 0);
	worker_rest(p.worker);
	assert_true(only(before));
	assert_int_equal(p.worked, 1);
	assert_int_equal(p.done, 0);
	assert_int_equal(loop_run(p.loop, NULL, NULL), 0);
	assert_int_equal(p.done, 1);
	/* another one takes over */
	p.jobs = 2;
	assert_int_equal(worker_run(p.worker, work, done, &p), 0);
	assert_int_equal(loop_run(p.loop, NULL, NULL), 0);
	assert_int_equal(p.worked, 2);
	worker_close(p.worker);
	assert_true(only(before));
	loop_free(p.loop);
}

static void jobs_keep_away_from_the_loop(void **state)
{
	struct probe p = {.loop = loop_new(), .jobs = 1, .gate = -1};
	cpu_set_t all, one;

	(void)state;
	if (sched_getaffinity(0, sizeof(all), &all) < 0 || CPU_COUNT(&all) < 2) {
		loop_free(p.loop);
		skip();
	}
	assert_int_equal(worker_open(&p.worker, p.loop), 0);
	assert_int_equal(worker_run(p.worker, work, done, &p), 0);
	assert_int_equal(loop_run(p.loop, NULL, NULL), 0);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
		p.jobs++;
		assert_int_equal(worker_run(p.worker, work, done, &p), 0);
		assert_int_equal(loop_run(p.loop, NULL, NULL), 0);
		assert_int_not_equal(p.cpu, cpu);
	}
	sched_setaffinity(0, sizeof(all), &all);
	worker_close(p.worker);
	loop_free(p.loop);
}

static void closing_waits_for_the_job(void **state)
{
	struct probe p = {.loop = loop_new(), .jobs = 1, .gate = -1};

	(void)state;
	assert_int_equal(worker_open(&p.worker, p.loop), 0);
	assert_int_equal(worker_run(p.worker, work, done, &p), 0);
	worker_close(p.worker);
	assert_int_equal(p.worked, 1);
	assert_int_equal(p.done, 0);
	/* without any job there is no thread to wait for */
	assert_int_equal(worker_open(&p.worker, p.loop), 0);
	worker_close(p.worker);
	worker_close(NULL);
	loop_free(p.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(jobs_run_off_the_loop),	      cmocka_unit_test(a_thread_rests_after_its_job),
	    cmocka_unit_test(the_end_of_one_begins_the_next), cmocka_unit_test(jobs_keep_away_from_the_loop),
	    cmocka_unit_test(closing_waits_for_the_job),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
