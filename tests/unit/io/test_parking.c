/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/parking.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"

static struct in6_addr host(uint32_t n)
{
	return codec_from_v4(0xc6120000 + n);
}

static int put(struct parking *p, uint32_t about, const char *text, uint16_t port, struct parked **v)
{
	struct in6_addr a = host(about);
	struct udp_datagram d = {
	    .data = (const uint8_t *)text, .length = strlen(text), .source = host(about), .source_port = port};

	return parking_put(p, &a, &d, v);
}

static void is(const struct parked *v, const char *text)
{
	assert_non_null(v);
	assert_int_equal(v->datagram.length, strlen(text));
	assert_memory_equal(v->datagram.data, text, strlen(text));
}

/* What came first goes on first; other hosts do not wait for it. */
static void lines(void **state)
{
	struct parking *p = parking_new();
	struct parked *a, *b, *c, *other;
	struct in6_addr one = host(1), two = host(2), three = host(3);

	(void)state;
	assert_false(parking_has(p, &one));
	assert_int_equal(put(p, 1, "delete", 1, &a), 0);
	assert_int_equal(put(p, 1, "create", 1, &b), 0);
	assert_int_equal(put(p, 2, "other", 1, &other), 0);
	assert_int_equal(put(p, 1, "shorten", 1, &c), 0);
	assert_true(parking_has(p, &one) && parking_has(p, &two) && !parking_has(p, &three));
	assert_int_equal(parking_count(p), 4);
	assert_null(parking_next(p));
	parking_ready(p, other);
	is(parking_next(p), "other");
	parking_ready(p, a);
	parking_ready(p, a);
	is(parking_next(p), "other");
	parking_done(p, other);
	assert_false(parking_has(p, &two));
	is(parking_next(p), "delete");
	parking_done(p, a);
	is(parking_next(p), "create");
	parking_done(p, b);
	/* something has to be found out for this one */
	is(parking_next(p), "shorten");
	parking_hold(p, c);
	assert_null(parking_next(p));
	assert_true(parking_has(p, &one));
	/* those who are done with are there until they are swept */
	is(a, "delete");
	parking_sweep(p);
	parking_ready(p, c);
	is(parking_next(p), "shorten");
	parking_done(p, c);
	assert_int_equal(parking_count(p), 0);
	parking_free(p);
}

/* A copy, and of what a client sends again only one. */
static void copies(void **state)
{
	struct parking *p = parking_new();
	char text[3000], same[3000];
	struct parked *v, *w;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[2000] = '\0';
	memcpy(same, text, sizeof(text));
	assert_int_equal(put(p, 1, text, 1, &v), 0);
	assert_int_equal(put(p, 1, same, 1, &w), -EEXIST);
	/* beyond what is looked at */
	same[1999] = 'b';
	assert_int_equal(put(p, 1, same, 1, &w), -EEXIST);
	assert_int_equal(put(p, 1, same, 2, &w), 0);
	/* after something else it is no repetition */
	assert_int_equal(put(p, 1, same, 1, &w), 0);
	same[PARKING_DATA - 1] = 'b';
	assert_int_equal(put(p, 1, same, 1, &w), 0);
	assert_int_equal(put(p, 2, text, 1, &w), 0);
	memset(text, 'c', sizeof(text));
	assert_int_equal(v->datagram.length, 2000);
	assert_int_equal(v->datagram.data[PARKING_DATA - 1], 'a');
	/* all is freed, waiting or not */
	v->asked = malloc(10);
	parking_ready(p, v);
	parking_done(p, v);
	parking_free(p);
	parking_free(NULL);
}

static void bounds(void **state)
{
	struct parking *p = parking_new();
	struct parked *v, *first = NULL;

	(void)state;
	for (unsigned i = 0; i < PARKING_HOST_MAX; i++) {
		assert_int_equal(put(p, 1, "x", (uint16_t)(i + 1), &v), 0);
		first = first ? first : v;
	}
	assert_int_equal(put(p, 1, "x", 1000, &v), -ENOSPC);
	for (unsigned i = PARKING_HOST_MAX; i < PARKING_MAX; i++)
		assert_int_equal(put(p, 1 + i, "x", 1, &v), 0);
	assert_int_equal(put(p, 5000, "x", 1, &v), -ENOSPC);
	parking_ready(p, first);
	parking_done(p, first);
	assert_int_equal(put(p, 5000, "x", 1, &v), 0);
	assert_int_equal(put(p, 5001, "x", 1, &v), -ENOSPC);
	parking_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines),
	    cmocka_unit_test(copies),
	    cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
