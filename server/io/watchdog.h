/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tells the service manager that the loop still turns, where it wants to know that (sd_watchdog_enabled). */
#ifndef SERVER_IO_WATCHDOG_H
#define SERVER_IO_WATCHDOG_H

#include <stdint.h>

struct loop;
struct watchdog;

/* How often to tell, in ms: half of WATCHDOG_USEC, as that of the environment; 0: nobody wants to know, since it is not
 * set, is no time, or is meant for another process than this one (WATCHDOG_PID). */
uint64_t watchdog_interval_ms(int64_t pid);
/* Begins to tell, if anybody wants to know; else *out is NULL, and no timer runs. 0 or -ENOMEM. */
int watchdog_open(struct watchdog **out, struct loop *loop);
/* NULL is allowed. */
void watchdog_close(struct watchdog *w);

#endif
