/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/proxy.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "backends/wire_socket.h"
#include "conf/conf.h"

/* A configuration: where it is, which is compared only, and what it is. */
struct used {
	const struct conf *conf;
	uint64_t sum;
};

struct proxy {
	struct backend backend;
	struct proxy_ends ends;
	struct used used[2]; /* the one in force, and the one before */
	bool broken;
	struct wire_open opened;
	struct wire_buffer question, answer;
	struct wire_head head;				   /* of the answer */
	struct wire_buffer search_question, search_answer; /* the searching thread's */
};

static int broken(struct proxy *p, int error)
{
	p->broken = true;
	return error;
}

/* Sends the question in the buffer. 0 or -errno. */
static int ask(struct proxy *p, size_t n)
{
	int rc;

	if (p->broken)
		return -EPIPE;
	if (!wire_end(&p->question, n, 0)) {
		wire_clear(&p->question);
		return -ENOMEM;
	}
	rc = wire_send(p->ends.questions, &p->question);
	wire_trim(&p->question);
	return rc ? broken(p, rc) : 0;
}

static int hear(struct proxy *p)
{
	int rc = wire_receive(p->ends.questions, &p->answer, &p->head);

	return rc ? broken(p, rc) : 0;
}

/* Asks what is in the buffer. Returns the result of the answer, which is in p->head and p->answer; or -errno. */
static int call(struct proxy *p, size_t n)
{
	int rc = ask(p, n);

	if (rc == 0)
		rc = hear(p);
	if (rc == 0 && p->head.what != WIRE_DONE)
		rc = broken(p, -EBADMSG);
	return rc ? rc : p->head.result;
}

static int call_plain(struct proxy *p, enum wire_what what)
{
	wire_begin(&p->question, what);
	return call(p, 0);
}

/* The body of the answer, which has to be so long. 0 or -EBADMSG. */
static int get(struct proxy *p, void *out, size_t size)
{
	return wire_get(wire_body(&p->answer), p->head.length, out, size) ? 0 : broken(p, -EBADMSG);
}

static int proxy_commit(struct backend *b, struct change *changes, size_t n)
{
	struct proxy *p = (struct proxy *)b;
	int rc = n > WIRE_CHANGES_MAX ? -E2BIG : 0;

	if (rc == 0) {
		wire_begin(&p->question, WIRE_COMMIT);
		wire_put_changes(&p->question, changes, n);
		rc = call(p, n);
	}
	if (rc == 0 && p->head.length != n * sizeof(int32_t))
		rc = broken(p, -EBADMSG);
	for (size_t i = 0; i < n; i++) {
		int32_t verdict = rc;

		if (rc == 0)
			memcpy(&verdict, wire_body(&p->answer) + i * sizeof(verdict), sizeof(verdict));
		changes[i].verdict = verdict;
	}
	wire_trim(&p->answer);
	return rc;
}

/* Hears the answers to a question for a list. */
static int hear_list(struct proxy *p, size_t n, backend_list_fn *fn, void *context)
{
	struct wire_room room = {0};
	int rc = ask(p, n);

	while (rc == 0) {
		struct wire_head h;
		struct wire_buffer found;

		rc = hear(p);
		h = p->head;
		if (rc || h.what == WIRE_DONE)
			break;
		/* fn may ask something else */
		found = p->answer;
		p->answer = (struct wire_buffer){0};
		if (h.what != WIRE_FOUND)
			rc = broken(p, -EBADMSG);
		else
			rc = wire_get_found(&room, wire_body(&found), h.length, h.n, fn, context);
		wire_clear(&found);
		/* there is more, and it has to come before something else can be asked */
		if (rc)
			broken(p, rc);
		wire_begin(&p->question, WIRE_NEXT);
		if (rc == 0)
			rc = ask(p, 0);
	}
	wire_room_clear(&room);
	return rc ? rc : p->head.result;
}

static int proxy_list(struct backend *b, backend_list_fn *fn, void *context)
{
	struct proxy *p = (struct proxy *)b;

	wire_begin(&p->question, WIRE_LIST);
	return hear_list(p, 0, fn, context);
}

static int proxy_list_filtered(struct backend *b, backend_list_fn *fn, void *context)
{
	struct proxy *p = (struct proxy *)b;

	wire_begin(&p->question, WIRE_LIST_FILTERED);
	return hear_list(p, 0, fn, context);
}

static int proxy_ask(struct backend *b, const struct mapping *v, size_t n, backend_list_fn *fn, void *context)
{
	struct proxy *p = (struct proxy *)b;

	wire_begin(&p->question, WIRE_ASK);
	wire_put_mappings(&p->question, v, n);
	return hear_list(p, n, fn, context);
}

static int proxy_count(struct backend *b, size_t *n)
{
	struct proxy *p = (struct proxy *)b;
	uint64_t v = 0;
	int rc = call_plain(p, WIRE_COUNT);

	if (rc == 0)
		rc = get(p, &v, sizeof(v));
	*n = (size_t)v;
	return rc;
}

static int call_why(struct proxy *p, char *why, size_t size)
{
	int rc = call(p, 0);

	if (p->broken)
		snprintf(why, size, "the process that changes the packet filter is gone");
	else
		wire_get_text(wire_body(&p->answer), p->head.length, why, size);
	return rc;
}

/* It was in force before: the file may say something else by now. */
static bool is_old(const struct proxy *p, const struct conf *conf)
{
	for (size_t i = 0; i < 2; i++)
		if (conf == p->used[i].conf && conf->sum == p->used[i].sum)
			return true;
	return false;
}

static int proxy_reload(struct backend *b, const struct conf *conf, char *why, size_t size)
{
	struct proxy *p = (struct proxy *)b;
	struct wire_reload w;
	int rc;

	memset(&w, 0, sizeof(w));
	w.sum = conf->sum;
	w.again = is_old(p, conf);
	wire_begin(&p->question, WIRE_RELOAD);
	wire_put(&p->question, &w, sizeof(w));
	rc = call_why(p, why, size);
	if (rc == 0 && conf != p->used[0].conf) {
		p->used[1] = p->used[0];
		p->used[0] = (struct used){conf, conf->sum};
	}
	return rc;
}

static int proxy_watch_fd(const struct backend *b)
{
	return ((const struct proxy *)b)->ends.news;
}

static bool proxy_drain(struct backend *b)
{
	eventfd_t n;

	return eventfd_read(((const struct proxy *)b)->ends.news, &n) == 0;
}

static int proxy_watch(struct backend *b, char *why, size_t size)
{
	struct proxy *p = (struct proxy *)b;

	wire_begin(&p->question, WIRE_WATCH);
	return call_why(p, why, size);
}

static int proxy_flows(struct backend *b, struct backend_flows *flows)
{
	struct proxy *p = (struct proxy *)b;
	int rc = call_plain(p, WIRE_FLOWS);

	return rc ? rc : get(p, flows->v, sizeof(flows->v));
}

static int proxy_token(struct backend *b, uint64_t *token)
{
	struct proxy *p = (struct proxy *)b;
	int rc = call_plain(p, WIRE_TOKEN);

	return rc ? rc : get(p, token, sizeof(*token));
}

static int proxy_set_token(struct backend *b, uint64_t token)
{
	struct proxy *p = (struct proxy *)b;

	wire_begin(&p->question, WIRE_SET_TOKEN);
	wire_put(&p->question, &token, sizeof(token));
	return call(p, 0);
}

static void proxy_close(struct backend *b, bool clear)
{
	struct proxy *p = (struct proxy *)b;

	wire_begin(&p->question, WIRE_CLOSE);
	call(p, clear);
	/* it ends now */
	while (!p->broken && hear(p) == 0)
		;
	close(p->ends.questions);
	close(p->ends.searches);
	close(p->ends.news);
	wire_clear(&p->question);
	wire_clear(&p->answer);
	wire_clear(&p->search_question);
	wire_clear(&p->search_answer);
	free(p);
}

static const struct backend_ops proxy_ops = {
    .name = "nftables",
    .commit = proxy_commit,
    .list = proxy_list,
    .list_filtered = proxy_list_filtered,
    .ask = proxy_ask,
    .count = proxy_count,
    .reload = proxy_reload,
    .watch_fd = proxy_watch_fd,
    .drain = proxy_drain,
    .watch = proxy_watch,
    .flows = proxy_flows,
    .token = proxy_token,
    .set_token = proxy_set_token,
    .close = proxy_close,
};

int proxy_open(struct proxy **out, const struct proxy_ends *ends, const struct conf *conf, char *why, size_t size)
{
	struct proxy *p = calloc(1, sizeof(*p));
	int rc;

	if (!p) {
		snprintf(why, size, "backend: out of memory");
		return -ENOMEM;
	}
	p->backend.ops = &proxy_ops;
	p->ends = *ends;
	p->used[0] = (struct used){conf, conf->sum};
	wire_begin(&p->question, WIRE_OPEN);
	rc = call(p, 0);
	if (!p->broken && p->head.length >= sizeof(p->opened)) {
		memcpy(&p->opened, wire_body(&p->answer), sizeof(p->opened));
		wire_get_text(wire_body(&p->answer) + sizeof(p->opened), p->head.length - sizeof(p->opened), why, size);
	} else {
		snprintf(why, size, "backend: the process that changes the packet filter has ended");
		rc = rc ? rc : -EBADMSG;
	}
	if (rc == 0) {
		*out = p;
		return 0;
	}
	wire_clear(&p->question);
	wire_clear(&p->answer);
	free(p);
	return rc;
}

struct backend *proxy_backend(struct proxy *p)
{
	return &p->backend;
}

bool proxy_maps_dccp(const struct proxy *p)
{
	return p->opened.maps_dccp;
}

bool proxy_elicits(const struct proxy *p)
{
	return p->opened.elicits;
}

int proxy_find(struct proxy *p, struct conntrack_flow *f)
{
	int rc;

	wire_begin(&p->question, WIRE_FIND);
	wire_put_flow(&p->question, f);
	rc = call(p, 0);
	if (rc == 0 && wire_get_flow(wire_body(&p->answer), p->head.length, f))
		rc = broken(p, -EBADMSG);
	return rc;
}

/* Some of a list: n items from the first. */
static int search_some(struct proxy *p, struct ender_item *v, size_t n, struct wire_searched *found)
{
	struct wire_search w = {0};
	struct wire_head h;
	cpu_set_t cpus;
	int rc;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		for (unsigned i = 0; i < sizeof(w.processors) * 8 && i < CPU_SETSIZE; i++)
			w.processors[i / 64] |= (uint64_t)(CPU_ISSET(i, &cpus) != 0) << i % 64;
	wire_begin(&p->search_question, WIRE_SEARCH);
	wire_put(&p->search_question, &w, sizeof(w));
	wire_put_items(&p->search_question, v, n);
	if (!wire_end(&p->search_question, n, 0)) {
		wire_clear(&p->search_question);
		return -ENOMEM;
	}
	rc = wire_send(p->ends.searches, &p->search_question);
	wire_trim(&p->search_question);
	if (rc == 0)
		rc = wire_receive(p->ends.searches, &p->search_answer, &h);
	if (rc)
		return rc;
	if (h.length < sizeof(*found))
		return h.result ? h.result : -EBADMSG;
	memcpy(found, wire_body(&p->search_answer), sizeof(*found));
	if (h.length != sizeof(*found) + n * sizeof(uint32_t))
		return -EBADMSG;
	for (size_t i = 0; i < n; i++)
		memcpy(&v[i].left_s, wire_body(&p->search_answer) + sizeof(*found) + i * sizeof(uint32_t),
		       sizeof(uint32_t));
	wire_trim(&p->search_answer);
	return h.result;
}

int proxy_search(struct proxy *p, struct ender_list *l, struct ender_seen *seen, uint64_t *ended, uint64_t *took_ms)
{
	struct wire_searched found;
	size_t done = 0;
	int rc;

	*ended = *took_ms = 0;
	do {
		size_t n = l->n - done < WIRE_ITEMS_MAX ? l->n - done : WIRE_ITEMS_MAX;

		memset(&found, 0, sizeof(found));
		rc = search_some(p, l->v + done, n, &found);
		*ended += found.ended;
		*took_ms += found.took_ms;
		done += n;
	} while (rc == 0 && done < l->n);
	*seen = found.seen;
	return rc;
}

int proxy_fd(const struct proxy *p)
{
	return p->ends.questions;
}

bool proxy_broken(const struct proxy *p)
{
	return p->broken;
}
