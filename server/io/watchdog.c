/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/watchdog.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/io/loop.h"
#include "server/io/notify.h"

struct watchdog {
	struct loop *loop;
	struct loop_event *timer;
	uint64_t interval_ms;
};

/* A number above 0, and nothing else. */
static bool number(const char *text, unsigned long long *v)
{
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*v = strtoull(text, &end, 10);
	return !errno && !*end && *v > 0;
}

uint64_t watchdog_interval_ms(int64_t pid)
{
	const char *whose = getenv("WATCHDOG_PID");
	unsigned long long usec, id;

	if (!number(getenv("WATCHDOG_USEC"), &usec))
		return 0;
	if (whose && (!number(whose, &id) || id != (unsigned long long)pid))
		return 0;
	return usec < 2000 ? 1 : usec / 2000;
}

static void tell(void *context)
{
	struct watchdog *w = context;

	notify("WATCHDOG=1");
	loop_timer_set(w->timer, loop_now_ms(w->loop) + w->interval_ms);
}

int watchdog_open(struct watchdog **out, struct loop *loop)
{
	uint64_t interval_ms = watchdog_interval_ms(getpid());
	struct watchdog *w;

	*out = NULL;
	if (!interval_ms)
		return 0;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->loop = loop;
	w->interval_ms = interval_ms;
	w->timer = loop_timer(loop, tell, w);
	if (!w->timer) {
		free(w);
		return -ENOMEM;
	}
	loop_timer_set(w->timer, loop_now_ms(loop) + interval_ms);
	*out = w;
	return 0;
}

void watchdog_close(struct watchdog *w)
{
	if (!w)
		return;
	loop_forget(w->timer);
	free(w);
}
