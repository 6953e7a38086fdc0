/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each fault on datagrams: what the server sees of a request, and what the client gets for an answer. */
#include "server/lab/lab.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/io/loop.h"
#include "tests/unit/io/netns.h"
#include "tests/unit/lab/octets.h"

#define SERVER	 codec_from_v4(0xc0000201)
#define CLIENT	 codec_from_v4(0xc000020b)
#define STRANGER codec_from_v4(0xc0000242)
#define PORT	 4000

struct world {
	struct lab *lab;
	const struct between *between;
	struct loop *loop;
	struct udp_inbox *in;
	int server, client, orders[2];
	struct octets seen; /* by the server, of the last request */
};

static void add(struct world *w, const char *fault)
{
	char why[FAULT_WHY];

	if (!lab_add(w->lab, fault, why))
		fail_msg("%s: %s", fault, why);
}

static struct world begin(const char *fault)
{
	struct world w = {.orders = {-1, -1}};
	struct udp_where at = {.address = SERVER, .port = 5351};

	w.lab = lab_new(1, -1);
	assert_non_null(w.lab);
	w.between = lab_between(w.lab);
	w.loop = loop_new();
	w.in = udp_inbox_new();
	w.server = udp_open(&at);
	at = (struct udp_where){.address = CLIENT, .port = PORT};
	w.client = udp_open(&at);
	assert_true(w.server >= 0 && w.client >= 0 && w.loop && w.in);
	if (fault)
		add(&w, fault);
	assert_int_equal(w.between->open(w.between->context, w.loop), 0);
	return w;
}

static void end(struct world *w)
{
	w->between->close(w->between->context);
	loop_free(w->loop);
	lab_free(w->lab);
	udp_inbox_free(w->in);
	close(w->server);
	close(w->client);
}

/* How many requests the server sees of one that is sent. */
static int ask(struct world *w, struct octets o)
{
	struct udp_outgoing out = {.data = o.data, .length = o.length, .destination = SERVER, .destination_port = 5351};
	const struct udp_datagram *v;
	int n;

	assert_int_equal(udp_send(w->client, false, &out, 1, NULL), 1);
	n = w->between->receive(w->between->context, w->in, w->server, &v);
	if (n > 0) {
		w->seen.length = v[0].length;
		memcpy(w->seen.data, v[0].data, v[0].length);
	}
	return n;
}

static void say(struct world *w, struct octets o, struct in6_addr to, uint16_t port)
{
	struct udp_outgoing out = {.data = o.data,
				   .length = o.length,
				   .source = SERVER,
				   .destination = to,
				   .destination_port = port,
				   .ifindex = codec_to_v4(&to) == 0xe0000001};
	int error = 1;

	assert_int_equal(w->between->send(w->between->context, w->server, false, &out, 1, &error), 1);
	assert_int_equal(error, 0);
}

static void answer(struct world *w, struct octets o)
{
	say(w, o, CLIENT, PORT);
}

/* The next that the client has got; length 0: nothing. */
static struct octets got(struct world *w, struct in6_addr from, uint16_t port)
{
	struct octets o = {.length = 0};
	struct sockaddr_in name = {0};
	socklen_t n = sizeof(name);
	ssize_t length = recvfrom(w->client, o.data, sizeof(o.data), MSG_DONTWAIT, (struct sockaddr *)&name, &n);

	if (length < 0)
		return o;
	o.length = (size_t)length;
	assert_int_equal(ntohl(name.sin_addr.s_addr), codec_to_v4(&from));
	assert_int_equal(ntohs(name.sin_port), port);
	return o;
}

static struct octets got_answer(struct world *w)
{
	return got(w, SERVER, 5351);
}

static const struct octets nothing;

static void same(struct octets a, struct octets b)
{
	assert_int_equal(a.length, b.length);
	assert_memory_equal(a.data, b.data, a.length);
}

static struct octets ask_map(void)
{
	return octets_pcp(PCP_MAP, false, 8080, 7200);
}

/* As the server makes it, and as clients see it: of a box that has been there for a day. */
static struct octets map_answer(void)
{
	return octets_pcp(PCP_MAP, true, 8080, 7200);
}

static struct octets map_told(void)
{
	struct octets o = map_answer();

	o.data[9] = 1; /* 50 + 86400 seconds */
	o.data[10] = 0x51;
	o.data[11] = 0xb2;
	return o;
}

static void none(void **state)
{
	struct world w = begin(NULL);

	(void)state;
	assert_int_equal(ask(&w, ask_map()), 1);
	same(w.seen, ask_map());
	answer(&w, map_answer());
	same(got_answer(&w), map_told());
	same(got_answer(&w), nothing);
	end(&w);
}

/* Requests that the server does not see: what is said instead. */
static void instead(void **state)
{
	static const struct {
		const char *fault;
		bool natpmp;
		size_t length;
		uint8_t head[4];
	} cases[] = {
	    {"silence n=1", false, 0, {0}},
	    {"result=NO_RESOURCES n=1", false, 60, {2, 0x81, 0, 8}},
	    {"result=NO_RESOURCES n=1", true, 16, {0, 0x82, 0, 4}},
	    {"version=natpmp n=1", false, 8, {0, 0x80, 0, 1}},
	    {"version=misprint n=1", false, 8, {0, 0, 0, 1}},
	    {"version=opcode n=1", false, 8, {0, 0x81, 0, 1}},
	    {"version=pcp1 n=1", false, 24, {1, 0x81, 0, 1}},
	    {"version=pcp n=1", true, 24, {2, 0x82, 0, 1}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w = begin(cases[i].fault);
		struct octets o = cases[i].natpmp ? octets_natpmp(2, false, 8080, 7200) : ask_map(), back;

		assert_int_equal(ask(&w, o), 0);
		back = got_answer(&w);
		assert_int_equal(back.length, cases[i].length);
		assert_memory_equal(back.data, cases[i].head, back.length ? 4 : 0);
		/* the second one goes through */
		assert_int_equal(ask(&w, o), 1);
		same(w.seen, o);
		end(&w);
	}
}

static void unreachable(void **state)
{
	struct world w = begin("unreachable n=1");
	struct sockaddr_in name = {
	    .sin_family = AF_INET, .sin_port = htons(5351), .sin_addr.s_addr = htonl(0xc0000201)};
	struct pollfd p = {.fd = w.client, .events = POLLIN};
	int error;
	socklen_t n = sizeof(error);

	(void)state;
	assert_int_equal(connect(w.client, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(ask(&w, ask_map()), 0);
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(getsockopt(w.client, SOL_SOCKET, SO_ERROR, &error, &n), 0);
	assert_int_equal(error, ECONNREFUSED);
	end(&w);
}

/* Requests that the server sees otherwise. */
static void changed(void **state)
{
	struct world w = begin("port=9999");

	(void)state;
	add(&w, "lifetime=10s");
	lab_least(w.lab, 120);
	assert_int_equal(ask(&w, ask_map()), 1);
	same(w.seen, octets_pcp(PCP_MAP, false, 9999, 10));
	assert_int_equal(ask(&w, octets_natpmp(1, false, 80, 60)), 1);
	same(w.seen, octets_natpmp(1, false, 9999, 10));
	assert_int_equal(ask(&w, octets_natpmp(0, false, 0, 0)), 1);
	same(w.seen, octets_natpmp(0, false, 0, 0));
	end(&w);
}

/* What is granted at least, unless a fault wants less; also one that comes later. */
static void least(void **state)
{
	struct world w = begin(NULL);

	(void)state;
	lab_least(w.lab, 120);
	assert_int_equal(ask(&w, octets_pcp(PCP_MAP, false, 80, 60)), 1);
	same(w.seen, octets_pcp(PCP_MAP, false, 80, 120));
	add(&w, "lifetime=40s n=1");
	assert_int_equal(ask(&w, octets_pcp(PCP_MAP, false, 80, 7200)), 1);
	same(w.seen, octets_pcp(PCP_MAP, false, 80, 40));
	assert_int_equal(ask(&w, octets_natpmp(1, false, 80, 60)), 1);
	same(w.seen, octets_natpmp(1, false, 80, 60));
	end(&w);
}

/* The first answer suffers, the second is whole. */
static void answers(void **state)
{
	struct world w = begin("mute n=1");
	struct octets o;

	(void)state;
	answer(&w, map_answer());
	same(got_answer(&w), nothing);
	answer(&w, map_answer());
	same(got_answer(&w), map_told());
	end(&w);

	w = begin("nonce n=1");
	answer(&w, map_answer());
	o = map_told();
	alter_nonce(o.data, o.length);
	same(got_answer(&w), o);
	answer(&w, map_answer());
	same(got_answer(&w), map_told());
	end(&w);

	w = begin("truncate=20 n=1");
	answer(&w, map_answer());
	o = map_told();
	o.length = 20;
	same(got_answer(&w), o);
	end(&w);

	w = begin("lengthen=1200 n=1");
	answer(&w, map_answer());
	o = map_told();
	o.length += 1200;
	same(got_answer(&w), o);
	end(&w);

	w = begin("garbage n=1");
	answer(&w, map_answer());
	o = got_answer(&w);
	assert_int_equal(o.length, 60);
	assert_memory_not_equal(o.data, map_told().data, 60);
	end(&w);

	w = begin("twice n=1");
	answer(&w, map_answer());
	same(got_answer(&w), map_told());
	same(got_answer(&w), map_told());
	same(got_answer(&w), nothing);
	end(&w);
}

/* Answers from elsewhere, alone and before the true one. */
static void sources(void **state)
{
	struct world w = begin("source n=1");
	struct octets o = map_told();

	(void)state;
	answer(&w, map_answer());
	same(got(&w, STRANGER, 5351), map_told());
	end(&w);

	w = begin("source-port=5352 n=1");
	answer(&w, map_answer());
	same(got(&w, SERVER, 5352), map_told());
	end(&w);

	w = begin("spoof=192.0.2.12 n=1");
	answer(&w, map_answer());
	alter_promise(o.data, o.length);
	same(got(&w, codec_from_v4(0xc000020c), 5351), o);
	same(got_answer(&w), map_told());
	end(&w);
}

static void stop_at_news(void *context)
{
	struct world *w = context;
	struct pollfd p = {.fd = w->client, .events = POLLIN};

	if (poll(&p, 1, 0) == 1)
		loop_stop(w->loop);
}

static void late(void **state)
{
	struct world w = begin("slow=50ms n=1");
	uint64_t sent_ms;

	(void)state;
	sent_ms = loop_now_ms(w.loop);
	answer(&w, map_answer());
	answer(&w, octets_natpmp(0, true, 0, 0)); /* overtakes it */
	assert_int_equal(got_answer(&w).length, 12);
	same(got_answer(&w), nothing);
	assert_int_equal(loop_run(w.loop, stop_at_news, &w), 0);
	assert_true(loop_now_ms(w.loop) >= sent_ms + 50);
	same(got_answer(&w), map_told());
	end(&w);
}

/* A refusal is an answer like others. */
static void both(void **state)
{
	struct world w = begin("result=3 n=1");
	struct octets o;

	(void)state;
	add(&w, "twice n=1");
	assert_int_equal(ask(&w, ask_map()), 0);
	o = got_answer(&w);
	assert_int_equal(o.data[3], 3);
	same(got_answer(&w), o);
	end(&w);
}

static struct octets news(uint32_t v4)
{
	struct codec_message m = {.protocol = CODEC_VERSION_NATPMP,
				  .natpmp = {.response = true, .external_address = codec_from_v4(v4)}};

	return octets_of(&m);
}

static struct octets pcp_epoch(uint32_t epoch_s)
{
	struct codec_message m = {.protocol = CODEC_VERSION_PCP,
				  .pcp = {.response = true, .opcode = PCP_ANNOUNCE, .epoch_s = epoch_s}};

	return octets_of(&m);
}

static void announce(struct world *w, struct octets o)
{
	say(w, o, codec_from_v4(0xe0000001), CODEC_ANNOUNCE_PORT);
}

/* A socket that hears what is told to all. */
static void listen_to_all(struct world *w)
{
	struct udp_where at = {.address = codec_from_v4(INADDR_ANY), .port = CODEC_ANNOUNCE_PORT};
	struct ip_mreqn group = {.imr_multiaddr.s_addr = htonl(0xe0000001), .imr_ifindex = 1};

	close(w->client);
	w->client = udp_open(&at);
	assert_true(w->client >= 0);
	assert_int_equal(setsockopt(w->client, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)), 0);
}

/* Those of the start are not heard: the box was there before. Others are, unless they are lost. */
static void announcements(void **state)
{
	struct world w = begin(NULL);

	(void)state;
	listen_to_all(&w);
	announce(&w, news(0xc6336401));
	announce(&w, pcp_epoch(0));
	same(got_answer(&w), nothing);
	announce(&w, news(0xc6336409));
	assert_int_equal(got_answer(&w).data[11], 9);
	announce(&w, pcp_epoch(0));
	assert_int_equal(octets_read(got_answer(&w).data, 24).pcp.epoch_s, 0); /* the address changed */
	add(&w, "announce=lost");
	announce(&w, news(0xc6336409));
	same(got_answer(&w), nothing);
	end(&w);
}

/* RFC 6887 14.2: they are news, not answers. */
static void updates(void **state)
{
	struct world w = begin("mute");
	struct octets o = map_answer();
	struct udp_outgoing out = {.data = o.data, .length = o.length, .destination = CLIENT, .destination_port = PORT};

	(void)state;
	assert_int_equal(w.between->send(w.between->context, w.server, false, &out, 1, NULL), 1);
	same(got_answer(&w), map_told());
	add(&w, "announce=lost");
	assert_int_equal(w.between->send(w.between->context, w.server, false, &out, 1, NULL), 1);
	same(got_answer(&w), nothing);
	end(&w);
}

static void forged(void **state)
{
	struct world w = begin(NULL);
	struct codec_message m;

	(void)state;
	listen_to_all(&w);
	announce(&w, news(0xc6336401));
	add(&w, "forge n=1");
	assert_int_equal(ask(&w, ask_map()), 1);
	m = octets_read(got(&w, STRANGER, 5351).data, 12);
	assert_true(m.protocol == CODEC_VERSION_NATPMP && codec_to_v4(&m.natpmp.external_address) == 0xcb007142);
	m = octets_read(got(&w, STRANGER, 5351).data, 24);
	assert_true(m.protocol == CODEC_VERSION_PCP && m.pcp.response && m.pcp.opcode == PCP_ANNOUNCE &&
		    m.pcp.epoch_s == 0);
	end(&w);
}

static void epochs(void **state)
{
	struct world w = begin("epoch=-1000");

	(void)state;
	add(&w, "epoch=7 n=1 protocol=pcp");
	add(&w, "epoch=frozen n=2");
	answer(&w, pcp_epoch(50));
	assert_int_equal(octets_read(got_answer(&w).data, 24).pcp.epoch_s, 86450); /* its time comes in the loop */
	assert_int_equal(ask(&w, ask_map()), 1);
	answer(&w, pcp_epoch(50));
	assert_int_equal(octets_read(got_answer(&w).data, 24).pcp.epoch_s, 7);
	assert_int_equal(ask(&w, ask_map()), 1);
	answer(&w, pcp_epoch(60));
	assert_int_equal(octets_read(got_answer(&w).data, 24).pcp.epoch_s, 7);
	end(&w);
}

static void restarts(void **state)
{
	struct world w = begin("restart=forget down=20ms n=1");
	bool forget = false;
	uint32_t down_ms;

	(void)state;
	assert_false(lab_restarts(w.lab, &forget, &down_ms));
	answer(&w, map_answer());
	same(got_answer(&w), map_told());
	assert_int_equal(ask(&w, ask_map()), 1);
	assert_true(lab_restarts(w.lab, &forget, &down_ms));
	assert_true(forget && down_ms == 20);
	w.between->close(w.between->context);
	assert_int_equal(w.between->open(w.between->context, w.loop), 0);
	assert_false(lab_restarts(w.lab, &forget, &down_ms));
	answer(&w, map_answer());
	same(got_answer(&w), map_answer()); /* the true epoch */
	end(&w);
}

static void stop_when_read(void *context)
{
	struct world *w = context;

	loop_stop(w->loop);
}

/* They come line by line, whole or not. */
static void orders(void **state)
{
	struct world w = begin(NULL);
	static const char first[] = "silence n=1\nbe", second[] = "gin\n";

	(void)state;
	w.between->close(w.between->context);
	lab_free(w.lab);
	assert_int_equal(pipe(w.orders), 0);
	w.lab = lab_new(1, w.orders[0]);
	w.between = lab_between(w.lab);
	assert_int_equal(w.between->open(w.between->context, w.loop), 0);
	assert_int_equal(write(w.orders[1], first, sizeof(first) - 1), sizeof(first) - 1);
	assert_int_equal(loop_run(w.loop, stop_when_read, &w), 0);
	assert_int_equal(ask(&w, ask_map()), 1); /* not begun */
	assert_int_equal(write(w.orders[1], second, sizeof(second) - 1), sizeof(second) - 1);
	assert_int_equal(loop_run(w.loop, stop_when_read, &w), 0);
	assert_int_equal(ask(&w, ask_map()), 0);
	assert_int_equal(ask(&w, ask_map()), 1);
	end(&w);
	close(w.orders[0]);
	close(w.orders[1]);
}

static int place(void **state)
{
	(void)state;
	return netns_enter() && netns_ip("addr add 192.0.2.1/24 dev lo") && netns_ip("addr add 192.0.2.11/24 dev lo") &&
		       netns_ip("link set lo multicast on") && netns_ip("route add 224.0.0.0/4 dev lo")
		   ? 0
		   : 1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(none),	cmocka_unit_test(instead), cmocka_unit_test(unreachable),
	    cmocka_unit_test(changed),	cmocka_unit_test(answers), cmocka_unit_test(sources),
	    cmocka_unit_test(late),	cmocka_unit_test(both),	   cmocka_unit_test(announcements),
	    cmocka_unit_test(updates),	cmocka_unit_test(forged),  cmocka_unit_test(epochs),
	    cmocka_unit_test(restarts), cmocka_unit_test(orders),  cmocka_unit_test(least),
	};
	return cmocka_run_group_tests(tests, place, NULL);
}
