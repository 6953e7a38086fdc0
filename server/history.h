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

struct backend;
struct history;
struct loop;

/* What the engine may rely on, of what a journal says. Pure. now_ms: CLOCK_BOOTTIME. */
struct engine_past history_past(const struct journal_past *p, uint64_t now_ms);

/*
 * Reads the journal that conf names, gives the engine its leases and the past. At start, before the packet filter is
 * listed or changed. A journal that is another's than the packet filter's mappings is believed as little as one that
 * lacks something: the mappings have changed without it. 0, or -errno with the reason in why (size octets): -EWOULDBLOCK if another natpcpd
 * has the file.
 */
int history_open(struct history **h, struct loop *loop, struct backend *b, struct engine *e, const struct conf *conf,
		 char *why, size_t size);
/* Begins a new file with what the engine has now, and joins it to the packet filter: at start, when everything is as it
 * was before. Without a journal, no old one belongs to the packet filter any more. 0 or -errno. */
int history_begin(struct history *h);
/* The packet filter lost what joins it to the journal, with all else. */
void history_join(struct history *h);
/* After settling, before the replies leave: what the round changed. */
void history_take(struct history *h, const struct round *r, uint64_t now_ms);
/* Another configuration: the file may be elsewhere now. 0, -ENOMEM, or -EWOULDBLOCK if another
 * natpcpd has that: the old one goes on. */
int history_reload(struct history *h, const struct conf *conf);
/* Gives the file to a user, before privileges are dropped. 0, or -errno with the reason in why (size octets): the user
 * will not be able to write it anew. */
int history_own(struct history *h, uid_t uid, gid_t gid, char *why, size_t size);
/* No thread of it runs when this returns, until there is something to do. */
void history_rest(struct history *h);
/* False: there is no journal. */
bool history_stats(const struct history *h, struct journal_stats *stats);
/* Ends in order; clear: nothing is to be remembered. NULL is allowed in all of these. */
void history_close(struct history *h, bool clear);

#endif
