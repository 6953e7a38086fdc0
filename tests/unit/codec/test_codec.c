/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every reason there is for not taking a datagram or an option, and the octet that it points to. */
#include "tests/unit/codec/support.h"

#include "codec/codec.h"

#define STUN_COOKIE 0x21, 0x12, 0xa4, 0x42
#define V4_ADDRESS  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1

static void faults_of_datagrams(void **state)
{
	(void)state;
	static const struct {
		const char *why;
		size_t length;
		enum codec_verdict verdict;
		uint8_t result;
		size_t offset;
		uint8_t octets[72]; /* zeros follow */
	} cases[] = {
	    {"shorter than two octets", 0, CODEC_DROP, 0, 0, {0}},
	    {"shorter than two octets", 1, CODEC_DROP, 0, 1, {2}},
	    {"a STUN message", 28, CODEC_DROP, 0, 4, {0, 1, 0, 8, STUN_COOKIE}},
	    {"NAT-PMP request too short for its opcode", 11, CODEC_DROP, 0, 11, {0, 1}},
	    {"NAT-PMP response without a result", 3, CODEC_DROP, 0, 3, {0, 128}},
	    {"NAT-PMP response too short for its opcode", 11, CODEC_DROP, 0, 11, {0, 128}},
	    {"NAT-PMP response too short for its opcode", 15, CODEC_DROP, 0, 15, {0, 130}},
	    {"version is neither 0 nor 2", 60, CODEC_REFUSE, PCP_UNSUPP_VERSION, 0, {1, 1}},
	    {"PCP request shorter than its header", 20, CODEC_DROP, 0, 20, {2, 1}},
	    {"PCP request longer than 1100 octets", 1104, CODEC_REFUSE, PCP_MALFORMED_REQUEST, 1100, {2, 1}},
	    {"PCP request not a multiple of four octets", 62, CODEC_REFUSE, PCP_MALFORMED_REQUEST, 62, {2, 1}},
	    {"PCP request too short for its opcode", 56, CODEC_REFUSE, PCP_MALFORMED_REQUEST, 56, {2, 1}},
	    {"PCP request too short for its opcode", 76, CODEC_REFUSE, PCP_MALFORMED_REQUEST, 76, {2, 2}},
	    {"PCP option runs past the end",
	     72,
	     CODEC_REFUSE,
	     PCP_MALFORMED_OPTION,
	     66,
	     {2, 1, [60] = 2, [64] = 3, [67] = 5}},
	    {"response of another version", 60, CODEC_DROP, 0, 0, {3, 129}},
	    {"PCP response shorter than its header", 20, CODEC_DROP, 0, 20, {2, 129}},
	    {"PCP response longer than 1100 octets", 1104, CODEC_DROP, 0, 1100, {2, 129}},
	    {"PCP response not a multiple of four octets", 61, CODEC_DROP, 0, 61, {2, 129}},
	    {"PCP response too short for its opcode", 56, CODEC_DROP, 0, 56, {2, 129}},
	    {"PCP option runs past the end", 28, CODEC_DROP, 0, 26, {2, 128, [27] = 1}},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t data[1104] = {0};
		struct codec_error e = {.why = NULL};
		struct codec_message m;

		memcpy(data, cases[i].octets, sizeof(cases[i].octets));
		uint8_t *copy = exact_copy(data, cases[i].length);
		assert_int_equal(codec_parse(copy, cases[i].length, &m, &e), cases[i].verdict);
		assert_non_null(e.why);
		assert_string_equal(e.why, cases[i].why);
		assert_int_equal(e.offset, cases[i].offset);
		assert_int_equal(e.result, cases[i].result);
		free(copy);
	}
}

static void faults_of_options(void **state)
{
	(void)state;
	static const struct {
		const char *why;
		size_t length; /* of the area, whose first option is an empty one of four octets */
		size_t offset;
		uint8_t option[28];
	} cases[] = {
	    {"PCP option header is cut", 7, 7, {3, 0, 0}},
	    {"PCP option runs past the end", 27, 6, {3, 0, 0, 20}},
	    {"PCP option runs past the end", 14, 6, {200, 0, 0, 5, 1, 2, 3, 4, 5, 0}},
	    {"THIRD_PARTY is not 16 octets long", 12, 6, {1, 0, 0, 4}},
	    {"PREFER_FAILURE is not empty", 12, 6, {2, 0, 0, 4}},
	    {"FILTER is not 20 octets long", 24, 6, {3, 0, 0, 16}},
	    {"FILTER prefix length out of range", 28, 9, {3, 0, 0, 20, 0, 95, 0, 0, V4_ADDRESS}},
	    {"FILTER prefix length out of range", 28, 9, {3, 0, 0, 20, 0, 129, 0, 0, 0x20}},
	    {"DESCRIPTION longer than 1016 octets", 8 + 1020, 6, {128, 0, 3, 0xf9}},
	    {"PORT_SET is not 5 octets long", 12, 6, {130, 0, 0, 4}},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t data[CODEC_MESSAGE_MAX] = {PCP_OPTION_PREFER_FAILURE};
		struct codec_error e = {.why = NULL};
		struct pcp_option o;
		size_t at = 0;

		memcpy(data + 4, cases[i].option, sizeof(cases[i].option));
		uint8_t *copy = exact_copy(data, cases[i].length);
		assert_int_equal(pcp_option_next(copy, cases[i].length, &at, &o, &e), CODEC_OK);
		assert_int_equal(pcp_option_next(copy, cases[i].length, &at, &o, &e), CODEC_REFUSE);
		assert_string_equal(e.why, cases[i].why);
		assert_int_equal(e.offset, cases[i].offset);
		assert_int_equal(e.result, PCP_MALFORMED_OPTION);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(faults_of_datagrams),
	    cmocka_unit_test(faults_of_options),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
