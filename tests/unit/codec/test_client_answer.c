/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the client makes of what it receives. */
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
	start(&b, CLIENT_NATPMP);
	map(&b, &op, &r, 0);
	expect_natpmp(&b, 0);
	answer(&b, 3600, 100, 0);
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

/* 6886-3.2-07 6886-3.3-33 6887-8.3-01 -03 -05 -06 -08 6887-11.4-01 */
static void ignores_what_is_not_the_answer(void **state)
{
	struct client_request r = tcp_8080();
	struct codec_message good, m;
	uint8_t data[CODEC_MESSAGE_MAX + 4] = {0};
	struct client_op op;
	struct bed b;
	size_t n;

	(void)state;
	start(&b, CLIENT_AUTO);
	map(&b, &op, &r, 0);
	expect_pcp(&b, 0);
	good = granting(&b.sent, 3600, 7);
	assert_false(deliver_from(&b, &good, other_host, CODEC_SERVER_PORT, 1));
	assert_false(deliver_from(&b, &good, gateway, 5352, 1));
	m = good;
	m.pcp.mapping.nonce.octets[11] ^= 1;
	assert_false(deliver(&b, &m, 1));
	m = good;
	m.pcp.mapping.protocol = UDP;
	assert_false(deliver(&b, &m, 1));
	m = good;
	m.pcp.mapping.internal_port = 8081;
	assert_false(deliver(&b, &m, 1));
	m = good;
	m.pcp.opcode = PCP_PEER;
	assert_false(deliver(&b, &m, 1));
	assert_false(deliver(&b, &b.sent, 1)); /* our own request */
	n = codec_marshal(&good, data, sizeof(data));
	assert_int_equal(n, 60);
	static const size_t lengths[] = {0, 1, 2, 3, 4, 22, 24, 56, 58, 62, 1104};
	for (size_t i = 0; i < LENGTH(lengths); i++)
		assert_false(client_deliver(&b.c, data, lengths[i], &b.server, 1));
	assert_int_equal(op.result.state, CLIENT_ASKING);
	assert_null(client_changed(&b.c));
	/* what the server sets is not compared */
	m = good;
	m.pcp.mapping.external_port = 4444;
	assert_true(deliver(&b, &m, 1));
	assert_int_equal(op.result.external_port, 4444);
	assert_ptr_equal(client_changed(&b.c), &op);

	start(&b, CLIENT_NATPMP);
	map(&b, &op, &r, 0);
	expect_natpmp(&b, 0);
	good = granting(&b.sent, 3600, 7);
	assert_false(deliver_from(&b, &good, other_host, CODEC_SERVER_PORT, 1));
	m = good;
	m.natpmp.opcode = NATPMP_MAP_UDP;
	assert_false(deliver(&b, &m, 1));
	m = good;
	m.natpmp.internal_port = 8081;
	assert_false(deliver(&b, &m, 1));
	m = good;
	m.natpmp.lifetime_s = 0; /* the late answer to a deletion */
	assert_false(deliver(&b, &m, 1));
	assert_int_equal(op.result.state, CLIENT_ASKING);
	assert_true(deliver(&b, &good, 1));
	assert_int_equal(op.result.state, CLIENT_GRANTED);
}

/* A response to a third party's mapping names that party; 6887-7.3-24. */
static void third_party(void **state)
{
	struct pcp_option third = {.code = PCP_OPTION_THIRD_PARTY, .third_party = other_host};
	struct client_request r = tcp_8080();
	uint8_t area[32], foreign[32];
	size_t n = 0, foreign_n = 0;
	struct codec_message m;
	struct client_op op;
	struct bed b;

	(void)state;
	assert_true(pcp_option_put(&third, area, &n, sizeof(area)));
	third.third_party = outside_2;
	assert_true(pcp_option_put(&third, foreign, &foreign_n, sizeof(foreign)));
	r.options = area;
	r.options_length = n;
	start(&b, CLIENT_AUTO);
	map(&b, &op, &r, 0);
	expect_pcp(&b, 0);
	m = granting(&b.sent, 3600, 7);
	m.pcp.options_length = 0;
	assert_false(deliver(&b, &m, 1));
	m.pcp.options = foreign;
	m.pcp.options_length = foreign_n;
	assert_false(deliver(&b, &m, 1));
	m.pcp.options = area;
	assert_true(deliver(&b, &m, 1));
	assert_int_equal(op.result.state, CLIENT_GRANTED);
}

/* 6887-13.2-09 */
static void prefer_failure(void **state)
{
	struct pcp_option prefer = {.code = PCP_OPTION_PREFER_FAILURE};
	struct client_request r = tcp_8080();
	struct codec_message m;
	struct client_op op;
	uint8_t area[8];
	size_t n = 0;
	struct bed b;

	(void)state;
	assert_true(pcp_option_put(&prefer, area, &n, sizeof(area)));
	r.options = area;
	r.options_length = n;
	start(&b, CLIENT_AUTO);
	map(&b, &op, &r, 0);
	expect_pcp(&b, 0);
	m = granting(&b.sent, 3600, 7);
	m.pcp.mapping.external_port = 81;
	assert_false(deliver(&b, &m, 1));
	assert_int_equal(op.result.state, CLIENT_ASKING);
	m.pcp.mapping.external_port = 80;
	assert_true(deliver(&b, &m, 1));
	assert_int_equal(op.result.state, CLIENT_GRANTED);
}

/* 6887-8-04 6887-8.3-07 6887-14.2-12: answers go on counting after the first */
static void later_answers(void **state)
{
	struct client_request r = tcp_8080();
	struct codec_message m;
	struct client_op op;
	struct bed b;

	(void)state;
	start(&b, CLIENT_AUTO);
	map(&b, &op, &r, 0);
	expect_pcp(&b, 0);
	m = refusing(&b.sent, PCP_NO_RESOURCES, 60, 7);
	assert_true(deliver(&b, &m, 1));
	assert_int_equal(op.result.state, CLIENT_REFUSED);
	assert_int_equal(op.result.code, PCP_NO_RESOURCES);
	assert_string_equal(client_code_name(&op.result), "NO_RESOURCES");
	m = granting(&b.sent, 3600, 7);
	assert_true(deliver(&b, &m, 2));
	assert_int_equal(op.result.state, CLIENT_GRANTED);
	/* a Mapping Update */
	m.pcp.mapping.external_address = outside_2;
	m.pcp.epoch_s = 107;
	assert_true(deliver(&b, &m, 100000));
	assert_memory_equal(&op.result.external_address, &outside_2, 16);
	assert_int_equal(op.result.expires_ms, 3700000);
	m = refusing(&b.sent, PCP_NOT_AUTHORIZED, 60, 108);
	assert_true(deliver(&b, &m, 101000));
	assert_int_equal(op.result.state, CLIENT_REFUSED);
}

/* 6887-8.3-10 6887-11.4-02 -03: how long errors hold */
static void error_holds(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op op, other, gone;
	struct codec_message m;
	struct bed b;

	(void)state;
	start(&b, CLIENT_PCP);
	map(&b, &gone, &r, 0);
	expect_pcp(&b, 0);
	answer(&b, 36000, 100, 0);

	r.internal_port = 8081;
	map(&b, &op, &r, 0);
	expect_pcp(&b, 0);
	m = refusing(&b.sent, PCP_NO_RESOURCES, 30, 100);
	assert_true(deliver(&b, &m, 0));
	r.internal_port = 8082;
	map(&b, &other, &r, 1000);
	expect_silence(&b, 29999); /* a new mapping of another port waits too */
	assert_int_equal(b.deadline, 30000);
	/* what exists is none: its deletion goes out */
	client_delete(&b.c, &gone, 29999);
	expect_pcp(&b, 29999);
	assert_int_equal(b.sent.pcp.lifetime_s, 0);
	m = refusing(&b.sent, PCP_NO_RESOURCES, 600, 130);
	assert_true(deliver(&b, &m, 29999));
	expect_silence(&b, 629998);
	assert_int_equal(b.deadline, 629999);
	expect_pcp(&b, 629999);
	assert_int_equal(b.sent.pcp.mapping.internal_port, 8081);
	expect_pcp(&b, 629999);
	assert_int_equal(b.sent.pcp.mapping.internal_port, 8082);

	/* 6887-18.3.1-02: no error holds for a year; 6886-3.5-16: unknown codes are errors like others */
	m = refusing(&b.sent, 77, CODEC_LIFETIME_FOREVER, 730);
	assert_true(deliver(&b, &m, 630000));
	assert_string_equal(client_code_name(&other.result), "?");
	client_forget(&b.c, &op);
	expect_silence(&b, 630000);
	assert_int_equal(b.deadline, 630000 + 1800000);
}

/* 6886-3.5-16 and no loops: NAT-PMP errors have no lifetime */
static void natpmp_errors(void **state)
{
	static const struct {
		uint8_t code;
		uint64_t retry_ms;
	} cases[] = {
	    {NATPMP_NOT_AUTHORIZED, 1800000},
	    {NATPMP_NETWORK_FAILURE, 30000},
	    {NATPMP_NO_RESOURCES, 30000},
	    {NATPMP_UNSUPP_OPCODE, 1800000},
	    {77, 1800000},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct client_request r = tcp_8080();
		struct codec_message m;
		struct client_op op;
		struct bed b;

		start(&b, CLIENT_NATPMP);
		map(&b, &op, &r, 0);
		expect_natpmp(&b, 0);
		m = refusing(&b.sent, cases[i].code, 0, 7);
		assert_true(deliver(&b, &m, 10));
		assert_int_equal(op.result.state, CLIENT_REFUSED);
		assert_int_equal(op.result.code, cases[i].code);
		expect_silence(&b, 10);
		assert_int_equal(b.deadline, 10 + cases[i].retry_ms);
	}
}

/* 6887-8.5-11 6887-14.1.3-12 -13 6886-3.2.1-12 6886-3.6-05 6886-3.7-04 -05: a lost state is repaired after 0..5 s */
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
			/* from elsewhere: 6886-3.2.1-10 */
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

/* An answer tells as well: 6886-3.6-06 6887-8.3-06. The one that told is on the new server already. */
static void epoch_loss_in_an_answer(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op first, second;
	struct bed b;

	(void)state;
	start(&b, CLIENT_PCP);
	map(&b, &first, &r, 0);
	expect_pcp(&b, 0);
	answer(&b, 36000, 1000, 0);
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

/* 6886-3.1-06 7488-3-06: a closed port ends it at once; PCP's may be only PCP's */
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
	start(&b, CLIENT_AUTO);
	map(&b, &op, &r, 0);
	expect_pcp(&b, 0);
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
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(natpmp_address_news), cmocka_unit_test(ignores_what_is_not_the_answer),
	    cmocka_unit_test(third_party),	   cmocka_unit_test(prefer_failure),
	    cmocka_unit_test(later_answers),	   cmocka_unit_test(error_holds),
	    cmocka_unit_test(natpmp_errors),	   cmocka_unit_test(epoch_loss),
	    cmocka_unit_test(two_losses),	   cmocka_unit_test(epoch_loss_in_an_answer),
	    cmocka_unit_test(unreachable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
