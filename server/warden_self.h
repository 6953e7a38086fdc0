/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the warden's process has, for the files that are the warden. */
#ifndef SERVER_WARDEN_SELF_H
#define SERVER_WARDEN_SELF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backends/serve.h"
#include "conf/conf.h"
#include "server/io/log.h"
#include "server/io/privileges.h"
#include "server/io/wan.h"
#include "server/settings.h"

struct conntrack;
struct ender;

struct ward {
	const struct settings *settings;
	struct conf *conf, *before, *failed; /* in force; before that; one that could not be taken over */
	struct privileges privileges;
	pid_t parent;
	int questions, searches, news;
	struct serve serve;
	struct wire_buffer question;
	struct conntrack *conntrack;
	struct wan *wan;
	bool wan_stale;	    /* something changed since it was read */
	bool place_checked; /* whether something did was looked at for this question */
	struct log_limit quiet;
	/* the searching thread's */
	struct ender *ender;
	struct wire_buffer search_question, search_answer;
	struct wire_room search_room;
};

uint64_t warden_now_ms(void);

/* warden_permit.c: a serve_permit_fn and a serve_shaped_fn; context is the struct ward. */
const char *warden_permit(void *context, const struct change *c);
bool warden_shaped(void *context, const struct mapping *m);

/* warden_confine.c: enters the sandbox, unless the configuration turns it off. No other thread may run yet. 0 or -errno
 * with one line in why. */
int warden_confine(const struct ward *w, char *why, size_t size);

/* warden_search.c: answers the question in w->search_question. 0; -errno: no other one is to be answered. */
int warden_search(struct ward *w, const struct wire_head *h);

#endif
