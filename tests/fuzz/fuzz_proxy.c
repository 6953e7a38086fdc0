/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The packet filter as the process without privileges sees it, when the other one answers anything. Whatever cannot be
 * understood ends it: from then on everything fails, and nothing is told but what could be a mapping.
 *
 * The program's own send() and recv() take the place of libc's. For each question the input has an octet of flags, then the
 * answer: what it is, how many records it has and how long it is (two octets each), its result, and the body.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/proxy.h"
#include "backends/wire.h"
#include "codec/codec.h"
#include "conf/conf.h"
#include "tests/fuzz/poison.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

enum { OPERATIONS = 32, CHANGES = 3, WHY = 128, ITEMS = 3, NESTED = 8 };

enum answer_flag {
	ANSWER_PIECES = 1, /* it comes octet by octet */
	ANSWER_NONE = 2,   /* the other end is gone */
	ANSWER_SHORT = 4,  /* it is gone before the last octet */
	ANSWER_MORE = 8,   /* there is an octet too many */
	ANSWER_HUGE = 16,  /* it says that it is longer than any */
	ANSWER_MANY = 32,  /* it says that it has more records than any */
};

struct stream {
	uint8_t *octets; /* what was not received yet begins at */
	size_t at, length;
	bool pieces;
};

static struct {
	const uint8_t *data;
	size_t left;
	struct proxy_ends ends;
	struct stream questions, searches;
	void *buffer; /* behind what was received last */
	size_t size;
	struct proxy *p;
	unsigned nested;
} f;

static void require(bool holds)
{
	if (!holds)
		abort();
}

static uint8_t octet(void)
{
	if (f.left == 0)
		return 0;
	f.left--;
	return *f.data++;
}

static uint16_t number(void)
{
	uint8_t low = octet();

	return (uint16_t)(low | octet() << 8);
}

/* False: the other end is gone. */
static bool answer(struct stream *s)
{
	uint8_t flags = octet();
	struct wire_head h = {.what = octet()};
	size_t left = s->length - s->at;
	uint16_t length;
	uint8_t *to;

	h.n = number();
	length = number();
	h.result = (int8_t)octet();
	if (flags & ANSWER_NONE || f.left == 0)
		return false;
	if (length > f.left)
		length = (uint16_t)f.left;
	h.length = flags & ANSWER_HUGE ? WIRE_MAX + 1 : length;
	if (flags & ANSWER_MANY)
		h.n = UINT32_MAX - h.n;
	to = calloc(1, left + sizeof(h) + length + 1);
	require(to != NULL);
	if (left)
		memcpy(to, s->octets + s->at, left);
	memcpy(to + left, &h, sizeof(h));
	memcpy(to + left + sizeof(h), f.data, length);
	f.data += length;
	f.left -= length;
	free(s->octets);
	*s = (struct stream){to, 0, left + sizeof(h) + length, flags & ANSWER_PIECES};
	s->length += (flags & ANSWER_MORE) != 0;
	s->length -= (flags & ANSWER_SHORT) != 0;
	return true;
}

static struct stream *stream_of(int fd)
{
	require(fd == f.ends.questions || fd == f.ends.searches);
	return fd == f.ends.questions ? &f.questions : &f.searches;
}

ssize_t send(int fd, const void *data, size_t length, int flags)
{
	struct wire_head h;

	(void)flags;
	require(length >= sizeof(h));
	memcpy(&h, data, sizeof(h));
	require(h.length == length - sizeof(h));
	if (answer(stream_of(fd)))
		return (ssize_t)length;
	errno = EPIPE;
	return -1;
}

/* The buffer is used anew now, or given back. */
static void rest(void)
{
	if (f.buffer)
		__asan_unpoison_memory_region(f.buffer, f.size);
	f.buffer = NULL;
}

ssize_t recv(int fd, void *to, size_t size, int flags)
{
	struct stream *s = stream_of(fd);
	size_t n = s->length - s->at;

	(void)flags;
	rest();
	n = n > size ? size : n;
	if (s->pieces && n)
		n = 1;
	if (n == 0)
		return 0;
	memcpy(to, s->octets + s->at, n);
	s->at += n;
	f.buffer = (uint8_t *)to + n;
	f.size = size - n;
	__asan_poison_memory_region(f.buffer, f.size);
	return (ssize_t)n;
}

static void found(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	unsigned *n = context;
	uint64_t token;

	++*n;
	(void)remaining_ms;
	require(m->filters_n <= WIRE_FILTERS_MAX && (m->filters_n == 0 || m->filters));
	for (size_t i = 0; i < m->filters_n; i++)
		require(m->filters[i].prefix_length <= 128);
	/* in the middle of a list something else may be asked */
	if (f.nested < NESTED && *n == 1) {
		f.nested++;
		proxy_backend(f.p)->ops->token(proxy_backend(f.p), &token);
	}
}

static const struct mapping mapping = {
    .internal_port = 1000,
    .external_port = 1000,
    .protocol = 6,
    .kind = MAPPING_NAT,
};

static int commit(struct backend *b)
{
	struct change changes[CHANGES];
	int rc;

	for (unsigned i = 0; i < CHANGES; i++)
		changes[i] = (struct change){.mapping = mapping, .op = CHANGE_ADD, .verdict = 1};
	rc = b->ops->commit(b, changes, CHANGES);
	for (unsigned i = 0; i < CHANGES; i++)
		require(rc == 0 || changes[i].verdict == rc);
	return rc;
}

static int search(void)
{
	static struct ender_seen seen;
	struct ender_list l = {0};
	uint64_t ended, took_ms;
	int rc;

	for (unsigned i = 0; i < ITEMS; i++)
		require(ender_list_add(&l, &mapping, ENDER_ASK, NULL) == 0);
	rc = proxy_search(f.p, &l, &seen, &ended, &took_ms);
	ender_list_clear(&l);
	return rc;
}

static int reload(struct backend *b, const struct conf *conf)
{
	char why[WHY] = "";
	int rc = b->ops->reload(b, conf, why, sizeof(why));

	require(memchr(why, '\0', sizeof(why)) != NULL);
	return rc;
}

static int operate(struct backend *b)
{
	static const struct conf confs[] = {{.sum = 1}, {.sum = 2}, {.sum = 3}};
	struct conntrack_flow flow = {.protocol = 17};
	uint8_t what = octet();
	struct backend_flows flows;
	char why[WHY] = "";
	unsigned n = 0;
	uint64_t token;
	size_t count;

	switch (what % 12) {
	case 0:
		return commit(b);
	case 1:
		return b->ops->list(b, found, &n);
	case 2:
		return b->ops->list_filtered(b, found, &n);
	case 3:
		return b->ops->ask(b, &mapping, 1, found, &n);
	case 4:
		return b->ops->count(b, &count);
	case 5:
		return reload(b, &confs[what / 12 % 3]);
	case 6:
		return b->ops->watch(b, why, sizeof(why));
	case 7:
		return b->ops->flows(b, &flows);
	case 8:
		return b->ops->token(b, &token);
	case 9:
		return b->ops->set_token(b, 1);
	case 10:
		return proxy_find(f.p, &flow);
	default:
		/* what is wrong with a search ends that search only */
		return proxy_broken(f.p) ? -EPIPE : search();
	}
}

static void run(void)
{
	static const struct conf conf = {.sum = 1};
	char why[WHY] = "";
	struct backend *b;

	if (proxy_open(&f.p, &f.ends, &conf, why, sizeof(why))) {
		require(why[0] != '\0' || f.questions.length > 0);
		close(f.ends.questions);
		close(f.ends.searches);
		close(f.ends.news);
		return;
	}
	b = proxy_backend(f.p);
	for (unsigned i = 0; i < OPERATIONS && f.left > 0; i++) {
		bool broken = proxy_broken(f.p);
		int rc;

		rest();
		rc = operate(b);
		require(rc < 0 || !broken);
	}
	rest();
	b->ops->close(b, octet() & 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	static int nothing;

	if (!nothing)
		nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	require(nothing > 0);
	memset(&f, 0, sizeof(f));
	f.data = data;
	f.left = length;
	f.ends = (struct proxy_ends){dup(nothing), dup(nothing), dup(nothing)};
	run();
	rest();
	free(f.questions.octets);
	free(f.searches.octets);
	return 0;
}
