/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the client sends, and when. */
#include "tests/unit/codec/bed.h"

/* 6886-3.1-03, 6886-3.1-04, 6886-3.3-11: nine datagrams, 250 ms doubling, given up at 127.75 s. 6886-3.1-05, 6886-3.8-05:
 * the caller is told once, not as a refusal, may log it and go on without; nothing more is sent. */
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
	assert_int_equal(op.result.expires_ms, 0);
	expect_silence(&b, 100000000);
}

/* 6887-8.1.1-01, 6887-8.1.1-02, 6887-8.1.1-03: IRT 3 s doubling to MRT 1024 s, each by 0.9..1.1, one nonce, no end */
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

/* 6887-8.1.1-04: uniform, and for each timeout another one; 6887-8.1.1-03: without MRT no upper end */
static void pcp_random_factor(void **state)
{
	enum { RUNS = 2000, BINS = 8 };
	unsigned int bins[2][BINS] = {{0}}, same = 0;

	(void)state;
	for (uint64_t seed = 0; seed < RUNS; seed++) {
		struct client_request r = tcp_8080();
		uint64_t now = 0, wait[2];
		struct client_op op;
		struct bed b;

		start(&b, CLIENT_PCP);
		b.c.random = seed;
		map(&b, &op, &r, 0);
		for (int i = 0; i < 2; i++) {
			expect_pcp(&b, now);
			expect_silence(&b, now);
			wait[i] = b.deadline - now;
			now = b.deadline;
		}
		/* 0.9..1.1 of what it would be, as a number from 0 to 1 */
		bins[0][(size_t)((double)wait[0] / 3000 * 5 * BINS * 0.9999 - 4.5 * BINS)]++;
		bins[1][(size_t)((double)wait[1] / (double)(2 * wait[0]) * 5 * BINS * 0.9999 - 4.5 * BINS)]++;
		same += wait[1] / 20 == wait[0] / 10;
	}
	for (int i = 0; i < 2; i++)
		for (int k = 0; k < BINS; k++)
			assert_in_range(bins[i][k], RUNS / BINS * 7 / 10, RUNS / BINS * 13 / 10);
	assert_true(same < RUNS / 4);

	struct client_request r = tcp_8080();
	struct client_op op;
	uint64_t now = 0;
	struct bed b;

	start(&b, CLIENT_PCP);
	b.c.schedule.mrt_ms = 0;
	map(&b, &op, &r, 0);
	for (int i = 0; i < 13; i++, now = b.deadline) {
		expect_pcp(&b, now);
		expect_silence(&b, now);
	}
	assert_true(now > 3000u * 4096);
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

	/* whichever comes first */
	for (int i = 0; i < 2; i++) {
		start(&b, CLIENT_PCP);
		b.c.schedule.mrd_ms = i ? 4000 : 1000000;
		b.c.schedule.mrc = 3;
		map(&b, &op, &r, 0);
		sends = 0;
		for (uint64_t now = 0; now != CLIENT_NEVER && op.result.state == CLIENT_ASKING; now = b.deadline)
			sends += next(&b, now);
		assert_int_equal(sends, i ? 2 : 3);
		assert_int_equal(op.result.state, CLIENT_NO_ANSWER);
	}
}

/* 6886-3.1-02: one request at a time, the next as soon as the last is answered, in whatever form it has to be asked */
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
		for (uint16_t i = 0; i < 3; i++) {
			if (mode == CLIENT_AUTO) {
				expect_pcp(&b, 1000);
				expect_silence(&b, 1000);
				refuse_version(&b, 1000);
			}
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

/* A server that is known to speak PCP, which has no such rule, gets all at once; and what a server leaves unanswered
 * keeps the others waiting for one timeout only. */
static void pcp_is_parallel(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op ops[4];
	uint64_t first;
	struct bed b;

	(void)state;
	start(&b, CLIENT_AUTO);
	for (uint16_t i = 0; i < 3; i++) {
		r.internal_port = (uint16_t)(8080 + i);
		map(&b, &ops[i], &r, 0);
	}
	expect_pcp(&b, 0);
	expect_silence(&b, 0);
	first = b.deadline;
	assert_in_range(first, 2700, 3300);
	for (uint16_t i = 0; i < 2; i++) {
		expect_pcp(&b, first);
		assert_int_equal(b.sent.pcp.mapping.internal_port, 8080 + i);
	}
	expect_silence(&b, first);
	answer(&b, 3600, 7, first);
	expect_pcp(&b, first);
	assert_int_equal(b.sent.pcp.mapping.internal_port, 8082);
	r.internal_port = 8083;
	map(&b, &ops[3], &r, first);
	expect_pcp(&b, first);
	expect_silence(&b, first);
}

/* 6887-16.3.2-02: one mapping's remaining lifetime, asked for again, tells the epoch and changes nothing. */
static void check(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op op, other;
	struct bed b;

	(void)state;
	start(&b, CLIENT_PCP);
	map(&b, &op, &r, 0);
	assert_false(client_check(&b.c, &op, 0));
	expect_pcp(&b, 0);
	answer(&b, 3600, 1000, 0);
	r.internal_port = 8081;
	map(&b, &other, &r, 0);
	expect_pcp(&b, 0);
	answer(&b, 36000, 1000, 0);
	/* no sooner than a renewal may follow another */
	assert_true(client_check(&b.c, &op, 1000));
	expect_silence(&b, 3999);
	expect_pcp(&b, 4000);
	assert_int_equal(b.sent.pcp.mapping.internal_port, 8080);
	assert_int_equal(b.sent.pcp.lifetime_s, 3596);
	assert_true(client_check(&b.c, &op, 4001)); /* it is on its way */
	answer(&b, 3596, 1004, 4002);
	assert_int_equal(op.result.expires_ms, 3600002);
	expect_silence(&b, 10000);
	assert_in_range(b.deadline, 4002 + 1798000, 4002 + 2247500);
	/* the routine renewal asks for all of it */
	expect_pcp(&b, 2252000);
	assert_int_equal(b.sent.pcp.lifetime_s, 3600);
	answer(&b, 3600, 3252, 2252000);

	assert_true(client_check(&b.c, &op, 3000000));
	expect_pcp(&b, 3000000);
	answer(&b, 2852, 5, 3000000);
	expect_silence(&b, 2999999);
	assert_in_range(b.deadline, 3000000, 3005000);
	expect_pcp(&b, b.deadline);
	assert_int_equal(b.sent.pcp.mapping.internal_port, 8081);
	client_delete(&b.c, &op, 3010000);
	assert_false(client_check(&b.c, &op, 3010000));
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

	/* 6886-3.2-05: an error's address is nobody's, whatever is in the field */
	start(&b, CLIENT_NATPMP);
	assert_true(client_address(&b.c, &op, &nonce, 0));
	expect_natpmp(&b, 0);
	assert_true(deliver_bytes(&b, "\0\x80\0\3\0\0\0\7\xc6\x33\x64\1", 12, 5));
	assert_int_equal(op.result.state, CLIENT_REFUSED);
	assert_true(codec_is_unspecified(&op.result.external_address));
}

/* 6887-14.1.2-01; an IPv6 server, which has no NAT-PMP; 6887-4-02: MAP is asked for where nothing is translated, too */
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
	refuse_version(&b, 10);
	assert_int_equal(m6.result.state, CLIENT_REFUSED);
	assert_int_equal(op.result.state, CLIENT_REFUSED);
}

/* Without keep one answer is enough. */
static void once_is_once(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;

	(void)state;
	r.keep = false;
	start_asking(&b, CLIENT_AUTO, &op, &r);
	answer(&b, 3600, 7, 10);
	assert_int_equal(op.result.state, CLIENT_GRANTED);
	assert_int_equal(op.result.epoch_s, 7);
	assert_int_equal(op.result.lifetime_s, 3600);
	expect_silence(&b, 10);
	assert_int_equal(b.deadline, CLIENT_NEVER);
	expect_silence(&b, 4000000);
}

/* 6886-3.1-10; 6886-3.1-08: the same timers */
static void deletion_ends_with_the_mapping(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;

	(void)state;
	start_granted(&b, CLIENT_NATPMP, &op, &r, 4, 7);
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

/* What was asked for once may be asked for again, changed: the request is copied before what it is in is emptied. */
static void request_of_the_operation_itself(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;

	(void)state;
	start_granted(&b, CLIENT_PCP, &op, &r, 3600, 7);
	op.request.external_port = 81;
	map(&b, &op, &op.request, 5000);
	expect_pcp(&b, 5000);
	assert_int_equal(b.sent.pcp.mapping.protocol, TCP);
	assert_int_equal(b.sent.pcp.mapping.internal_port, 8080);
	assert_int_equal(b.sent.pcp.mapping.external_port, 81);
	assert_int_equal(b.sent.pcp.lifetime_s, 3600);
	assert_memory_equal(&b.sent.pcp.mapping.nonce, &r.nonce, sizeof(r.nonce));
}

/* 6886-3.1-10: what no answer has told the end of, ends as if the last request had been granted. */
static void deletion_of_what_may_be_there(void **state)
{
	struct client_request r = tcp_8080();
	uint64_t last = 0, now = 0;
	struct client_op op;
	struct bed b;

	(void)state;
	/* never answered */
	start_asking(&b, CLIENT_PCP, &op, &r);
	expect_silence(&b, 0);
	last = b.deadline;
	expect_pcp(&b, last);
	client_delete(&b.c, &op, 5000);
	/* said twice */
	client_delete(&b.c, &op, 6000);
	for (now = 6000; now != CLIENT_NEVER; now = b.deadline) {
		assert_true(now <= last + 3600000);
		next(&b, now);
	}
	assert_int_equal(op.result.state, CLIENT_NO_ANSWER);

	/* granted for 10 s, and a renewal with no answer yet */
	start_granted(&b, CLIENT_PCP, &op, &r, 10, 7);
	expect_silence(&b, 0);
	last = b.deadline;
	expect_pcp(&b, last);
	client_delete(&b.c, &op, last + 1);
	while (b.deadline <= 20000)
		next(&b, b.deadline);
	assert_int_equal(op.result.state, CLIENT_ASKING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(natpmp_retransmission),
	    cmocka_unit_test(pcp_retransmission),
	    cmocka_unit_test(pcp_random_factor),
	    cmocka_unit_test(pcp_limits),
	    cmocka_unit_test(natpmp_is_serial),
	    cmocka_unit_test(pcp_is_parallel),
	    cmocka_unit_test(check),
	    cmocka_unit_test(address_by_either),
	    cmocka_unit_test(announce_and_v6),
	    cmocka_unit_test(once_is_once),
	    cmocka_unit_test(deletion_ends_with_the_mapping),
	    cmocka_unit_test(request_of_the_operation_itself),
	    cmocka_unit_test(deletion_of_what_may_be_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
