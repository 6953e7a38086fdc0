/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the client does when the server has lost its state or has news. */
#include "tests/unit/codec/bed.h"

/* The address that NAT-PMP tells belongs to all its mappings, now and when it changes. */
static void natpmp_address_news(void **state)
{
	struct client_request r = tcp_8080();
	struct codec_nonce nonce = NONCE(9);
	struct codec_message m;
	struct client_op op, question;
	struct bed b;

	(void)state;
	start_granted(&b, CLIENT_NATPMP, &op, &r, 3600, 100);
	assert_true(client_address(&b.c, &question, &nonce, 0));
	expect_natpmp(&b, 0);
	answer(&b, 0, 100, 0);
	assert_memory_equal(&op.result.external_address, &outside, 16);
	while (client_changed(&b.c))
		;
	m = announcement(CODEC_VERSION_NATPMP, 160);
	m.natpmp.external_address = outside_2;
	assert_true(deliver(&b, &m, 60000));
	assert_memory_equal(&op.result.external_address, &outside_2, 16);
	assert_ptr_equal(client_changed(&b.c), &op);
	assert_null(client_changed(&b.c));
	/* 6886-3.2-05 */
	m.natpmp.result = NATPMP_NETWORK_FAILURE;
	m.natpmp.epoch_s = 161;
	m.natpmp.external_address = codec_from_v4(0);
	assert_true(deliver(&b, &m, 61000));
	assert_memory_equal(&op.result.external_address, &outside_2, 16);
	/* the counter was right: no renewal before its time */
	expect_silence(&b, 66000);
	assert_int_equal(b.deadline, 1800000);
}

/* 6887-8.5-11, 6887-14.1.3-12, 6887-14.1.3-13, 6887-16.3.1-02, 6886-3.2.1-10, 6886-3.2.1-12, 6886-3.6-05, 6886-3.7-04,
 * 6886-3.7-05: lost state is repaired after 0..5 s; 6887-14.1.3-11: whichever socket the news came to, the client is not told */
static void epoch_loss(void **state)
{
	static const enum client_mode modes[] = {CLIENT_PCP, CLIENT_NATPMP};
	uint64_t least = UINT64_MAX, most = 0;

	(void)state;
	for (size_t i = 0; i < LENGTH(modes); i++)
		for (uint64_t seed = 0; seed < 200; seed++) {
			enum codec_version v = modes[i] == CLIENT_PCP ? CODEC_VERSION_PCP : CODEC_VERSION_NATPMP;
			struct client_request r = tcp_8080();
			struct client_op op;
			struct codec_message m;
			struct bed b;
			uint64_t wait;

			start(&b, modes[i]);
			b.c.random = seed;
			map(&b, &op, &r, 0);
			assert_true(next(&b, 0));
			answer(&b, 36000, 1000, 0);
			m = announcement(v, 1100);
			assert_true(deliver(&b, &m, 100000));
			expect_silence(&b, 106000);
			assert_true(b.deadline > 10000000);
			m = announcement(v, 0);
			/* from elsewhere */
			assert_false(deliver_from(&b, &m, other_host, CODEC_SERVER_PORT, 110000));
			expect_silence(&b, 116000);
			assert_true(deliver(&b, &m, 120000));
			expect_silence(&b, 120000);
			wait = b.deadline - 120000;
			assert_in_range(wait, 0, 5000);
			least = wait < least ? wait : least;
			most = wait > most ? wait : most;
			/* the copies that follow change nothing */
			assert_true(deliver(&b, &m, 120250));
			if (wait > 250) {
				expect_silence(&b, 120250);
				assert_int_equal(b.deadline, 120000 + wait);
			}
			assert_true(next(&b, 120000 + wait));
			if (v == CODEC_VERSION_PCP)
				assert_memory_equal(&b.sent.pcp.mapping.external_address, &outside, 16);
			answer(&b, 36000, (uint32_t)(wait / 1000), 120000 + wait);
			expect_silence(&b, 130000);
			assert_true(b.deadline > 10000000);
		}
	assert_true(least < 500);
	assert_true(most > 4500);
}

/* A second loss within the delay of the first does not put the repair off. */
static void two_losses(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct client_request r = tcp_8080();
		struct codec_message m;
		struct client_op op;
		struct bed b;
		uint64_t first;

		start(&b, CLIENT_PCP);
		b.c.random = seed;
		map(&b, &op, &r, 0);
		expect_pcp(&b, 0);
		answer(&b, 36000, 1000, 0);
		m = announcement(CODEC_VERSION_PCP, 100);
		assert_true(deliver(&b, &m, 100000));
		expect_silence(&b, 99999);
		first = b.deadline;
		m = announcement(CODEC_VERSION_PCP, 0);
		assert_true(deliver(&b, &m, 100000));
		expect_silence(&b, 99999);
		assert_true(b.deadline <= first);
	}
}

/* 6886-3.6-06, 6887-8.3-06: an answer tells as well, but not what belongs to no request. The one that told is on the new server already. */
static void epoch_loss_in_an_answer(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op first, second;
	struct codec_message stray;
	struct bed b;

	(void)state;
	start_asking(&b, CLIENT_PCP, &first, &r);
	stray = granting(&b.sent, 36000, 3);
	stray.pcp.mapping.nonce = NONCE(77);
	answer(&b, 36000, 1000, 0);
	assert_false(deliver(&b, &stray, 50000));
	stray.pcp.opcode = PCP_PEER;
	assert_false(deliver(&b, &stray, 50000));
	expect_silence(&b, 56000);
	assert_true(b.deadline > 10000000);
	r.internal_port = 8081;
	map(&b, &second, &r, 100000);
	expect_pcp(&b, 100000);
	answer(&b, 36000, 3, 100000);
	for (uint64_t now = 100000; now <= 105000; now += 10)
		if (next(&b, now))
			goto found;
	fail();
found:
	assert_int_equal(b.sent.pcp.mapping.internal_port, 8080);
	answer(&b, 36000, 8, 105000);
	expect_silence(&b, 106000);
	assert_true(b.deadline > 10000000);
}

/* 6886-3.7-05: spread over the five seconds, uniformly, for either protocol */
static void delay_is_uniform(void **state)
{
	enum { RUNS = 1000, BINS = 5 };

	(void)state;
	for (int natpmp = 0; natpmp < 2; natpmp++) {
		unsigned int bins[BINS + 1] = {0};

		for (uint64_t seed = 0; seed < RUNS; seed++) {
			struct client_request r = tcp_8080();
			struct codec_message m = announcement(natpmp ? CODEC_VERSION_NATPMP : CODEC_VERSION_PCP, 0);
			struct client_op op;
			struct bed b;

			start(&b, natpmp ? CLIENT_NATPMP : CLIENT_PCP);
			b.c.random = seed;
			map(&b, &op, &r, 0);
			assert_true(next(&b, 0));
			answer(&b, 36000, 1000, 0);
			assert_true(deliver(&b, &m, 100000));
			expect_silence(&b, 99999);
			bins[(b.deadline - 100000) / 1000]++;
		}
		for (int i = 0; i < BINS; i++)
			assert_in_range(bins[i], RUNS / BINS * 7 / 10, RUNS / BINS * 13 / 10);
	}
}

/* 6886-3.7-06: after the delay one at a time, as fast as the gateway answers; all of them, with their ports */
static void burst_is_serial(void **state)
{
	enum { MAPPINGS = 20 };
	struct client_op ops[MAPPINGS];
	struct codec_message m = announcement(CODEC_VERSION_NATPMP, 0);
	uint64_t now;
	struct bed b;

	(void)state;
	start(&b, CLIENT_NATPMP);
	for (uint16_t i = 0; i < MAPPINGS; i++) {
		struct client_request r = tcp_8080();

		r.internal_port = (uint16_t)(8080 + i);
		map(&b, &ops[i], &r, 0);
		expect_natpmp(&b, 0);
		b.sent.natpmp.external_port = (uint16_t)(4000 + i);
		answer(&b, 36000, 1000, 0);
	}
	assert_true(deliver(&b, &m, 100000));
	expect_silence(&b, 100000);
	now = b.deadline;
	for (uint16_t i = 0; i < MAPPINGS; i++) {
		expect_natpmp(&b, now);
		assert_int_equal(b.sent.natpmp.external_port, b.sent.natpmp.internal_port - 8080 + 4000);
		expect_silence(&b, now);
		now += 50;
		expect_silence(&b, now);
		answer(&b, 36000, 5, now);
	}
	expect_silence(&b, now);
	assert_true(b.deadline > 10000000);
}

/* 6886-5-03: a forged announcement makes the client ask in vain, and loses nothing. */
static void forged(void **state)
{
	struct client_request r = tcp_8080();
	struct codec_message m = announcement(CODEC_VERSION_NATPMP, 0);
	struct client_op op;
	struct bed b;
	int asked = 0;

	(void)state;
	start_granted(&b, CLIENT_NATPMP, &op, &r, 36000, 1000);
	/* a whole minute of them, each with another counter */
	for (uint64_t now = 100000; now < 160000; now += 100) {
		m.natpmp.epoch_s = m.natpmp.epoch_s ? 0 : 100000;
		assert_true(deliver(&b, &m, now));
		if (next(&b, now)) {
			asked++;
			answer(&b, 36000, (uint32_t)(1000 + now / 1000), now);
		}
		assert_int_equal(op.result.state, CLIENT_GRANTED);
		assert_int_equal(op.result.external_port, 80);
		assert_true(op.result.expires_ms >= 36000000);
	}
	/* 6887-11.2.1-04: never less than 4 s apart */
	assert_in_range(asked, 1, 15);
}

/* What is only to be asked once is not recreated; nonce and port are those from before the restart (RFC 6887 14.1.3). */
static void keeps_nonce_and_port(void **state)
{
	struct client_request r = tcp_8080();
	struct codec_message m = announcement(CODEC_VERSION_PCP, 0);
	struct client_op kept, once, peer;
	struct bed b;

	(void)state;
	start_asking(&b, CLIENT_PCP, &kept, &r);
	b.sent.pcp.mapping.external_port = 4711;
	answer(&b, 36000, 1000, 0);
	r.remote_port = 53;
	r.remote_address = outside_2;
	assert_true(client_peer(&b.c, &peer, &r, 0));
	expect_pcp(&b, 0);
	b.sent.pcp.mapping.external_port = 4712;
	answer(&b, 36000, 1000, 0);
	r.remote_port = 0;
	r.internal_port = 8081;
	r.keep = false;
	map(&b, &once, &r, 0);
	expect_pcp(&b, 0);
	answer(&b, 36000, 1000, 0);
	assert_true(deliver(&b, &m, 100000));
	for (int i = 0; i < 2; i++) {
		expect_pcp(&b, 105000);
		assert_int_equal(b.sent.pcp.mapping.internal_port, 8080);
		assert_memory_equal(&b.sent.pcp.mapping.nonce, &r.nonce, sizeof(r.nonce));
		assert_memory_equal(&b.sent.pcp.mapping.external_address, &outside, 16);
		assert_int_equal(b.sent.pcp.mapping.external_port, b.sent.pcp.opcode == PCP_PEER ? 4712 : 4711);
	}
	expect_silence(&b, 105000);
}

/* An error that ends behind its result tells of no counter, so of none that began anew. */
static void error_without_an_epoch(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op first, second;
	struct bed b;

	(void)state;
	start_granted(&b, CLIENT_NATPMP, &first, &r, 36000, 1000);
	r.internal_port = 8081;
	map(&b, &second, &r, 10000);
	expect_natpmp(&b, 10000);
	assert_false(deliver_bytes(&b, "\0\x82\0\4\0\0", 6, 10000)); /* says not even of which port */
	assert_true(deliver_bytes(&b, "\0\x80\0\3", 4, 10000));
	answer(&b, 36000, 1010, 10010);
	expect_silence(&b, 20000);
	assert_int_equal(b.deadline, 18000000);
	/* one that has a counter counts */
	assert_true(deliver_bytes(&b, "\0\x80\0\3\0\0\0\1", 8, 30000));
	expect_silence(&b, 30000);
	assert_in_range(b.deadline, 30000, 35000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(natpmp_address_news),
	    cmocka_unit_test(epoch_loss),
	    cmocka_unit_test(two_losses),
	    cmocka_unit_test(epoch_loss_in_an_answer),
	    cmocka_unit_test(delay_is_uniform),
	    cmocka_unit_test(burst_is_serial),
	    cmocka_unit_test(forged),
	    cmocka_unit_test(keeps_nonce_and_port),
	    cmocka_unit_test(error_without_an_epoch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
