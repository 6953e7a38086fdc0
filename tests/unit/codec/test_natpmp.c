/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/codec/support.h"

#include "tests/unit/codec/same.h"
#include "tests/unit/codec/vectors.h"

#define STUN_COOKIE 0x21, 0x12, 0xa4, 0x42

static enum codec_verdict parse(const void *data, size_t length, struct natpmp_message *m)
{
	struct codec_message whole;
	struct codec_error e = {.why = NULL};
	uint8_t *copy = exact_copy(data, length);
	enum codec_verdict verdict = codec_parse(copy, length, &whole, &e);

	assert_int_equal(whole.protocol, CODEC_VERSION_NATPMP);
	assert_int_equal(e.why != NULL, verdict != CODEC_OK);
	*m = whole.natpmp;
	free(copy);
	return verdict;
}

/* 6886-3-01, 6886-3-02, 6886-3-03, 6886-3-05, 6886-3-06, 6886-3-07, 6886-3.2-01, 6886-3.3-01, 6886-3.3-02,
 * 6886-3.3-12, 6886-3.3-30, 6886-3.4-03, 6886-3.4-15, 6886-9.3-01 */
static void golden_messages_parse_and_marshal(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct codec_message m;
		uint8_t out[64];

		if (v->message.protocol != CODEC_VERSION_NATPMP)
			continue;
		assert_int_equal(codec_parse(v->octets, v->length, &m, NULL), CODEC_OK);
		struct codec_message expected = v->message;
		if (m.natpmp.response && m.natpmp.opcode == NATPMP_ADDRESS && m.natpmp.result != NATPMP_SUCCESS)
			expected.natpmp.external_address = codec_from_v4(0);
		if (!same_message(&m, &expected))
			fail_msg("%s is parsed wrongly", v->name);
		assert_int_equal(codec_marshal(&v->message, out, sizeof(out)), v->length);
		if (memcmp(out, v->octets, v->length) != 0)
			fail_msg("%s is marshalled wrongly", v->name);
	}
}

/* 6886-3.3-03 in the writing, 6886-3.3-04 in the reading direction */
static void reserved_is_zero_out_and_ignored_in(void **state)
{
	(void)state;
	static const uint8_t request[] = {0, 1, 0xff, 0xff, 0, 80, 0, 81, 0, 0, 0, 1};
	struct natpmp_message m;
	uint8_t out[12];

	assert_int_equal(parse(request, sizeof(request), &m), CODEC_OK);
	assert_int_equal(m.internal_port, 80);
	assert_int_equal(natpmp_marshal(&m, out, sizeof(out)), 12);
	assert_int_equal(out[2] | out[3], 0);
}

static void requests_are_dropped_when_short_and_surplus_is_ignored(void **state)
{
	(void)state;
	static const uint8_t request[32] = {0, 2, 0, 0, 0, 80, 0, 81, 0, 0, 0, 9, 0xff, 0xff};
	struct natpmp_message m;

	for (size_t n = 0; n <= sizeof(request); n++) {
		struct codec_message whole;
		uint8_t *copy = exact_copy(request, n);

		assert_int_equal(codec_parse(copy, n, &whole, NULL), n < 12 ? CODEC_DROP : CODEC_OK);
		if (n >= 12)
			assert_int_equal(whole.natpmp.lifetime_s, 9);
		free(copy);
	}
	for (size_t n = 2; n <= 11; n++) {
		assert_int_equal(parse("\0\0\0\2\0\0\0\0\0\0\0", n, &m), CODEC_OK);
		assert_false(m.response);
	}
}

static void stun_on_a_shared_socket_is_no_mapping_request(void **state)
{
	(void)state;
	uint8_t binding[28] = {0, 1, 0, 8, STUN_COOKIE};
	struct natpmp_message m;

	assert_int_equal(parse(binding, 28, &m), CODEC_DROP);
	assert_int_equal(parse(binding, 27, &m), CODEC_OK);
	binding[3] = 7;
	assert_int_equal(parse(binding, 28, &m), CODEC_OK);
	binding[3] = 8;
	binding[7]++;
	assert_int_equal(parse(binding, 28, &m), CODEC_OK);
	assert_int_equal(m.internal_port, 0x2112);
}

/* 6886-3.5-06, 6886-3.5-07: opcode 128, or 0 as misprinted, or the request's as deployed servers have it */
static void version_errors_are_recognised(void **state)
{
	(void)state;
	struct natpmp_message m;
	uint8_t out[16];

	assert_int_equal(parse("\0\x80\0\1\0\0\0\x07", 8, &m), CODEC_OK);
	assert_true(m.response);
	assert_int_equal(m.result, NATPMP_UNSUPP_VERSION);
	assert_int_equal(m.epoch_s, 7);
	assert_int_equal(natpmp_marshal(&m, out, sizeof(out)), 8);
	assert_memory_equal(out, "\0\x80\0\1\0\0\0\x07", 8);

	assert_int_equal(parse("\0\0\0\1\0\0\0\x07", 8, &m), CODEC_OK);
	assert_true(m.response);
	assert_int_equal(m.opcode, NATPMP_ADDRESS);
	assert_int_equal(m.result, NATPMP_UNSUPP_VERSION);
	assert_int_equal(m.epoch_s, 7);

	assert_int_equal(parse("\0\0\0\1\0\0\0\x07", 7, &m), CODEC_OK);
	assert_false(m.response);

	assert_int_equal(parse("\0\x81\0\1\0\0\0\x07", 8, &m), CODEC_OK);
	assert_int_equal(m.result, NATPMP_UNSUPP_VERSION);
	assert_int_equal(m.epoch_s, 7);
	/* 6887-8.3-03, 6887-8.3-04: from 4 octets on */
	assert_int_equal(parse("\0\x81\0\1", 4, &m), CODEC_OK);
	assert_int_equal(parse("\0\x81\0", 3, &m), CODEC_DROP);
}

static void short_errors_are_taken_and_short_successes_dropped(void **state)
{
	(void)state;
	static const uint8_t map[16] = {0, 0x82, 0, 2, 0, 0, 0, 5, 0, 80, 0, 81, 0, 0, 0, 9};
	struct natpmp_message m;

	for (size_t n = 2; n <= sizeof(map); n++) {
		uint8_t success[16];

		assert_int_equal(parse(map, n, &m), n < 4 ? CODEC_DROP : CODEC_OK);
		if (n >= 8)
			assert_int_equal(m.epoch_s, 5);
		if (n >= 8)
			assert_int_equal(m.lifetime_s, n < 16 ? 0 : 9);
		memcpy(success, map, sizeof(success));
		success[3] = 0;
		assert_int_equal(parse(success, n, &m), n < 16 ? CODEC_DROP : CODEC_OK);
		success[1] = 0x80;
		assert_int_equal(parse(success, n, &m), n < 12 ? CODEC_DROP : CODEC_OK);
	}
}

/* 6886-3.2-04, 6886-3.2-05 */
static void no_address_beside_an_error(void **state)
{
	(void)state;
	static const uint8_t failed[12] = {0, 0x80, 0, 3, 0, 0, 0, 1, 192, 0, 2, 1};
	struct natpmp_message m;
	uint8_t out[12];

	assert_int_equal(parse(failed, sizeof(failed), &m), CODEC_OK);
	assert_true(codec_is_v4(&m.external_address));
	assert_true(codec_is_unspecified(&m.external_address));

	m.external_address = codec_from_v4(0xc0000201);
	assert_int_equal(natpmp_marshal(&m, out, sizeof(out)), 12);
	assert_memory_equal(out + 8, "\0\0\0\0", 4);
}

static void what_cannot_be_marshalled_gives_zero(void **state)
{
	(void)state;
	static const uint8_t rest[CODEC_MESSAGE_MAX];
	struct natpmp_message m = {.response = true, .external_address.s6_addr = {0x20, 0x01}};
	uint8_t out[CODEC_MESSAGE_MAX + 1];

	assert_int_equal(natpmp_marshal(&m, out, sizeof(out)), 0);
	m.external_address = codec_from_v4(1);
	assert_int_equal(natpmp_marshal(&m, out, sizeof(out)), 12);
	m.opcode = 128;
	assert_int_equal(natpmp_marshal(&m, out, sizeof(out)), 0);
	m = (struct natpmp_message){.opcode = 9, .rest = rest, .rest_length = CODEC_MESSAGE_MAX - 2};
	assert_int_equal(natpmp_marshal(&m, out, sizeof(out)), CODEC_MESSAGE_MAX);
	m.rest_length++;
	assert_int_equal(natpmp_marshal(&m, out, sizeof(out)), 0);
}

/* 6886-3.5-05, 6886-3.5-06, 6886-3.5-09, 6886-3.5-10, 6886-3.5-11, 6886-3.5-12, 6886-3.5-13, 6886-3.5-14,
 * 6886-1.1-04 */
static void golden_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(natpmp_errors); i++) {
		const struct error_vector *v = &natpmp_errors[i];
		uint8_t *request = exact_copy(v->request, v->request_length);

		for (size_t capacity = 0; capacity <= v->answer_length; capacity++) {
			uint8_t *out = exact_copy(v->answer, capacity);
			memset(out, 0xee, capacity);
			size_t n =
			    natpmp_marshal_error(request, v->request_length, v->result, v->epoch_s, out, capacity);
			if (n != (capacity < v->answer_length ? 0 : v->answer_length))
				fail_msg("%s: %zu octets in %zu", v->name, n, capacity);
			if (n && memcmp(out, v->answer, n) != 0)
				fail_msg("%s is answered wrongly", v->name);
			free(out);
		}
		free(request);
	}
}

/* Every answer we give is a response that we take. */
static void errors_parse_as_responses(void **state)
{
	(void)state;
	uint64_t seed = 6886;

	for (int i = 0; i < 20000; i++) {
		uint8_t request[24], answer[24];
		size_t length = random_below(&seed, sizeof(request) + 1);
		uint16_t result = (uint16_t)(1 + random_below(&seed, 5));
		struct natpmp_message m;

		random_fill(&seed, request, sizeof(request));
		request[0] = 0;
		request[1] &= 0x7f;
		size_t n = natpmp_marshal_error(request, length, result, 77, answer, sizeof(answer));
		assert_true(n >= 4);
		assert_int_equal(parse(answer, n, &m), CODEC_OK);
		assert_true(m.response);
	}
}

/* In the request's own buffer. */
static void errors_can_be_written_in_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(natpmp_errors); i++) {
		const struct error_vector *v = &natpmp_errors[i];
		uint8_t buffer[64];

		memcpy(buffer, v->request, v->request_length);
		size_t n =
		    natpmp_marshal_error(buffer, v->request_length, v->result, v->epoch_s, buffer, sizeof(buffer));
		assert_int_equal(n, v->answer_length);
		assert_memory_equal(buffer, v->answer, n);
	}
}

static struct natpmp_message random_message(uint64_t *seed, const uint8_t *rest)
{
	struct natpmp_message m = {.response = random_below(seed, 2)};

	m.opcode = (uint8_t)random_below(seed, 4);
	if (m.opcode > NATPMP_MAP_TCP) {
		m.opcode = (uint8_t)(3 + random_below(seed, 125));
		m.rest = rest;
		m.rest_length = random_below(seed, 40);
		return m;
	}
	if (m.response) {
		m.result = (uint16_t)random_below(seed, 7);
		m.epoch_s = (uint32_t)random_next(seed);
	}
	if (m.response && m.opcode == NATPMP_ADDRESS)
		m.external_address = codec_from_v4(m.result ? 0 : (uint32_t)random_next(seed));
	if (m.opcode != NATPMP_ADDRESS) {
		m.internal_port = (uint16_t)random_next(seed);
		m.external_port = (uint16_t)random_next(seed);
		m.lifetime_s = (uint32_t)random_next(seed);
	}
	return m;
}

static void random_messages_come_back(void **state)
{
	(void)state;
	uint64_t seed = 1;
	uint8_t rest[40];

	random_fill(&seed, rest, sizeof(rest));
	for (int i = 0; i < 50000; i++) {
		struct natpmp_message m = random_message(&seed, rest), back;
		uint8_t out[64];
		size_t n = natpmp_marshal(&m, out, sizeof(out));

		assert_true(n >= 2);
		struct codec_message whole;
		assert_int_equal(codec_parse(out, n, &whole, NULL), CODEC_OK);
		back = whole.natpmp;
		assert_true(same_natpmp(&m, &back));
		/* less room than that is too little */
		uint8_t *tight = exact_copy(out, n - 1);
		assert_int_equal(natpmp_marshal(&m, tight, n - 1), 0);
		free(tight);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(golden_messages_parse_and_marshal),
	    cmocka_unit_test(reserved_is_zero_out_and_ignored_in),
	    cmocka_unit_test(requests_are_dropped_when_short_and_surplus_is_ignored),
	    cmocka_unit_test(stun_on_a_shared_socket_is_no_mapping_request),
	    cmocka_unit_test(version_errors_are_recognised),
	    cmocka_unit_test(short_errors_are_taken_and_short_successes_dropped),
	    cmocka_unit_test(no_address_beside_an_error),
	    cmocka_unit_test(what_cannot_be_marshalled_gives_zero),
	    cmocka_unit_test(golden_errors),
	    cmocka_unit_test(errors_parse_as_responses),
	    cmocka_unit_test(errors_can_be_written_in_place),
	    cmocka_unit_test(random_messages_come_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
