/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/codec/support.h"

#include "tests/unit/codec/same.h"
#include "tests/unit/codec/vectors.h"

static const struct vector *vector(const char *name)
{
	for (size_t i = 0; i < COUNT(vectors); i++) {
		if (strcmp(vectors[i].name, name) == 0)
			return &vectors[i];
	}
	fail_msg("no vector %s", name);
	return vectors;
}

/* Parses a copy of exactly length octets; m's pointers are dead afterwards. */
static enum codec_verdict parse(const uint8_t *data, size_t length, struct pcp_message *m, struct codec_error *e)
{
	struct codec_message whole;
	uint8_t *copy = exact_copy(data, length);
	enum codec_verdict verdict = codec_parse(copy, length, &whole, e);

	if (m)
		*m = whole.pcp;
	free(copy);
	return verdict;
}

/* 6887-5-01, 6887-5-02, 6887-5-04, 6887-5-05, 6887-7-02, 6887-7-03, 6887-7.1-01, 6887-7.1-02, 6887-7.1-03,
 * 6887-7.1-04, 6887-7.1-06, 6887-7.1-08, 6887-7.2-01, 6887-11.1-01, 6887-11.1-02, 6887-12.1-01,
 * 6887-14.1.1-01, 6887-13.1-01, 6887-13.2-01, 6887-13.3-01, 6887-7.3-13, 7220-2-01, 7220-2-07, 7753-4-01,
 * 7753-4-02, 7753-4-06 */
static void golden_messages_parse_and_marshal(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		const struct vector *v = &vectors[i];
		uint8_t area[CODEC_MESSAGE_MAX], out[CODEC_MESSAGE_MAX];
		struct codec_message m, ours = v->message;
		size_t area_length = 0;

		if (v->message.protocol != CODEC_VERSION_PCP)
			continue;
		for (size_t o = 0; o < v->option_count; o++)
			assert_true(pcp_option_put(&v->options[o], area, &area_length, sizeof(area)));
		ours.pcp.options = area;
		ours.pcp.options_length = area_length;

		assert_int_equal(codec_parse(v->octets, v->length, &m, NULL), CODEC_OK);
		if (!same_message(&m, &ours))
			fail_msg("%s is parsed wrongly", v->name);
		memset(out, 0xee, sizeof(out));
		assert_int_equal(codec_marshal(&ours, out, sizeof(out)), v->length);
		if (memcmp(out, v->octets, v->length) != 0)
			fail_msg("%s is marshalled wrongly", v->name);
		assert_int_equal(codec_marshal(&ours, out, v->length - 1), 0);
	}
}

/* 6887-7.1-05, 6887-7.2-06, 6887-7.2-12, 6887-11.1-05, 6887-12.1-07: whatever is reserved is ignored, and zero
 * when written */
static void reserved_is_ignored_in_and_zero_out(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		size_t offsets[20];
	} cases[] = {
	    {"pcp_peer_request", {2, 3, 37, 38, 39, 62, 63}},
	    {"pcp_peer_response", {2, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 37, 38, 39, 62, 63}},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct vector *v = vector(cases[i].name);
		uint8_t dirty[80], out[80];
		struct codec_message m;

		memcpy(dirty, v->octets, sizeof(dirty));
		for (size_t o = 0; o < COUNT(cases[i].offsets) && cases[i].offsets[o]; o++)
			dirty[cases[i].offsets[o]] = 0xff;
		assert_int_equal(codec_parse(dirty, sizeof(dirty), &m, NULL), CODEC_OK);
		assert_true(same_pcp(&m.pcp, &v->message.pcp));
		assert_int_equal(codec_marshal(&m, out, sizeof(out)), sizeof(out));
		assert_memory_equal(out, v->octets, sizeof(out));
	}
}

/* 6887-8.2-11, 6887-8.2-12, 6887-8.2-13, 6887-8.2-14, 6887-8.2-16, 6887-8.2-17, 6887-8.2-18, 6887-7.3-16,
 * 6887-7.3-17, 6887-9-01, 6887-9-02, 6886-1.1-05: the order of the checks */
static void requests_are_checked_in_order(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		uint8_t version, opcode;
		size_t length;
		uint8_t option_code;
		uint16_t option_length;
		enum codec_verdict verdict;
		uint8_t result;
	} cases[] = {
	    {"nothing", 2, 1, 0, 0, 0, CODEC_DROP, 0},
	    {"one octet", 2, 1, 1, 0, 0, CODEC_DROP, 0},
	    {"foreign version, two octets", 9, 1, 2, 0, 0, CODEC_REFUSE, PCP_UNSUPP_VERSION},
	    {"version 1 is never valid", 1, 1, 60, 0, 0, CODEC_REFUSE, PCP_UNSUPP_VERSION},
	    {"version 3", 3, 1, 60, 0, 0, CODEC_REFUSE, PCP_UNSUPP_VERSION},
	    {"version 255, too long", 255, 1, 1104, 0, 0, CODEC_REFUSE, PCP_UNSUPP_VERSION},
	    {"foreign response", 9, 0x80, 60, 0, 0, CODEC_DROP, 0},
	    {"foreign response, two octets", 9, 0x80, 2, 0, 0, CODEC_DROP, 0},
	    {"two octets", 2, 1, 2, 0, 0, CODEC_DROP, 0},
	    {"header cut", 2, 0, 23, 0, 0, CODEC_DROP, 0},
	    {"ANNOUNCE", 2, 0, 24, 0, 0, CODEC_OK, 0},
	    {"ANNOUNCE, 25 octets", 2, 0, 25, 0, 0, CODEC_REFUSE, PCP_MALFORMED_REQUEST},
	    {"MAP too short", 2, 1, 24, 0, 0, CODEC_REFUSE, PCP_MALFORMED_REQUEST},
	    {"MAP too short by one word", 2, 1, 56, 0, 0, CODEC_REFUSE, PCP_MALFORMED_REQUEST},
	    {"MAP", 2, 1, 60, 0, 0, CODEC_OK, 0},
	    {"MAP, 61 octets", 2, 1, 61, 0, 0, CODEC_REFUSE, PCP_MALFORMED_REQUEST},
	    {"PEER too short", 2, 2, 76, 0, 0, CODEC_REFUSE, PCP_MALFORMED_REQUEST},
	    {"PEER", 2, 2, 80, 0, 0, CODEC_OK, 0},
	    {"longest MAP", 2, 1, 1100, 200, 1036, CODEC_OK, 0},
	    {"MAP, 1101 octets", 2, 1, 1101, 200, 1036, CODEC_REFUSE, PCP_MALFORMED_REQUEST},
	    {"MAP, 1104 octets", 2, 1, 1104, 200, 1040, CODEC_REFUSE, PCP_MALFORMED_REQUEST},
	    {"unknown opcode", 2, 77, 24, 0, 0, CODEC_OK, 0},
	    {"unknown opcode, 26 octets", 2, 77, 26, 0, 0, CODEC_REFUSE, PCP_MALFORMED_REQUEST},
	    {"unknown opcode, options not looked at", 2, 77, 64, 200, 400, CODEC_OK, 0},
	    {"option past the end", 2, 1, 64, 3, 400, CODEC_REFUSE, PCP_MALFORMED_OPTION},
	    {"padding past the end", 2, 1, 68, 200, 5, CODEC_REFUSE, PCP_MALFORMED_OPTION},
	    {"option that just fits", 2, 1, 68, 200, 4, CODEC_OK, 0},
	    {"contents are not looked at", 2, 1, 64, 3, 0, CODEC_OK, 0},
	    {"option of an ANNOUNCE past the end", 2, 0, 28, 200, 1, CODEC_REFUSE, PCP_MALFORMED_OPTION},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t data[1104] = {0};
		size_t fixed = cases[i].opcode == 1 ? 60 : cases[i].opcode == 2 ? 80 : 24;
		struct codec_error e = {.result = 0};

		data[0] = cases[i].version;
		data[1] = cases[i].opcode;
		data[fixed] = cases[i].option_code;
		data[fixed + 2] = (uint8_t)(cases[i].option_length >> 8);
		data[fixed + 3] = (uint8_t)cases[i].option_length;
		enum codec_verdict verdict = parse(data, cases[i].length, NULL, &e);
		if (verdict != cases[i].verdict || e.result != cases[i].result)
			fail_msg("%s: verdict %d, result %d", cases[i].what, verdict, e.result);
	}
}

/* 6887-7.3-17: the walk comes before any option is judged */
static void second_option_past_the_end(void **state)
{
	(void)state;
	uint8_t data[68] = {2, 1, [60] = 126, [64] = 200, [66] = 4};
	struct codec_error e;
	struct pcp_message m;

	assert_int_equal(parse(data, sizeof(data), &m, &e), CODEC_REFUSE);
	assert_int_equal(e.result, PCP_MALFORMED_OPTION);
	assert_int_equal(e.offset, 66);
	assert_int_equal(m.options_length, 8);
}

/* What a refused request is filled with, for the log and for the answer. */
static void refused_requests_are_filled_as_far_as_read(void **state)
{
	(void)state;
	const struct vector *v = vector("pcp_map_request");
	uint8_t longer[61] = {0};
	struct pcp_message m;
	struct codec_error e;

	memcpy(longer, v->octets, 60);
	assert_int_equal(parse(longer, sizeof(longer), &m, &e), CODEC_REFUSE);
	assert_int_equal(m.opcode, PCP_MAP);
	assert_int_equal(m.lifetime_s, 7200);
	assert_true(same_address(&m.client_address, &v->message.pcp.client_address));
	longer[0] = 1;
	assert_int_equal(parse(longer, 60, &m, &e), CODEC_REFUSE);
	assert_int_equal(m.version, 1);
	assert_int_equal(m.opcode, PCP_MAP);
	assert_false(m.response);
}

/* 6887-14.1.1-02 */
static void announce_has_no_lifetime(void **state)
{
	(void)state;
	uint8_t data[24] = {2, 0, [7] = 99}, out[24];
	struct codec_message m = {.protocol = CODEC_VERSION_PCP, .pcp = {.lifetime_s = 99}};

	assert_int_equal(codec_marshal(&m, out, sizeof(out)), 24);
	assert_int_equal(out[7], 0);
	m.pcp.response = true;
	assert_int_equal(codec_marshal(&m, out, sizeof(out)), 24);
	assert_int_equal(out[7], 0);
	assert_int_equal(codec_parse(data, sizeof(data), &m, NULL), CODEC_OK);
	assert_int_equal(m.pcp.lifetime_s, 0);
	data[1] = 0x80;
	assert_int_equal(codec_parse(data, sizeof(data), &m, NULL), CODEC_OK);
	assert_int_equal(m.pcp.lifetime_s, 0);
	data[3] = PCP_ADDRESS_MISMATCH; /* but an error lasts for so long */
	assert_int_equal(codec_parse(data, sizeof(data), &m, NULL), CODEC_OK);
	assert_int_equal(m.pcp.lifetime_s, 99);
	assert_int_equal(codec_marshal(&m, out, sizeof(out)), 24);
	assert_int_equal(out[7], 99);
}

/* 6887-8.3-05: successes must be whole, an error's copy need not */
static void responses_by_length(void **state)
{
	(void)state;
	static const uint8_t opcodes[] = {PCP_ANNOUNCE, PCP_MAP, PCP_PEER, 77};
	static const size_t fixed[] = {24, 60, 80, 24};

	for (size_t i = 0; i < COUNT(opcodes); i++) {
		uint8_t data[1108] = {2, opcodes[i] | 0x80};

		for (size_t n = 2; n <= sizeof(data); n++) {
			bool length_can_be = n >= 24 && n <= 1100 && n % 4 == 0;

			data[3] = PCP_SUCCESS;
			assert_int_equal(parse(data, n, NULL, NULL),
					 length_can_be && n >= fixed[i] ? CODEC_OK : CODEC_DROP);
			data[3] = PCP_MALFORMED_REQUEST;
			assert_int_equal(parse(data, n, NULL, NULL), n >= 4 && length_can_be ? CODEC_OK : CODEC_DROP);
		}
	}
}

static void error_copies_are_read_leniently(void **state)
{
	(void)state;
	const struct vector *v = vector("pcp_map_refused");
	const struct pcp_mapping *mapping = &v->message.pcp.mapping;
	uint8_t data[68] = {0};
	struct pcp_message m;

	memcpy(data, v->octets, 60);
	assert_int_equal(parse(data, 24, &m, NULL), CODEC_OK);
	assert_int_equal(m.result, PCP_NOT_AUTHORIZED);
	assert_int_equal(m.epoch_s, 5);
	assert_int_equal(m.options_length, 0);
	/* cut behind the nonce, and within it */
	assert_int_equal(parse(data, 36, &m, NULL), CODEC_OK);
	assert_memory_equal(&m.mapping.nonce, &mapping->nonce, sizeof(m.mapping.nonce));
	assert_int_equal(m.mapping.internal_port, 0);
	assert_int_equal(parse(data, 32, &m, NULL), CODEC_OK);
	assert_int_equal(m.mapping.nonce.octets[0], 0);
	assert_int_equal(parse(data, 56, &m, NULL), CODEC_OK);
	assert_int_equal(m.mapping.internal_port, mapping->internal_port);
	assert_true(memcmp(&m.mapping.external_address, &in6addr_any, 16) == 0);
	/* options that cannot be walked are nothing to stumble over in an error, but they are in a success */
	data[60] = PCP_OPTION_FILTER;
	data[63] = 20;
	assert_int_equal(parse(data, 68, &m, NULL), CODEC_OK);
	assert_int_equal(m.options_length, 8);
	data[3] = PCP_SUCCESS;
	assert_int_equal(parse(data, 68, &m, NULL), CODEC_DROP);
}

/* 6887-8.3-04 */
static void version_errors_are_taken_in_any_form(void **state)
{
	(void)state;
	static const uint8_t versions[] = {1, 2, 3, 7, 255};

	for (size_t i = 0; i < COUNT(versions); i++) {
		uint8_t data[1108] = {versions[i], 0x81, 0, PCP_UNSUPP_VERSION, 0, 0, 0, 30, 0, 0, 0, 5};

		for (size_t n = 2; n <= sizeof(data); n++) {
			struct pcp_message m;

			assert_int_equal(parse(data, n, &m, NULL), n < 4 ? CODEC_DROP : CODEC_OK);
			if (n < 4)
				continue;
			assert_true(m.response);
			assert_int_equal(m.version, versions[i]);
			assert_int_equal(m.result, PCP_UNSUPP_VERSION);
			assert_int_equal(m.lifetime_s, n < 8 ? 0 : 30);
			assert_int_equal(m.epoch_s, n < 12 ? 0 : 5);
		}
	}
}

/* 6887-7-01: never more than 1100 octets; areas in whole words only */
static void what_cannot_be_marshalled_gives_zero(void **state)
{
	(void)state;
	static const uint8_t area[1104];
	uint8_t out[1200];
	struct pcp_message m = {.opcode = PCP_MAP, .options = area, .options_length = 1040};

	assert_int_equal(pcp_marshal(&m, out, sizeof(out)), 1100);
	assert_int_equal(out[0], CODEC_VERSION_PCP);
	m.options_length = 1044;
	assert_int_equal(pcp_marshal(&m, out, sizeof(out)), 0);
	m.options_length = 5;
	assert_int_equal(pcp_marshal(&m, out, sizeof(out)), 0);
	m = (struct pcp_message){.opcode = 128};
	assert_int_equal(pcp_marshal(&m, out, sizeof(out)), 0);
	m = (struct pcp_message){.opcode = 9, .body = area, .body_length = 1076};
	assert_int_equal(pcp_marshal(&m, out, sizeof(out)), 1100);
	m.body_length = 1080;
	assert_int_equal(pcp_marshal(&m, out, sizeof(out)), 0);
	m.body_length = 3;
	assert_int_equal(pcp_marshal(&m, out, sizeof(out)), 0);
}

/* 6887-7.2-02, 6887-7.2-03, 6887-7.2-04, 6887-7.2-05, 6887-7.2-10, 6887-7.2-11, 6887-7.3-12, 6887-7.3-21,
 * 6887-7.3-27, 6887-8.2-06, 6887-8.2-07, 6887-8.2-08, 6887-8.2-09, 6887-8.2-16, 6887-8.2-17 */
static void golden_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(pcp_errors); i++) {
		const struct error_vector *v = &pcp_errors[i];
		uint8_t in_place[CODEC_MESSAGE_MAX + 20];

		for (size_t capacity = v->answer_length - 1; capacity <= v->answer_length; capacity++) {
			uint8_t *request = exact_copy(v->request, v->request_length);
			uint8_t *out = exact_copy(v->answer, capacity);
			memset(out, 0xee, capacity);
			size_t n = pcp_marshal_error(request, v->request_length, v->parsed, v->result, v->lifetime_s,
						     v->epoch_s, out, capacity);
			if (n != (capacity < v->answer_length ? 0 : v->answer_length))
				fail_msg("%s: %zu octets in %zu", v->name, n, capacity);
			if (n && memcmp(out, v->answer, n) != 0)
				fail_msg("%s is answered wrongly", v->name);
			free(out);
			free(request);
		}
		memcpy(in_place, v->request, v->request_length);
		assert_int_equal(pcp_marshal_error(in_place, v->request_length, v->parsed, v->result, v->lifetime_s,
						   v->epoch_s, in_place, sizeof(in_place)),
				 v->answer_length);
		assert_memory_equal(in_place, v->answer, v->answer_length);
	}
}

/* Every answer we give to whatever comes is a response that we take. */
static void errors_parse_as_responses(void **state)
{
	(void)state;
	uint64_t seed = 6887;
	uint8_t request[1200], answer[CODEC_MESSAGE_MAX];

	for (int i = 0; i < 5000; i++) {
		size_t length = random_below(&seed, i % 2 ? 100 : sizeof(request));
		uint8_t result = (uint8_t)(1 + random_below(&seed, 255));
		struct pcp_message m;

		random_fill(&seed, request, sizeof(request));
		size_t n = pcp_marshal_error(request, length, i % 3, result, 30, 77, answer, sizeof(answer));
		assert_true(n >= 24 && n % 4 == 0);
		assert_int_equal(parse(answer, n, &m, NULL), CODEC_OK);
		assert_true(m.response);
		assert_int_equal(m.result, result);
		assert_int_equal(m.lifetime_s, 30);
		assert_int_equal(m.epoch_s, 77);
		assert_int_equal(m.opcode, length > 1 ? request[1] & 0x7f : 0);
	}
}

/* Each message cut to every length, in a buffer of exactly that length, and what is then taken comes back. */
static void every_truncation(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		for (size_t n = 0; n < vectors[i].length; n++) {
			uint8_t *copy = exact_copy(vectors[i].octets, n), out[CODEC_MESSAGE_MAX];
			struct codec_message m, back;

			if (codec_parse(copy, n, &m, NULL) == CODEC_OK) {
				size_t written = codec_marshal(&m, out, sizeof(out));
				assert_true(written > 0);
				assert_int_equal(codec_parse(out, written, &back, NULL), CODEC_OK);
				assert_true(same_message(&m, &back));
			}
			free(copy);
		}
	}
}

/* Each bit of each message turned over. */
static void every_bit_flip(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		const struct vector *v = &vectors[i];
		uint8_t *copy = exact_copy(v->octets, v->length), out[CODEC_MESSAGE_MAX];
		size_t bits = 8 * (v->length < 160 ? v->length : 160);

		for (size_t bit = 0; bit < bits; bit++) {
			struct codec_message m, back;

			copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (codec_parse(copy, v->length, &m, NULL) == CODEC_OK) {
				size_t written = codec_marshal(&m, out, sizeof(out));
				assert_true(written > 0);
				assert_int_equal(codec_parse(out, written, &back, NULL), CODEC_OK);
				assert_true(same_message(&m, &back));
			}
			copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		free(copy);
	}
}

static struct pcp_message random_message(uint64_t *seed, const uint8_t *body)
{
	static const uint8_t opcodes[] = {PCP_ANNOUNCE, PCP_MAP, PCP_PEER, 3, 96, 127};
	struct pcp_message m = {
	    .response = random_below(seed, 2),
	    .version = CODEC_VERSION_PCP,
	    .opcode = opcodes[random_below(seed, COUNT(opcodes))],
	    .lifetime_s = (uint32_t)random_next(seed),
	};

	if (m.response) {
		m.result = (uint8_t)random_below(seed, 14);
		m.epoch_s = (uint32_t)random_next(seed);
	} else {
		random_fill(seed, &m.client_address, sizeof(m.client_address));
	}
	if (m.opcode == PCP_ANNOUNCE && m.result == PCP_SUCCESS)
		m.lifetime_s = 0;
	if (m.opcode == PCP_MAP || m.opcode == PCP_PEER) {
		random_fill(seed, m.mapping.nonce.octets, CODEC_NONCE_LENGTH);
		m.mapping.protocol = (uint8_t)random_next(seed);
		m.mapping.internal_port = (uint16_t)random_next(seed);
		m.mapping.external_port = (uint16_t)random_next(seed);
		random_fill(seed, &m.mapping.external_address, sizeof(m.mapping.external_address));
	}
	if (m.opcode == PCP_PEER) {
		m.mapping.remote_port = (uint16_t)random_next(seed);
		random_fill(seed, &m.mapping.remote_address, sizeof(m.mapping.remote_address));
	}
	if (m.opcode > PCP_PEER) {
		m.body = body;
		m.body_length = 4 * random_below(seed, 10);
	}
	return m;
}

static void random_messages_come_back(void **state)
{
	(void)state;
	uint64_t seed = 2;
	uint8_t body[40], area[64];

	random_fill(&seed, body, sizeof(body));
	for (int i = 0; i < 50000; i++) {
		struct codec_message m = {.protocol = CODEC_VERSION_PCP, .pcp = random_message(&seed, body)}, back;
		struct pcp_option o = {.code = (uint8_t)(4 + random_below(&seed, 100)), .data = body};
		uint8_t out[160];
		size_t length = 0;

		for (uint32_t n = random_below(&seed, 3); n > 0; n--) {
			o.length = (uint16_t)random_below(&seed, 20);
			assert_true(pcp_option_put(&o, area, &length, sizeof(area)));
		}
		if (m.pcp.opcode <= PCP_PEER) {
			m.pcp.options = area;
			m.pcp.options_length = length;
		}
		size_t n = codec_marshal(&m, out, sizeof(out));
		assert_true(n >= 24 && n % 4 == 0);
		assert_int_equal(codec_parse(out, n, &back, NULL), CODEC_OK);
		assert_true(same_message(&m, &back));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(golden_messages_parse_and_marshal),
	    cmocka_unit_test(reserved_is_ignored_in_and_zero_out),
	    cmocka_unit_test(requests_are_checked_in_order),
	    cmocka_unit_test(second_option_past_the_end),
	    cmocka_unit_test(refused_requests_are_filled_as_far_as_read),
	    cmocka_unit_test(announce_has_no_lifetime),
	    cmocka_unit_test(responses_by_length),
	    cmocka_unit_test(error_copies_are_read_leniently),
	    cmocka_unit_test(version_errors_are_taken_in_any_form),
	    cmocka_unit_test(what_cannot_be_marshalled_gives_zero),
	    cmocka_unit_test(golden_errors),
	    cmocka_unit_test(errors_parse_as_responses),
	    cmocka_unit_test(every_truncation),
	    cmocka_unit_test(every_bit_flip),
	    cmocka_unit_test(random_messages_come_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
