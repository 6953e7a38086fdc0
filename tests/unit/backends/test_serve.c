/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/backends/warden_bed.h"

struct bed {
	struct serve s;
	struct wire_head answer;
	uint8_t body[70000];
	size_t sent, refused;
	/* what comes while a list is told: questions, in turns with WIRE_NEXT */
	struct wire_buffer between;
	bool asked;
	int gone; /* what receiving says */
	uint32_t other;
};

static void refused(void *context, const struct change *c, const char *why)
{
	struct bed *b = context;

	assert_string_equal(why, "forbidden");
	assert_int_equal(c->mapping.external_port, BED_FORBIDDEN);
	b->refused++;
}

static int send_answer(void *context, const struct wire_buffer *m)
{
	struct bed *b = context;

	memcpy(&b->answer, m->data, sizeof(b->answer));
	assert_int_equal(b->answer.length, m->length - sizeof(b->answer));
	assert_true(b->answer.length <= sizeof(b->body));
	memcpy(b->body, m->data + sizeof(b->answer), b->answer.length);
	b->sent++;
	return 0;
}

static int receive(void *context, struct wire_head *h, const uint8_t **body)
{
	struct bed *b = context;

	if (b->gone)
		return b->gone;
	*h = (struct wire_head){.what = WIRE_NEXT};
	*body = NULL;
	b->asked = !b->asked;
	if (b->asked && b->between.length) {
		memcpy(h, b->between.data, sizeof(*h));
		*body = b->between.data + sizeof(*h);
	}
	return 0;
}

static int other(void *context, const struct wire_head *h, const uint8_t *body)
{
	struct bed *b = context;

	(void)body;
	b->other = h->what;
	return serve_done(&b->s, 0);
}

static void up(struct bed *b)
{
	memset(b, 0, sizeof(*b));
	assert_int_equal(backend_memory_open(&b->s.backend), 0);
	b->s.permit = bed_permit;
	b->s.shaped = bed_shaped;
	b->s.refused = refused;
	b->s.send = send_answer;
	b->s.receive = receive;
	b->s.other = other;
	b->s.context = b;
}

static void down(struct bed *b)
{
	b->s.backend->ops->close(b->s.backend, false);
	serve_clear(&b->s);
	wire_clear(&b->between);
}

static int question(struct bed *b, enum wire_what what, const void *body, size_t length, size_t n)
{
	const struct wire_head h = {.length = (uint32_t)length, .what = what, .n = (uint32_t)n};

	return serve_question(&b->s, &h, body);
}

static int commit(struct bed *b, const struct change *v, size_t n)
{
	struct wire_buffer m = {0};
	int rc;

	wire_begin(&m, WIRE_COMMIT);
	wire_put_changes(&m, v, n);
	assert_true(wire_end(&m, n, 0));
	rc = question(b, WIRE_COMMIT, m.data + sizeof(struct wire_head), m.length - sizeof(struct wire_head), n);
	wire_clear(&m);
	return rc;
}

static int verdict(const struct bed *b, size_t i)
{
	int32_t v;

	memcpy(&v, b->body + i * sizeof(v), sizeof(v));
	return v;
}

/* What may not be made is refused with its group, and the rest is made. */
static void refusals(void **state)
{
	struct change v[6] = {bed_add(1, 1), bed_add(2, 2), bed_add(2, BED_FORBIDDEN),
			      bed_add(3, 3), bed_add(4, 2), bed_add(5, 1)};
	static const int wanted[6] = {0, -EPERM, -EPERM, 0, -EPERM, -EEXIST};
	struct bed b;

	(void)state;
	up(&b);
	v[4].op = CHANGE_RENEW;
	assert_int_equal(commit(&b, v, 6), 0);
	assert_int_equal(b.answer.result, 0);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(verdict(&b, i), wanted[i]);
	assert_int_equal(b.refused, 1);
	assert_int_equal(backend_memory_count(b.s.backend), 2);
	/* nothing but what may not be */
	assert_int_equal(commit(&b, v + 2, 1), 0);
	assert_int_equal(verdict(&b, 0), -EPERM);
	assert_int_equal(commit(&b, v, 0), 0);
	assert_int_equal(b.answer.length, 0);
	down(&b);
}

static void failure(void **state)
{
	struct change v[1] = {bed_add(1, 1)};
	struct bed b;

	(void)state;
	up(&b);
	backend_memory_fail(b.s.backend, -ENOBUFS);
	assert_int_equal(commit(&b, v, 1), 0);
	assert_int_equal(b.answer.result, -ENOBUFS);
	down(&b);
}

static void not_messages(void **state)
{
	static const uint8_t octets[200] = {0};
	struct bed b;

	(void)state;
	up(&b);
	assert_int_equal(question(&b, WIRE_COMMIT, octets, 79, 1), -EBADMSG);
	assert_int_equal(question(&b, WIRE_COMMIT, octets, 81, 1), -EBADMSG);
	assert_int_equal(question(&b, WIRE_COMMIT, octets, 80, UINT32_MAX), -EBADMSG);
	assert_int_equal(question(&b, WIRE_ASK, octets, 63, 1), -EBADMSG);
	assert_int_equal(question(&b, WIRE_SET_TOKEN, octets, 7, 0), -EBADMSG);
	assert_int_equal(question(&b, WIRE_OPEN, octets, 0, 0), -EBADMSG);
	assert_int_equal(b.sent, 0);
	assert_int_equal(backend_memory_count(b.s.backend), 0);
	assert_int_equal(question(&b, 4711, octets, 0, 0), 0);
	assert_int_equal(b.other, 4711);
	down(&b);
}

static void fill(struct bed *b, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct change c = bed_add(i, (uint16_t)(1000 + i));

		assert_int_equal(commit(b, &c, 1), 0);
		assert_int_equal(verdict(b, 0), 0);
	}
	b->sent = 0;
}

static void lists(void **state)
{
	struct bed b;

	(void)state;
	up(&b);
	fill(&b, 1000);
	assert_int_equal(question(&b, WIRE_LIST, NULL, 0, 0), 0);
	assert_int_equal(b.answer.what, WIRE_DONE);
	assert_int_equal(b.answer.result, 0);
	/* in pieces */
	assert_int_equal(b.sent, 1000 * sizeof(struct wire_found) / 32768 + 1 + 1);
	assert_int_equal(question(&b, WIRE_COUNT, NULL, 0, 0), 0);
	assert_int_equal(*(uint64_t *)(void *)b.body, 1000);
	down(&b);
}

/* While a list is told, other questions are answered; but no second list, and nothing that takes it away. */
static void between(void **state)
{
	const struct change c = bed_add(1, 1);
	struct bed b;

	(void)state;
	up(&b);
	fill(&b, 10);
	wire_begin(&b.between, WIRE_COMMIT);
	wire_put_changes(&b.between, &c, 1);
	assert_true(wire_end(&b.between, 1, 0));
	assert_int_equal(question(&b, WIRE_LIST, NULL, 0, 0), 0);
	assert_int_equal(b.sent, 3);
	assert_int_equal(backend_memory_count(b.s.backend), 11);
	b.sent = 0;
	wire_begin(&b.between, WIRE_LIST);
	assert_true(wire_end(&b.between, 0, 0));
	assert_int_equal(question(&b, WIRE_LIST, NULL, 0, 0), 0);
	assert_int_equal(b.sent, 3);
	wire_begin(&b.between, WIRE_CLOSE);
	assert_true(wire_end(&b.between, 0, 0));
	assert_int_equal(question(&b, WIRE_LIST, NULL, 0, 0), -EBADMSG);
	b.gone = -EPIPE;
	assert_int_equal(question(&b, WIRE_LIST, NULL, 0, 0), -EPIPE);
	b.gone = 0;
	b.asked = false;
	wire_begin(&b.between, WIRE_FIND);
	assert_true(wire_end(&b.between, 0, 0));
	assert_int_equal(question(&b, WIRE_LIST, NULL, 0, 0), 0);
	assert_int_equal(b.other, WIRE_FIND);
	down(&b);
}

/* It is not even asked for what cannot be. */
static void asked(void **state)
{
	struct change c[2] = {bed_add(1, 1000), bed_add(1, BED_FORBIDDEN)};
	struct wire_mapping v[2];
	struct bed b;

	(void)state;
	up(&b);
	fill(&b, 2);
	v[0] = wire_mapping(&c[0].mapping);
	v[1] = wire_mapping(&c[1].mapping);
	assert_int_equal(question(&b, WIRE_ASK, (const uint8_t *)v, sizeof(*v), 1), 0);
	assert_int_equal(b.sent, 2);
	assert_int_equal(question(&b, WIRE_ASK, (const uint8_t *)v, sizeof(v), 2), 0);
	assert_int_equal(b.answer.result, -EPERM);
	assert_int_equal(b.sent, 3);
	down(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(refusals), cmocka_unit_test(failure), cmocka_unit_test(not_messages),
	    cmocka_unit_test(lists),	cmocka_unit_test(between), cmocka_unit_test(asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
