/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the client makes of what it receives. */
#include "tests/unit/codec/bed.h"

/* 6886-3.2-07, 6886-3.3-33, 6887-8.3-01, 6887-8.3-03, 6887-8.3-05, 6887-8.3-08, 6887-11.4-01, 6887-6-05: nothing but the answer
 * counts, and other mappings than the own ones are no matter */
static void ignores_what_is_not_the_answer(void **state)
{
	struct client_request r = tcp_8080();
	struct codec_message good, m;
	uint8_t data[CODEC_MESSAGE_MAX + 4] = {0};
	struct client_op op;
	struct bed b;
	size_t n;

	(void)state;
	start_asking(&b, CLIENT_AUTO, &op, &r);
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

	start_asking(&b, CLIENT_NATPMP, &op, &r);
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
	struct area own = {.length = 0}, foreign = {.length = 0};
	struct codec_message m;
	struct client_op op;
	struct bed b;

	(void)state;
	put(&own, third);
	third.third_party = outside_2;
	put(&foreign, third);
	use(&r, &own);
	start_asking(&b, CLIENT_AUTO, &op, &r);
	m = granting(&b.sent, 3600, 7);
	m.pcp.options_length = 0;
	assert_false(deliver(&b, &m, 1));
	m.pcp.options = foreign.octets;
	m.pcp.options_length = foreign.length;
	assert_false(deliver(&b, &m, 1));
	m.pcp.options = own.octets;
	assert_true(deliver(&b, &m, 1));
	assert_int_equal(op.result.state, CLIENT_GRANTED);
}

/* 6887-13.2-09 */
static void prefer_failure(void **state)
{
	struct client_request r = tcp_8080();
	struct area a = {.length = 0};
	struct codec_message m;
	struct client_op op;
	struct bed b;

	(void)state;
	put(&a, (struct pcp_option){.code = PCP_OPTION_PREFER_FAILURE});
	use(&r, &a);
	start_asking(&b, CLIENT_AUTO, &op, &r);
	m = granting(&b.sent, 3600, 7);
	m.pcp.mapping.external_port = 81;
	assert_false(deliver(&b, &m, 1));
	assert_int_equal(op.result.state, CLIENT_ASKING);
	m.pcp.mapping.external_port = 80;
	assert_true(deliver(&b, &m, 1));
	assert_int_equal(op.result.state, CLIENT_GRANTED);
}

/* 6887-8-04, 6887-8.3-07, 6887-14.2-12: answers go on counting after the first */
static void later_answers(void **state)
{
	struct client_request r = tcp_8080();
	struct codec_message m;
	struct client_op op;
	struct bed b;

	(void)state;
	start_asking(&b, CLIENT_AUTO, &op, &r);
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

/* 6887-8.3-10, 6887-11.4-02, 6887-11.4-03, 6887-12.4-02: how long errors hold */
static void error_holds(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op op, other, gone, peer;
	struct client_request hasty = tcp_8080();
	struct codec_message m, other_asked;
	struct bed b;

	(void)state;
	hasty.internal_port = 8084;
	start_granted(&b, CLIENT_PCP, &gone, &r, 36000, 100);

	r.internal_port = 8081;
	map(&b, &op, &r, 0);
	expect_pcp(&b, 0);
	m = refusing(&b.sent, PCP_NO_RESOURCES, 30, 100);
	assert_true(deliver(&b, &m, 0));
	r.internal_port = 8082;
	map(&b, &other, &r, 1000);
	/* a new mapping of another port waits too, and one for a peer */
	r.internal_port = 8083;
	r.remote_port = 53;
	assert_true(client_peer(&b.c, &peer, &r, 1000));
	expect_silence(&b, 29999);
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
	answer(&b, 86400, 730, 629999);
	expect_pcp(&b, 629999);
	assert_int_equal(b.sent.pcp.mapping.internal_port, 8082);
	other_asked = b.sent;
	expect_pcp(&b, 629999);
	assert_int_equal(b.sent.pcp.opcode, PCP_PEER);
	/* what is refused for a peer holds back the others as well */
	m = refusing(&b.sent, PCP_NO_RESOURCES, 60, 730);
	assert_true(deliver(&b, &m, 629999));
	map(&b, &peer, &hasty, 629999);
	expect_silence(&b, 630000);
	client_forget(&b.c, &peer);

	/* 6887-18.3.1-02, 6887-8.3-09: no error holds for a year; 6886-3.5-16: unknown codes are errors like others */
	m = refusing(&other_asked, 77, CODEC_LIFETIME_FOREVER, 730);
	assert_true(deliver(&b, &m, 630000));
	assert_string_equal(client_code_name(&other.result), "?");
	client_forget(&b.c, &op);
	expect_silence(&b, 630000);
	assert_int_equal(b.deadline, 630000 + UINT64_C(86400000));
}

/* 6886-3.5-16: any error ends the request, and is no loop; NAT-PMP errors have no lifetime */
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

		start_asking(&b, CLIENT_NATPMP, &op, &r);
		m = refusing(&b.sent, cases[i].code, 0, 7);
		assert_true(deliver(&b, &m, 10));
		assert_int_equal(op.result.state, CLIENT_REFUSED);
		assert_int_equal(op.result.code, cases[i].code);
		expect_silence(&b, 10);
		assert_int_equal(b.deadline, 10 + cases[i].retry_ms);
	}
}

/* 6887-7.2-06, 6887-7.2-12, 6887-7.3-23, 6887-7.3-24: reserved bits and options that are not understood are no matter */
static void unknown_parts(void **state)
{
	const struct pcp_option odd = {.code = 100, .data = (const uint8_t *)"any", .length = 3};
	const struct pcp_option odder = {.code = 222, .data = (const uint8_t *)"", .length = 0};
	struct client_request r = tcp_8080();
	uint8_t data[CODEC_MESSAGE_MAX];
	struct codec_message m;
	struct client_op op;
	struct area a;
	struct bed b;
	size_t n;

	(void)state;
	for (int bad = 0; bad < 2; bad++) {
		a.length = 0;
		start_asking(&b, CLIENT_PCP, &op, &r);
		put(&a, odd);
		put(&a, odder);
		if (bad) {
			/* FILTER of no length, PORT_SET of size 0 */
			memcpy(a.octets + a.length, "\3\0\0\0\x82\0\0\5\0\0\0\1\0\0\0\0", 16);
			a.length += 16;
		}
		m = granting(&b.sent, 3600, 7);
		m.pcp.options = a.octets;
		m.pcp.options_length = a.length;
		n = codec_marshal(&m, data, sizeof(data));
		data[2] = 0xff;
		memset(data + 12, 0xff, 12);
		assert_true(client_deliver(&b.c, data, n, &b.server, 1));
		assert_int_equal(op.result.state, CLIENT_GRANTED);
		assert_int_equal(op.result.port_set_size, 1);
		assert_int_equal(op.result.unprocessed, 0);
		client_forget(&b.c, &op);
	}
}

/* 7220-3-03: what the server did nothing with is told, when it answers; an update is none */
static void unprocessed_options(void **state)
{
	struct client_request r = tcp_8080();
	struct codec_message m;
	struct client_op op;
	struct area a = {.length = 0};
	struct bed b;

	(void)state;
	put(&a, (struct pcp_option){.code = PCP_OPTION_DESCRIPTION, .data = (const uint8_t *)"web", .length = 3});
	put(&a, (struct pcp_option){.code = 200, .data = (const uint8_t *)"", .length = 0});
	use(&r, &a);
	start_asking(&b, CLIENT_AUTO, &op, &r);
	m = granting(&b.sent, 3600, 7);
	m.pcp.options_length = 8; /* the description alone */
	assert_true(deliver(&b, &m, 1));
	assert_true(op.result.description_taken);
	assert_int_equal(op.result.unprocessed, 1);
	m.pcp.options_length = 0;
	assert_true(deliver(&b, &m, 2));
	assert_true(op.result.description_taken);
	client_forget(&b.c, &op);

	map(&b, &op, &r, 10);
	expect_pcp(&b, 10);
	m.pcp.options_length = 0;
	assert_true(deliver(&b, &m, 11));
	assert_int_equal(op.result.state, CLIENT_GRANTED);
	assert_false(op.result.description_taken);
	assert_int_equal(op.result.unprocessed, 2);
	client_forget(&b.c, &op);

	/* NAT-PMP has no options */
	start_asking(&b, CLIENT_NATPMP, &op, &r);
	answer(&b, 3600, 7, 1);
	assert_false(op.result.description_taken);
	assert_int_equal(op.result.unprocessed, 2);
	assert_int_equal(op.result.port_set_size, 1);
	assert_int_equal(op.result.first_internal_port, 8080);
}

/* 7753-4.3-01, 7753-4.3-02, 7753-4.1-07: what was granted of a set; one port is no refusal, and more may be asked for */
static void port_set_granted(void **state)
{
	static const struct {
		uint16_t size, first, external;
		uint16_t expect_size, expect_first;
	} cases[] = {
	    {4, 8080, 4000, 4, 8080},	  {2, 8080, 4000, 2, 8080}, {0, 0, 4000, 1, 8080}, /* no option */
	    {10, 8076, 4000, 10, 8076},	  /* an older set that has these ports, 6.3 */
	    {100, 8080, 65500, 36, 8080}, /* more than there are */
	    {100, 65530, 4000, 6, 65530},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct client_request r = tcp_8080(), more = tcp_8080();
		struct area a = {.length = 0}, answered = {.length = 0};
		struct client_op op, next_op;
		struct codec_message m;
		struct bed b;

		put(&a, (struct pcp_option){.code = PCP_OPTION_PORT_SET,
					    .port_set = {.size = 4, .first_internal_port = 8080}});
		use(&r, &a);
		start_asking(&b, CLIENT_PCP, &op, &r);
		m = granting(&b.sent, 3600, 7);
		m.pcp.mapping.external_port = cases[i].external;
		if (cases[i].size)
			put(&answered, (struct pcp_option){
					   .code = PCP_OPTION_PORT_SET,
					   .port_set = {.size = cases[i].size, .first_internal_port = cases[i].first}});
		m.pcp.options = answered.octets;
		m.pcp.options_length = answered.length;
		assert_true(deliver(&b, &m, 1));
		assert_int_equal(op.result.state, CLIENT_GRANTED);
		assert_int_equal(op.result.port_set_size, cases[i].expect_size);
		assert_int_equal(op.result.first_internal_port, cases[i].expect_first);
		assert_int_equal(op.result.unprocessed, cases[i].size == 0);
		/* 8082 is free to be asked for if it is not in the set */
		more.internal_port = 8082;
		assert_int_equal(client_map(&b.c, &next_op, &more, 2),
				 cases[i].expect_first + cases[i].expect_size <= 8082 || cases[i].expect_first > 8082);
	}
}

/* 6887-11.2-01: the port that was suggested may never be had */
static void other_port(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;
	uint64_t now = 0;

	(void)state;
	start(&b, CLIENT_AUTO);
	map(&b, &op, &r, 0);
	for (uint16_t i = 0; i < 5; i++, now = b.deadline) {
		expect_pcp(&b, now);
		/* 6887-11.2.1-02: the assigned one is suggested from then on */
		assert_int_equal(b.sent.pcp.mapping.external_port, i ? 3999 + i : 80);
		b.sent.pcp.mapping.external_port = (uint16_t)(4000 + i);
		answer(&b, 3600, (uint32_t)(now / 1000), now);
		assert_int_equal(op.result.state, CLIENT_GRANTED);
		assert_int_equal(op.result.external_port, 4000 + i);
		expect_silence(&b, now);
	}
}

/* 6887-8.3-12: a NAT in between is told as what it is */
static void address_mismatch(void **state)
{
	struct client_request r = tcp_8080();
	struct codec_message m;
	struct client_op op;
	struct bed b;

	(void)state;
	start_asking(&b, CLIENT_AUTO, &op, &r);
	m = refusing(&b.sent, PCP_ADDRESS_MISMATCH, 600, 7);
	assert_true(deliver(&b, &m, 1));
	assert_int_equal(op.result.state, CLIENT_REFUSED);
	assert_int_equal(op.result.code, PCP_ADDRESS_MISMATCH);
	assert_string_equal(client_code_name(&op.result), "ADDRESS_MISMATCH");
	expect_silence(&b, 1);
	assert_int_equal(b.deadline, 600001);
	/* 6887-8.3-11: another server is asked at once, by a client of its own */
	start(&b, CLIENT_AUTO);
	map(&b, &op, &r, 2);
	expect_pcp(&b, 2);
}

/* With PREFER_FAILURE a renewal insists on the port, but on an address only if it was asked for one. */
static void prefer_failure_after_renumbering(void **state)
{
	(void)state;
	for (int any = 0; any < 2; any++) {
		struct client_request r = tcp_8080();
		struct area a = {.length = 0};
		struct codec_message m;
		struct client_op op;
		struct bed b;

		put(&a, (struct pcp_option){.code = PCP_OPTION_PREFER_FAILURE});
		use(&r, &a);
		if (!any)
			r.external_address = outside;
		start_granted(&b, CLIENT_PCP, &op, &r, 3600, 7);
		m = refusing(&b.sent, PCP_CANNOT_PROVIDE_EXTERNAL, 30, 107);
		assert_true(deliver(&b, &m, 100000));
		assert_int_equal(op.result.state, CLIENT_REFUSED);
		assert_string_equal(client_code_name(&op.result), "CANNOT_PROVIDE_EXTERNAL");
		expect_pcp(&b, 130000);
		assert_int_equal(b.sent.pcp.mapping.external_port, 80);
		assert_memory_equal(&b.sent.pcp.mapping.external_address, any ? &v4_any : &outside, 16);
	}
}

/* 6887-14.2-12: a Mapping Update, or the late answer to a renewal, is no answer to the deletion that is out. The mapping
 * lives, now as long as that says, and its deletion is asked for on. What a server leaves to traffic (RFC 6887 section 15) is
 * deleted, though: nothing outside is named. */
static void update_during_deletion(void **state)
{
	static const enum client_mode modes[] = {CLIENT_PCP, CLIENT_NATPMP};

	(void)state;
	for (size_t i = 0; i < LENGTH(modes); i++) {
		struct client_request r = tcp_8080();
		struct codec_message granted, deleted;
		struct client_op op;
		struct bed b;

		start(&b, modes[i]);
		map(&b, &op, &r, 0);
		assert_true(next(&b, 0));
		granted = granting(&b.sent, 8, 7);
		assert_true(deliver(&b, &granted, 0));
		client_delete(&b.c, &op, 4000);
		assert_true(next(&b, 4000));
		deleted = granting(&b.sent, 0, 11);
		if (modes[i] == CLIENT_PCP) {
			granted.pcp.epoch_s = 11;
			granted.pcp.lifetime_s = 3600;
			assert_true(deliver(&b, &granted, 4001));
		} else {
			granted.natpmp.epoch_s = 11;
			granted.natpmp.lifetime_s = 3600;
			assert_false(deliver(&b, &granted, 4001));
		}
		assert_int_equal(op.result.state, CLIENT_ASKING);
		expect_silence(&b, 4001);
		assert_true(b.deadline < 8000);
		assert_true(next(&b, b.deadline));
		if (modes[i] == CLIENT_PCP) {
			/* no end at 8 s any more */
			assert_true(next(&b, 14600));
			assert_int_equal(b.sent.pcp.lifetime_s, 0);
		}
		if (modes[i] == CLIENT_PCP) {
			deleted.pcp.lifetime_s = 100;
			deleted.pcp.mapping.external_address = v4_any;
		}
		assert_true(deliver(&b, &deleted, 14700));
		assert_int_equal(op.result.state, CLIENT_DELETED);
		expect_silence(&b, 14700);
		assert_int_equal(b.deadline, CLIENT_NEVER);
	}
}

/* 6887-14.2-12: what traffic keeps open a while (RFC 6887 section 15) may be answered with its outside, and is deleted as far as a
 * client can: at once if it got less than it had, and else when the deletion was sent again. */
static void deletion_that_leaves_time(void **state)
{
	static const uint32_t left_s[] = {30, 7200};

	(void)state;
	for (size_t i = 0; i < LENGTH(left_s); i++) {
		struct client_request r = tcp_8080();
		struct codec_message granted, left;
		struct client_op op;
		struct bed b;

		start(&b, CLIENT_PCP);
		map(&b, &op, &r, 0);
		assert_true(next(&b, 0));
		granted = granting(&b.sent, 7200, 7);
		assert_true(deliver(&b, &granted, 0));
		client_delete(&b.c, &op, 1000);
		assert_true(next(&b, 1000));
		left = granting(&b.sent, left_s[i], 8);
		left.pcp.mapping.external_address = granted.pcp.mapping.external_address;
		left.pcp.mapping.external_port = granted.pcp.mapping.external_port;
		assert_true(deliver(&b, &left, 1001));
		if (left_s[i] == 7200) {
			assert_int_equal(op.result.state, CLIENT_ASKING);
			expect_silence(&b, 1001);
			assert_true(next(&b, b.deadline));
			assert_int_equal(b.sent.pcp.lifetime_s, 0);
			assert_true(deliver(&b, &left, 5000));
		}
		assert_int_equal(op.result.state, CLIENT_DELETED);
		assert_int_equal(op.result.lifetime_s, left_s[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ignores_what_is_not_the_answer),
	    cmocka_unit_test(third_party),
	    cmocka_unit_test(prefer_failure),
	    cmocka_unit_test(later_answers),
	    cmocka_unit_test(update_during_deletion),
	    cmocka_unit_test(deletion_that_leaves_time),
	    cmocka_unit_test(error_holds),
	    cmocka_unit_test(natpmp_errors),
	    cmocka_unit_test(unknown_parts),
	    cmocka_unit_test(unprocessed_options),
	    cmocka_unit_test(port_set_granted),
	    cmocka_unit_test(other_port),
	    cmocka_unit_test(address_mismatch),
	    cmocka_unit_test(prefer_failure_after_renumbering),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
