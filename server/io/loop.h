/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop: descriptors, timers, signals and the clock. The one user of libevent's loop; what it calls back runs
 * on one thread, one after the other.
 */
#ifndef SERVER_IO_LOOP_H
#define SERVER_IO_LOOP_H

#include <stdint.h>

struct loop;
struct loop_event;
struct event_base;

typedef void loop_fn(void *context);

/* NULL if out of memory or descriptors. */
struct loop *loop_new(void);
/* Events must have been forgotten before. NULL is allowed. */
void loop_free(struct loop *l);

/* CLOCK_BOOTTIME in milliseconds, read once per wake-up. */
uint64_t loop_now_ms(struct loop *l);
/* Microseconds of a clock that is read at each call, to tell how long something took; never 0. */
uint64_t loop_clock_us(void);
/* What was just done may have taken long: whoever comes after it in this wake-up reads the clock anew, so that no gap
 * between announcements is shorter than it should be (RFC 6887 14.1.3). */
void loop_worked(struct loop *l);

/* Calls fn while fd is readable. The descriptor stays the caller's. NULL if out of memory. */
struct loop_event *loop_readable(struct loop *l, int fd, loop_fn *fn, void *context);
/* Calls fn, in the loop, when the signal came. */
struct loop_event *loop_signal(struct loop *l, int number, loop_fn *fn, void *context);
/* A timer that is not armed yet. It runs on the clock of loop_now_ms(), suspended time included. */
struct loop_event *loop_timer(struct loop *l, loop_fn *fn, void *context);
/* Arms the timer, once, for at_ms (a time in the past: the next wake-up); UINT64_MAX disarms it. */
void loop_timer_set(struct loop_event *timer, uint64_t at_ms);
/* Arms it for at_ms, unless it is armed for an earlier time. */
void loop_timer_by(struct loop_event *timer, uint64_t at_ms);
/* Ends an event, also from inside its own function. NULL is allowed. */
void loop_forget(struct loop_event *e);

/* Runs until loop_stop(); after (may be NULL) is called at the end of each wake-up. 0, or -EIO if polling failed. */
int loop_run(struct loop *l, loop_fn *after, void *context);
void loop_stop(struct loop *l);

/* For control.c, which puts libevent's HTTP server on the loop. */
struct event_base *loop_base(struct loop *l);

#endif
