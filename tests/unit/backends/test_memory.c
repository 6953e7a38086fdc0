/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/backend.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/core/failmalloc.h"

/* Addresses that differ in the last octet only: inside x is 192.0.2.x, outside x is 198.51.100.x. */
static struct mapping nat(uint8_t in, uint16_t in_port, uint8_t out, uint16_t out_port)
{
	struct mapping m = {.internal_port = in_port, .external_port = out_port, .protocol = 6, .kind = MAPPING_NAT};
	uint8_t a[16] = {[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = in};
	uint8_t b[16] = {[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 51, [14] = 100, [15] = out};

	memcpy(&m.internal_address, a, sizeof(a));
	memcpy(&m.external_address, b, sizeof(b));
	return m;
}

struct step {
	uint8_t op;
	uint32_t group;
	uint8_t in;
	uint16_t in_port;
	uint8_t out;
	uint16_t out_port;
	int verdict; /* expected */
};

static void commit(struct backend *b, const struct step *steps, size_t n)
{
	struct change *changes = calloc(n, sizeof(*changes));

	assert_non_null(changes);
	for (size_t i = 0; i < n; i++)
		changes[i] = (struct change){
		    .mapping = nat(steps[i].in, steps[i].in_port, steps[i].out, steps[i].out_port),
		    .timeout_ms = 1000 * (i + 1),
		    .group = steps[i].group,
		    .op = steps[i].op,
		    .verdict = 12345,
		};
	assert_int_equal(b->ops->commit(b, changes, n), 0);
	for (size_t i = 0; i < n; i++)
		if (changes[i].verdict != steps[i].verdict)
			fail_msg("change %zu: verdict %d, not %d", i, changes[i].verdict, steps[i].verdict);
	free(changes);
}

struct row {
	const char *name;
	struct step steps[6];
	size_t steps_n, count;
	unsigned refuse;
};

static const struct row rows[] = {
    {"add, renew, remove",
     {{CHANGE_ADD, 1, 1, 80, 1, 8080, 0},
      {CHANGE_RENEW, 2, 1, 80, 1, 8080, 0},
      {CHANGE_REMOVE, 3, 1, 80, 1, 8080, 0},
      {CHANGE_REMOVE, 4, 1, 80, 1, 8080, 0}},
     4,
     0,
     0},
    {"outside taken", {{CHANGE_ADD, 1, 1, 80, 1, 8080, 0}, {CHANGE_ADD, 2, 2, 80, 1, 8080, -EEXIST}}, 2, 1, 0},
    {"inside taken", {{CHANGE_ADD, 1, 1, 80, 1, 8080, 0}, {CHANGE_ADD, 2, 1, 80, 1, 8081, -EEXIST}}, 2, 1, 0},
    {"renew of nothing", {{CHANGE_RENEW, 1, 1, 80, 1, 8080, -ENOENT}}, 1, 0, 0},
    {"renew with another outside",
     {{CHANGE_ADD, 1, 1, 80, 1, 8080, 0}, {CHANGE_RENEW, 2, 1, 80, 1, 8081, -ENOENT}},
     2,
     1,
     0},
    {"a group falls together, before and after",
     {{CHANGE_ADD, 1, 1, 80, 1, 8080, 0},
      {CHANGE_ADD, 2, 2, 80, 1, 80, -EEXIST},
      {CHANGE_ADD, 2, 3, 80, 1, 8080, -EEXIST},
      {CHANGE_ADD, 2, 4, 80, 1, 81, -EEXIST},
      {CHANGE_ADD, 3, 5, 80, 1, 82, 0}},
     5,
     2,
     0},
    {"a group's removal comes back",
     {{CHANGE_ADD, 1, 1, 80, 1, 8080, 0},
      {CHANGE_REMOVE, 2, 1, 80, 1, 8080, -ENOENT},
      {CHANGE_RENEW, 2, 9, 80, 1, 9, -ENOENT}},
     3,
     1,
     0},
    {"a move in one group",
     {{CHANGE_ADD, 1, 1, 80, 1, 8080, 0}, {CHANGE_REMOVE, 2, 1, 80, 1, 8080, 0}, {CHANGE_ADD, 2, 1, 80, 2, 8080, 0}},
     3,
     1,
     0},
    {"later change on a refused mapping",
     {{CHANGE_ADD, 1, 1, 80, 1, 8080, 0},
      {CHANGE_ADD, 2, 1, 80, 1, 8080, -EEXIST},
      {CHANGE_REMOVE, 3, 1, 80, 1, 8080, -EEXIST},
      {CHANGE_ADD, 4, 3, 80, 1, 83, 0}},
     4,
     2,
     0},
    {"scripted refusal",
     {{CHANGE_ADD, 1, 1, 80, 1, 80, 0},
      {CHANGE_ADD, 2, 2, 80, 1, 81, -ENOSPC},
      {CHANGE_ADD, 3, 3, 80, 1, 82, 0},
      {CHANGE_RENEW, 4, 2, 80, 1, 81, -ENOSPC}},
     4,
     2,
     2},
    {"scripted refusal of a group",
     {{CHANGE_ADD, 1, 1, 80, 1, 80, -ENOSPC},
      {CHANGE_ADD, 1, 2, 80, 1, 81, -ENOSPC},
      {CHANGE_ADD, 3, 2, 80, 1, 81, -ENOSPC},
      {CHANGE_ADD, 4, 1, 80, 1, 82, 0}},
     4,
     1,
     2},
    {"a refused group's place is free for others",
     {{CHANGE_ADD, 1, 1, 80, 1, 80, -ENOSPC}, {CHANGE_ADD, 1, 2, 80, 1, 81, -ENOSPC}, {CHANGE_ADD, 3, 3, 80, 1, 80, 0}},
     3,
     1,
     2},
    {"groups that interleave",
     {{CHANGE_ADD, 1, 1, 80, 1, 80, -ENOENT},
      {CHANGE_ADD, 2, 2, 80, 1, 81, 0},
      {CHANGE_RENEW, 1, 3, 80, 1, 82, -ENOENT},
      {CHANGE_RENEW, 2, 2, 80, 1, 81, 0}},
     4,
     1,
     0},
};

static void verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct backend *b;

		print_message("%s\n", rows[i].name);
		assert_int_equal(backend_memory_open(&b), 0);
		if (rows[i].refuse)
			backend_memory_refuse(b, rows[i].refuse, -ENOSPC);
		commit(b, rows[i].steps, rows[i].steps_n);
		assert_int_equal(backend_memory_count(b), rows[i].count);
		b->ops->close(b, true);
	}
}

static void refusal_in_a_later_commit(void **state)
{
	const struct step first[] = {{CHANGE_ADD, 1, 1, 80, 1, 80, 0}, {CHANGE_ADD, 2, 2, 80, 1, 81, 0}};
	const struct step second[] = {{CHANGE_ADD, 1, 3, 80, 1, 82, -ENFILE}, {CHANGE_ADD, 2, 4, 80, 1, 83, 0}};
	struct backend *b;

	(void)state;
	assert_int_equal(backend_memory_open(&b), 0);
	backend_memory_refuse(b, 3, -ENFILE);
	commit(b, first, 2);
	commit(b, second, 2);
	backend_memory_refuse(b, 1, -ENFILE);
	backend_memory_refuse(b, 0, 0);
	commit(b, (const struct step[]){{CHANGE_ADD, 1, 3, 80, 1, 82, 0}}, 1);
	assert_int_equal(backend_memory_count(b), 4);
	b->ops->close(b, false);
}

static void dead_backend(void **state)
{
	struct change c = {.mapping = nat(1, 80, 1, 80), .op = CHANGE_ADD};
	struct backend *b;

	(void)state;
	assert_int_equal(backend_memory_open(&b), 0);
	backend_memory_fail(b, -ENOTCONN);
	assert_int_equal(b->ops->commit(b, &c, 1), -ENOTCONN);
	assert_int_equal(c.verdict, -ENOTCONN);
	assert_int_equal(backend_memory_count(b), 0);
	assert_int_equal(b->ops->list(b, NULL, NULL), -ENOTCONN);
	backend_memory_fail(b, 0);
	assert_int_equal(b->ops->commit(b, &c, 1), 0);
	assert_int_equal(c.verdict, 0);
	assert_int_equal(backend_memory_count(b), 1);
	assert_int_equal(b->ops->watch_fd(b), -1);
	assert_int_equal(b->ops->watch(b, NULL, 0), BACKEND_INTACT);
	assert_int_equal(b->ops->reload(b, NULL, NULL, 0), 0);
	b->ops->close(b, false);
}

struct seen {
	size_t n;
	uint64_t ports, timeouts;
};

static void see(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	struct seen *s = context;

	s->n++;
	s->ports += m->external_port;
	s->timeouts += remaining_ms;
}

/* Mappings of single peers stand beside each other and beside the one for everybody. */
static void peers(void **state)
{
	struct backend *b;
	struct change c[6];

	(void)state;
	assert_int_equal(backend_memory_open(&b), 0);
	for (unsigned i = 0; i < 6; i++)
		c[i] = (struct change){.mapping = nat(1, 80, 1, 8080), .group = i, .op = CHANGE_ADD};
	c[1].mapping.remote_port = c[2].mapping.remote_port = c[3].mapping.remote_port = 53;
	c[2].mapping.remote_address.s6_addr[15] = 1;
	c[3].mapping.internal_port = 81;
	c[4] = c[1];
	c[4].group = 4;
	c[4].op = CHANGE_REMOVE;
	c[5] = c[2];
	c[5].group = 5;
	c[5].op = CHANGE_RENEW;
	assert_int_equal(b->ops->commit(b, c, 6), 0);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(c[i].verdict, i == 3 ? -EEXIST : 0);
	assert_int_equal(backend_memory_count(b), 2);
	b->ops->close(b, true);
}

static void many(void **state)
{
	enum { N = 5000 };
	struct seen seen = {0};
	struct backend *b;

	(void)state;
	assert_int_equal(backend_memory_open(&b), 0);
	for (uint16_t i = 1; i <= N; i++) {
		struct change c = {.mapping = nat(1, i, 2, i + 1000), .timeout_ms = i, .op = CHANGE_ADD};

		assert_int_equal(b->ops->commit(b, &c, 1), 0);
		assert_int_equal(c.verdict, 0);
	}
	for (uint16_t i = 2; i <= N; i += 2) {
		struct change c = {.mapping = nat(1, i, 2, i + 1000), .op = CHANGE_REMOVE};

		assert_int_equal(b->ops->commit(b, &c, 1), 0);
	}
	assert_int_equal(backend_memory_count(b), N / 2);
	assert_int_equal(b->ops->list(b, see, &seen), 0);
	assert_int_equal(seen.n, N / 2);
	assert_int_equal(seen.timeouts, (uint64_t)N / 2 * N / 2);
	assert_int_equal(seen.ports, seen.timeouts + (uint64_t)N / 2 * 1000);
	b->ops->close(b, false);
}

/* Whichever allocation fails, the verdict says so and nothing is half installed. */
static void out_of_memory(void **state)
{
	(void)state;
#if FAILMALLOC
	enum { N = 65 }; /* one more than the table holds at first */
	bool failed = true;
	long nth;

	for (nth = 1; failed; nth++) {
		struct change changes[N];
		struct backend *b = NULL;
		size_t made = 0;
		int rc;

		for (uint16_t i = 0; i < N; i++)
			changes[i] = (struct change){.mapping = nat(1, i + 1, 2, i + 1), .group = i, .op = CHANGE_ADD};
		failmalloc_in = nth;
		rc = backend_memory_open(&b);
		if (rc == 0) {
			rc = b->ops->commit(b, changes, N);
			failed = failmalloc_in == 0;
			failmalloc_in = 0;
			for (size_t i = 0; i < N; i++) {
				assert_true(changes[i].verdict == 0 || changes[i].verdict == -ENOMEM);
				made += changes[i].verdict == 0;
			}
			assert_int_equal(backend_memory_count(b), made);
			assert_true(failed ? made < N : made == N);
			b->ops->close(b, false);
		} else {
			assert_int_equal(rc, -ENOMEM);
			assert_null(b);
		}
	}
	assert_true(nth > 2); /* one that failed, and all went well */
#else
	skip();
#endif
}

struct told {
	size_t n;
	struct mapping last;
	uint64_t remaining_ms;
};

static void tell(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	struct told *t = context;

	t->n++;
	t->last = *m;
	t->remaining_ms = remaining_ms;
}

/* Of what was asked for that is told which is there at its outside, or at its inside if the outside is not known. */
static void asked(void **state)
{
	struct mapping v[] = {nat(9, 1, 1, 81), nat(9, 9, 1, 80), nat(10, 80, 0, 0), nat(10, 81, 0, 0)};
	struct change c = {.mapping = nat(10, 80, 1, 80), .timeout_ms = 5000, .op = CHANGE_ADD};
	struct told t = {0};
	struct backend *b;
	size_t n;

	(void)state;
	memset(v[2].external_address.s6_addr + 12, 0, 4);
	memset(v[3].external_address.s6_addr + 12, 0, 4);
	assert_int_equal(backend_memory_open(&b), 0);
	assert_int_equal(b->ops->ask(b, v, 4, tell, &t), 0);
	assert_int_equal(t.n, 0);
	assert_int_equal(b->ops->commit(b, &c, 1), 0);
	assert_int_equal(b->ops->ask(b, v, 2, tell, &t), 0);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.last.internal_port, 80);
	assert_int_equal(t.remaining_ms, 5000);
	assert_int_equal(b->ops->ask(b, v + 2, 2, tell, &t), 0);
	assert_int_equal(t.n, 2);
	assert_int_equal(t.last.external_port, 80);
	assert_int_equal(b->ops->count(b, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(b->ops->list_filtered(b, tell, &t), 0);
	assert_int_equal(t.n, 2);
	backend_memory_fail(b, -EIO);
	assert_int_equal(b->ops->list_filtered(b, tell, &t), -EIO);
	assert_int_equal(b->ops->ask(b, v, 4, tell, &t), -EIO);
	assert_int_equal(b->ops->count(b, &n), -EIO);
	assert_int_equal(t.n, 2);
	b->ops->close(b, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(verdicts),	     cmocka_unit_test(refusal_in_a_later_commit),
	    cmocka_unit_test(dead_backend),  cmocka_unit_test(many),
	    cmocka_unit_test(peers),	     cmocka_unit_test(asked),
	    cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
