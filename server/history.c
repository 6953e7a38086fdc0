/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/history.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "backends/backend.h"
#include "server/io/journal_lock.h"
#include "server/io/log.h"
#include "server/io/loop.h"

/* Octets of records that are appended at once: all of an ordinary round. */
enum { ROOM = (ROUND_REQUESTS_MAX + 1) * RECORD_MAX };

struct history {
	struct loop *loop;
	struct backend *backend;
	struct engine *engine;
	struct journal *journal; /* NULL: it has not begun, or there is none now */
	uint64_t token;		 /* what the journal and the packet filter have in common; 0: to be made */
	bool apart;		 /* the file may be one that cannot even be marked as behind */
	uint8_t boot_id[RECORD_BOOT_ID];
	struct epoch natpmp, pcp; /* as the journal has them */
	char *path;
	int lock; /* of path; negative: there is none */
	enum conf_sync sync;
	uint8_t records[ROOM];
};

static uint64_t wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* One of the future is none of ours, nor one that has more seconds than can be told. */
static bool is_epoch(const struct epoch *e, uint64_t now_ms)
{
	return e->origin_ms <= (int64_t)now_ms && e->origin_ms >= (int64_t)now_ms - (int64_t)UINT32_MAX * 1000;
}

struct engine_past history_past(const struct journal_past *p, uint64_t now_ms)
{
	struct engine_past past = {.whole = p->found == JOURNAL_WHOLE,
				   .same_boot = p->found != JOURNAL_NONE && p->same_boot,
				   .natpmp = p->state.natpmp,
				   .pcp = p->state.pcp};
	/* over a restart of the machine: what was answered last may not have come to the disk */
	bool kept = p->same_boot || ((p->clean || p->state.always) && p->time_known);

	if (!past.whole || !is_epoch(&past.natpmp, now_ms) || !is_epoch(&past.pcp, now_ms))
		return past;
	past.pcp_goes_on = kept;
	/* RFC 6886 3.7: from 0 after the power was off */
	past.natpmp_goes_on = p->same_boot;
	return past;
}

static int restore(void *context, const struct record *r)
{
	struct history *h = context;

	return engine_restore(h->engine, r, loop_now_ms(h->loop));
}

static void tell(const struct history *h, const struct journal_past *p, const struct engine_past *past)
{
	static const char *const found[] = {
	    [JOURNAL_NONE] = "none", [JOURNAL_PART] = "part", [JOURNAL_WHOLE] = "whole"};
	struct log_line l;

	log_begin(&l, *p->why ? CONF_LOG_WARNING : CONF_LOG_INFO, "journal-read");
	log_text(&l, "file", h->path);
	log_text(&l, "found", found[p->found]);
	if (*p->why)
		log_text(&l, "why", p->why);
	log_number(&l, "records", p->records);
	log_text(&l, "boot", p->same_boot ? "same" : "another");
	log_text(&l, "epochs", past->natpmp_goes_on ? "go on" : past->pcp_goes_on ? "PCP's goes on" : "start anew");
	log_end(&l);
}

/* Whether the journal is that of the packet filter's mappings. Another may have been in use since, or none. 0 or -errno. */
static int compare(struct history *h, struct journal_past *p)
{
	uint64_t token = 0;
	int error = h->backend->ops->token ? h->backend->ops->token(h->backend, &token) : 0;

	if (error || p->found != JOURNAL_WHOLE)
		return error;
	if (token && token != p->state.token) {
		p->found = JOURNAL_PART;
		snprintf(p->why, sizeof(p->why), "the packet filter was in use without it since");
		return 0;
	}
	h->token = p->state.token;
	return 0;
}

int history_open(struct history **out, struct loop *loop, struct backend *b, struct engine *e, const struct conf *conf,
		 char *why, size_t size)
{
	struct history *h = calloc(1, sizeof(*h));
	struct journal_past p = {0};
	struct engine_past past;
	int error;

	*why = '\0';
	*out = h;
	if (!h)
		return -ENOMEM;
	h->loop = loop;
	h->lock = -1;
	h->backend = b;
	h->engine = e;
	h->sync = conf->journal.sync;
	h->path = strdup(conf->journal.path);
	if (!h->path)
		return -ENOMEM;
	journal_boot(h->boot_id);
	if (!*h->path)
		return 0;
	h->lock = journal_lock(h->path);
	if (h->lock == -EWOULDBLOCK) {
		snprintf(why, size, "journal: path: another natpcpd has %s", h->path);
		return -EWOULDBLOCK;
	}
	error = journal_read(h->path, h->boot_id, loop_now_ms(loop), wall_ms(), &p, restore, h);
	if (error == -ENOMEM) {
		snprintf(why, size, "journal: %s", strerror(ENOMEM));
		return error;
	}
	error = compare(h, &p);
	if (error) {
		snprintf(why, size, "the packet filter could not be listed: %s", strerror(-error));
		return error;
	}
	past = history_past(&p, loop_now_ms(loop));
	engine_past(e, &past);
	tell(h, &p, &past);
	return 0;
}

static size_t leases(void *context, uint32_t *cursor, uint8_t *out, size_t room)
{
	struct history *h = context;

	return engine_snapshot(h->engine, cursor, loop_now_ms(h->loop), out, room);
}

static void state(void *context, struct record_state *s)
{
	struct history *h = context;

	engine_epochs(h->engine, &h->natpmp, &h->pcp);
	s->natpmp = h->natpmp;
	s->pcp = h->pcp;
	s->token = h->token;
}

/* No file has it yet. */
static void new_token(struct history *h)
{
	do
		if (getrandom(&h->token, sizeof(h->token), 0) != (ssize_t)sizeof(h->token))
			h->token = (uint64_t)wall_ms() * 1000003;
	while (!h->token);
}

static int join(struct history *h)
{
	return h->backend->ops->set_token ? h->backend->ops->set_token(h->backend, h->token) : 0;
}

void history_join(struct history *h)
{
	int error = h ? join(h) : 0;

	if (error)
		log_print(CONF_LOG_WARNING, "journal", "it cannot be joined to the packet filter: %s",
			  strerror(-error));
}

/* What is answered from now on is not in the file, which may say the contrary if it cannot be written to at all: the
 * packet filter knows it no more. The next file is of the new kind. */
static void part(struct history *h)
{
	struct journal_stats stats;
	bool was_apart = h->apart;

	journal_stats(h->journal, &stats);
	h->apart = stats.behind;
	if (!h->apart || was_apart)
		return;
	new_token(h);
	history_join(h);
	journal_state(h->journal);
}

int history_begin(struct history *h)
{
	const struct journal_source source = {.leases = leases, .state = state, .context = h};
	int error;

	if (!h)
		return 0;
	if (!h->token)
		new_token(h);
	error = join(h);
	if (error || !*h->path)
		return error;
	error = journal_open(&h->journal, h->loop, h->path, h->sync, h->boot_id, &source);
	if (error)
		return error;
	/* there may have been no directory before */
	if (h->lock < 0)
		h->lock = journal_lock(h->path);
	part(h);
	return 0;
}

void history_take(struct history *h, const struct round *r, uint64_t now_ms)
{
	struct epoch natpmp, pcp;
	size_t cursor = 0, n;

	if (!h || !h->journal)
		return;
	/* an epoch that starts anew stands before what was made in it */
	engine_epochs(h->engine, &natpmp, &pcp);
	if (natpmp.origin_ms != h->natpmp.origin_ms || pcp.origin_ms != h->pcp.origin_ms)
		journal_state(h->journal);
	while ((n = engine_records(h->engine, r, &cursor, now_ms, h->records, sizeof(h->records))) > 0)
		journal_append(h->journal, h->records, n);
	part(h);
}

static void unlock(struct history *h)
{
	if (h->lock >= 0)
		close(h->lock);
	h->lock = -1;
}

/* Another path, and its lock instead of the old one's. 0 or -errno, with nothing changed. */
static int go_to(struct history *h, const char *to)
{
	char *path;
	int lock;

	if (!strcmp(to, h->path))
		return 0;
	path = strdup(to);
	if (!path)
		return -ENOMEM;
	lock = *path ? journal_lock(path) : -1;
	if (lock == -EWOULDBLOCK) {
		free(path);
		return lock;
	}
	unlock(h);
	h->lock = lock;
	free(h->path);
	h->path = path;
	return 0;
}

int history_reload(struct history *h, const struct conf *conf)
{
	const char *path = conf->journal.path;
	int error = h ? go_to(h, path) : 0;

	if (!h || error)
		return error;
	h->sync = conf->journal.sync;
	if (h->journal && *path)
		return journal_reload(h->journal, path, h->sync);
	if (!h->journal)
		return history_begin(h);
	journal_remove(h->journal);
	h->journal = NULL;
	return 0;
}

int history_own(struct history *h, uid_t uid, gid_t gid, char *why, size_t size)
{
	/* who starts as that user at once, as the shipped unit does, is to find it, too */
	if (h && h->lock >= 0 && fchown(h->lock, uid, gid) < 0)
		log_print(CONF_LOG_WARNING, "journal", "cannot give the lock of %s away: %s", h->path, strerror(errno));
	return h && h->journal ? journal_own(h->journal, uid, gid, why, size) : 0;
}

void history_rest(struct history *h)
{
	if (h && h->journal)
		journal_rest(h->journal);
}

bool history_stats(const struct history *h, struct journal_stats *stats)
{
	if (!h || !h->journal)
		return false;
	journal_stats(h->journal, stats);
	return true;
}

void history_close(struct history *h, bool clear)
{
	if (!h)
		return;
	if (clear)
		journal_remove(h->journal);
	else
		journal_close(h->journal);
	unlock(h);
	free(h->path);
	free(h);
}
