/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the client writes into its requests. */
#include "tests/unit/codec/bed.h"

/* 6886-3.1-09, 6886-3.4-04, 6886-3.4-05, 6887-15.1-05; 6886-3.4-22: all mappings of a protocol, a predecessor's too */
static void deletion(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;

	(void)state;
	start_granted(&b, CLIENT_PCP, &op, &r, 3600, 7);
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

	start_granted(&b, CLIENT_NATPMP, &op, &r, 3600, 7);
	client_delete(&b.c, &op, 5000);
	expect_natpmp(&b, 5000);
	assert_int_equal(b.sent.natpmp.lifetime_s, 0);
	assert_int_equal(b.sent.natpmp.external_port, 0);
	answer(&b, 0, 12, 5000);
	assert_int_equal(op.result.state, CLIENT_DELETED);

	/* 6886-3.4-12: of a refusal the lifetime is not read */
	map(&b, &op, &r, 0);
	expect_natpmp(&b, 0);
	answer(&b, 3600, 7, 0);
	client_delete(&b.c, &op, 5000);
	expect_natpmp(&b, 5000);
	assert_true(deliver_bytes(&b, "\0\x82\0\2\0\0\0\x0c\x1f\x90\0\x50\0\0\0\x63", 16, 5001));
	assert_int_equal(op.result.state, CLIENT_REFUSED);
	assert_int_equal(op.result.lifetime_s, 0);
	expect_silence(&b, 5001);
	assert_int_equal(b.deadline, CLIENT_NEVER);

	/* a request that never left needs no deletion */
	start(&b, CLIENT_AUTO);
	map(&b, &op, &r, 0);
	client_delete(&b.c, &op, 0);
	assert_int_equal(op.result.state, CLIENT_DELETED);
	expect_silence(&b, 0);

	/* deleting what another process made; all of a protocol with NAT-PMP */
	r.lifetime_s = 0;
	r.internal_port = 0;
	start_asking(&b, CLIENT_NATPMP, &op, &r);
	assert_int_equal(b.sent.natpmp.opcode, NATPMP_MAP_TCP);
	assert_int_equal(b.sent.natpmp.internal_port, 0);
	assert_int_equal(b.sent.natpmp.external_port, 0);
	assert_int_equal(b.sent.natpmp.lifetime_s, 0);
	answer(&b, 0, 7, 0);
	assert_int_equal(op.result.state, CLIENT_DELETED);
}

/* 6886-3.3-10, 6886-3.3-36, 6887-11.1-09, 6887-11.1-10, 6887-13.2-04, 7220-4-02: what is asked for unless the caller wants more;
 * 6887-11.2-08, 6886-3.3-36: and what he may suggest */
static void defaults(void **state)
{
	const struct codec_nonce nonce = NONCE(7);
	struct client_request r;
	struct client_op op;
	struct bed b;

	(void)state;
	client_request_init(&r, TCP, 8080, &nonce);
	start_asking(&b, CLIENT_NATPMP, &op, &r);
	assert_memory_equal(b.out, "\0\2\0\0\x1f\x90\0\0\0\0\x1c\x20", 12);

	start_asking(&b, CLIENT_AUTO, &op, &r);
	assert_int_equal(b.sent.pcp.lifetime_s, 7200);
	assert_int_equal(b.sent.pcp.mapping.external_port, 0);
	assert_memory_equal(&b.sent.pcp.mapping.external_address, &v4_any, 16);
	assert_memory_equal(&b.sent.pcp.mapping.nonce, &nonce, sizeof(nonce));
	assert_int_equal(b.sent.pcp.options_length, 0);
	assert_true(r.keep);

	r.external_port = r.internal_port;
	r.external_address = outside;
	for (int mode = CLIENT_NATPMP; mode <= CLIENT_PCP; mode++) {
		start(&b, (enum client_mode)mode);
		map(&b, &op, &r, 0);
		assert_true(next(&b, 0));
		if (mode == CLIENT_NATPMP) {
			assert_int_equal(b.sent.natpmp.external_port, 8080);
		} else {
			assert_int_equal(b.sent.pcp.mapping.external_port, 8080);
			assert_memory_equal(&b.sent.pcp.mapping.external_address, &outside, 16);
		}
	}
}

/* 6887-10-08: one request for each family of the outside, by its all-zeros address */
static void external_families(void **state)
{
	static const int families[] = {AF_INET, AF_INET6};
	const struct in6_addr *zeros[] = {&v4_any, &in6addr_any};

	(void)state;
	for (int host = 0; host < 2; host++)
		for (size_t i = 0; i < LENGTH(families); i++) {
			struct client_endpoint server = {host ? v6_gateway : gateway, CODEC_SERVER_PORT, 0};
			struct client_request r = tcp_8080();
			struct client_op op;
			struct bed b = {.server = server};

			client_init(&b.c, CLIENT_AUTO, &server, host ? &v6_host : &own_host, 1);
			r.external_family = families[i];
			map(&b, &op, &r, 0);
			expect_pcp(&b, 0);
			assert_memory_equal(&b.sent.pcp.mapping.external_address, zeros[i], 16);
			client_delete(&b.c, &op, 1);
			expect_pcp(&b, 1);
			assert_int_equal(b.sent.pcp.lifetime_s, 0);
			assert_memory_equal(&b.sent.pcp.mapping.external_address, zeros[i], 16);
		}
	/* NAT-PMP has no IPv6 outside */
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;

	start(&b, CLIENT_NATPMP);
	r.external_family = AF_INET6;
	assert_false(client_map(&b.c, &op, &r, 0));
}

/* 6887-11.2-02, 6887-11.2-03, 6887-16.3.3-03 */
static void protocols(void **state)
{
	static const struct {
		uint8_t protocol;
		uint16_t internal_port, external_port;
		bool ok;
	} cases[] = {
	    {0, 0, 0, true},						    /* all protocols */
	    {0, 8080, 0, false},  {0, 0, 80, false},	  {46, 0, 0, true}, /* RSVP, which has no ports */
	    {46, 8080, 0, false}, {46, 0, 80, false},	  {47, 1, 0, false},
	    {50, 1, 0, false},	  {1, 1, 0, false},	  {TCP, 0, 0, true}, /* all ports */
	    {132, 5000, 0, true}, {33, 5000, 5000, true}, {136, 5000, 0, true},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct client_request r = tcp_8080();
		struct client_op op;
		struct bed b;

		r.protocol = cases[i].protocol;
		r.internal_port = cases[i].internal_port;
		r.external_port = cases[i].external_port;
		start(&b, CLIENT_AUTO);
		assert_int_equal(client_map(&b.c, &op, &r, 0), cases[i].ok);
		if (!cases[i].ok)
			continue;
		expect_pcp(&b, 0);
		assert_int_equal(b.sent.pcp.mapping.protocol, cases[i].protocol);
		assert_int_equal(b.sent.pcp.mapping.internal_port, cases[i].internal_port);
		assert_int_equal(b.sent.pcp.mapping.external_port, cases[i].external_port);
	}
	/* SCTP is asked for like TCP: nothing suggested, later what was assigned */
	struct client_request r;
	struct client_op op;
	struct bed b;

	client_request_init(&r, 132, 5000, &NONCE(3));
	start_asking(&b, CLIENT_PCP, &op, &r);
	assert_int_equal(b.sent.pcp.mapping.external_port, 0);
	assert_memory_equal(&b.sent.pcp.mapping.external_address, &v4_any, 16);
	b.sent.pcp.mapping.external_port = 5000;
	answer(&b, 3600, 7, 0);
	expect_pcp(&b, 2250000);
	assert_int_equal(b.sent.pcp.mapping.external_port, 5000);
	assert_memory_equal(&b.sent.pcp.mapping.external_address, &outside, 16);
}

/* 6887-8.1-03, 6887-8.1-04, 6887-8.4-04: the address that goes into the request is the one that the datagrams leave from, a
 * private one as well, or that of an inner NAT that was told otherwise */
static void own_address(void **state)
{
	const struct in6_addr own[] = {own_host, V4(192, 168, 1, 7), V4(10, 0, 0, 7), outside, v6_host};

	(void)state;
	for (size_t i = 0; i < LENGTH(own); i++)
		for (int kind = 0; kind < 2; kind++) {
			struct client_endpoint server = {i == 4 ? v6_gateway : gateway, CODEC_SERVER_PORT, 0};
			struct client_request r = tcp_8080();
			struct client_op op;
			struct bed b = {.server = server};

			client_init(&b.c, CLIENT_AUTO, &server, &own[i], 1);
			if (kind)
				assert_true(client_announce(&b.c, &op, 0));
			else
				map(&b, &op, &r, 0);
			expect_pcp(&b, 0);
			assert_memory_equal(b.out + 8, &own[i], 16);
			assert_int_equal(sent_options(&b, PCP_OPTION_THIRD_PARTY), 0);
		}
}

/* 6887-13.1-05: another host's address goes into the option, the own one never does */
static void third_party(void **state)
{
	struct client_request r = tcp_8080();
	struct area a = {.length = 0};
	struct pcp_option o;
	struct client_op op;
	struct bed b;

	(void)state;
	start(&b, CLIENT_AUTO);
	r.internal_address = own_host;
	map(&b, &op, &r, 0);
	expect_pcp(&b, 0);
	assert_int_equal(b.sent.pcp.options_length, 0);
	client_forget(&b.c, &op);
	put(&a, (struct pcp_option){.code = PCP_OPTION_THIRD_PARTY, .third_party = own_host});
	r = tcp_8080();
	use(&r, &a);
	assert_false(client_map(&b.c, &op, &r, 0));

	/* as a member, which leaves room for other options, or as an option */
	for (int i = 0; i < 2; i++) {
		r = tcp_8080();
		a.length = 0;
		if (i == 0)
			r.internal_address = other_host;
		else
			put(&a, (struct pcp_option){.code = PCP_OPTION_THIRD_PARTY, .third_party = other_host});
		put(&a,
		    (struct pcp_option){.code = PCP_OPTION_DESCRIPTION, .data = (const uint8_t *)"web", .length = 3});
		use(&r, &a);
		start(&b, CLIENT_NATPMP);
		assert_false(client_map(&b.c, &op, &r, 0));
		start_asking(&b, CLIENT_AUTO, &op, &r);
		assert_int_equal(sent_options(&b, PCP_OPTION_DESCRIPTION), 1);
		assert_int_equal(sent_options(&b, PCP_OPTION_THIRD_PARTY), 1);
		size_t offset = 0;
		assert_int_equal(pcp_option_next(b.sent.pcp.options, b.sent.pcp.options_length, &offset, &o, NULL),
				 CODEC_OK);
		assert_memory_equal(&o.third_party, &other_host, 16);
		assert_memory_equal(b.out + 8, &own_host, 16);
		/* NAT-PMP maps for the sender only */
		refuse_version(&b, 1);
		assert_int_equal(op.result.state, CLIENT_REFUSED);
	}
	/* one way or the other */
	r.internal_address = other_host;
	start(&b, CLIENT_AUTO);
	assert_false(client_map(&b.c, &op, &r, 0));
}

/* 6887-7.3-07, 6887-7.3-26, 7220-3-02, 7220-3-11: options go out in the caller's order, as many as fit; what a server
 * sends back has no more than these */
static void options(void **state)
{
	static const uint8_t text[CODEC_DESCRIPTION_MAX] = "web";
	const struct pcp_option description = {.code = PCP_OPTION_DESCRIPTION, .data = text, .length = 3};
	const struct pcp_option empty = {.code = PCP_OPTION_DESCRIPTION, .data = text, .length = 0};
	const struct pcp_option prefer = {.code = PCP_OPTION_PREFER_FAILURE};
	const struct pcp_option filter = {.code = PCP_OPTION_FILTER,
					  .filter = {.prefix_length = 128, .remote_address = outside}};
	struct client_request r = tcp_8080();
	struct client_op op;
	struct area a;
	struct bed b;

	(void)state;
	for (int order = 0; order < 2; order++) {
		a.length = 0;
		put(&a, order ? description : filter);
		put(&a, order ? filter : description);
		use(&r, &a);
		start_asking(&b, CLIENT_PCP, &op, &r);
		assert_int_equal(b.length, 60 + a.length);
		assert_memory_equal(b.out + 60, a.octets, a.length);
		/* a deletion with a filter would be malformed (RFC 6887 13.3) */
		answer(&b, 3600, 7, 0);
		client_delete(&b.c, &op, 1);
		expect_pcp(&b, 1);
		assert_int_equal(b.length, 60);
	}
	a.length = 0;
	put(&a, empty);
	use(&r, &a);
	start_asking(&b, CLIENT_PCP, &op, &r);
	assert_memory_equal(b.out + 60, "\x80\0\0\0", 4);

	/* 1100 octets and no more; another host's address takes 20 of them */
	a.length = 0;
	put(&a, (struct pcp_option){.code = PCP_OPTION_DESCRIPTION, .data = text, .length = CODEC_DESCRIPTION_MAX});
	use(&r, &a);
	r.internal_address = other_host;
	start_asking(&b, CLIENT_PCP, &op, &r);
	assert_int_equal(b.length, CODEC_MESSAGE_MAX);
	client_forget(&b.c, &op);
	put(&a, (struct pcp_option){.code = 200, .data = text, .length = 16});
	r.options_length = a.length;
	assert_false(client_map(&b.c, &op, &r, 0));
	r.internal_address = own_host;
	assert_true(client_map(&b.c, &op, &r, 0));
	client_forget(&b.c, &op);
	a.octets[3] = 0xff;
	assert_false(client_map(&b.c, &op, &r, 0));

	/* what occurs once occurs once; what is MAP's is not PEER's; a preference needs a port */
	const struct pcp_option twice[] = {description, prefer};
	for (size_t i = 0; i < LENGTH(twice); i++) {
		r = tcp_8080();
		a.length = 0;
		put(&a, twice[i]);
		use(&r, &a);
		assert_true(client_map(&b.c, &op, &r, 0));
		client_forget(&b.c, &op);
		put(&a, filter);
		put(&a, twice[i]);
		use(&r, &a);
		assert_false(client_map(&b.c, &op, &r, 0));
	}
	const struct pcp_option maps[] = {filter, prefer};
	for (size_t i = 0; i < LENGTH(maps); i++) {
		r = tcp_8080();
		r.remote_port = 53;
		r.remote_address = outside;
		a.length = 0;
		put(&a, maps[i]);
		use(&r, &a);
		assert_false(client_peer(&b.c, &op, &r, 0));
	}
	r = tcp_8080();
	r.external_port = 0;
	a.length = 0;
	put(&a, prefer);
	use(&r, &a);
	assert_false(client_map(&b.c, &op, &r, 0));
}

static bool ask_set(struct bed *b, struct client_op *op, struct area *a, uint16_t port, struct pcp_option set)
{
	struct client_request r = tcp_8080();

	r.internal_port = port;
	a->length = 0;
	put(a, set);
	use(&r, a);
	return client_map(&b->c, op, &r, 0);
}

static struct pcp_option set_of(uint16_t size, uint16_t first)
{
	return (struct pcp_option){.code = PCP_OPTION_PORT_SET,
				   .port_set = {.size = size, .first_internal_port = first}};
}

/* 7753-4-05, 7753-4.1-01, 7753-4.1-02, 7753-4.1-04, 7753-4.1-05, 7753-4.1-06, 7753-4.4-02 */
static void port_sets(void **state)
{
	struct client_request r = tcp_8080();
	struct pcp_option even = set_of(4, 8080);
	struct client_op op;
	struct area a;
	struct bed b;

	(void)state;
	even.port_set.parity = true;
	start(&b, CLIENT_PCP);
	assert_true(ask_set(&b, &op, &a, 8080, even));
	expect_pcp(&b, 0);
	assert_memory_equal(b.out + 60, "\x82\0\0\5\0\4\x1f\x90\1\0\0\0", 12);
	assert_int_equal(b.sent.pcp.mapping.internal_port, 8080);
	/* renewal and deletion have it, too */
	answer(&b, 3600, 7, 0);
	expect_pcp(&b, 2250000);
	assert_int_equal(sent_options(&b, PCP_OPTION_PORT_SET), 1);
	answer(&b, 3600, 2257, 2250000);
	client_delete(&b.c, &op, 2260000);
	expect_pcp(&b, 2260000);
	assert_int_equal(b.sent.pcp.lifetime_s, 0);
	assert_int_equal(sent_options(&b, PCP_OPTION_PORT_SET), 1);

	start(&b, CLIENT_PCP);
	assert_false(ask_set(&b, &op, &a, 8081, set_of(4, 8080)));
	assert_false(ask_set(&b, &op, &a, 8080, set_of(1, 8080)));
	assert_true(ask_set(&b, &op, &a, 8080, set_of(0xffff, 8080)));
	expect_pcp(&b, 0);
	assert_memory_equal(b.out + 60, "\x82\0\0\5\xff\xff\x1f\x90\0\0\0\0", 12);
	client_forget(&b.c, &op);
	a.length = 0;
	put(&a, set_of(4, 8080));
	put(&a, set_of(4, 8080));
	use(&r, &a);
	assert_false(client_map(&b.c, &op, &r, 0));
	a.length = 0;
	put(&a, set_of(4, 8080));
	put(&a, (struct pcp_option){.code = PCP_OPTION_PREFER_FAILURE});
	use(&r, &a);
	assert_false(client_map(&b.c, &op, &r, 0));
	r.remote_port = 53;
	a.length = 12;
	use(&r, &a);
	assert_false(client_peer(&b.c, &op, &r, 0));
}

/* 7753-4.1-03, 7753-6.3-02: sets of one client are requests of their own, with other internal ports, all of them */
static void sets_do_not_overlap(void **state)
{
	static const struct {
		uint16_t port, size;
		bool ok;
	} cases[] = {
	    {5, 10, false}, {10, 4, false}, {1, 5, true}, /* from the same port it is the same mapping */
	    {11, 10, true}, {5, 1, false},  {11, 1, true}, {0xfff0, 0xffff, true},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct client_request single = tcp_8080();
		struct client_op first, second;
		struct area a1, a2;
		struct bed b;
		bool ok;

		start(&b, CLIENT_PCP);
		assert_true(ask_set(&b, &first, &a1, 1, set_of(10, 1)));
		expect_pcp(&b, 0);
		single.internal_port = cases[i].port;
		ok = cases[i].size > 1 ? ask_set(&b, &second, &a2, cases[i].port, set_of(cases[i].size, cases[i].port))
				       : client_map(&b.c, &second, &single, 0);
		assert_int_equal(ok, cases[i].ok);
		if (!ok)
			continue;
		expect_pcp(&b, 0);
		assert_int_equal(b.sent.pcp.mapping.internal_port, cases[i].port);
		assert_int_equal(sent_options(&b, PCP_OPTION_PORT_SET), cases[i].size > 1);
	}
	/* another protocol, another host */
	struct client_request r = tcp_8080();
	struct client_op first, second, third;
	struct area a;
	struct bed b;

	start(&b, CLIENT_PCP);
	assert_true(ask_set(&b, &first, &a, 8075, set_of(10, 8075)));
	assert_false(client_map(&b.c, &second, &r, 0));
	r.protocol = UDP;
	assert_true(client_map(&b.c, &second, &r, 0));
	r.protocol = TCP;
	r.internal_address = other_host;
	assert_true(client_map(&b.c, &third, &r, 0));
}

/* 6887-8.4-02, 6887-8.4-03: an IPv6 privacy address has a client of its own; its successor asks anew, and it goes with a
 * deletion that says it. 6887-11.5-02, 6887-11.5-03, 7488-1-01: what keeps a mapping goes by the interface of the first
 * request, what is new may go by another. */
static void privacy_address(void **state)
{
	const struct in6_addr temporary[] = {{{{0x20, 0x01, 0x0d, 0xb8, [8] = 1, [15] = 1}}},
					     {{{0x20, 0x01, 0x0d, 0xb8, [8] = 7, [15] = 7}}}};
	struct client_endpoint server[] = {{{{{0xfe, 0x80, [15] = 1}}}, CODEC_SERVER_PORT, 3},
					   {{{{0xfe, 0x80, [15] = 1}}}, CODEC_SERVER_PORT, 4}};
	struct client_request r = tcp_8080();
	struct codec_message m[2];
	struct client_endpoint to;
	struct client_op op[2];
	struct bed b[2];
	uint64_t deadline;

	(void)state;
	for (int i = 0; i < 2; i++) {
		memset(&b[i], 0, sizeof(b[i]));
		b[i].server = server[i];
		client_init(&b[i].c, CLIENT_AUTO, &server[i], &temporary[i], 1);
		map(&b[i], &op[i], &r, 0);
		b[i].length = client_next(&b[i].c, b[i].out, sizeof(b[i].out), &to, &deadline, 0);
		assert_int_equal(to.scope, 3 + i);
		assert_memory_equal(&to.address, &server[i].address, 16);
		assert_memory_equal(b[i].out + 8, &temporary[i], 16);
		assert_int_equal(codec_parse(b[i].out, b[i].length, &b[i].sent, NULL), CODEC_OK);
		m[i] = granting(&b[i].sent, 3600, 7);
	}
	/* an answer by the other interface is another server's */
	assert_false(deliver_from(&b[0], &m[0], server[0].address, 5352, 1));
	uint8_t data[CODEC_MESSAGE_MAX];
	size_t n = codec_marshal(&m[0], data, sizeof(data));
	assert_false(client_deliver(&b[0].c, data, n, &server[1], 1));
	assert_true(client_deliver(&b[0].c, data, n, &server[0], 1));
	client_next(&b[0].c, b[0].out, sizeof(b[0].out), &to, &deadline, 2250001);
	assert_int_equal(to.scope, 3);
	assert_memory_equal(b[0].out + 8, &temporary[0], 16);
	assert_true(client_deliver(&b[0].c, data, n, &server[0], 2250002));
	client_delete(&b[0].c, &op[0], 2260000);
	client_next(&b[0].c, b[0].out, sizeof(b[0].out), &to, &deadline, 2260000);
	assert_int_equal(to.scope, 3);
	assert_memory_equal(b[0].out + 4, "\0\0\0\0", 4);
	assert_memory_equal(b[0].out + 8, &temporary[0], 16);
}

/* 6887-12.2-01: PEER goes out at any time; 6887-12.2-04, 6887-11.2-07: each mapping with the nonce that the caller gave it, all the
 * same or each another */
static void nonces(void **state)
{
	(void)state;
	for (uint8_t same = 0; same < 2; same++)
		for (int peer = 0; peer < 2; peer++) {
			struct client_op ops[3];
			struct bed b;

			start(&b, CLIENT_PCP);
			for (uint8_t i = 0; i < 3; i++) {
				struct client_request r = tcp_8080();

				r.internal_port = (uint16_t)(8080 + i);
				r.nonce = NONCE((uint8_t)(same ? 9 : i));
				r.remote_port = peer ? 443 : 0;
				r.remote_address = outside_2;
				assert_true((peer ? client_peer : client_map)(&b.c, &ops[i], &r, i * 1000));
				expect_pcp(&b, i * 1000);
				assert_int_equal(b.sent.pcp.mapping.nonce.octets[0], same ? 9 : i);
				answer(&b, 3600, 7, i * 1000);
				assert_int_equal(ops[i].result.state, CLIENT_GRANTED);
			}
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(deletion),	       cmocka_unit_test(defaults),    cmocka_unit_test(external_families),
	    cmocka_unit_test(protocols),       cmocka_unit_test(own_address), cmocka_unit_test(third_party),
	    cmocka_unit_test(options),	       cmocka_unit_test(port_sets),   cmocka_unit_test(sets_do_not_overlap),
	    cmocka_unit_test(privacy_address), cmocka_unit_test(nonces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
