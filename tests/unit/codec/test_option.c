/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/codec/support.h"

#include "tests/unit/codec/same.h"
#include "tests/unit/codec/vectors.h"

#define V4_ADDRESS 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 7
#define V6_ADDRESS 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1

/* 6887-7.3-01, 6887-7.3-05, 6887-7.3-06, 6887-7.3-13, 6887-13.1-01, 6887-13.2-01, 6887-13.3-01, 7220-2-01,
 * 7753-4-01, 7753-4-02 */
static void golden_options_are_found_in_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct codec_message m;
		struct pcp_option o;
		size_t offset = 0, n = 0;

		if (v->message.protocol != CODEC_VERSION_PCP)
			continue;
		assert_int_equal(codec_parse(v->octets, v->length, &m, NULL), CODEC_OK);
		while (pcp_option_next(m.pcp.options, m.pcp.options_length, &offset, &o, NULL) == CODEC_OK) {
			if (n >= v->option_count || !same_option(&o, &v->options[n]))
				fail_msg("%s: option %zu is read wrongly", v->name, n);
			n++;
		}
		assert_int_equal(n, v->option_count);
		assert_int_equal(offset, m.pcp.options_length);
	}
}

/* 6887-7.3-19, 6887-13.3-09, 6887-13.3-10, 6887-13.3-11, 6887-13.3-12, 7220-2-03: contents by code */
static void contents_are_checked(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		uint8_t code;
		uint16_t length;
		enum codec_verdict verdict;
		uint8_t data[24];
	} cases[] = {
	    {"THIRD_PARTY", 1, 16, CODEC_OK, {V4_ADDRESS}},
	    {"THIRD_PARTY, 4 octets", 1, 4, CODEC_REFUSE, {192, 0, 2, 1}},
	    {"THIRD_PARTY, 17 octets", 1, 17, CODEC_REFUSE, {V4_ADDRESS}},
	    {"THIRD_PARTY, empty", 1, 0, CODEC_REFUSE, {0}},
	    {"PREFER_FAILURE", 2, 0, CODEC_OK, {0}},
	    {"PREFER_FAILURE, 4 octets", 2, 4, CODEC_REFUSE, {0}},
	    {"FILTER, 19 octets", 3, 19, CODEC_REFUSE, {0, 128, 0, 1, V4_ADDRESS}},
	    {"FILTER, 21 octets", 3, 21, CODEC_REFUSE, {0, 128, 0, 1, V4_ADDRESS}},
	    {"FILTER, empty", 3, 0, CODEC_REFUSE, {0}},
	    {"FILTER v4 /0 as remove-all", 3, 20, CODEC_OK, {0, 0, 9, 9, V4_ADDRESS}},
	    {"FILTER v6 /0 as remove-all", 3, 20, CODEC_OK, {0, 0, 9, 9, V6_ADDRESS}},
	    {"FILTER v4 /1", 3, 20, CODEC_REFUSE, {0, 1, 0, 1, V4_ADDRESS}},
	    {"FILTER v4 /24", 3, 20, CODEC_REFUSE, {0, 24, 0, 1, V4_ADDRESS}},
	    {"FILTER v4 /95", 3, 20, CODEC_REFUSE, {0, 95, 0, 1, V4_ADDRESS}},
	    {"FILTER v4 /96 as any", 3, 20, CODEC_OK, {0, 96, 0, 1, V4_ADDRESS}},
	    {"FILTER v4 /120", 3, 20, CODEC_OK, {0, 120, 0, 1, V4_ADDRESS}},
	    {"FILTER v4 /128", 3, 20, CODEC_OK, {0, 128, 0, 1, V4_ADDRESS}},
	    {"FILTER v4 /129", 3, 20, CODEC_REFUSE, {0, 129, 0, 1, V4_ADDRESS}},
	    {"FILTER v6 /1", 3, 20, CODEC_OK, {0, 1, 0, 1, V6_ADDRESS}},
	    {"FILTER v6 /128", 3, 20, CODEC_OK, {0, 128, 0, 1, V6_ADDRESS}},
	    {"FILTER v6 /129", 3, 20, CODEC_REFUSE, {0, 129, 0, 1, V6_ADDRESS}},
	    {"FILTER v6 /255", 3, 20, CODEC_REFUSE, {0, 255, 0, 1, V6_ADDRESS}},
	    {"FILTER, reserved set", 3, 20, CODEC_OK, {0xff, 128, 0, 1, V6_ADDRESS}},
	    {"PORT_SET", 130, 5, CODEC_OK, {0, 100, 0xc3, 0x50, 1}},
	    {"PORT_SET, size 0 is the caller's matter", 130, 5, CODEC_OK, {0, 0, 0, 1, 1}},
	    {"PORT_SET, 4 octets", 130, 4, CODEC_REFUSE, {0, 100, 0xc3, 0x50}},
	    {"PORT_SET, 6 octets", 130, 6, CODEC_REFUSE, {0, 100, 0xc3, 0x50, 1, 0}},
	    {"PORT_SET, empty", 130, 0, CODEC_REFUSE, {0}},
	    {"unknown and empty", 129, 0, CODEC_OK, {0}},
	    {"DESCRIPTION that is not UTF-8", 128, 2, CODEC_OK, {0xc3, 0x28}},
	    {"reserved code 0", 0, 3, CODEC_OK, {1, 2, 3}},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t area[36] = {cases[i].code, 0xff, 0, (uint8_t)cases[i].length};
		size_t whole = 4 + (cases[i].length + 3u) / 4 * 4, offset = 0;
		struct codec_error e = {.result = 0};
		struct pcp_option o;

		memcpy(area + 4, cases[i].data, cases[i].length);
		uint8_t *copy = exact_copy(area, whole);
		enum codec_verdict verdict = pcp_option_next(copy, whole, &offset, &o, &e);
		if (verdict != cases[i].verdict)
			fail_msg("%s: verdict %d", cases[i].what, verdict);
		assert_int_equal(e.result, verdict == CODEC_OK ? 0 : PCP_MALFORMED_OPTION);
		assert_int_equal(offset, whole); /* it can be walked on */
		assert_int_equal(o.code, cases[i].code);
		assert_int_equal(o.length, cases[i].length);
		assert_ptr_equal(o.data, copy + 4);
		assert_int_equal(pcp_option_next(copy, whole, &offset, &o, &e), CODEC_DROP);
		free(copy);
	}
}

/* 6887-13.3-12: beside prefix 0 port and address are neither read nor written */
static void filter_removal_has_no_peer(void **state)
{
	(void)state;
	static const uint8_t area[24] = {3, 0, 0, 20, 0, 0, 9, 9, V4_ADDRESS};
	uint8_t out[24];
	struct pcp_option o;
	size_t offset = 0, length = 0;

	assert_int_equal(pcp_option_next(area, sizeof(area), &offset, &o, NULL), CODEC_OK);
	assert_int_equal(o.filter.remote_port, 0);
	assert_true(codec_is_unspecified(&o.filter.remote_address));
	o.filter.remote_port = 99;
	o.filter.remote_address = codec_from_v4(1);
	assert_true(pcp_option_put(&o, out, &length, sizeof(out)));
	assert_memory_equal(out, "\3\0\0\x14\0\0\0\0", 8);
	for (size_t i = 8; i < sizeof(out); i++)
		assert_int_equal(out[i], 0);
}

/* 7753-4-07: only the lowest bit counts */
static void port_set_parity_is_one_bit(void **state)
{
	(void)state;
	uint8_t area[12] = {130, 0, 0, 5, 0, 2, 0, 9, 0xfe}, out[12];
	struct pcp_option o;
	size_t offset = 0, length = 0;

	assert_int_equal(pcp_option_next(area, sizeof(area), &offset, &o, NULL), CODEC_OK);
	assert_false(o.port_set.parity);
	assert_true(pcp_option_put(&o, out, &length, sizeof(out)));
	assert_memory_equal(out, "\x82\0\0\5\0\2\0\x09\0\0\0\0", 12);
	area[8] = 0xff;
	offset = length = 0;
	assert_int_equal(pcp_option_next(area, sizeof(area), &offset, &o, NULL), CODEC_OK);
	assert_true(o.port_set.parity);
	assert_true(pcp_option_put(&o, out, &length, sizeof(out)));
	assert_memory_equal(out, "\x82\0\0\5\0\2\0\x09\1\0\0\0", 12);
}

static void the_area_ends_where_it_ends(void **state)
{
	(void)state;
	static const uint8_t area[16] = {200, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0};

	for (size_t n = 0; n <= sizeof(area); n++) {
		uint8_t *copy = exact_copy(area, n);
		struct codec_error e = {.why = NULL};
		struct pcp_option o;
		size_t offset = 0;
		enum codec_verdict expected = n == 0 ? CODEC_DROP : n < 16 ? CODEC_REFUSE : CODEC_OK;

		assert_int_equal(pcp_option_next(copy, n, &offset, &o, &e), expected);
		assert_int_equal(offset, n < 16 ? 0 : 16);
		free(copy);
	}
	struct pcp_option o;
	size_t offset = 0;
	assert_int_equal(pcp_option_next(NULL, 0, &offset, &o, NULL), CODEC_DROP);
}

/* 6887-7.3-03, 6887-7.3-06, 6887-13.3-05, 7220-2-02: reserved and padding are zero whatever was in the buffer */
static void written_padding_and_reserved_are_zero(void **state)
{
	(void)state;
	static const uint8_t text[] = "abcdefgh";

	for (uint16_t n = 0; n <= 8; n++) {
		struct pcp_option o = {.code = PCP_OPTION_DESCRIPTION, .data = text, .length = n};
		uint8_t out[12];
		size_t length = 0;

		memset(out, 0xee, sizeof(out));
		assert_true(pcp_option_put(&o, out, &length, sizeof(out)));
		assert_int_equal(length, 4 + (n + 3) / 4 * 4);
		assert_int_equal(out[1], 0);
		assert_int_equal(out[3], n);
		assert_memory_equal(out + 4, text, n);
		for (size_t i = 4 + n; i < length; i++)
			assert_int_equal(out[i], 0);
	}
}

/* 7220-2-03, 7220-2-06, 7753-4-04 */
static void what_cannot_be_sent_is_not_put(void **state)
{
	(void)state;
	static uint8_t text[CODEC_DESCRIPTION_MAX + 1];
	const struct in6_addr v6 = {.s6_addr = {V6_ADDRESS}};
	const struct pcp_option bad[] = {
	    {.code = 3, .filter = {.prefix_length = 95, .remote_address = codec_from_v4(1)}},
	    {.code = 3, .filter = {.prefix_length = 24, .remote_address = codec_from_v4(1)}},
	    {.code = 3, .filter = {.prefix_length = 129, .remote_address = codec_from_v4(1)}},
	    {.code = 3, .filter = {.prefix_length = 129, .remote_address = v6}},
	    {.code = 128, .data = text, .length = sizeof(text)},
	    {.code = 128, .data = (const uint8_t *)"\xc3\x28", .length = 2},
	    {.code = 128, .data = (const uint8_t *)"caf\xc3\xa9", .length = 4},
	    {.code = 130, .port_set = {.size = 0, .first_internal_port = 1}},
	};
	const struct pcp_option longest = {.code = 128, .data = text, .length = CODEC_DESCRIPTION_MAX};
	uint8_t out[1100];
	size_t length = 4;

	memset(text, 'x', sizeof(text));
	memset(out, 0xee, sizeof(out));
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(pcp_option_put(&bad[i], out, &length, sizeof(out)));
		assert_int_equal(length, 4);
		assert_int_equal(out[4], 0xee);
	}
	assert_true(pcp_option_put(&longest, out, &length, sizeof(out)));
	assert_int_equal(length, 4 + 4 + 1016);
}

static void nothing_is_put_without_room(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		for (size_t n = 0; n < vectors[i].option_count; n++) {
			const struct pcp_option *o = &vectors[i].options[n];
			uint8_t whole[1100];
			size_t needed = 0;

			assert_true(pcp_option_put(o, whole, &needed, sizeof(whole)));
			for (size_t room = 0; room < needed && room < 64; room++) {
				uint8_t *tight = malloc(room ? room : 1);
				size_t length = 0;

				assert_non_null(tight);
				assert_false(pcp_option_put(o, tight, &length, room));
				assert_int_equal(length, 0);
				free(tight);
			}
		}
	}
	struct pcp_option o = {.code = PCP_OPTION_PREFER_FAILURE};
	uint8_t out[8];
	size_t odd = 2, beyond = 12;
	assert_false(pcp_option_put(&o, out, &odd, sizeof(out)));
	assert_false(pcp_option_put(&o, out, &beyond, sizeof(out)));
}

static struct pcp_option random_option(uint64_t *seed, const uint8_t *data)
{
	static const uint8_t codes[] = {1, 2, 3, 128, 130, 0, 5, 127, 129, 255};
	struct pcp_option o = {.code = codes[random_below(seed, COUNT(codes))]};

	switch (o.code) {
	case PCP_OPTION_THIRD_PARTY:
		random_fill(seed, &o.third_party, sizeof(o.third_party));
		break;
	case PCP_OPTION_PREFER_FAILURE:
		break;
	case PCP_OPTION_FILTER:
		o.filter.prefix_length = (uint8_t)(96 + random_below(seed, 33));
		o.filter.remote_port = (uint16_t)random_next(seed);
		random_fill(seed, &o.filter.remote_address, sizeof(o.filter.remote_address));
		if (random_below(seed, 2))
			o.filter.remote_address = codec_from_v4((uint32_t)random_next(seed));
		break;
	case PCP_OPTION_PORT_SET:
		o.port_set.size = (uint16_t)(1 + random_below(seed, 65535));
		o.port_set.first_internal_port = (uint16_t)random_next(seed);
		o.port_set.parity = random_below(seed, 2);
		break;
	default:
		o.data = data;
		o.length = (uint16_t)random_below(seed, 30);
		break;
	}
	return o;
}

static void random_options_come_back(void **state)
{
	(void)state;
	static const uint8_t data[] = "0123456789 caf\xc3\xa9 0123456789ab";
	uint64_t seed = 13;

	for (int i = 0; i < 20000; i++) {
		struct pcp_option in[8], o;
		uint8_t area[256];
		size_t length = 0, offset = 0, n = 0;

		for (; n < 8; n++) {
			in[n] = random_option(&seed, data);
			if (!pcp_option_put(&in[n], area, &length, sizeof(area)))
				break;
		}
		assert_int_equal(length % 4, 0);
		for (size_t k = 0; k < n; k++) {
			assert_int_equal(pcp_option_next(area, length, &offset, &o, NULL), CODEC_OK);
			assert_true(same_option(&o, &in[k]));
		}
		assert_int_equal(pcp_option_next(area, length, &offset, &o, NULL), CODEC_DROP);
	}
}

/* Whatever is in the area: every step advances or ends, and nothing outside is touched. */
static void any_area_ends(void **state)
{
	(void)state;
	uint64_t seed = 14;

	for (int i = 0; i < 20000; i++) {
		uint8_t area[64];
		size_t length = random_below(&seed, sizeof(area) + 1), offset = 0;
		struct pcp_option o;
		enum codec_verdict verdict;

		random_fill(&seed, area, sizeof(area));
		for (size_t k = 2; k + 2 < sizeof(area); k += 4) /* short lengths, so that the walk goes on */
			area[k] = 0, area[k + 1] &= 7;
		uint8_t *copy = exact_copy(area, length);
		for (;;) {
			size_t before = offset;
			verdict = pcp_option_next(copy, length, &offset, &o, NULL);
			if (verdict == CODEC_DROP || offset == before)
				break;
			assert_true(offset > before && offset <= length);
		}
		assert_true(verdict != CODEC_OK);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(golden_options_are_found_in_order),
	    cmocka_unit_test(contents_are_checked),
	    cmocka_unit_test(filter_removal_has_no_peer),
	    cmocka_unit_test(port_set_parity_is_one_bit),
	    cmocka_unit_test(the_area_ends_where_it_ends),
	    cmocka_unit_test(written_padding_and_reserved_are_zero),
	    cmocka_unit_test(what_cannot_be_sent_is_not_put),
	    cmocka_unit_test(nothing_is_put_without_room),
	    cmocka_unit_test(random_options_come_back),
	    cmocka_unit_test(any_area_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
