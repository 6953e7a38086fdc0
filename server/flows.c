/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/flows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/ender.h"
#include "conf/conf.h"
#include "server/core/round.h"
#include "server/io/log.h"
#include "server/io/loop.h"

struct flows {
	struct loop *loop;
	struct ender *ender; /* NULL: there are no connections to end */
	struct loop_event *timer, *readable;
	uint64_t told; /* how many were ended when it was last logged */
	struct log_limit quiet;
};

static void complain(struct flows *f, int error)
{
	if (log_limit_pass(&f->quiet, loop_now_ms(f->loop), NULL))
		log_print(CONF_LOG_WARNING, "flows-not-ended", "connections of mappings that ended go on: %s",
			  strerror(-error));
}

static void step(void *context)
{
	struct flows *f = context;
	int error = ender_step(f->ender, loop_now_ms(f->loop));

	loop_worked(f->loop);
	if (error)
		complain(f, error);
	if (ender_idle(f->ender) && ender_count(f->ender) != f->told) {
		log_print(CONF_LOG_INFO, "flows-ended", "connections of mappings that ended: %llu",
			  (unsigned long long)(ender_count(f->ender) - f->told));
		f->told = ender_count(f->ender);
	}
	loop_timer_set(f->timer, ender_deadline(f->ender));
}

int flows_open(struct flows **out, struct loop *loop, const struct conf *conf)
{
	struct flows *f = calloc(1, sizeof(*f));
	int error;

	if (!f)
		return -ENOMEM;
	f->loop = loop;
	*out = f;
	if (conf->backend.type == CONF_BACKEND_MEMORY)
		return 0;
	error = ender_open(&f->ender, conf->backend.mark, conf->backend.hairpin_mark);
	if (!error) {
		f->timer = loop_timer(loop, step, f);
		f->readable = loop_readable(loop, ender_fd(f->ender), step, f);
		error = f->timer && f->readable ? 0 : -ENOMEM;
	}
	if (error) {
		flows_close(f);
		*out = NULL;
	}
	return error;
}

void flows_close(struct flows *f)
{
	if (!f)
		return;
	loop_forget(f->timer);
	loop_forget(f->readable);
	ender_close(f->ender);
	free(f);
}

void flows_take(struct flows *f, const struct round *r)
{
	struct mapping m;
	size_t cursor = 0;
	bool any = false;

	while (f->ender && round_flows_next(r, &cursor, &m) != ROUND_FLOWS_KEEP) {
		int error = ender_add(f->ender, &m);

		any = true;
		if (error)
			complain(f, error);
	}
	if (any)
		loop_timer_set(f->timer, ender_deadline(f->ender));
}
