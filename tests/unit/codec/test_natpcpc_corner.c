/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "codec/natpcpc_corner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "codec/natpcpc_probe.h"

static struct corner_bed bed_v4(void)
{
	return (struct corner_bed){.own = codec_from_v4(0xc000020b),
				   .neighbour = codec_from_v4(0xc000020a),
				   .port = 40000,
				   .nonce = {{1}},
				   .other_nonce = {{2}},
				   .stranger = {{3}}};
}

static const struct corner *named(const char *id)
{
	for (size_t i = 0; i < corners_count; i++)
		if (strcmp(corners[i].id, id) == 0)
			return &corners[i];
	fail_msg("no %s", id);
	return NULL;
}

/* A question is what it says: well formed unless it is about what is not. */
static void questions(void **state)
{
	static const char *const broken[] = {"natpmp-short",
					     "pcp-malformed-length",
					     "pcp-malformed-option",
					     "pcp-too-long",
					     "pcp-too-short",
					     "pcp-response",
					     "version-1",
					     "version-3"};
	struct corner_bed b = bed_v4();
	uint8_t out[CORNER_DATAGRAM];

	(void)state;
	assert_true(corners_count <= CORNERS_MAX);
	for (size_t i = 0; i < corners_count; i++) {
		size_t n = corner_ask(&corners[i], &b, out);
		struct codec_message m;
		bool bad = false;

		for (size_t j = 0; j < sizeof(broken) / sizeof(broken[0]); j++)
			bad = bad || strcmp(broken[j], corners[i].id) == 0;
		assert_true(n > 0 && n <= CORNER_DATAGRAM);
		if (bad)
			continue;
		assert_int_equal(codec_parse(out, n, &m, NULL), CODEC_OK);
		assert_int_equal(out[0], corners[i].version);
		assert_int_equal(out[1], corners[i].opcode);
		/* one that makes nothing must not be able to hit what is there */
		if (m.protocol == CODEC_VERSION_PCP && m.pcp.opcode == PCP_MAP && m.pcp.lifetime_s == 0 &&
		    strcmp(corners[i].id, "pcp-delete") != 0)
			assert_int_equal(m.pcp.mapping.nonce.octets[0], 3);
		/* nothing but ports that natpcpc holds is ever opened */
		if (m.protocol == CODEC_VERSION_PCP && m.pcp.opcode == PCP_MAP)
			assert_in_range(m.pcp.mapping.internal_port, 40000, 40000 + CORNER_PORTS - 1);
	}
}

/* What is deleted is what was made: the same mapping, of no lifetime, and of the options only the one that must be there. */
static void deletions(void **state)
{
	struct corner_bed b = bed_v4();
	uint8_t out[CORNER_DATAGRAM];

	(void)state;
	for (size_t i = 0; i < corners_count; i++) {
		struct codec_message made, gone;
		size_t n;

		if (!(corners[i].flags & CORNER_MAKES) || corners[i].version != 2)
			continue;
		n = corner_ask(&corners[i], &b, out);
		assert_int_equal(codec_parse(out, n, &made, NULL), CODEC_OK);
		made.pcp.options = NULL;
		n = corner_undo(&corners[i], &b, out);
		assert_int_equal(codec_parse(out, n, &gone, NULL), CODEC_OK);
		assert_int_equal(gone.pcp.lifetime_s, 0);
		assert_int_equal(gone.pcp.mapping.internal_port, made.pcp.mapping.internal_port);
		assert_int_equal(gone.pcp.mapping.protocol, made.pcp.mapping.protocol);
		assert_memory_equal(&gone.pcp.mapping.nonce, &made.pcp.mapping.nonce, CODEC_NONCE_LENGTH);
		assert_int_equal(gone.pcp.options_length > 0, corners[i].option == PCP_OPTION_PORT_SET);
	}
}

/* Judges an answer made of the question: a result, a lifetime, the options kept or not. */
static struct corner_result answered(const char *id, struct corner_bed *b, uint8_t result, uint32_t lifetime_s,
				     bool echo)
{
	const struct corner *c = named(id);
	uint8_t out[CORNER_DATAGRAM];
	struct codec_message m;
	struct corner_result r;
	size_t n = corner_ask(c, b, out);

	assert_int_equal(codec_parse(out, n, &m, NULL), CODEC_OK);
	assert_int_equal(m.protocol, CODEC_VERSION_PCP);
	m.pcp.response = true;
	m.pcp.result = result;
	m.pcp.lifetime_s = lifetime_s;
	if (!echo)
		m.pcp.options_length = 0;
	if (result == 0)
		m.pcp.mapping.external_address = codec_from_v4(0xc6336401);
	n = pcp_marshal(&m.pcp, out, sizeof(out));
	assert_true(n > 0);
	corner_judge(c, b, out, n, &r);
	return r;
}

static void verdicts(void **state)
{
	static const struct {
		const char *id;
		uint8_t result;
		uint32_t lifetime_s;
		bool echo;
		enum corner_verdict verdict;
	} cases[] = {
	    {"pcp-announce", 0, 0, false, CORNER_OK},
	    {"pcp-map-udp", 0, 120, false, CORNER_OK},
	    {"pcp-map-udp", PCP_NOT_AUTHORIZED, 30, false, CORNER_ODD},
	    {"pcp-map-udp", 0, 0, false, CORNER_ODD},
	    {"pcp-map-udp", PCP_UNSUPP_VERSION, 0, false, CORNER_ABSENT},
	    {"pcp-other-nonce", PCP_NOT_AUTHORIZED, 30, false, CORNER_OK},
	    {"pcp-other-nonce", 0, 120, false, CORNER_ODD},
	    {"pcp-prefer-failure", PCP_CANNOT_PROVIDE_EXTERNAL, 30, true, CORNER_OK},
	    {"pcp-prefer-failure", PCP_UNSUPP_OPTION, 30, true, CORNER_ABSENT},
	    {"pcp-prefer-failure", 0, 120, true, CORNER_ODD},
	    {"pcp-delete", 0, 0, false, CORNER_OK},
	    {"pcp-filter", 0, 120, true, CORNER_OK},
	    {"pcp-filter", 0, 120, false, CORNER_ODD},
	    {"pcp-filter", PCP_UNSUPP_OPTION, 30, true, CORNER_ABSENT},
	    {"pcp-description", 0, 120, true, CORNER_OK},
	    {"pcp-description", 0, 120, false, CORNER_ABSENT},
	    {"pcp-port-set", 0, 120, true, CORNER_OK},
	    {"pcp-port-set", 0, 120, false, CORNER_ABSENT},
	    {"pcp-third-party", 0, 0, true, CORNER_OK},
	    {"pcp-third-party", PCP_UNSUPP_OPTION, 30, true, CORNER_ABSENT},
	    {"pcp-third-party", PCP_NOT_AUTHORIZED, 30, true, CORNER_ODD},
	    {"pcp-peer", 0, 120, false, CORNER_OK},
	    {"pcp-peer", PCP_UNSUPP_OPCODE, 30, false, CORNER_ABSENT},
	    {"pcp-option-mandatory", PCP_UNSUPP_OPTION, 30, true, CORNER_OK},
	    {"pcp-option-mandatory", 0, 120, false, CORNER_ODD},
	    {"pcp-option-optional", 0, 120, false, CORNER_OK},
	    {"pcp-option-optional", 0, 120, true, CORNER_ODD},
	    {"pcp-address-mismatch", PCP_ADDRESS_MISMATCH, 30, false, CORNER_OK},
	    {"pcp-address-mismatch", 0, 0, false, CORNER_ODD},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct corner_bed b = bed_v4();
		struct corner_result r = answered(cases[i].id, &b, cases[i].result, cases[i].lifetime_s, cases[i].echo);

		if (r.verdict != cases[i].verdict)
			fail_msg("%s, result %u: %s", cases[i].id, cases[i].result, corner_verdict_name(r.verdict));
		assert_true(r.answered && *r.text && *r.name);
		assert_int_equal(b.pcp, cases[i].result != PCP_UNSUPP_VERSION);
	}
}

static void versions(void **state)
{
	static const uint8_t two[24] = {2, 129, 0, 1}, natpmp[8] = {0, 128, 0, 1}, three[24] = {3, 129, 0, 1},
			     one[24] = {1, 129, 0, 8}, other[12] = {0, 128, 0, 3};
	struct corner_bed b = bed_v4();
	struct corner_result r;

	(void)state;
	/* of one that speaks NAT-PMP only */
	corner_judge(named("pcp-announce"), &b, natpmp, sizeof(natpmp), &r);
	assert_int_equal(r.verdict, CORNER_ABSENT);
	assert_false(b.pcp || b.natpmp);
	corner_judge(named("version-3"), &b, natpmp, sizeof(natpmp), &r);
	assert_int_equal(r.verdict, CORNER_OK);
	b.pcp = true;
	corner_judge(named("version-3"), &b, two, sizeof(two), &r);
	assert_int_equal(r.verdict, CORNER_OK);
	corner_judge(named("version-3"), &b, three, sizeof(three), &r);
	assert_int_equal(r.verdict, CORNER_ODD);
	corner_judge(named("version-3"), &b, NULL, 0, &r);
	assert_int_equal(r.verdict, CORNER_ABSENT);
	/* the draft's version is no fault */
	corner_judge(named("version-1"), &b, one, sizeof(one), &r);
	assert_int_equal(r.verdict, CORNER_OK);
	corner_judge(named("version-3"), &b, one, sizeof(one), &r);
	assert_int_equal(r.verdict, CORNER_ODD);
	/* NAT-PMP's code 3 is not PCP's */
	corner_judge(named("pcp-malformed-length"), &b, other, sizeof(other), &r);
	assert_int_equal(r.verdict, CORNER_ODD);
}

static void natpmp_answers(void **state)
{
	static const uint8_t address[12] = {0, 128, 0, 0, 0, 0, 0, 9, 198, 51, 100, 1}, unknown[4] = {0, 137, 0, 5},
			     wrong[4] = {0, 137, 0, 0};
	uint8_t map[16] = {0, 129, 0, 0, 0, 0, 0, 9, 0x9c, 0x42, 0x9c, 0x42, 0, 0, 0, 120};
	struct corner_bed b = bed_v4();
	struct corner_result r;

	(void)state;
	corner_judge(named("natpmp-address"), &b, address, sizeof(address), &r);
	assert_int_equal(r.verdict, CORNER_OK);
	assert_true(b.natpmp);
	assert_string_equal(r.text, "198.51.100.1");
	assert_int_equal(codec_to_v4(&b.external_address), 0xc6336401);
	corner_judge(named("natpmp-unknown-opcode"), &b, unknown, sizeof(unknown), &r);
	assert_int_equal(r.verdict, CORNER_OK);
	corner_judge(named("natpmp-unknown-opcode"), &b, wrong, sizeof(wrong), &r);
	assert_int_equal(r.verdict, CORNER_ODD);
	corner_judge(named("natpmp-map-udp"), &b, map, sizeof(map), &r);
	assert_int_equal(r.verdict, CORNER_OK);
	assert_int_equal(r.external_port, 40002);
	/* RFC 6886 3.3: never longer than was asked for */
	map[15] = 121;
	corner_judge(named("natpmp-map-udp"), &b, map, sizeof(map), &r);
	assert_int_equal(r.verdict, CORNER_ODD);
	/* silence is right for one, not for another */
	corner_judge(named("natpmp-short"), &b, NULL, 0, &r);
	assert_int_equal(r.verdict, CORNER_OK);
	corner_judge(named("natpmp-short"), &b, map, sizeof(map), &r);
	assert_int_equal(r.verdict, CORNER_ODD);
	corner_judge(named("natpmp-map-udp"), &b, NULL, 0, &r);
	assert_int_equal(r.verdict, CORNER_ODD);
	corner_judge(named("natpmp-map-udp"), &b, (const uint8_t *)"junk", 4, &r);
	assert_int_equal(r.verdict, CORNER_ODD);
}

static void learns_the_port(void **state)
{
	struct corner_bed b = bed_v4();
	struct corner_result r;

	(void)state;
	answered("pcp-map-udp", &b, 0, 120, false);
	assert_int_equal(b.external_port, 40000);
	r = answered("pcp-renew", &b, 0, 120, false);
	assert_int_equal(r.verdict, CORNER_OK);
	b.external_port = 1;
	r = answered("pcp-renew", &b, 0, 120, false);
	assert_int_equal(r.verdict, CORNER_ODD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(questions), cmocka_unit_test(deletions),	   cmocka_unit_test(verdicts),
	    cmocka_unit_test(versions),	 cmocka_unit_test(natpmp_answers), cmocka_unit_test(learns_the_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
