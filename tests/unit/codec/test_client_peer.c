/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A client that asks by PEER. */
#include "tests/unit/codec/bed.h"

static struct client_request udp_peer(void)
{
	struct client_request r = tcp_8080();

	r.protocol = UDP;
	r.external_port = 0;
	r.remote_port = 53;
	r.remote_address = other_host;
	return r;
}

static void ask_peer(struct bed *b, struct client_op *op, const struct client_request *r, uint64_t now)
{
	assert_true(client_peer(&b->c, op, r, now));
	assert_int_equal(op->result.state, CLIENT_ASKING);
}

/* 6887-12.1-09, 6887-12.1-07, 6887-12.4-01, 6887-12.4-03 */
static void asks_and_renews(void **state)
{
	struct client_request r = udp_peer();
	struct codec_message good, m;
	struct client_op op;
	struct bed b;

	(void)state;
	start(&b, CLIENT_AUTO);
	ask_peer(&b, &op, &r, 0);
	expect_pcp(&b, 0);
	assert_int_equal(b.sent.pcp.opcode, PCP_PEER);
	assert_int_equal(b.sent.pcp.mapping.remote_port, 53);
	assert_memory_equal(&b.sent.pcp.mapping.remote_address, &other_host, 16);
	assert_int_equal(b.sent.pcp.mapping.external_port, 0);
	assert_true(codec_is_unspecified(&b.sent.pcp.mapping.external_address));
	assert_true(codec_is_v4(&b.sent.pcp.mapping.external_address));
	good = granting(&b.sent, 3600, 7);
	good.pcp.mapping.external_port = 4711;
	m = good;
	m.pcp.mapping.remote_port = 54;
	assert_false(deliver(&b, &m, 1));
	m = good;
	m.pcp.mapping.remote_address = outside;
	assert_false(deliver(&b, &m, 1));
	m = good;
	m.pcp.mapping.nonce.octets[0] ^= 1;
	assert_false(deliver(&b, &m, 1));
	m = good;
	m.pcp.opcode = PCP_MAP;
	assert_false(deliver(&b, &m, 1));
	assert_true(deliver(&b, &good, 1));
	assert_int_equal(op.result.state, CLIENT_GRANTED);
	assert_int_equal(op.result.external_port, 4711);
	/* the renewal reminds the server of what it gave */
	assert_true(client_changed(&b.c) == &op);
	expect_silence(&b, 1700000);
	expect_pcp(&b, b.deadline + 225000);
	assert_int_equal(b.sent.pcp.opcode, PCP_PEER);
	assert_int_equal(b.sent.pcp.mapping.external_port, 4711);
}

/* 6887-12.4-04: the address may be of another family than the peer's */
static void other_family(void **state)
{
	struct client_request r = udp_peer();
	struct in6_addr six = {{{0x20, 0x01, 0x0d, 0xb8}}};
	struct codec_message m;
	struct client_op op;
	struct bed b;

	(void)state;
	start(&b, CLIENT_PCP);
	ask_peer(&b, &op, &r, 0);
	expect_pcp(&b, 0);
	m = granting(&b.sent, 3600, 7);
	m.pcp.mapping.external_address = six;
	assert_true(deliver(&b, &m, 1));
	assert_memory_equal(&op.result.external_address, &six, 16);
}

static void cannot(void **state)
{
	static const uint8_t text[CLIENT_OPTIONS_MAX];
	static uint8_t options[CLIENT_OPTIONS_MAX];
	struct client_request r = udp_peer();
	struct pcp_option o = {.code = 200, .data = text, .length = CLIENT_OPTIONS_MAX - 4};
	struct client_op op;
	struct bed b;

	(void)state;
	/* NAT-PMP has nothing like it */
	start(&b, CLIENT_NATPMP);
	assert_false(client_peer(&b.c, &op, &r, 0));
	start(&b, CLIENT_PCP);
	/* it is one or the other */
	assert_false(client_map(&b.c, &op, &r, 0));
	r.remote_port = 0;
	assert_false(client_peer(&b.c, &op, &r, 0));
	r = udp_peer();
	r.lifetime_s = 0;
	assert_false(client_peer(&b.c, &op, &r, 0));
	r.lifetime_s = 1;
	/* what fits beside a MAP, and no more beside a PEER */
	assert_true(pcp_option_put(&o, options, &r.options_length, sizeof(options)));
	r.options = options;
	assert_false(client_peer(&b.c, &op, &r, 0));
	r.remote_port = 0;
	assert_true(client_map(&b.c, &op, &r, 0));
	client_forget(&b.c, &op);
	r = udp_peer();
	ask_peer(&b, &op, &r, 0);
	expect_pcp(&b, 0);
	answer(&b, 3600, 7, 1);
	/* it is given up, not deleted */
	client_delete(&b.c, &op, 2);
	assert_int_equal(op.result.state, CLIENT_DELETED);
	expect_silence(&b, 10000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(asks_and_renews),
	    cmocka_unit_test(other_family),
	    cmocka_unit_test(cannot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
