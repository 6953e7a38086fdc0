/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/codec/support.h"

#include "codec/wire.h"

/* 6886-3-02, 6887-7-02: numbers are big-endian */
static void numbers_are_big_endian(void **state)
{
	(void)state;
	static const uint8_t expected[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0,	   0,
					   0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0xaa};
	uint8_t out[sizeof(expected)];
	struct wire_writer w = wire_writer_init(out, sizeof(out));

	wire_put_u8(&w, 0x01);
	wire_put_u16(&w, 0x0203);
	wire_put_u32(&w, 0x04050607);
	wire_put_zeros(&w, 2);
	wire_put_u64(&w, 0x1112131415161718);
	wire_put_octets(&w, "\xaa", 1);
	assert_int_equal(wire_written(&w), sizeof(out));
	assert_memory_equal(out, expected, sizeof(out));

	struct wire_reader r = wire_reader_init(out, sizeof(out));
	assert_int_equal(wire_get_u8(&r), 0x01);
	assert_int_equal(wire_get_u16(&r), 0x0203);
	assert_int_equal(wire_get_u32(&r), 0x04050607);
	wire_skip(&r, 2);
	assert_true(wire_get_u64(&r) == 0x1112131415161718);
	assert_int_equal(wire_left(&r), 1);
	assert_int_equal(*wire_take(&r, 1), 0xaa);
	assert_int_equal(wire_left(&r), 0);
	assert_false(r.bad);
}

static void highest_bits_survive(void **state)
{
	(void)state;
	static const uint8_t ones[7] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct wire_reader r = wire_reader_init(ones, sizeof(ones));

	assert_int_equal(wire_get_u8(&r), UINT8_MAX);
	assert_int_equal(wire_get_u16(&r), UINT16_MAX);
	assert_true(wire_get_u32(&r) == UINT32_MAX);
}

/* Every length from none to enough, in a buffer of exactly that length. */
static void reader_stops_at_the_end(void **state)
{
	(void)state;
	static const uint8_t data[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

	for (size_t n = 0; n <= sizeof(data); n++) {
		uint8_t *copy = exact_copy(data, n);
		struct wire_reader r;

		r = wire_reader_init(copy, n);
		assert_int_equal(wire_get_u8(&r) == 1, n >= 1);
		assert_int_equal(r.bad, n < 1);
		r = wire_reader_init(copy, n);
		assert_int_equal(wire_get_u16(&r) == 0x0102, n >= 2);
		assert_int_equal(r.bad, n < 2);
		r = wire_reader_init(copy, n);
		assert_int_equal(wire_get_u32(&r) == 0x01020304, n >= 4);
		assert_int_equal(r.bad, n < 4);
		r = wire_reader_init(copy, n);
		assert_int_equal(wire_get_u64(&r) == 0x0102030405060708, n >= 8);
		assert_int_equal(r.bad, n < 8);
		r = wire_reader_init(copy, n);
		struct in6_addr a = wire_get_address(&r);
		assert_int_equal(memcmp(&a, data, sizeof(a)) == 0, n >= 16);
		assert_int_equal(r.bad, n < 16);
		r = wire_reader_init(copy, n);
		assert_ptr_equal(wire_take(&r, n), copy);
		assert_false(r.bad);
		assert_null(wire_take(&r, SIZE_MAX));
		assert_true(r.bad);
		free(copy);
	}
}

static void reader_error_sticks(void **state)
{
	(void)state;
	static const uint8_t data[5] = {1, 2, 3, 4, 5};
	struct wire_reader r = wire_reader_init(data, sizeof(data));
	uint8_t octets[2] = {9, 9};

	assert_int_equal(wire_get_u8(&r), 1);
	wire_skip(&r, 5);
	assert_true(r.bad);
	assert_int_equal(wire_get_u8(&r), 0);
	assert_int_equal(wire_get_u16(&r), 0);
	assert_int_equal(wire_get_u32(&r), 0);
	wire_get_octets(&r, octets, 2);
	assert_int_equal(octets[0] | octets[1], 0);
	assert_null(wire_take(&r, 0));
	assert_int_equal(wire_left(&r), 0);
}

static void writer_stops_at_the_end(void **state)
{
	(void)state;
	struct in6_addr a = {.s6_addr = {1}};
	volatile size_t endless = SIZE_MAX; /* so that no compiler warns of what must fail */

	for (size_t n = 0; n <= 16; n++) {
		uint8_t *out = malloc(n ? n : 1);
		struct wire_writer w;

		assert_non_null(out);
		w = wire_writer_init(out, n);
		wire_put_u8(&w, 1);
		assert_int_equal(wire_written(&w), n >= 1 ? 1 : 0);
		w = wire_writer_init(out, n);
		wire_put_u16(&w, 1);
		assert_int_equal(wire_written(&w), n >= 2 ? 2 : 0);
		w = wire_writer_init(out, n);
		wire_put_u32(&w, 1);
		assert_int_equal(wire_written(&w), n >= 4 ? 4 : 0);
		w = wire_writer_init(out, n);
		wire_put_u64(&w, 1);
		assert_int_equal(wire_written(&w), n >= 8 ? 8 : 0);
		w = wire_writer_init(out, n);
		wire_put_address(&w, &a);
		assert_int_equal(wire_written(&w), n >= 16 ? 16 : 0);
		w = wire_writer_init(out, n);
		wire_put_zeros(&w, n);
		assert_false(w.bad);
		wire_put_zeros(&w, endless);
		assert_true(w.bad);
		free(out);
	}
}

static void writer_error_sticks(void **state)
{
	(void)state;
	uint8_t out[4] = {7, 7, 7, 7};
	struct wire_writer w = wire_writer_init(out, 3);

	wire_put_u8(&w, 1);
	wire_put_u32(&w, 0);
	wire_put_u8(&w, 2);
	wire_put_octets(&w, NULL, 0);
	assert_int_equal(wire_written(&w), 0);
	assert_memory_equal(out, "\1\7\7\7", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_are_big_endian),  cmocka_unit_test(highest_bits_survive),
	    cmocka_unit_test(reader_stops_at_the_end), cmocka_unit_test(reader_error_sticks),
	    cmocka_unit_test(writer_stops_at_the_end), cmocka_unit_test(writer_error_sticks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
