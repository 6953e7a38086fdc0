/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A server with several addresses: which one is asked, and when the next. */
#include "tests/unit/codec/bed.h"

static const struct in6_addr gateway_2 = V4(192, 0, 2, 2);
static const struct in6_addr gateway_3 = V4(192, 0, 2, 3);

/* Two addresses of IPv4 and one of IPv6. */
static struct client_path path(int i)
{
	const struct client_path all[] = {{{gateway, CODEC_SERVER_PORT, 2}, own_host},
					  {{gateway_2, CODEC_SERVER_PORT, 3}, own_host},
					  {{v6_gateway, CODEC_SERVER_PORT, 2}, v6_host}};

	return all[i];
}

static void start_paths(struct bed *b, enum client_mode mode, size_t count)
{
	const struct client_path paths[] = {path(0), path(1), path(2)};

	start(b, mode);
	assert_true(client_paths(&b->c, paths, count, 0));
	b->server = paths[0].server;
}

/* Lets time pass until something is sent; returns when. */
static uint64_t until_sent(struct bed *b, uint64_t now)
{
	struct client_endpoint to;

	while ((b->length = client_next(&b->c, b->out, sizeof(b->out), &to, &b->deadline, now)) == 0) {
		assert_true(b->deadline != CLIENT_NEVER);
		assert_true(b->deadline > now);
		now = b->deadline;
	}
	assert_memory_equal(&to.address, &client_path_now(&b->c)->server.address, 16);
	assert_int_equal(to.scope, client_path_now(&b->c)->server.scope);
	assert_memory_equal(b->out + 8, &client_path_now(&b->c)->own, 16);
	b->server = to;
	assert_int_equal(codec_parse(b->out, b->length, &b->sent, NULL), CODEC_OK);
	return now;
}

static bool is_path(const struct bed *b, int i)
{
	struct client_path p = path(i);

	return memcmp(&b->server.address, &p.server.address, 16) == 0;
}

/* 7488-3-03, 7488-3-04, 7488-3-07, 7488-3-09: four times each, at about 0, 3, 9 and 21 s, one nonce; after all of them a pause of
 * 15 minutes */
static void one_after_the_other(void **state)
{
	static const uint64_t about[] = {0, 3000, 9000, 21000};
	struct client_request r = tcp_8080();
	struct client_op op;
	uint64_t begin = 0, now = 0;
	struct bed b;

	(void)state;
	start_paths(&b, CLIENT_PCP, 3);
	r.internal_address = own_host;
	map(&b, &op, &r, 0);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 3; i++) {
			for (size_t k = 0; k < LENGTH(about); k++) {
				now = until_sent(&b, now);
				assert_true(is_path(&b, i));
				if (k == 0)
					begin = now;
				assert_in_range(now - begin, about[k] * 8 / 10, about[k] * 13 / 10);
				assert_memory_equal(&b.sent.pcp.mapping.nonce, &r.nonce, sizeof(r.nonce));
				assert_int_equal(op.result.state, round ? CLIENT_NO_ANSWER : CLIENT_ASKING);
			}
		}
		expect_silence(&b, now);
		uint64_t spent = b.deadline;

		assert_in_range(spent - begin, 21000u + 19000, 21000u + 33000);
		expect_silence(&b, spent);
		assert_int_equal(op.result.state, CLIENT_NO_ANSWER);
		assert_int_equal(b.deadline, spent + 900000);
		now = spent + 900000;
	}
	/* the caller's own limit is one for each address, too */
	start_paths(&b, CLIENT_PCP, 2);
	b.c.schedule.mrc = 1;
	r.keep = false;
	map(&b, &op, &r, 0);
	now = until_sent(&b, 0);
	now = until_sent(&b, now);
	assert_true(is_path(&b, 1));
	expect_silence(&b, b.deadline);
	expect_silence(&b, b.deadline);
	assert_int_equal(op.result.state, CLIENT_NO_ANSWER);
	assert_int_equal(b.deadline, CLIENT_NEVER);
}

/* 7488-3-05: late answers of what was given up are not listened to */
static void late_answer(void **state)
{
	struct client_request r = tcp_8080();
	struct codec_message m;
	struct client_op op;
	uint64_t now = 0;
	struct bed b;

	(void)state;
	start_paths(&b, CLIENT_PCP, 2);
	map(&b, &op, &r, 0);
	for (int i = 0; i < 5; i++) {
		now = until_sent(&b, now);
		if (i == 0)
			m = granting(&b.sent, 3600, 7);
	}
	assert_true(is_path(&b, 1));
	assert_false(deliver_from(&b, &m, gateway, CODEC_SERVER_PORT, now));
	assert_int_equal(op.result.state, CLIENT_ASKING);
	assert_true(deliver(&b, &m, now));
	assert_int_equal(op.result.state, CLIENT_GRANTED);
	/* nor later */
	m.pcp.mapping.external_port = 1;
	assert_false(deliver_from(&b, &m, gateway, CODEC_SERVER_PORT, now));
	assert_int_equal(op.result.external_port, 80);
}

/* 7488-3-06: an ICMP error is the next one's turn at once, of all that is asked for; the last one ends it */
static void hard_error(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op ops[2];
	struct bed b;

	(void)state;
	start_paths(&b, CLIENT_PCP, 2);
	client_unreachable(&b.c, 0); /* of nothing that was sent */
	assert_int_equal(client_path_now(&b.c)->server.scope, 2);
	for (uint16_t i = 0; i < 2; i++) {
		r.internal_port = (uint16_t)(8080 + i);
		map(&b, &ops[i], &r, 0);
		assert_int_equal(until_sent(&b, 0), 0);
		assert_true(is_path(&b, 0));
	}
	client_unreachable(&b.c, 10);
	for (uint16_t i = 0; i < 2; i++) {
		assert_int_equal(until_sent(&b, 10), 10);
		assert_true(is_path(&b, 1));
	}
	expect_silence(&b, 10);
	client_unreachable(&b.c, 20);
	for (int i = 0; i < 2; i++)
		assert_int_equal(ops[i].result.state, CLIENT_NO_ANSWER);
	expect_silence(&b, 20);
	assert_int_equal(b.deadline, 900020);
	assert_int_equal(until_sent(&b, 900020), 900020);
	assert_true(is_path(&b, 0));

	/* NAT-PMP is tried where PCP was closed, which an IPv6 address in front does not hear */
	const struct client_path paths[] = {path(2), path(0)};
	struct client_endpoint to;

	start(&b, CLIENT_AUTO);
	assert_true(client_paths(&b.c, paths, 2, 0));
	r.internal_address = own_host;
	map(&b, &ops[0], &r, 0);
	until_sent(&b, 0);
	client_unreachable(&b.c, 10);
	until_sent(&b, 10);
	assert_true(is_path(&b, 0));
	client_unreachable(&b.c, 20);
	b.length = client_next(&b.c, b.out, sizeof(b.out), &to, &b.deadline, 20);
	assert_int_equal(b.length, 12);
	assert_memory_equal(&to.address, &gateway, 16);
	client_unreachable(&b.c, 30);
	assert_int_equal(ops[0].result.state, CLIENT_NO_ANSWER);
}

/* 7488-3-08: what has answered is asked from then on; when it falls silent all are tried anew, and the list may be made anew */
static void stays_with_the_one(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op op, other;
	uint64_t now = 0;
	unsigned int sent = 0;
	struct bed b;

	(void)state;
	start_paths(&b, CLIENT_PCP, 2);
	map(&b, &op, &r, 0);
	for (int i = 0; i < 5; i++)
		now = until_sent(&b, now);
	assert_true(is_path(&b, 1));
	answer(&b, 3600, 7, now);
	r.internal_port = 8081;
	map(&b, &other, &r, now);
	until_sent(&b, now);
	assert_true(is_path(&b, 1));
	answer(&b, 360000, 7, now);
	assert_false(client_paths_stale(&b.c));
	/* its renewals are tried as often as a request is, then the others while the mapping lives */
	for (now = until_sent(&b, now); is_path(&b, 1); now = until_sent(&b, now))
		sent++;
	assert_int_equal(sent, 4);
	assert_true(is_path(&b, 0));
	assert_true(client_paths_stale(&b.c));
	assert_int_equal(op.result.state, CLIENT_GRANTED);
	assert_true(op.result.expires_ms > now);
	answer(&b, 3600, (uint32_t)(now / 1000), now);
	until_sent(&b, now + 2250000);
	assert_true(is_path(&b, 0));
	answer(&b, 3600, (uint32_t)(now / 1000) + 2250, now + 2250000);
	now += 2250000;
	/* what the caller makes of it: the address in use stays where it is, and is asked no sooner */
	const struct client_path anew[] = {path(1), path(0)};
	assert_true(client_paths(&b.c, anew, 2, now));
	assert_false(client_paths_stale(&b.c));
	assert_int_equal(client_path_now(&b.c)->server.scope, 2);
	expect_silence(&b, now);
	assert_true(b.deadline > now + 1700000);

	/* an ICMP error from the one in use: not that one again before the others */
	for (int used = 0; used < 2; used++) {
		r.internal_port = 8080;
		start_paths(&b, CLIENT_PCP, 2);
		map(&b, &op, &r, 0);
		until_sent(&b, 0);
		if (used) {
			client_unreachable(&b.c, 0);
			until_sent(&b, 0);
		}
		answer(&b, 3600, 7, 0);
		until_sent(&b, 2250000);
		assert_true(is_path(&b, used));
		client_unreachable(&b.c, 2250010);
		assert_int_equal(until_sent(&b, 2250010), 2250010);
		assert_true(is_path(&b, !used));
		assert_true(client_paths_stale(&b.c));
	}
}

/* A server that answers all but one request is not silent: that one ends alone, and the address stays. */
static void one_is_ignored(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op ops[2];
	uint64_t now = 0;
	struct bed b;

	(void)state;
	start_paths(&b, CLIENT_PCP, 2);
	for (uint16_t i = 0; i < 2; i++) {
		r.internal_port = (uint16_t)(8080 + i);
		map(&b, &ops[i], &r, 0);
		until_sent(&b, 0);
	}
	answer(&b, 36000, 7, 10);
	for (int i = 1; i < 4; i++) {
		now = until_sent(&b, now);
		assert_int_equal(b.sent.pcp.mapping.internal_port, 8080);
		assert_true(is_path(&b, 0));
	}
	expect_silence(&b, now);
	expect_silence(&b, b.deadline);
	assert_int_equal(ops[0].result.state, CLIENT_NO_ANSWER);
	assert_int_equal(ops[1].result.state, CLIENT_GRANTED);
	assert_false(client_paths_stale(&b.c));
	now = until_sent(&b, b.deadline);
	assert_true(is_path(&b, 0));
}

/* When all are silent, one that announces itself is listened to, whichever it is. */
static void announces_itself(void **state)
{
	struct codec_message m = announcement(CODEC_VERSION_PCP, 0);
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;

	(void)state;
	start_paths(&b, CLIENT_PCP, 2);
	map(&b, &op, &r, 0);
	until_sent(&b, 0);
	assert_false(deliver_from(&b, &m, gateway_2, CODEC_SERVER_PORT, 5));
	client_unreachable(&b.c, 10);
	until_sent(&b, 10);
	client_unreachable(&b.c, 20);
	assert_false(deliver_from(&b, &m, gateway_3, CODEC_SERVER_PORT, 1000));
	assert_true(deliver_from(&b, &m, gateway_2, CODEC_SERVER_PORT, 1000));
	assert_in_range(until_sent(&b, 1000), 1000, 6000);
	assert_true(is_path(&b, 1));
}

/* 7488-5-01: an IPv4 mapping by an IPv6 address of the server is the IPv4 address's, by THIRD_PARTY. */
static void other_family(void **state)
{
	struct client_request r = tcp_8080();
	struct codec_nonce nonce = NONCE(9);
	struct codec_message m;
	struct client_op op, address;
	struct pcp_option o;
	struct bed b;

	(void)state;
	for (int explicit = 0; explicit < 2; explicit ++) {
		const struct client_path paths[] = {path(0), path(2)};
		size_t offset = 0;

		start(&b, CLIENT_AUTO);
		assert_true(client_paths(&b.c, paths, 2, 0));
		b.server = paths[0].server;
		r.internal_address = explicit ? own_host : in6addr_any;
		map(&b, &op, &r, 0);
		until_sent(&b, 0);
		assert_int_equal(sent_options(&b, PCP_OPTION_THIRD_PARTY), 0);
		client_unreachable(&b.c, 10);
		until_sent(&b, 10);
		assert_memory_equal(b.out + 8, &v6_host, 16);
		assert_int_equal(pcp_option_next(b.sent.pcp.options, b.sent.pcp.options_length, &offset, &o, NULL),
				 CODEC_OK);
		assert_int_equal(o.code, PCP_OPTION_THIRD_PARTY);
		assert_memory_equal(&o.third_party, &own_host, 16);
		assert_memory_equal(&b.sent.pcp.mapping.external_address, &v4_any, 16);
		m = granting(&b.sent, 3600, 7);
		m.pcp.options_length = 0;
		assert_false(deliver(&b, &m, 20));
		answer(&b, 3600, 7, 20);
		assert_int_equal(op.result.state, CLIENT_GRANTED);
		assert_true(client_address(&b.c, &address, &nonce, 30));
		until_sent(&b, 30);
		assert_int_equal(b.sent.protocol, CODEC_VERSION_PCP);
		assert_int_equal(sent_options(&b, PCP_OPTION_THIRD_PARTY), 1);
	}
}

/* What a server may ignore makes room for a THIRD_PARTY that only another path needs. */
static void room(void **state)
{
	static const uint8_t text[CODEC_DESCRIPTION_MAX] = "web";
	const struct client_path paths[] = {path(0), path(2)};
	struct client_request r = tcp_8080();
	struct area a = {.length = 0};
	struct client_op op;
	struct bed b;

	(void)state;
	put(&a, (struct pcp_option){.code = PCP_OPTION_DESCRIPTION, .data = text, .length = sizeof(text)});
	put(&a, (struct pcp_option){.code = 100, .data = text, .length = 16});
	use(&r, &a);
	start(&b, CLIENT_AUTO);
	assert_true(client_paths(&b.c, paths, 2, 0));
	map(&b, &op, &r, 0);
	until_sent(&b, 0);
	assert_int_equal(b.length, CODEC_MESSAGE_MAX);
	client_unreachable(&b.c, 10);
	until_sent(&b, 10);
	assert_int_equal(sent_options(&b, PCP_OPTION_THIRD_PARTY), 1);
	assert_int_equal(sent_options(&b, PCP_OPTION_DESCRIPTION), 0);
	assert_int_equal(sent_options(&b, 100), 1);
}

/* 7488-4-01, 7488-4-02, 7488-4-03, 7488-4-04, 6887-8.1-01, 6887-11.2-05, 6887-12.2-02: a client for each server, which knows
 * nothing of the others: all are asked at once, each with its own nonce, and what each grants stays. For IPv4 and
 * IPv6 likewise. */
static void several_servers(void **state)
{
	static const uint8_t secret[CLIENT_SECRET] = "sixteen octets.";
	const struct client_path servers[] = {path(0), path(1), path(2)};
	struct codec_nonce nonces[LENGTH(servers)];
	struct client_op ops[LENGTH(servers)];
	struct bed b[LENGTH(servers)];

	(void)state;
	for (size_t i = 0; i < LENGTH(servers); i++)
		for (int peer = 0; peer < 2; peer++) {
			struct client_request r = tcp_8080();

			memset(&b[i], 0, sizeof(b[i]));
			b[i].server = servers[i].server;
			client_init(&b[i].c, CLIENT_AUTO, &servers[i].server, &servers[i].own, i);
			client_nonce(secret, &servers[i].server.address, TCP, 8080, &r.nonce);
			r.remote_port = peer ? 443 : 0;
			r.remote_address = outside_2;
			assert_true((peer ? client_peer : client_map)(&b[i].c, &ops[i], &r, 0));
			expect_pcp(&b[i], 0);
			nonces[i] = b[i].sent.pcp.mapping.nonce;
			for (size_t k = 0; k < i; k++)
				assert_memory_not_equal(&nonces[i], &nonces[k], sizeof(nonces[i]));
		}
	for (size_t i = 0; i < LENGTH(servers); i++) {
		struct codec_message m = granting(&b[i].sent, 3600, (uint32_t)(1000 * i));

		for (size_t k = 0; k < LENGTH(servers); k++)
			assert_int_equal(deliver_from(&b[k], &m, servers[i].server.address, CODEC_SERVER_PORT, 10),
					 i == k);
	}
	for (size_t i = 0; i < LENGTH(servers); i++)
		assert_int_equal(ops[i].result.state, CLIENT_GRANTED);
}

/* Which lists are taken, and what becomes of what is asked for when there is another one. */
static void lists(void **state)
{
	struct client_path paths[CLIENT_PATHS_MAX + 2];
	struct client_request r = tcp_8080();
	struct client_op op;
	struct bed b;

	(void)state;
	for (size_t i = 0; i < LENGTH(paths); i++)
		paths[i] = path(0);
	start(&b, CLIENT_NATPMP);
	assert_false(client_paths(&b.c, paths, 0, 0));
	assert_false(client_paths(&b.c, paths, LENGTH(paths), 0));
	paths[0].own = in6addr_any;
	assert_false(client_paths(&b.c, paths, 1, 0));
	paths[1] = path(2);
	assert_false(client_paths(&b.c, paths, 2, 0));
	paths[1] = path(1);
	assert_true(client_paths(&b.c, paths, CLIENT_PATHS_MAX + 1, 0));
	assert_int_equal(client_path_now(&b.c)->server.scope, 3);

	/* what is unanswered goes to the new first one at once */
	start_paths(&b, CLIENT_PCP, 1);
	map(&b, &op, &r, 0);
	until_sent(&b, 0);
	paths[0] = path(1);
	assert_true(client_paths(&b.c, paths, 1, 100));
	assert_int_equal(until_sent(&b, 100), 100);
	assert_true(is_path(&b, 1));
	answer(&b, 3600, 7, 110);
	/* another own address is another internal one: it is asked for anew (RFC 6887 16.3.2) */
	paths[0].own = other_host;
	assert_true(client_paths(&b.c, paths, 1, 10000));
	assert_int_equal(until_sent(&b, 10000), 10000);
	assert_memory_equal(b.out + 8, &other_host, 16);
}

/* NAT-PMP's nine tries, then the next address. */
static void natpmp_paths(void **state)
{
	struct client_request r = tcp_8080();
	struct client_op op;
	uint64_t now = 0;
	struct bed b;

	(void)state;
	start_paths(&b, CLIENT_NATPMP, 2);
	map(&b, &op, &r, 0);
	for (int i = 0; i < 9; i++, now = b.deadline) {
		expect_natpmp(&b, now);
		expect_silence(&b, now);
	}
	b.server = path(1).server;
	expect_natpmp(&b, now);
	assert_int_equal(now, 127750);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_after_the_other), cmocka_unit_test(late_answer),
	    cmocka_unit_test(hard_error),	   cmocka_unit_test(stays_with_the_one),
	    cmocka_unit_test(one_is_ignored),	   cmocka_unit_test(announces_itself),
	    cmocka_unit_test(other_family),	   cmocka_unit_test(room),
	    cmocka_unit_test(several_servers),	   cmocka_unit_test(lists),
	    cmocka_unit_test(natpmp_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
