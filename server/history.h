/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the server remembers over its end: the journal put together with the engine. */
#ifndef SERVER_HISTORY_H
#define SERVER_HISTORY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/conf.h"
#include "server/core/engine.h"
#include "server/io/journal.h"

struct history;
struct loop;

/* What the engine may rely on, of what a journal says. Pure. now_ms: CLOCK_BOOTTIME. */
struct engine_past history_past(const struct journal_past *p, uint64_t now_ms);

/*
 * Reads the journal that conf names, gives the engine its leases and the past. At start, before anything else. *h is
 * NULL if conf names none. 0, or -errno with the reason in why (size octets): out of memory, or another server has the file.
 */
int history_open(struct history **h, struct loop *loop, struct engine *e, const struct conf *conf, char *why,
		 size_t size);
/* Begins a new file with what the engine has now: at start, when everything is as it was before. 0 or -ENOMEM. */
int history_begin(struct history *h);
/* After settling, before the replies leave: what the round changed. */
void history_take(struct history *h, const struct round *r, uint64_t now_ms);
/* Another configuration: the file may be elsewhere now. 0 or -ENOMEM: the old one goes on. */
int history_reload(struct history *h, const struct conf *conf);
/* Gives the file to a user, before privileges are dropped. 0, or -errno with the reason in why (size octets): the user
 * will not be able to write it anew. */
int history_own(struct history *h, uid_t uid, gid_t gid, char *why, size_t size);
/* False: there is no journal. */
bool history_stats(const struct history *h, struct journal_stats *stats);
/* Ends in order; clear: nothing is to be remembered. NULL is allowed in all of these. */
void history_close(struct history *h, bool clear);

#endif
