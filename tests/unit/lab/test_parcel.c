/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/parcel.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "codec/codec.h"
#include "tests/unit/io/netns.h"

static struct in6_addr at(const char *text)
{
	struct in6_addr a;

	assert_true(codec_address_parse(text, strlen(text), &a));
	return a;
}

static void fill(struct parcel *p, const char *from, const char *to)
{
	struct udp_outgoing o = {
	    .data = (const uint8_t *)"hello", .length = 5, .source = at(from), .destination = at(to)};

	parcel_fill(p, -1, !codec_is_v4(&o.source), &o);
}

static void disguises(void **state)
{
	static const struct {
		const char *from, *wanted, *seen;
	} cases[] = {
	    {"192.0.2.1", "::", "192.0.2.66"},
	    {"192.0.2.1", "192.0.2.12", "192.0.2.12"},
	    {"192.0.2.1", "2001:db8:1::12", "192.0.2.66"}, /* the other family */
	    {"2001:db8:1::1", "::", "2001:db8:1::66"},
	    {"2001:db8:1::1", "192.0.2.12", "2001:db8:1::66"},
	    {"fe80::1", "::", "fe80::66"},
	    {"fe80::1", "fe80::2", "fe80::2"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct in6_addr wanted = at(cases[i].wanted), seen = at(cases[i].seen);
		struct parcel p, q;

		fill(&p, cases[i].from, cases[i].from);
		parcel_disguise(&p, &wanted);
		assert_true(p.foreign);
		assert_memory_equal(&p.out.source, &seen, sizeof(seen));
		parcel_copy(&q, &p);
		assert_ptr_equal(q.out.data, q.data);
		assert_memory_equal(q.data, "hello", 5);
	}
}

static void too_long(void **state)
{
	static const uint8_t data[ALTER_ROOM + 1];
	struct parcel p;

	(void)state;
	parcel_fill(&p, -1, false, &(struct udp_outgoing){.data = data, .length = sizeof(data)});
	assert_int_equal(p.out.length, ALTER_ROOM);
}

/* It arrives, and from where it says. */
static void sent(const char *server, const char *host, const char *source, uint16_t port)
{
	struct in6_addr s = at(server), h = at(host), foreign = at(source);
	bool ipv6 = !codec_is_v4(&s), lies = memcmp(&s, &foreign, sizeof(s)) != 0;
	struct udp_where w = {.ipv6 = ipv6, .address = s, .port = 5351};
	struct udp_inbox *in = udp_inbox_new();
	const struct udp_datagram *v;
	struct pollfd ready = {.events = POLLIN};
	struct parcel p;

	fill(&p, server, host);
	p.fd = udp_open(&w);
	w.address = h;
	w.port = 4000;
	ready.fd = udp_open(&w);
	assert_true(p.fd >= 0 && ready.fd >= 0 && in);
	p.out.destination_port = 4000;
	p.source_port = port;
	if (lies)
		parcel_disguise(&p, &foreign);
	assert_int_equal(parcel_send(&p), 0);
	assert_int_equal(poll(&ready, 1, 5000), 1);
	assert_int_equal(udp_receive(in, ready.fd, &v), 1);
	assert_memory_equal(v[0].data, "hello", 5);
	assert_memory_equal(&v[0].source, &foreign, sizeof(foreign));
	assert_int_equal(v[0].source_port, port ? port : 5351);
	close(p.fd);
	close(ready.fd);
	udp_inbox_free(in);
}

static void arrive(void **state)
{
	(void)state;
	if (!netns_enter() || !netns_ip("addr add 192.0.2.1/24 dev lo") || !netns_ip("addr add 192.0.2.11/24 dev lo") ||
	    !netns_ip("addr add 2001:db8:1::1/64 dev lo nodad"))
		skip();
	sent("192.0.2.1", "192.0.2.11", "192.0.2.1", 0);
	sent("192.0.2.1", "192.0.2.11", "192.0.2.1", 5352);
	sent("192.0.2.1", "192.0.2.11", "203.0.113.5", 0);
	sent("192.0.2.1", "192.0.2.11", "203.0.113.5", 5352);
	sent("2001:db8:1::1", "::1", "2001:db8:1::1", 5352);
	sent("2001:db8:1::1", "::1", "2001:db8:9::5", 0);
	sent("2001:db8:1::1", "::1", "2001:db8:9::5", 5352);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(disguises),
	    cmocka_unit_test(too_long),
	    cmocka_unit_test(arrive),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
