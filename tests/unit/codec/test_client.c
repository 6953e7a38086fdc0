/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the client sends, and when. */
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

/* 6886-3.1-03 6886-3.1-04 6886-3.3-11: nine datagrams, 250 ms doubling, given up at 127.75 s */
static void natpmp_retransmission(void **state)
{
	static const uint64_t at[] = {1000, 1250, 1750, 2750, 4750, 8750, 16750, 32750, 64750};
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;

	(void)state;
	r.keep = false;
	start(&b, CLIENT_NATPMP);
	map(&b, &op, &r, 1000);
	for (size_t i = 0; i < LENGTH(at); i++) {
		expect_silence(&b, at[i] - 1);
		assert_int_equal(b.deadline, at[i]);
		expect_natpmp(&b, at[i]);
		assert_int_equal(b.sent.natpmp.opcode, NATPMP_MAP_TCP);
		assert_int_equal(b.sent.natpmp.internal_port, 8080);
		assert_int_equal(b.sent.natpmp.external_port, 80);
		assert_int_equal(b.sent.natpmp.lifetime_s, 3600);
	}
	expect_silence(&b, 128749);
	assert_int_equal(op.result.state, CLIENT_ASKING);
	assert_int_equal(b.deadline, 128750);
	expect_silence(&b, 128750);
	assert_int_equal(op.result.state, CLIENT_NO_ANSWER);
	assert_int_equal(b.deadline, CLIENT_NEVER);
	assert_ptr_equal(client_changed(&b.c), &op);
	assert_null(client_changed(&b.c));
}

/* 6887-8.1.1-01 -02 -03 -04: IRT 3 s doubling to MRT 1024 s, each by 0.9..1.1, one nonce, no end */
static void pcp_retransmission(void **state)
{
	struct client_request r = tcp_8080();
	uint64_t now = 1000, rt = 3000, first = 0;
	struct client_op op;
	struct bed b;

	(void)state;
	start(&b, CLIENT_PCP);
	map(&b, &op, &r, now);
	for (int i = 0; i < 40; i++) {
		uint64_t wait;

		expect_pcp(&b, now);
		assert_int_equal(b.sent.pcp.opcode, PCP_MAP);
		assert_int_equal(b.sent.pcp.lifetime_s, 3600);
		assert_memory_equal(&b.sent.pcp.mapping.nonce, &r.nonce, sizeof(r.nonce));
		assert_true(codec_is_v4(&b.sent.pcp.mapping.external_address));
		assert_true(codec_is_unspecified(&b.sent.pcp.mapping.external_address));
		expect_silence(&b, now);
		wait = b.deadline - now;
		assert_in_range(wait, rt * 9 / 10, rt * 11 / 10);
		if (i == 0)
			first = wait;
		rt = wait * 2 < 1024000 ? wait * 2 : 1024000;
		now = b.deadline;
	}
	assert_int_equal(op.result.state, CLIENT_ASKING);

	/* 6887-8.1.1-05: another seed, another sequence */
	start(&b, CLIENT_PCP);
	b.c.random = 4712;
	map(&b, &op, &r, 1000);
	expect_pcp(&b, 1000);
	expect_silence(&b, 1000);
	assert_int_not_equal(b.deadline - 1000, first);
}

/* 6887-8.1.1-06 */
static void pcp_limits(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;
	int sends = 0;

	(void)state;
	r.keep = false;
	start(&b, CLIENT_PCP);
	b.c.schedule.mrc = 4;
	map(&b, &op, &r, 0);
	for (uint64_t now = 0; now != CLIENT_NEVER; now = b.deadline)
		sends += next(&b, now);
	assert_int_equal(sends, 4);
	assert_int_equal(op.result.state, CLIENT_NO_ANSWER);

	start(&b, CLIENT_PCP);
	b.c.schedule.mrd_ms = 10000;
	map(&b, &op, &r, 500);
	expect_pcp(&b, 500);
	for (uint64_t now = 500; now < 10500; now = b.deadline)
		next(&b, now);
	assert_int_equal(b.deadline, 10500);
	expect_silence(&b, 10500);
	assert_int_equal(op.result.state, CLIENT_NO_ANSWER);
}

/* 6886-1.1-06 6886-3.5-07 6887-8.3-04 6887-9-05 6887-A-03: every form of the refusal leads to NAT-PMP at once */
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
	start(&b, CLIENT_NATPMP);
	map(&b, &op, &r, 0);
	expect_natpmp(&b, 0);
	assert_true(deliver_bytes(&b, other_result, sizeof(other_result), 10));
	assert_int_equal(op.result.state, CLIENT_REFUSED);
	assert_int_equal(op.result.code, 0x101);

	start(&b, CLIENT_AUTO);
	map(&b, &op, &r, 0);
	expect_pcp(&b, 0);
	answer(&b, 3600, 7, 10);
	for (size_t i = 0; i < LENGTH(version_refusals); i++)
		assert_false(deliver_bytes(&b, version_refusals[i], version_refusal_length[i], 20));
	assert_int_equal(op.result.state, CLIENT_GRANTED);
	expect_silence(&b, 20);
	assert_true(b.deadline >= 1800000);
}

/* 6886-1.1-07 6886-1.1-08: retransmissions and renewals open with PCP again; NAT-PMP's pace stays */
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
	/* 6886-3.3-34 6886-3.3-35 */
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

/* 6886-3.1-02 6886-3.7-06: one NAT-PMP request at a time, the next as soon as the last is answered */
static void natpmp_is_serial(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op ops[3];
	struct bed b;

	(void)state;
	for (int mode = CLIENT_AUTO; mode <= CLIENT_NATPMP; mode++) {
		start(&b, (enum client_mode)mode);
		for (uint16_t i = 0; i < 3; i++) {
			r.internal_port = (uint16_t)(8080 + i);
			map(&b, &ops[i], &r, 1000);
		}
		if (mode == CLIENT_AUTO) {
			for (int i = 0; i < 3; i++)
				expect_pcp(&b, 1000);
			for (int i = 0; i < 3; i++)
				deliver_bytes(&b, version_refusals[0], 8, 1000);
		}
		for (uint16_t i = 0; i < 3; i++) {
			expect_natpmp(&b, 1000);
			assert_int_equal(b.sent.natpmp.internal_port, 8080 + i);
			expect_silence(&b, 1000);
			answer(&b, 3600, 7, 1000);
			assert_int_equal(ops[i].result.state, CLIENT_GRANTED);
		}
		expect_silence(&b, 1000);
		assert_int_equal(b.deadline, 1801000);
	}
}

/* What NAT-PMP cannot express is refused rather than asked in another sense. */
static void no_fallback(void **state)
{
	uint8_t area[64];
	size_t n = 0;
	struct pcp_option filter = {.code = PCP_OPTION_FILTER,
				    .filter = {.prefix_length = 128, .remote_address = outside}};
	struct pcp_option text = {.code = PCP_OPTION_DESCRIPTION, .data = (const uint8_t *)"web", .length = 3};
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;

	(void)state;
	assert_true(pcp_option_put(&filter, area, &n, sizeof(area)));
	r.options = area;
	r.options_length = n;
	start(&b, CLIENT_AUTO);
	map(&b, &op, &r, 0);
	expect_pcp(&b, 0);
	assert_true(deliver_bytes(&b, version_refusals[0], 8, 10));
	assert_int_equal(op.result.state, CLIENT_REFUSED);
	assert_string_equal(client_code_name(&op.result), "UNSUPP_VERSION");
	expect_silence(&b, 10);
	assert_int_equal(b.deadline, 1800010); /* 6887-9-07 */
	start(&b, CLIENT_NATPMP);
	assert_false(client_map(&b.c, &op, &r, 0));

	/* a description may be lost */
	n = 0;
	assert_true(pcp_option_put(&text, area, &n, sizeof(area)));
	r.options_length = n;
	assert_true(client_map(&b.c, &op, &r, 0));
	client_forget(&b.c, &op);

	r.options_length = 0;
	r.protocol = 132;
	assert_false(client_map(&b.c, &op, &r, 0));
	start(&b, CLIENT_AUTO);
	map(&b, &op, &r, 0);
	expect_pcp(&b, 0);
	assert_true(deliver_bytes(&b, version_refusals[0], 8, 10));
	assert_int_equal(op.result.state, CLIENT_REFUSED);

	/* malformed, or more than fits */
	r.options_length = 3;
	assert_false(client_map(&b.c, &op, &r, 0));
	r.options_length = CLIENT_OPTIONS_MAX + 4;
	assert_false(client_map(&b.c, &op, &r, 0));
}

/* 6887-9-07: a server of a later version has none for us; PCP alone does not fall back */
static void version_retry(void **state)
{
	static const char later[24] = {7, (char)129, 0, 1, 0, 0, 0, 60};
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
		expect_silence(&b, 60009);
		assert_int_equal(b.deadline, 60010);
		expect_pcp(&b, 60010);
	}
}

/* An address has a request in NAT-PMP only; a server without it is asked by a short mapping (RFC 6887 11.6). */
static void address_by_either(void **state)
{
	static const char pcp_only[24] = {2, (char)128, 0, 1, 0, 0, 0, 60};
	struct codec_nonce nonce = NONCE(9);
	struct client_op op;
	struct bed b;

	(void)state;
	start(&b, CLIENT_AUTO);
	assert_true(client_address(&b.c, &op, &nonce, 0));
	expect_natpmp(&b, 0);
	assert_int_equal(b.length, 2);
	answer(&b, 0, 7, 5);
	assert_int_equal(op.result.state, CLIENT_GRANTED);
	assert_memory_equal(&op.result.external_address, &outside, 16);
	client_forget(&b.c, &op);

	start(&b, CLIENT_AUTO);
	assert_true(client_address(&b.c, &op, &nonce, 0));
	expect_natpmp(&b, 0);
	assert_true(deliver_bytes(&b, pcp_only, sizeof(pcp_only), 5));
	expect_pcp(&b, 5);
	assert_int_equal(b.sent.pcp.mapping.protocol, UDP);
	assert_int_equal(b.sent.pcp.mapping.internal_port, 9);
	answer(&b, 120, 7, 10);
	assert_int_equal(op.result.state, CLIENT_GRANTED);
	assert_memory_equal(&op.result.external_address, &outside, 16);
	expect_silence(&b, 10);
	assert_int_equal(b.deadline, CLIENT_NEVER);

	start(&b, CLIENT_NATPMP);
	assert_true(client_address(&b.c, &op, &nonce, 0));
	expect_natpmp(&b, 0);
	assert_true(deliver_bytes(&b, pcp_only, sizeof(pcp_only), 5));
	assert_int_equal(op.result.state, CLIENT_REFUSED);

	/* 6886-3.2-05: an error's address is nobody's */
	start(&b, CLIENT_NATPMP);
	assert_true(client_address(&b.c, &op, &nonce, 0));
	expect_natpmp(&b, 0);
	struct codec_message m = granting(&b.sent, 0, 7);
	m.natpmp.result = NATPMP_NETWORK_FAILURE;
	assert_true(deliver(&b, &m, 5));
	assert_int_equal(op.result.state, CLIENT_REFUSED);
	assert_true(codec_is_unspecified(&op.result.external_address));
}

/* 6887-11.2.1-03 -04 6887-11.2.1-02 6887-8.1.1-07: the windows of a server that fell silent after one success */
static void pcp_renewal_windows(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct client_request r = tcp_8080();
		uint64_t base = 0, last = 0;
		struct client_op op;
		struct bed b;

		start(&b, CLIENT_PCP);
		b.c.random = seed;
		map(&b, &op, &r, 0);
		expect_pcp(&b, 0);
		b.sent.pcp.mapping.external_port = 4080;
		answer(&b, 1024, 7, 0);
		for (int n = 1; n <= 7; n++) {
			uint64_t rest = 1024000u >> n;

			base = 1024000 - rest;
			expect_silence(&b, last);
			assert_in_range(b.deadline, base, base + rest / 4);
			last = b.deadline;
			expect_pcp(&b, last);
			assert_int_equal(b.sent.pcp.mapping.external_port, 4080);
			assert_memory_equal(&b.sent.pcp.mapping.external_address, &outside, 16);
			assert_memory_equal(&b.sent.pcp.mapping.nonce, &r.nonce, sizeof(r.nonce));
		}
		/* then never less than 4 s apart, and after the end as a new request */
		for (int n = 0; n < 4; n++) {
			expect_silence(&b, last);
			if (b.deadline == 1024000 && op.result.state == CLIENT_GRANTED)
				expect_silence(&b, 1024000);
			assert_true(b.deadline >= last + 2700);
			if (b.deadline <= 1024000 + 4000)
				assert_true(b.deadline >= last + 4000 || op.result.state == CLIENT_ASKING);
			last = b.deadline;
			expect_pcp(&b, last);
		}
		assert_int_equal(op.result.state, CLIENT_ASKING);
		assert_int_equal(op.result.expires_ms, 0);
	}
}

/* 6887-11.2.1-04 with a lifetime of 16 s and 6887-15-08 with one of 136 years */
static void odd_lifetimes(void **state)
{
	struct client_request r = tcp_8080();
	uint64_t last = 0;
	struct client_op op;
	struct bed b;

	(void)state;
	start(&b, CLIENT_PCP);
	map(&b, &op, &r, 0);
	expect_pcp(&b, 0);
	answer(&b, 16, 7, 0);
	for (uint64_t now = 1; now < 16000; now++)
		if (next(&b, now)) {
			assert_true(now >= last + 4000);
			last = now;
		}
	assert_in_range(last, 12000, 16000);

	start(&b, CLIENT_PCP);
	map(&b, &op, &r, 0);
	expect_pcp(&b, 0);
	answer(&b, CODEC_LIFETIME_FOREVER, 7, 0);
	assert_int_equal(op.result.lifetime_s, CODEC_LIFETIME_FOREVER);
	expect_silence(&b, 0);
	assert_in_range(b.deadline, 43200000, 54000000);
}

/* A NAT-PMP renewal is a whole series; one that fails is tried again at 3/4. */
static void natpmp_renewal_fails(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;
	int sends = 0;

	(void)state;
	start(&b, CLIENT_NATPMP);
	map(&b, &op, &r, 0);
	expect_natpmp(&b, 0);
	answer(&b, 3600, 7, 0);
	for (uint64_t now = 1800000; now < 2700000; now = b.deadline)
		sends += next(&b, now);
	assert_int_equal(sends, 9);
	assert_int_equal(op.result.state, CLIENT_GRANTED);
	assert_in_range(b.deadline, 2700000, 2925000);
}

/* Without keep one answer is enough. */
static void once_is_once(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;

	(void)state;
	r.keep = false;
	start(&b, CLIENT_AUTO);
	map(&b, &op, &r, 0);
	expect_pcp(&b, 0);
	answer(&b, 3600, 7, 10);
	assert_int_equal(op.result.state, CLIENT_GRANTED);
	assert_int_equal(op.result.epoch_s, 7);
	assert_int_equal(op.result.lifetime_s, 3600);
	expect_silence(&b, 10);
	assert_int_equal(b.deadline, CLIENT_NEVER);
	expect_silence(&b, 4000000);
}

/* 6886-3.4-04 -05 6887-15.1-05 6886-3.1-09 */
static void deletion(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;

	(void)state;
	start(&b, CLIENT_PCP);
	map(&b, &op, &r, 0);
	expect_pcp(&b, 0);
	answer(&b, 3600, 7, 0);
	client_delete(&b.c, &op, 5000);
	assert_int_equal(op.result.state, CLIENT_ASKING);
	expect_pcp(&b, 5000);
	assert_int_equal(b.sent.pcp.lifetime_s, 0);
	assert_int_equal(b.sent.pcp.mapping.external_port, 0);
	assert_true(codec_is_unspecified(&b.sent.pcp.mapping.external_address));
	assert_memory_equal(&b.sent.pcp.mapping.nonce, &r.nonce, sizeof(r.nonce));
	answer(&b, 0, 12, 5000);
	assert_int_equal(op.result.state, CLIENT_DELETED);
	expect_silence(&b, 5000);
	assert_int_equal(b.deadline, CLIENT_NEVER);

	start(&b, CLIENT_NATPMP);
	map(&b, &op, &r, 0);
	expect_natpmp(&b, 0);
	answer(&b, 3600, 7, 0);
	client_delete(&b.c, &op, 5000);
	expect_natpmp(&b, 5000);
	assert_int_equal(b.sent.natpmp.lifetime_s, 0);
	assert_int_equal(b.sent.natpmp.external_port, 0);
	answer(&b, 0, 12, 5000);
	assert_int_equal(op.result.state, CLIENT_DELETED);

	/* a request that never left needs no deletion */
	start(&b, CLIENT_AUTO);
	map(&b, &op, &r, 0);
	client_delete(&b.c, &op, 0);
	assert_int_equal(op.result.state, CLIENT_DELETED);
	expect_silence(&b, 0);

	/* deleting what another process made; all of a protocol with NAT-PMP */
	r.lifetime_s = 0;
	r.internal_port = 0;
	start(&b, CLIENT_NATPMP);
	map(&b, &op, &r, 0);
	expect_natpmp(&b, 0);
	assert_int_equal(b.sent.natpmp.internal_port, 0);
	answer(&b, 0, 7, 0);
	assert_int_equal(op.result.state, CLIENT_DELETED);
}

/* 6886-3.1-10 */
static void deletion_ends_with_the_mapping(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;

	(void)state;
	start(&b, CLIENT_NATPMP);
	map(&b, &op, &r, 0);
	expect_natpmp(&b, 0);
	answer(&b, 4, 7, 0);
	client_delete(&b.c, &op, 2000);
	expect_natpmp(&b, 2000);
	expect_natpmp(&b, 2250);
	expect_natpmp(&b, 2750);
	expect_natpmp(&b, 3750);
	expect_silence(&b, 3750);
	assert_int_equal(b.deadline, 4000);
	expect_silence(&b, 4000);
	assert_int_equal(op.result.state, CLIENT_NO_ANSWER);
	assert_int_equal(b.deadline, CLIENT_NEVER);
}

/* 6887-14.1.2-01 and an IPv6 server, which has no NAT-PMP */
static void announce_and_v6(void **state)
{
	struct client_request r = tcp_8080();
	struct codec_nonce nonce = NONCE(9);
	struct client_endpoint server = {v6_gateway, CODEC_SERVER_PORT, 0};
	struct client_op op, m6;
	struct bed b;

	(void)state;
	start(&b, CLIENT_AUTO);
	assert_true(client_announce(&b.c, &op, 0));
	expect_pcp(&b, 0);
	assert_int_equal(b.length, 24);
	assert_int_equal(b.sent.pcp.opcode, PCP_ANNOUNCE);
	assert_int_equal(b.sent.pcp.lifetime_s, 0);
	assert_memory_equal(&b.sent.pcp.client_address, &own_host, 16); /* 6887-8.1-03, 6887-7.1-07 */
	answer(&b, 0, 1234, 10);
	assert_int_equal(op.result.state, CLIENT_GRANTED);
	assert_int_equal(op.result.epoch_s, 1234);

	start(&b, CLIENT_AUTO);
	client_init(&b.c, CLIENT_NATPMP, &server, &v6_host, 1);
	assert_false(client_map(&b.c, &op, &r, 0));
	assert_false(client_address(&b.c, &op, &nonce, 0));
	assert_false(client_announce(&b.c, &op, 0));

	b.server = server;
	client_init(&b.c, CLIENT_AUTO, &server, &v6_host, 1);
	map(&b, &m6, &r, 0);
	assert_true(client_address(&b.c, &op, &nonce, 0));
	expect_pcp(&b, 0);
	/* 6887-11.1-10: the zero address of the family */
	assert_memory_equal(&b.sent.pcp.mapping.external_address, &in6addr_any, 16);
	expect_pcp(&b, 0);
	assert_true(deliver_bytes(&b, version_refusals[0], 8, 10));
	assert_int_equal(m6.result.state, CLIENT_REFUSED);
	assert_int_equal(op.result.state, CLIENT_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(natpmp_retransmission),
	    cmocka_unit_test(pcp_retransmission),
	    cmocka_unit_test(pcp_limits),
	    cmocka_unit_test(falls_back),
	    cmocka_unit_test(no_refusal),
	    cmocka_unit_test(forgets_the_refusal),
	    cmocka_unit_test(natpmp_is_serial),
	    cmocka_unit_test(no_fallback),
	    cmocka_unit_test(version_retry),
	    cmocka_unit_test(address_by_either),
	    cmocka_unit_test(pcp_renewal_windows),
	    cmocka_unit_test(odd_lifetimes),
	    cmocka_unit_test(natpmp_renewal_fails),
	    cmocka_unit_test(once_is_once),
	    cmocka_unit_test(deletion),
	    cmocka_unit_test(deletion_ends_with_the_mapping),
	    cmocka_unit_test(announce_and_v6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
