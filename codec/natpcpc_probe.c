/* SPDX-License-Identifier: MIT */
/* probe: asks the questions of natpcpc_corner.c, one after the other, and deletes what they have made. */
#include "codec/natpcpc_probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WHOLE_MS      60000 /* for all questions to one gateway */
#define FIRST_TRIES   4	    /* is anybody there? */
#define FIRST_MS      250
#define LATER_TRIES   3
#define LATER_MS      400 /* who answers at all does so faster */
#define SILENCE_MS    300
#define PORT_ATTEMPTS 64
#define PORT_FIRST    20000
#define PORT_LAST     60000

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- ports of our own ---- */

struct held {
	int fds[2 * CORNER_PORTS];
};

static void release(struct held *h)
{
	for (size_t i = 0; i < 2 * CORNER_PORTS; i++)
		if (h->fds[i] >= 0)
			close(h->fds[i]);
}

static int bind_port(int type, const struct in6_addr *own, uint32_t scope, uint16_t port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {
	    .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = *own, .sin6_scope_id = scope};
	bool is_v4 = codec_is_v4(own);
	int fd = socket(is_v4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0);

	v4.sin_addr.s_addr = htonl(codec_to_v4(own));
	if (fd >= 0 &&
	    bind(fd, is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6, is_v4 ? sizeof(v4) : sizeof(v6))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Takes a run of ports, TCP and UDP, which nobody will listen on: what comes through the mappings meets a refusal. */
static bool hold(struct held *h, const struct session *s, uint16_t *port)
{
	for (int attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
		uint16_t base;
		bool all = true;

		if (getrandom(&base, sizeof(base), 0) != sizeof(base))
			return false;
		base = (uint16_t)(PORT_FIRST + base % (PORT_LAST - PORT_FIRST)) & 0xfffe;
		for (size_t i = 0; i < 2 * CORNER_PORTS; i++) {
			h->fds[i] = all ? bind_port(i % 2 ? SOCK_STREAM : SOCK_DGRAM, &s->own, s->server.scope,
						    (uint16_t)(base + i / 2))
					: -1;
			all = all && h->fds[i] >= 0;
		}
		*port = base;
		if (all)
			return true;
		release(h);
	}
	return false;
}

/* ---- one question ---- */

static bool wait_for(const struct conn *c, uint8_t *data, size_t *length, uint64_t until_ms, bool *refused)
{
	struct client_endpoint from;
	bool before = session_stopped();

	/* what is deleted after a signal is waited for */
	while (session_stopped() == before) {
		int rc = conn_receive(c, data, DATAGRAM_MAX, length, &from);

		*refused = rc == -ECONNREFUSED || rc == -EHOSTUNREACH;
		if (rc == 0 || *refused)
			return rc == 0;
		if (rc != -EAGAIN || session_now() >= until_ms)
			return false;
		session_poll(&c, 1, until_ms);
	}
	return false;
}

/*
 * Sends a datagram, up to tries times, and waits for what comes back, each time twice as long. From a socket of its own, so
 * that a late answer to another question is not taken for one to this. Returns the answer's length, 0 for none.
 */
static size_t exchange(struct session *s, const uint8_t *question, size_t n, unsigned int tries, uint64_t wait_ms,
		       uint64_t until_ms, uint8_t *answer, uint64_t *rtt_us, unsigned int *sent)
{
	struct conn c;
	size_t length = 0;
	bool refused = false, before = session_stopped();

	*sent = 0;
	*rtt_us = 0;
	if (conn_open(&c, &s->server, &s->own, s->ifindex))
		return 0;
	while (*sent < tries && !refused && session_stopped() == before && session_now() < until_ms) {
		uint64_t end_ms = session_now() + (wait_ms << *sent);
		uint64_t begin_us = now_us();

		if (conn_send(&c, question, n, &s->server))
			break;
		++*sent;
		if (wait_for(&c, answer, &length, end_ms < until_ms ? end_ms : until_ms, &refused)) {
			*rtt_us = now_us() - begin_us;
			break;
		}
		length = 0;
	}
	s->unreachable = s->unreachable || refused;
	conn_close(&c);
	return length;
}

/* Deletes what a question has made. */
static void undo(struct session *s, struct probe_report *r, const struct corner *c)
{
	uint8_t question[CORNER_DATAGRAM], answer[DATAGRAM_MAX];
	struct corner_result gone;
	unsigned int sent;
	uint64_t rtt_us;
	size_t n = corner_undo(c, &r->bed, question);
	struct corner deletion = *c;

	n = exchange(s, question, n, LATER_TRIES, LATER_MS, CLIENT_NEVER, answer, &rtt_us, &sent);
	/* any other name than those whose answers teach the bed something */
	deletion.id = "";
	deletion.lifetime_s = 0;
	deletion.option = 0;
	deletion.flags = 0;
	deletion.right = 1;
	corner_judge(&deletion, &r->bed, answer, n, &gone);
	if (gone.verdict == CORNER_OK && gone.lifetime_s == 0)
		r->deleted++;
	else
		r->left++;
	if (gone.verdict == CORNER_OK && gone.lifetime_s > r->left_s)
		r->left_s = gone.lifetime_s;
}

static bool is_asked(const struct corner *c, const struct corner_bed *bed, size_t i)
{
	/* the second has told the first what is spoken */
	if (c->version == 0 && !codec_is_v4(&bed->own))
		return false;
	if (i >= 2 && !bed->natpmp && !bed->pcp)
		return false;
	if (strcmp(c->id, "pcp-prefer-failure") == 0 && !bed->external_port)
		return false;
	return !(c->flags & CORNER_NATPMP && !bed->natpmp) && !(c->flags & CORNER_PCP && !bed->pcp);
}

static bool made_something(const struct corner *c, const struct corner_result *r)
{
	return (c->flags & CORNER_MAKES) && r->answered && r->code == 0 && r->lifetime_s;
}

static void ask(struct session *s, struct probe_report *r, size_t i, uint64_t until_ms)
{
	const struct corner *c = &corners[i];
	uint8_t question[CORNER_DATAGRAM], answer[DATAGRAM_MAX];
	bool silent = c->flags & CORNER_SILENT, first = i < 2;
	size_t n = corner_ask(c, &r->bed, question);

	n = exchange(s, question, n,
		     silent  ? 1
		     : first ? FIRST_TRIES
			     : LATER_TRIES,
		     silent  ? SILENCE_MS
		     : first ? FIRST_MS
			     : LATER_MS,
		     until_ms, answer, &r->rtt_us[i], &r->sent[i]);
	/* an interrupted wait is no silence, and may have hidden a success */
	if (n == 0 && session_stopped()) {
		if (c->flags & CORNER_MAKES)
			undo(s, r, c);
		return;
	}
	corner_judge(c, &r->bed, answer, n, &r->results[i]);
	if (!made_something(c, &r->results[i]))
		return;
	r->made += !(c->flags & CORNER_KEEPS) || strcmp(c->id, "pcp-map-udp") == 0;
	if (!(c->flags & CORNER_KEEPS))
		undo(s, r, c);
}

/* What a question was to delete, if it did not; also under the nonce that should not have been taken. */
static void clean_up(struct session *s, struct probe_report *r)
{
	unsigned int left = r->left, deleted = r->deleted;
	const struct corner_result *kept = NULL, *removed = NULL;

	for (size_t i = 0; i < corners_count; i++) {
		if (strcmp(corners[i].id, "pcp-map-udp") == 0)
			kept = &r->results[i];
		if (strcmp(corners[i].id, "pcp-delete") == 0)
			removed = &r->results[i];
	}
	if (!kept || !removed || !kept->answered || kept->code)
		return;
	if (removed->answered && removed->code == 0 && removed->lifetime_s == 0) {
		r->deleted++;
		return;
	}
	/* one of the nonces will do */
	for (size_t i = 0; i < corners_count && r->deleted == deleted; i++)
		if ((corners[i].flags & CORNER_KEEPS) && made_something(&corners[i], &r->results[i]))
			undo(s, r, &corners[i]);
	r->left = left + (r->deleted == deleted);
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void measure(struct probe_report *r)
{
	uint64_t all[CORNERS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < corners_count; i++)
		if (r->rtt_us[i])
			all[n++] = r->rtt_us[i];
	if (!n)
		return;
	qsort(all, n, sizeof(all[0]), by_size);
	r->rtt_best_us = all[0];
	r->rtt_middle_us = all[n / 2];
	r->rtt_worst_us = all[n - 1];
}

static void another_host(struct corner_bed *bed, const struct in6_addr *server)
{
	bed->neighbour = bed->own;
	bed->neighbour.s6_addr[15] ^= 1;
	if (memcmp(&bed->neighbour, server, sizeof(*server)) == 0)
		bed->neighbour.s6_addr[15] ^= 3;
}

static int examine(struct app *a, struct session *s, struct probe_report *r)
{
	uint64_t until_ms = app_deadline(a, WHOLE_MS);
	struct held held;

	r->bed.own = s->own;
	another_host(&r->bed, &s->server.address);
	nonce_random(&r->bed.nonce);
	nonce_random(&r->bed.other_nonce);
	nonce_random(&r->bed.stranger);
	if (s->error)
		return EXIT_SILENCE;
	if (!hold(&held, s, &r->bed.port)) {
		s->error = -EADDRINUSE;
		return EXIT_SILENCE;
	}
	for (size_t i = 0; i < corners_count && !session_stopped() && session_now() < until_ms; i++)
		if (is_asked(&corners[i], &r->bed, i))
			ask(s, r, i, until_ms);
	clean_up(s, r);
	release(&held);
	measure(r);
	return r->bed.natpmp || r->bed.pcp ? EXIT_DONE : EXIT_SILENCE;
}

int natpcpc_probe(struct app *a, int argc, char **argv)
{
	static struct probe_report reports[GATEWAYS_MAX];
	int code = gateway_find(a), rc = code;

	(void)argc;
	(void)argv;
	_Static_assert(CORNERS_MAX >= 48, "room for all questions");
	if (rc)
		return rc;
	for (size_t i = 0; i < a->count && !session_stopped(); i++)
		code = app_worse(code, examine(a, &a->sessions[i], &reports[i]));
	if (!a->o.json)
		probe_show(a, reports);
	for (size_t i = 0; i < a->count && a->o.json; i++)
		probe_show_json(a, &a->sessions[i], &reports[i]);
	return code;
}
