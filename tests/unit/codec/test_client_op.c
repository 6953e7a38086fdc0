/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When the client renews. */
#include "tests/unit/codec/bed.h"

/* 6887-11.2.1-02, 6887-11.2.1-03, 6887-11.2.1-04, 6887-8.1.1-07: the windows of a server that fell silent after one success */
static void pcp_renewal_windows(void **state)
{
	uint64_t least = UINT64_MAX, most = 0;

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
			if (n == 1) {
				least = last < least ? last : least;
				most = last > most ? last : most;
			}
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
	/* all of the window is used */
	assert_true(least < 512000 + 12800);
	assert_true(most > 640000 - 12800);
}

/* 6887-11.2.1-04 with a lifetime of 16 s; 6887-15-08, 6887-8.3-09 with one of 136 years */
static void odd_lifetimes(void **state)
{
	struct client_request r = tcp_8080();
	uint64_t last = 0;
	struct client_op op;
	struct bed b;

	(void)state;
	start_granted(&b, CLIENT_PCP, &op, &r, 16, 7);
	for (uint64_t now = 1; now < 16000; now++)
		if (next(&b, now)) {
			assert_true(now >= last + 4000);
			last = now;
		}
	assert_in_range(last, 12000, 16000);

	start_granted(&b, CLIENT_PCP, &op, &r, CODEC_LIFETIME_FOREVER, 7);
	assert_int_equal(op.result.lifetime_s, CODEC_LIFETIME_FOREVER);
	expect_silence(&b, 0);
	assert_in_range(b.deadline, 43200000, 54000000);
}

/* 6887-11.2.1-01, 6887-11.4-04, 6887-15-07: with an answering server a mapping lives on, and never runs out; no traffic
 * counts, the library knows of none. */
static void lives_on(void **state)
{
	static const enum client_mode modes[] = {CLIENT_PCP, CLIENT_NATPMP};

	(void)state;
	for (size_t i = 0; i < LENGTH(modes); i++) {
		struct client_request r = tcp_8080();
		uint64_t expires = 0, now = 0;
		unsigned int answers = 0;
		struct client_op op;
		struct bed b;

		start(&b, modes[i]);
		map(&b, &op, &r, 0);
		for (; now < 3 * 600000; now = b.deadline) {
			if (answers > 0)
				assert_true(now < expires);
			if (!next(&b, now))
				continue;
			answer(&b, 600, (uint32_t)(now / 1000), now);
			assert_int_equal(op.result.state, CLIENT_GRANTED);
			assert_int_equal(op.result.expires_ms, now + 600000);
			expires = now + 600000;
			answers++;
		}
		assert_in_range(answers, 4, 6);
	}
}

/* A NAT-PMP renewal is a whole series; one that fails is tried again at 3/4. */
static void natpmp_renewal_fails(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;
	int sends = 0;

	(void)state;
	start_granted(&b, CLIENT_NATPMP, &op, &r, 3600, 7);
	for (uint64_t now = 1800000; now < 2700000; now = b.deadline)
		sends += next(&b, now);
	assert_int_equal(sends, 9);
	assert_int_equal(op.result.state, CLIENT_GRANTED);
	assert_in_range(b.deadline, 2700000, 2925000);
}

/* However often a check goes wrong, the renewals are those of before: each has its time, none is used up. */
static void failed_checks_use_up_no_renewal(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;

	(void)state;
	start_granted(&b, CLIENT_PCP, &op, &r, 3600, 7);
	for (uint64_t now = 5000; now < 1500000; now += 5000) {
		assert_true(client_check(&b.c, &op, now));
		expect_pcp(&b, now);
		client_unreachable(&b.c, now);
		expect_silence(&b, now);
		assert_in_range(b.deadline, 1800000, 2250000);
	}
	assert_int_equal(op.result.state, CLIENT_GRANTED);
	expect_pcp(&b, 2250000);
	expect_silence(&b, 2250000);
	assert_in_range(b.deadline, 2700000, 2925000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pcp_renewal_windows),
	    cmocka_unit_test(odd_lifetimes),
	    cmocka_unit_test(lives_on),
	    cmocka_unit_test(natpmp_renewal_fails),
	    cmocka_unit_test(failed_checks_use_up_no_renewal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
