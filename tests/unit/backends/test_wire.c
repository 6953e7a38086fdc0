/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/wire.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct in6_addr v4(uint8_t a, uint8_t d)
{
	return (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff, [12] = a, [15] = d}};
}

static const struct mapping_filter three[3] = {
    {.prefix_length = 120, .port = 7}, {.prefix_length = 128}, {.prefix_length = 96, .port = 65535}};

static struct change some(uint8_t i)
{
	return (struct change){.mapping = {.internal_address = v4(192, i),
					   .external_address = v4(198, i),
					   .remote_address = v4(203, i),
					   .internal_port = (uint16_t)(1000 + i),
					   .external_port = (uint16_t)(2000 + i),
					   .more_ports = i,
					   .remote_port = (uint16_t)(3000 + i),
					   .protocol = 17,
					   .kind = i % 2,
					   .external = i,
					   .filters_n = i % 4,
					   .filters = i % 4 ? three : NULL},
			       .timeout_ms = (uint64_t)1 << 40 | i,
			       .group = i / 2,
			       .op = i % 3,
			       .verdict = 77};
}

static void same_mapping(const struct mapping *a, const struct mapping *b)
{
	const struct wire_mapping x = wire_mapping(a), y = wire_mapping(b);

	assert_memory_equal(&x, &y, sizeof(x));
	for (size_t i = 0; i < a->filters_n; i++) {
		assert_memory_equal(&a->filters[i].address, &b->filters[i].address, 16);
		assert_int_equal(a->filters[i].port, b->filters[i].port);
		assert_int_equal(a->filters[i].prefix_length, b->filters[i].prefix_length);
	}
}

enum { N = 9 };

/* N changes as a message; *length: of its body. */
static const uint8_t *body_of(struct wire_buffer *b, size_t *length)
{
	struct change v[N];
	struct wire_head h;

	for (uint8_t i = 0; i < N; i++)
		v[i] = some(i);
	wire_begin(b, WIRE_COMMIT);
	wire_put_changes(b, v, N);
	assert_true(wire_end(b, N, -5));
	memcpy(&h, b->data, sizeof(h));
	assert_int_equal(h.what, WIRE_COMMIT);
	assert_int_equal(h.n, N);
	assert_int_equal(h.result, -5);
	assert_int_equal(h.length, b->length - sizeof(h));
	*length = h.length;
	return b->data + sizeof(h);
}

static void changes(void **state)
{
	struct wire_buffer b = {0};
	struct wire_room r = {0};
	struct change *out;
	size_t length;
	const uint8_t *body = body_of(&b, &length);

	(void)state;
	assert_int_equal(wire_get_changes(&r, body, length, N, &out), 0);
	for (uint8_t i = 0; i < N; i++) {
		struct change c = some(i);

		same_mapping(&out[i].mapping, &c.mapping);
		assert_int_equal(out[i].timeout_ms, c.timeout_ms);
		assert_int_equal(out[i].group, c.group);
		assert_int_equal(out[i].op, c.op);
		assert_int_equal(out[i].verdict, 0);
	}
	wire_room_clear(&r);
	wire_clear(&b);
}

/* Any other length, and any other number of records, is no message; nothing is read beyond the end. */
static void lengths(void **state)
{
	struct wire_buffer b = {0};
	struct wire_room r = {0};
	struct change *out;
	struct mapping *v;
	size_t length;
	const uint8_t *body = body_of(&b, &length);

	(void)state;
	for (size_t cut = 0; cut < length; cut++) {
		uint8_t *exact = malloc(cut ? cut : 1);

		memcpy(exact, body, cut);
		assert_int_equal(wire_get_changes(&r, exact, cut, N, &out), -EBADMSG);
		free(exact);
	}
	assert_int_equal(wire_get_changes(&r, body, length, N - 1, &out), -EBADMSG);
	assert_int_equal(wire_get_changes(&r, body, length, N + 1, &out), -EBADMSG);
	assert_int_equal(wire_get_changes(&r, body, length, UINT32_MAX, &out), -E2BIG);
	assert_int_equal(wire_get_mappings(&r, body, length, WIRE_CHANGES_MAX + 1, &v), -E2BIG);
	wire_room_clear(&r);
	wire_clear(&b);
}

static void values(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		int rc;
	} rows[] = {
	    {offsetof(struct wire_change, mapping.kind), 2, -EBADMSG},
	    {offsetof(struct wire_change, mapping.kind), 255, -EBADMSG},
	    {offsetof(struct wire_change, op), 3, -EBADMSG},
	    {offsetof(struct wire_change, mapping.filters_n), WIRE_FILTERS_MAX + 1, -EBADMSG},
	    {offsetof(struct wire_change, mapping.filters_n), 1, -EBADMSG},
	    {offsetof(struct wire_change, mapping.protocol), 255, 0},
	    {N * sizeof(struct wire_change) + offsetof(struct wire_filter, prefix_length), 129, -EBADMSG},
	    {N * sizeof(struct wire_change) + offsetof(struct wire_filter, prefix_length), 128, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct wire_buffer b = {0};
		struct wire_room r = {0};
		struct change *out;
		size_t length;

		body_of(&b, &length);
		b.data[sizeof(struct wire_head) + rows[i].at] = rows[i].value;
		assert_int_equal(wire_get_changes(&r, b.data + sizeof(struct wire_head), length, N, &out), rows[i].rc);
		wire_room_clear(&r);
		wire_clear(&b);
	}
}

static void items(void **state)
{
	struct change c = some(5);
	struct ender_list l = {0};
	struct wire_buffer b = {0};
	struct wire_room r = {0};
	struct ender_item *v;
	uint8_t *body;

	(void)state;
	assert_int_equal(ender_list_add(&l, &c.mapping, ENDER_ASK, NULL), 0);
	c.mapping.remote_port = 0;
	assert_int_equal(ender_list_add(&l, &c.mapping, ENDER_RESET, NULL), 0);
	wire_begin(&b, WIRE_SEARCH);
	wire_put_items(&b, l.v, l.n);
	assert_true(wire_end(&b, l.n, 0));
	body = b.data + sizeof(struct wire_head);
	assert_int_equal(wire_get_items(&r, body, 2 * sizeof(struct wire_item), 2, &v), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_memory_equal(&v[i].key, &l.v[i].key, sizeof(v[i].key));
		assert_int_equal(v[i].external_port, 2005);
		assert_int_equal(v[i].internal_port, 1005);
		assert_int_equal(v[i].more_ports, 5);
	}
	assert_int_equal(v[1].purpose, ENDER_RESET);
	assert_int_equal(wire_get_items(&r, body, 2 * sizeof(struct wire_item), 1, &v), -EBADMSG);
	assert_int_equal(wire_get_items(&r, body, 2 * sizeof(struct wire_item) - 1, 2, &v), -EBADMSG);
	assert_int_equal(wire_get_items(&r, body, 2 * sizeof(struct wire_item), WIRE_ITEMS_MAX + 1, &v), -E2BIG);
	body[offsetof(struct wire_item, purpose)] = 3;
	assert_int_equal(wire_get_items(&r, body, 2 * sizeof(struct wire_item), 2, &v), -EBADMSG);
	wire_room_clear(&r);
	wire_clear(&b);
	ender_list_clear(&l);
}

static void flow(void **state)
{
	struct conntrack_flow f = {.internal_address = v4(192, 1), .remote_port = 80, .left_s = 9}, g;
	struct wire_buffer b = {0};

	(void)state;
	wire_begin(&b, WIRE_FIND);
	wire_put_flow(&b, &f);
	assert_int_equal(wire_get_flow(b.data + sizeof(struct wire_head), sizeof(struct wire_flow), &g), 0);
	assert_int_equal(g.remote_port, 80);
	assert_int_equal(g.left_s, 9);
	assert_int_equal(wire_get_flow(b.data + sizeof(struct wire_head), sizeof(struct wire_flow) - 1, &g), -EBADMSG);
	wire_clear(&b);
}

static void texts(void **state)
{
	char out[4];

	(void)state;
	wire_get_text((const uint8_t *)"abcdef", 6, out, sizeof(out));
	assert_string_equal(out, "abc");
	wire_get_text(NULL, 0, out, sizeof(out));
	assert_string_equal(out, "");
}

/* A message that is too large is none, and the buffer can be used again. */
static void too_large(void **state)
{
	struct wire_buffer b = {0};
	uint8_t *large = calloc(1, 1 << 20);

	(void)state;
	wire_begin(&b, WIRE_COMMIT);
	for (size_t i = 0; i < WIRE_MAX >> 20; i++)
		wire_put(&b, large, 1 << 20);
	assert_true(wire_end(&b, 0, 0));
	wire_put(&b, large, 1);
	assert_false(wire_end(&b, 0, 0));
	wire_trim(&b);
	assert_int_equal(b.capacity, 0);
	wire_begin(&b, WIRE_COUNT);
	assert_true(wire_end(&b, 0, 0));
	wire_clear(&b);
	free(large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(changes), cmocka_unit_test(lengths), cmocka_unit_test(values),    cmocka_unit_test(items),
	    cmocka_unit_test(flow),    cmocka_unit_test(texts),	  cmocka_unit_test(too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
