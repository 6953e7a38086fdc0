/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/verdict.h"

enum { CHUNK = 32768 }; /* octets of a list that are told at once */

static int answer(struct serve *s, size_t n, int result)
{
	int rc;

	if (!wire_end(&s->answer, n, result)) {
		wire_clear(&s->answer);
		wire_begin(&s->answer, WIRE_DONE);
		if (!wire_end(&s->answer, 0, -ENOMEM))
			return -ENOMEM;
	}
	rc = s->send(s->context, &s->answer);
	wire_trim(&s->answer);
	return rc;
}

int serve_done(struct serve *s, int result)
{
	wire_begin(&s->answer, WIRE_DONE);
	return answer(s, 0, result);
}

int serve_why(struct serve *s, int result, const char *why)
{
	wire_begin(&s->answer, WIRE_DONE);
	wire_put(&s->answer, why, strlen(why));
	return answer(s, 0, result);
}

static int answer_number(struct serve *s, int result, uint64_t number)
{
	wire_begin(&s->answer, WIRE_DONE);
	wire_put(&s->answer, &number, sizeof(number));
	return answer(s, 1, result);
}

/* Changes */

static bool refuse(struct serve *s, struct change *changes, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		const char *why = s->permit(s->context, &changes[i]);

		if (!why)
			continue;
		s->refused(s->context, &changes[i], why);
		if (changes[i].verdict == 0)
			changes[i].verdict = -EPERM;
		any = true;
	}
	for (size_t i = 0; any && i < n; i++)
		if (changes[i].verdict == -EPERM)
			verdict_refuse(changes, n, i, -EPERM);
	return any;
}

static bool reserve_left(struct serve *s, size_t n)
{
	struct change *left;
	size_t *places;

	if (n <= s->left_capacity)
		return true;
	left = realloc(s->left, n * sizeof(*left));
	if (left)
		s->left = left;
	places = realloc(s->places, n * sizeof(*places));
	if (places)
		s->places = places;
	if (left && places)
		s->left_capacity = n;
	return left && places;
}

/* Makes those changes that were not refused. */
static int commit_left(struct serve *s, struct change *changes, size_t n)
{
	size_t left = 0;
	int rc;

	if (!reserve_left(s, n))
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (changes[i].verdict)
			continue;
		s->left[left] = changes[i];
		s->places[left++] = i;
	}
	rc = left ? s->backend->ops->commit(s->backend, s->left, left) : 0;
	for (size_t i = 0; rc == 0 && i < left; i++)
		changes[s->places[i]].verdict = s->left[i].verdict;
	return rc;
}

static int commit(struct serve *s, const struct wire_head *h, const uint8_t *body)
{
	struct change *changes;
	int rc = wire_get_changes(&s->room, body, h->length, h->n, &changes);

	if (rc == -EBADMSG || rc == -E2BIG)
		return -EBADMSG;
	if (rc == 0)
		rc = refuse(s, changes, h->n) ? commit_left(s, changes, h->n)
		     : h->n		      ? s->backend->ops->commit(s->backend, changes, h->n)
					      : 0;
	wire_begin(&s->answer, WIRE_DONE);
	for (size_t i = 0; rc == 0 && i < h->n; i++) {
		int32_t verdict = changes[i].verdict;

		wire_put(&s->answer, &verdict, sizeof(verdict));
	}
	return answer(s, h->n, rc);
}

/* Lists */

static void begin_found(struct serve *s)
{
	wire_begin(&s->found, WIRE_FOUND);
	s->filters.length = 0;
	s->filters.failed = false;
	s->found_n = 0;
}

/* Tells what was found so far, and answers what is asked until more of it is wanted. */
static void tell(struct serve *s)
{
	struct wire_head h;
	const uint8_t *body;

	if (s->filters.length)
		wire_put(&s->found, s->filters.data, s->filters.length);
	if (s->filters.failed || !wire_end(&s->found, s->found_n, 0))
		s->error = -ENOMEM;
	if (s->error == 0)
		s->broken = s->send(s->context, &s->found);
	while (s->error == 0 && s->broken == 0) {
		s->broken = s->receive(s->context, &h, &body);
		if (s->broken || h.what == WIRE_NEXT)
			break;
		s->broken = serve_question(s, &h, body);
	}
	begin_found(s);
}

static void find(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	struct serve *s = context;
	struct wire_found w;

	if (s->error || s->broken)
		return;
	memset(&w, 0, sizeof(w));
	w.mapping = wire_mapping(m);
	w.remaining_ms = remaining_ms;
	wire_put(&s->found, &w, sizeof(w));
	wire_put_filters(&s->filters, m);
	s->found_n++;
	if (s->found.length + s->filters.length > CHUNK)
		tell(s);
}

static int list(struct serve *s, const struct wire_head *h, const uint8_t *body)
{
	const struct backend_ops *ops = s->backend->ops;
	struct mapping *v = NULL;
	int rc = 0;

	if (s->listing)
		return serve_done(s, -EBUSY);
	if (h->what == WIRE_ASK)
		rc = wire_get_mappings(&s->asked, body, h->length, h->n, &v);
	if (rc == -EBADMSG || rc == -E2BIG)
		return -EBADMSG;
	for (size_t i = 0; h->what == WIRE_ASK && rc == 0 && i < h->n; i++)
		if (!s->shaped(s->context, &v[i]))
			rc = -EPERM;
	s->listing = true;
	s->error = s->broken = 0;
	begin_found(s);
	if (rc == 0)
		rc = h->what == WIRE_ASK    ? ops->ask(s->backend, v, h->n, find, s)
		     : h->what == WIRE_LIST ? ops->list(s->backend, find, s)
					    : ops->list_filtered(s->backend, find, s);
	if (rc == 0 && s->error == 0 && s->broken == 0 && s->found_n)
		tell(s);
	s->listing = false;
	wire_trim(&s->found);
	wire_trim(&s->filters);
	return s->broken ? s->broken : serve_done(s, rc ? rc : s->error);
}

/* The rest */

static int count(struct serve *s)
{
	size_t n = 0;
	int rc = s->backend->ops->count(s->backend, &n);

	return answer_number(s, rc, n);
}

static int flows(struct serve *s)
{
	struct backend_flows f = {0};
	int rc = s->backend->ops->flows ? s->backend->ops->flows(s->backend, &f) : -EOPNOTSUPP;

	wire_begin(&s->answer, WIRE_DONE);
	wire_put(&s->answer, f.v, sizeof(f.v));
	return answer(s, 3, rc);
}

static int watch(struct serve *s)
{
	char why[WIRE_WHY_MAX] = "";
	int rc = s->backend->ops->watch(s->backend, why, sizeof(why));

	return serve_why(s, rc, why);
}

static int token(struct serve *s)
{
	uint64_t v = 0;
	int rc = s->backend->ops->token ? s->backend->ops->token(s->backend, &v) : 0;

	return answer_number(s, rc, v);
}

static int set_token(struct serve *s, const struct wire_head *h, const uint8_t *body)
{
	uint64_t v;

	if (!wire_get(body, h->length, &v, sizeof(v)))
		return -EBADMSG;
	return serve_done(s, s->backend->ops->set_token ? s->backend->ops->set_token(s->backend, v) : 0);
}

int serve_question(struct serve *s, const struct wire_head *h, const uint8_t *body)
{
	if (!s->backend)
		return s->other(s->context, h, body);
	switch (h->what) {
	case WIRE_COMMIT:
		return commit(s, h, body);
	case WIRE_LIST:
	case WIRE_LIST_FILTERED:
	case WIRE_ASK:
		return list(s, h, body);
	case WIRE_COUNT:
		return count(s);
	case WIRE_FLOWS:
		return flows(s);
	case WIRE_WATCH:
		return watch(s);
	case WIRE_TOKEN:
		return token(s);
	case WIRE_SET_TOKEN:
		return set_token(s, h, body);
	case WIRE_OPEN:
		return -EBADMSG;
	default:
		/* what a list is told of must not be taken away under it */
		return s->listing && h->what != WIRE_FIND ? -EBADMSG : s->other(s->context, h, body);
	}
}

void serve_clear(struct serve *s)
{
	wire_clear(&s->answer);
	wire_clear(&s->found);
	wire_clear(&s->filters);
	wire_room_clear(&s->room);
	wire_room_clear(&s->asked);
	free(s->left);
	free(s->places);
	s->left = NULL;
	s->places = NULL;
	s->left_capacity = 0;
}
