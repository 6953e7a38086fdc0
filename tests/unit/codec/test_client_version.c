/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which protocol the client speaks. */
#include "tests/unit/codec/bed.h"

static const char version_refusals[][24] = {
    {0, (char)128, 0, 1, 0, 0, 0, 9},		   /* RFC 6886 3.5 with erratum 3618 */
    {0, 0, 0, 1, 0, 0, 0, 9},			   /* as the RFC misprints it */
    {0, (char)129, 0, 1, 0, 0, 0, 9},		   /* with the opcode of the request */
    {2, (char)129, 0, 1, 0, 0, 0, 60, 0, 0, 0, 9}, /* PCP's form */
    {0, (char)129, 0, 1, 0, 0, 0, 60, 0, 0, 0, 9}, /* PCP's form that names version 0 */
    {1, (char)129, 0, 1, 0, 0, 0, 60, 0, 0, 0, 9}, /* a draft's server */
};
static const size_t version_refusal_length[] = {8, 8, 8, 24, 24, 24};

/* 6886-1.1-06, 6886-3.5-07, 6887-8.3-04, 6887-9-05, 6887-A-03: every form of the refusal leads to NAT-PMP at once */
static void falls_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(version_refusals); i++) {
		struct client_request r = tcp_8080();
		struct client_op op;
		struct bed b;

		start(&b, CLIENT_AUTO);
		map(&b, &op, &r, 1000);
		expect_pcp(&b, 1000);
		expect_silence(&b, 1010);
		assert_true(deliver_bytes(&b, version_refusals[i], version_refusal_length[i], 1010));
		expect_natpmp(&b, 1010);
		assert_int_equal(b.sent.natpmp.opcode, NATPMP_MAP_TCP);
		/* a second copy of the refusal changes nothing */
		deliver_bytes(&b, version_refusals[i], version_refusal_length[i], 1011);
		expect_silence(&b, 1011);
		assert_int_equal(op.result.state, CLIENT_ASKING);
		assert_int_equal(b.deadline, 1260);
		answer(&b, 3600, 7, 1020);
		assert_int_equal(op.result.state, CLIENT_GRANTED);
		assert_int_equal(op.result.protocol, CODEC_VERSION_NATPMP);
		assert_int_equal(op.result.external_port, 80);
		assert_int_equal(op.result.expires_ms, 3601020);
		assert_true(codec_is_unspecified(&op.result.external_address));
	}
}

/* What only looks like a refusal, or comes when nothing is waited for, changes nothing. */
static void no_refusal(void **state)
{
	static const char other_result[16] = {0, (char)130, 1, 1, 0, 0, 0, 9, 0x1f, (char)0x90};
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;

	(void)state;
	start_asking(&b, CLIENT_NATPMP, &op, &r);
	assert_true(deliver_bytes(&b, other_result, sizeof(other_result), 10));
	assert_int_equal(op.result.state, CLIENT_REFUSED);
	assert_int_equal(op.result.code, 0x101);

	start_asking(&b, CLIENT_AUTO, &op, &r);
	answer(&b, 3600, 7, 10);
	for (size_t i = 0; i < LENGTH(version_refusals); i++)
		assert_false(deliver_bytes(&b, version_refusals[i], version_refusal_length[i], 20));
	assert_int_equal(op.result.state, CLIENT_GRANTED);
	expect_silence(&b, 20);
	assert_true(b.deadline >= 1800000);
}

/* 6886-1.1-07, 6886-1.1-08: retransmissions and renewals open with PCP again; NAT-PMP's pace stays */
static void forgets_the_refusal(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;

	(void)state;
	start(&b, CLIENT_AUTO);
	map(&b, &op, &r, 1000);
	expect_pcp(&b, 1000);
	assert_true(deliver_bytes(&b, version_refusals[0], 8, 1010));
	expect_natpmp(&b, 1010);
	expect_pcp(&b, 1260);
	assert_true(deliver_bytes(&b, version_refusals[0], 8, 1270));
	expect_natpmp(&b, 1270);
	expect_silence(&b, 1769);
	assert_int_equal(b.deadline, 1770);
	answer(&b, 3600, 7, 1300);
	/* 6886-3.3-34, 6886-3.3-35 */
	expect_silence(&b, 1801299);
	assert_int_equal(b.deadline, 1801300);
	expect_pcp(&b, 1801300);
	assert_int_equal(b.sent.pcp.mapping.external_port, 80);
	/* the server is new: PCP it is */
	answer(&b, 3600, 7, 1801301);
	assert_int_equal(op.result.protocol, CODEC_VERSION_PCP);
	expect_silence(&b, 1801301);
	assert_in_range(b.deadline, 1801301 + 1800000, 1801301 + 2250000);
}

/* What NAT-PMP cannot express is refused rather than asked in another sense. */
static void no_fallback(void **state)
{
	struct area a = {.length = 0};
	struct pcp_option filter = {.code = PCP_OPTION_FILTER,
				    .filter = {.prefix_length = 128, .remote_address = outside}};
	struct pcp_option text = {.code = PCP_OPTION_DESCRIPTION, .data = (const uint8_t *)"web", .length = 3};
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;

	(void)state;
	put(&a, filter);
	use(&r, &a);
	start_asking(&b, CLIENT_AUTO, &op, &r);
	assert_true(deliver_bytes(&b, version_refusals[0], 8, 10));
	assert_int_equal(op.result.state, CLIENT_REFUSED);
	assert_string_equal(client_code_name(&op.result), "UNSUPP_VERSION");
	expect_silence(&b, 10);
	assert_int_equal(b.deadline, 1800010); /* 6887-9-07 */
	start(&b, CLIENT_NATPMP);
	assert_false(client_map(&b.c, &op, &r, 0));

	/* a description may be lost */
	a.length = 0;
	put(&a, text);
	use(&r, &a);
	assert_true(client_map(&b.c, &op, &r, 0));
	client_forget(&b.c, &op);

	r.options_length = 0;
	r.protocol = 132;
	assert_false(client_map(&b.c, &op, &r, 0));
	start_asking(&b, CLIENT_AUTO, &op, &r);
	assert_true(deliver_bytes(&b, version_refusals[0], 8, 10));
	assert_int_equal(op.result.state, CLIENT_REFUSED);

	/* malformed, or more than fits */
	r.options_length = 3;
	assert_false(client_map(&b.c, &op, &r, 0));
	r.options_length = CLIENT_OPTIONS_MAX + 4;
	assert_false(client_map(&b.c, &op, &r, 0));
}

/* 6887-9-07: a server of a later version has none for us; PCP alone does not fall back. 6887-9-06: there is no lower
 * version than 2 to try. 6887-9-03: the caller is told the code and may log it. 6887-9-04: 2 is used again until then. */
static void version_retry(void **state)
{
	static const char later[24] = {7, (char)129, 0, 1, 0, 0, 0, 60};
	static const char longer[24] = {7, (char)129, 0, 1, 0, 0, 60, 0};
	static const enum client_mode modes[] = {CLIENT_AUTO, CLIENT_PCP};

	(void)state;
	for (size_t i = 0; i < LENGTH(modes); i++) {
		struct client_request r = tcp_8080();
		struct client_op op;
		struct bed b;

		start(&b, modes[i]);
		map(&b, &op, &r, 0);
		expect_pcp(&b, 0);
		assert_true(deliver_bytes(&b, later, sizeof(later), 10));
		assert_int_equal(op.result.state, CLIENT_REFUSED);
		assert_int_equal(op.result.protocol, CODEC_VERSION_PCP);
		assert_string_equal(client_code_name(&op.result), "UNSUPP_VERSION");
		expect_silence(&b, 60009);
		assert_int_equal(b.deadline, 60010);
		expect_pcp(&b, 60010);
		assert_int_equal(b.sent.pcp.version, 2);
		/* half an hour at most */
		assert_true(deliver_bytes(&b, longer, sizeof(longer), 60020));
		expect_silence(&b, 60020);
		assert_int_equal(b.deadline, 1860020);
		expect_pcp(&b, 1860020);
		answer(&b, 3600, 7, 1860030);
		assert_int_equal(op.result.state, CLIENT_GRANTED);
	}
}

/* 6886-3.1-06: a closed port ends it at once; PCP's may be only PCP's */
static void unreachable(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;

	(void)state;
	r.keep = false;
	start(&b, CLIENT_NATPMP);
	map(&b, &op, &r, 0);
	client_unreachable(&b.c, 0); /* nothing was sent yet */
	expect_natpmp(&b, 0);
	client_unreachable(&b.c, 10);
	assert_int_equal(op.result.state, CLIENT_NO_ANSWER);
	expect_silence(&b, 10);
	assert_int_equal(b.deadline, CLIENT_NEVER);

	r.keep = true;
	start_asking(&b, CLIENT_AUTO, &op, &r);
	client_unreachable(&b.c, 10);
	expect_natpmp(&b, 10);
	client_unreachable(&b.c, 20);
	assert_int_equal(op.result.state, CLIENT_NO_ANSWER);
	expect_silence(&b, 20);
	assert_int_equal(b.deadline, 900020);
	/* 6886-3.1-07: who announces itself is asked again */
	struct codec_message m = announcement(CODEC_VERSION_PCP, 0);
	assert_true(deliver(&b, &m, 30000));
	expect_silence(&b, 30000);
	assert_in_range(b.deadline, 30000, 35000);
	expect_pcp(&b, b.deadline);
	answer(&b, 3600, 1, 36000);
	assert_int_equal(op.result.state, CLIENT_GRANTED);

	/* so is everybody after news of the link; what was refused is not (6887-8.3-10) */
	struct client_op refused;

	start_asking(&b, CLIENT_PCP, &op, &r);
	client_unreachable(&b.c, 10);
	r.internal_port = 8081;
	map(&b, &refused, &r, 20);
	expect_pcp(&b, 20);
	m = refusing(&b.sent, PCP_NOT_AUTHORIZED, 600, 7);
	assert_true(deliver(&b, &m, 30));
	client_retry(&b.c, 1000);
	expect_pcp(&b, 1000);
	assert_int_equal(b.sent.pcp.mapping.internal_port, 8080);
	expect_silence(&b, 1000);
}

/* 6886-3-08: from an address of the public internet NAT-PMP is asked only on demand. */
static void private_addresses(void **state)
{
	static const struct {
		uint32_t own;
		bool natpmp;
	} cases[] = {
	    {0x0a000001, true},	 {0x0affffff, true},  {0xac100001, true},  {0xac1fffff, true},	{0xc0a80001, true},
	    {0x64400001, true},	 {0xc000020b, true},  {0x7f000001, true},  {0xa9fe0001, true},	{0x0b000001, false},
	    {0xac200001, false}, {0xc0a90001, false}, {0x08080808, false}, {0xac0fffff, false}, {0x64800001, false},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct in6_addr own = codec_from_v4(cases[i].own);
		struct client_request r = tcp_8080();
		struct codec_nonce nonce = NONCE(9);
		struct client_op op, address;
		struct bed b;

		start(&b, CLIENT_AUTO);
		client_init(&b.c, CLIENT_AUTO, &b.server, &own, 1);
		map(&b, &op, &r, 0);
		expect_pcp(&b, 0);
		refuse_version(&b, 10);
		assert_int_equal(next(&b, 10), cases[i].natpmp);
		assert_int_equal(op.result.state, cases[i].natpmp ? CLIENT_ASKING : CLIENT_REFUSED);
		client_forget(&b.c, &op);
		assert_true(client_address(&b.c, &address, &nonce, 20));
		assert_true(next(&b, 20));
		assert_int_equal(b.sent.protocol, cases[i].natpmp ? CODEC_VERSION_NATPMP : CODEC_VERSION_PCP);

		client_init(&b.c, CLIENT_NATPMP, &b.server, &own, 1);
		map(&b, &op, &r, 0);
		expect_natpmp(&b, 0);
	}
}

/* NAT-PMP has no mapping of all ports, and would delete those of all programs of the host instead (RFC 6886 3.4): only
 * who speaks NAT-PMP and nothing else can mean that. */
static void all_ports_take_pcp(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;

	(void)state;
	r.internal_port = r.external_port = 0;
	start(&b, CLIENT_NATPMP);
	assert_false(client_map(&b.c, &op, &r, 0));
	r.lifetime_s = 0;
	map(&b, &op, &r, 0);
	expect_natpmp(&b, 0);

	for (uint32_t lifetime = 0; lifetime <= 3600; lifetime += 3600) {
		r.lifetime_s = lifetime;
		start_asking(&b, CLIENT_AUTO, &op, &r);
		refuse_version(&b, 5);
		assert_int_equal(op.result.state, CLIENT_REFUSED);
		expect_silence(&b, 5);
	}

	/* its own mapping, when the server has become another */
	start_granted(&b, CLIENT_AUTO, &op, &r, 3600, 7);
	client_delete(&b.c, &op, 5000);
	expect_pcp(&b, 5000);
	refuse_version(&b, 5005);
	assert_int_equal(op.result.state, CLIENT_REFUSED);
	expect_silence(&b, 5005);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(falls_back),	   cmocka_unit_test(no_refusal),
	    cmocka_unit_test(forgets_the_refusal), cmocka_unit_test(no_fallback),
	    cmocka_unit_test(version_retry),	   cmocka_unit_test(unreachable),
	    cmocka_unit_test(private_addresses),   cmocka_unit_test(all_ports_take_pcp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
