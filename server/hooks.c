/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/hooks.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "server/hook_event.h"
#include "server/io/exec.h"
#include "server/io/exec_far.h"
#include "server/io/log.h"
#include "server/io/loop.h"

#define NONE UINT32_MAX

/* An event for one hook. */
struct job {
	char hook[HOOK_NAME_MAX];
	struct hook_event event;
	uint32_t next;
	bool running;
};

/* Jobs that wait and jobs that run have slots of one array; beside it stand hashes, so that a search reads 4 octets for
 * each. */
enum { SLOTS = HOOKS_WAITING_MAX + EXEC_MAX };

struct hooks {
	struct loop *loop;
	const struct conf *conf;
	struct exec *exec;    /* that runs them; or, where another process does, */
	struct exec_far *far; /* what asks it to */
	bool started;
	unsigned wanted;		      /* events that some hook wants */
	struct job *jobs;		      /* SLOTS of them; NULL until there is a hook */
	uint32_t first, last, spare;	      /* those that wait, in order; those that are free */
	uint32_t keys[SLOTS], clients[SLOTS]; /* 0: nobody */
	struct {
		uint32_t client;
		uint64_t until_ms;
	} refused[HOOKS_REFUSED_CLIENTS];
	struct hooks_stats stats;
	struct log_limit quiet_failed, quiet_dropped;
};

/* FNV-1a: what collides is compared, or shares a limit. Never 0. */
static uint32_t hash(const void *data, size_t n)
{
	const uint8_t *p = data;
	uint32_t h = 2166136261;

	while (n-- > 0)
		h = (h ^ *p++) * 16777619;
	return h ? h : 1;
}

static uint32_t client_of(const struct hook_event *v)
{
	return codec_is_unspecified(&v->client) ? 0 : hash(&v->client, codec_is_v4(&v->client) ? 16 : 8);
}

static bool same_key(const struct hook_event *a, const struct hook_event *b)
{
	return !memcmp(&a->key, &b->key, sizeof(a->key));
}

/* The queue */

static bool make_jobs(struct hooks *h)
{
	h->jobs = calloc(SLOTS, sizeof(*h->jobs));
	h->spare = h->jobs ? 0 : NONE;
	for (uint32_t i = 0; h->jobs && i < SLOTS; i++)
		h->jobs[i].next = i + 1 < SLOTS ? i + 1 : NONE;
	return h->jobs != NULL;
}

static void give_back(struct hooks *h, uint32_t i)
{
	h->keys[i] = h->clients[i] = 0;
	h->jobs[i].running = false;
	h->jobs[i].next = h->spare;
	h->spare = i;
}

/* Takes a job out of those that wait; before = the one in front of it, NONE = it is the first. */
static void unlink_job(struct hooks *h, uint32_t i, uint32_t before)
{
	if (before == NONE)
		h->first = h->jobs[i].next;
	else
		h->jobs[before].next = h->jobs[i].next;
	if (h->last == i)
		h->last = before;
	h->stats.waiting--;
}

static void dropped(struct hooks *h, const struct hook_event *v, const char *why)
{
	struct log_line l;
	uint64_t suppressed = 0;

	h->stats.dropped++;
	if (!log_limit_pass(&h->quiet_dropped, loop_now_ms(h->loop), &suppressed))
		return;
	log_begin(&l, CONF_LOG_WARNING, "hook-dropped");
	log_text(&l, "of", hook_event_name(v->what));
	log_number(&l, "waiting", h->stats.waiting);
	if (suppressed)
		log_number(&l, "suppressed", suppressed);
	log_text(&l, "why", why);
	log_end(&l);
}

/* The latest event that waits for a hook with the same key, NONE = there is none. Those of equal keys have no order in the
 * array, but mostly there is one. */
static uint32_t find_latest(const struct hooks *h, const char *hook, const struct hook_event *v, uint32_t key)
{
	uint32_t found = NONE;
	unsigned n = 0;

	for (uint32_t i = 0; i < SLOTS; i++)
		if (h->keys[i] == key && !h->jobs[i].running && !strcmp(h->jobs[i].hook, hook) &&
		    same_key(&h->jobs[i].event, v)) {
			found = i;
			n++;
		}
	if (n < 2)
		return found;
	for (uint32_t i = h->first; i != NONE; i = h->jobs[i].next)
		if (h->keys[i] == key && !strcmp(h->jobs[i].hook, hook) && same_key(&h->jobs[i].event, v))
			found = i;
	return found;
}

static unsigned count_client(const struct hooks *h, uint32_t client)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < SLOTS; i++)
		n += h->clients[i] == client;
	return n;
}

static void put(struct hooks *h, const char *hook, const struct hook_event *v)
{
	uint32_t key = hash(&v->key, sizeof(v->key)), client = client_of(v), i = find_latest(h, hook, v, key);

	if (i != NONE && h->jobs[i].event.what == v->what) {
		h->jobs[i].event = *v;
		h->stats.merged++;
		return;
	}
	if (h->stats.waiting >= HOOKS_WAITING_MAX) {
		dropped(h, v, "too many wait");
		return;
	}
	if (client && count_client(h, client) >= HOOKS_OF_CLIENT_MAX) {
		dropped(h, v, "too many of one client wait");
		return;
	}
	i = h->spare;
	h->spare = h->jobs[i].next;
	snprintf(h->jobs[i].hook, sizeof(h->jobs[i].hook), "%s", hook);
	h->jobs[i].event = *v;
	h->jobs[i].next = NONE;
	h->keys[i] = key;
	h->clients[i] = client;
	if (h->last == NONE)
		h->first = i;
	else
		h->jobs[h->last].next = i;
	h->last = i;
	h->stats.waiting++;
}

/* Running */

static const struct conf_hook *hook_named(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->hooks_n; i++)
		if (!strcmp(conf->hooks[i].name, name))
			return &conf->hooks[i];
	return NULL;
}

static void failed(struct hooks *h, const struct job *job, const char *why)
{
	struct log_line l;
	uint64_t suppressed = 0;

	h->stats.failures++;
	if (!log_limit_pass(&h->quiet_failed, loop_now_ms(h->loop), &suppressed))
		return;
	log_begin(&l, CONF_LOG_WARNING, "hook-failed");
	log_text(&l, "hook", job->hook);
	log_text(&l, "of", hook_event_name(job->event.what));
	if (suppressed)
		log_number(&l, "suppressed", suppressed);
	log_text(&l, "why", why);
	log_end(&l);
}

/* True if one with the same key runs. */
static bool is_busy(const struct hooks *h, uint32_t i)
{
	for (uint32_t k = 0; k < SLOTS; k++)
		if (h->keys[k] == h->keys[i] && h->jobs[k].running)
			return true;
	return false;
}

static void run(struct hooks *h, uint32_t i)
{
	struct job *job = &h->jobs[i];
	const struct conf_hook *hook = hook_named(h->conf, job->hook);
	struct hook_environment env;
	char event[16], path[4096];
	char *argv[] = {path, event, NULL};
	int error;

	if (!hook) {
		give_back(h, i);
		return;
	}
	snprintf(path, sizeof(path), "%s", hook->exec);
	snprintf(event, sizeof(event), "%s", hook_event_name(job->event.what));
	hook_environment(&env, &job->event, job->hook);
	error = h->far ? exec_far_run(h->far, i, job->hook, event, env.variables + HOOK_VARIABLES_OURS)
		       : exec_run(h->exec, i, path, argv, env.variables, hook->timeout_s);
	if (!error) {
		job->running = true;
		h->stats.runs++;
		return;
	}
	failed(h, job, strerror(-error));
	give_back(h, i);
}

static size_t running(const struct hooks *h)
{
	return h->far ? exec_far_count(h->far) : exec_count(h->exec);
}

/* Runs what may run now. */
static void advance(struct hooks *h)
{
	uint32_t before = NONE, i = h->first;

	while (h->started && i != NONE && running(h) < h->conf->limits.hooks) {
		uint32_t next = h->jobs[i].next;

		if (is_busy(h, i)) {
			before = i;
		} else {
			unlink_job(h, i, before);
			run(h, i);
		}
		i = next;
	}
}

static void done(void *context, uint32_t id, enum exec_end end, int code)
{
	struct hooks *h = context;
	struct job *job = &h->jobs[id];
	char why[32];

	snprintf(why, sizeof(why), end == EXEC_SIGNALED ? "ended by signal %d" : "exit code %d", code);
	if (end == EXEC_FAILED) {
		h->stats.runs--;
		failed(h, job, strerror(code));
	} else if (end == EXEC_LATE)
		failed(h, job, "ended for its time limit");
	else if (end == EXEC_SIGNALED || code != 0)
		failed(h, job, why);
	give_back(h, id);
	advance(h);
}

/* Events */

/* Hosts make refusals as they like: one of each client is told in a while, and of so many clients. */
static bool refusal_passes(struct hooks *h, uint32_t client)
{
	uint64_t now_ms = loop_now_ms(h->loop);
	size_t free_one = HOOKS_REFUSED_CLIENTS;

	for (size_t i = 0; i < HOOKS_REFUSED_CLIENTS; i++) {
		if (h->refused[i].until_ms <= now_ms)
			free_one = i;
		else if (h->refused[i].client == client)
			return false;
	}
	if (free_one == HOOKS_REFUSED_CLIENTS)
		return false;
	h->refused[free_one].client = client;
	h->refused[free_one].until_ms = now_ms + HOOKS_REFUSED_MS;
	return true;
}

/* For each hook that wants it. */
static void tell(struct hooks *h, const struct hook_event *v)
{
	if (v->what == CONF_EVENT_REFUSED && !refusal_passes(h, client_of(v))) {
		h->stats.limited++;
		return;
	}
	for (size_t i = 0; i < h->conf->hooks_n; i++)
		if (h->conf->hooks[i].events & (unsigned)v->what)
			put(h, h->conf->hooks[i].name, v);
}

void hooks_round(struct hooks *h, const struct round_event *v, size_t n)
{
	struct hook_event event;

	if (!h->wanted)
		return;
	for (size_t i = 0; i < n; i++) {
		if (!(h->wanted & (unsigned)hook_event_of(&v[i])))
			continue;
		hook_event_mapping(&event, &v[i]);
		tell(h, &event);
	}
	advance(h);
}

void hooks_external(struct hooks *h, const struct conf_external *x, const struct external *o)
{
	struct hook_event event;

	if (!(h->wanted & CONF_EVENT_EXTERNAL))
		return;
	hook_event_external(&event, x, o);
	tell(h, &event);
	advance(h);
}

/* Drops what waits for hooks that are gone, or want other events. */
static void sweep(struct hooks *h)
{
	uint32_t before = NONE, i = h->first;

	while (i != NONE) {
		const struct conf_hook *hook = hook_named(h->conf, h->jobs[i].hook);
		uint32_t next = h->jobs[i].next;

		if (hook && hook->events & (unsigned)h->jobs[i].event.what) {
			before = i;
		} else {
			unlink_job(h, i, before);
			give_back(h, i);
		}
		i = next;
	}
}

/* False if out of memory: then there are no hooks. */
static bool take(struct hooks *h, const struct conf *conf)
{
	h->conf = conf;
	h->wanted = 0;
	for (size_t i = 0; i < conf->hooks_n; i++)
		h->wanted |= conf->hooks[i].events;
	if (!h->wanted || h->jobs || make_jobs(h))
		return true;
	h->wanted = 0;
	return false;
}

void hooks_use(struct hooks *h, const struct conf *conf)
{
	struct hook_event event;

	if (!take(h, conf))
		log_print(CONF_LOG_ERROR, "hook-failed", "out of memory: no hook is run");
	if (h->far)
		exec_far_reload(h->far, conf->sum);
	if (h->jobs)
		sweep(h);
	if (!h->jobs || !(h->wanted & CONF_EVENT_RELOAD))
		return;
	hook_event_reload(&event);
	tell(h, &event);
	advance(h);
}

void hooks_start(struct hooks *h)
{
	h->started = true;
	advance(h);
}

int hooks_open(struct hooks **out, struct loop *loop, const struct conf *conf, int fd)
{
	struct hooks *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->loop = loop;
	h->first = h->last = h->spare = NONE;
	if (!take(h, conf) ||
	    (fd >= 0 ? exec_far_open(&h->far, loop, fd, done, h) : exec_open(&h->exec, loop, done, h))) {
		hooks_close(h);
		return -ENOMEM;
	}
	*out = h;
	return 0;
}

void hooks_close(struct hooks *h)
{
	if (!h)
		return;
	exec_close(h->exec);
	exec_far_close(h->far);
	free(h->jobs);
	free(h);
}

void hooks_stats(const struct hooks *h, struct hooks_stats *s)
{
	*s = h->stats;
	s->running = running(h);
}
