/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Searches through the kernel's connections, in a thread of the warden's that does nothing else. */
#include "server/warden_self.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "backends/ender.h"
#include "backends/wire_socket.h"

/* The loop of the other process is to have its processor for itself. */
static void keep_to(const struct wire_search *s)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	for (unsigned i = 0; i < sizeof(s->processors) * 8 && i < CPU_SETSIZE; i++)
		if (s->processors[i / 64] >> i % 64 & 1)
			CPU_SET(i, &cpus);
	if (CPU_COUNT(&cpus) > 0)
		sched_setaffinity(0, sizeof(cpus), &cpus);
}

static uint64_t spent_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int answer(struct ward *w, const struct wire_searched *found, const struct ender_item *v, size_t n, int result)
{
	struct wire_buffer *b = &w->search_answer;
	uint32_t *left_s = NULL;

	wire_begin(b, WIRE_DONE);
	wire_put(b, found, sizeof(*found));
	/* they stand in another order by now */
	for (size_t i = 0; i < n; i++)
		wire_put(b, &(uint32_t){0}, sizeof(*left_s));
	for (size_t i = 0; !b->failed && i < n; i++)
		memcpy(b->data + b->length - (n - (uintptr_t)v[i].context) * sizeof(*left_s), &v[i].left_s,
		       sizeof(*left_s));
	if (!wire_end(b, n, result)) {
		wire_clear(b);
		wire_begin(b, WIRE_DONE);
		if (!wire_end(b, 0, -ENOMEM))
			return -ENOMEM;
	}
	result = wire_send(w->searches, b);
	wire_trim(b);
	return result;
}

int warden_search(struct ward *w, const struct wire_head *h)
{
	const uint8_t *body = wire_body(&w->search_question);
	struct wire_searched found;
	struct wire_search s;
	struct ender_list l = {0};
	uint64_t begun_ms;
	int rc;

	if (h->what != WIRE_SEARCH || h->length < sizeof(s))
		return -EBADMSG;
	memcpy(&s, body, sizeof(s));
	rc = wire_get_items(&w->search_room, body + sizeof(s), h->length - sizeof(s), h->n, &l.v);
	if (rc == -EBADMSG || rc == -E2BIG)
		return -EBADMSG;
	memset(&found, 0, sizeof(found));
	if (rc == 0) {
		l.n = h->n;
		for (size_t i = 0; i < l.n; i++)
			l.v[i].context = (void *)(uintptr_t)i;
		keep_to(&s);
		begun_ms = spent_ms();
		rc = ender_search(w->ender, &l, &found.seen, &found.ended);
		found.took_ms = spent_ms() - begun_ms + 1;
	}
	rc = answer(w, &found, l.v, l.n, rc);
	wire_trim(&w->search_question);
	return rc;
}
