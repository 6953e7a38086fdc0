/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/replies.h"

#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"
#include "server/io/udp.h"
#include "tests/unit/io/netns.h"

enum { SENT_MAX = 256, CALLS_MAX = 16 };

/* Takes the place of the sockets: what was to be sent, and in how many datagrams at a time. */
struct record {
	struct udp_outgoing v[SENT_MAX];
	int fd[SENT_MAX];
	size_t n, calls[CALLS_MAX], calls_n;
	size_t refused; /* the first so many of each call are */
};

static size_t recorded(void *context, int fd, bool ipv6, const struct udp_outgoing *v, size_t n, int *error)
{
	struct record *r = context;

	assert_true(r->n + n <= SENT_MAX && r->calls_n < CALLS_MAX);
	r->calls[r->calls_n++] = n;
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(codec_is_v4(&v[i].destination), !ipv6);
		r->fd[r->n] = fd;
		r->v[r->n++] = v[i];
	}
	*error = r->refused ? -ENETUNREACH : 0;
	return r->refused < n ? n - r->refused : 0;
}

static char lan0[] = "lan0", lan1[] = "lan1";
static char *first[] = {lan0, lan1}, *second[] = {lan1};

/* Section 0 has lan0 and lan1, section 1 nothing yet. */
struct fixture {
	struct loop *loop;
	struct wan *wan;
	struct listeners *set;
	struct conf_listen sections[2];
	struct conf conf;
	struct record record;
	struct between between;
	struct replies_count count;
};

static struct in6_addr at(const char *text)
{
	struct in6_addr a;

	assert_true(codec_address_parse(text, strlen(text), &a));
	return a;
}

static void nothing(void *context, struct listener *l)
{
	(void)context;
	(void)l;
}

static void link_add(const char *name, const char *v4, const char *v6, const char *local)
{
	assert_true(netns_ip("link add %s type veth peer name %sp", name, name));
	assert_true(netns_ip("link set %s addrgenmode none", name));
	assert_true(netns_ip("link set %sp up", name));
	assert_true(netns_ip("link set %s up", name));
	assert_true(netns_ip("addr add %s/24 dev %s", v4, name));
	assert_true(netns_ip("addr add %s/64 dev %s nodad", v6, name));
	assert_true(netns_ip("addr add %s/64 dev %s nodad", local, name));
}

static bool start(struct fixture *f)
{
	if (!netns_enter())
		return false;
	link_add(lan0, "192.0.2.1", "2001:db8:1::1", "fe80::1");
	link_add(lan1, "198.51.100.1", "2001:db8:2::1", "fe80::2");
	memset(f, 0, sizeof(*f));
	f->loop = loop_new();
	assert_int_equal(wan_open(&f->wan), 0);
	f->set = listeners_new(f->loop, nothing, NULL);
	f->conf.listens = f->sections;
	f->conf.listens_n = 1;
	f->sections[0] = (struct conf_listen){.interfaces = {first, 2}, .natpmp = true, .pcp = true};
	assert_int_equal(listeners_apply(f->set, &f->conf, f->wan), 0);
	f->between = (struct between){.send = recorded, .context = &f->record};
	return true;
}

static void stop(struct fixture *f)
{
	listeners_free(f->set);
	wan_close(f->wan);
	loop_free(f->loop);
}

static int descriptor(const struct fixture *f, bool ipv6, const char *interface)
{
	return listeners_find(f->set, 0, ipv6, if_nametoindex(interface))->fd;
}

static const uint8_t data[] = {0, 128, 0, 0};

static struct round_reply answer(const char *source, const char *destination, const char *interface)
{
	return (struct round_reply){
	    .data = data,
	    .length = sizeof(data),
	    .kind = ROUND_UNICAST,
	    .source = at(source),
	    .destination = at(destination),
	    .destination_port = 4000,
	    .ifindex = interface ? if_nametoindex(interface) : 0,
	};
}

/* 6887-8.3-02, 6886-3.2-08: from the address that was asked, by the interface that the request came in on. */
static void answers(void **state)
{
	struct fixture f;
	struct round_reply v[4];

	(void)state;
	if (!start(&f))
		skip();
	v[0] = answer("192.0.2.1", "192.0.2.11", lan0);
	v[1] = answer("192.0.2.1", "203.0.113.9", lan1);
	v[2] = answer("192.0.2.1", "192.0.2.12", lan0);
	v[2].length = 0; /* settled to silence */
	v[3] = answer("fe80::2", "fe80::9", lan1);
	replies_send(v, 4, f.set, f.wan, &f.between, &f.count);
	assert_int_equal(f.record.n, 3);
	assert_int_equal(f.record.fd[0], descriptor(&f, false, lan0));
	assert_int_equal(f.record.fd[1], descriptor(&f, false, lan1));
	assert_int_equal(f.record.fd[2], descriptor(&f, true, lan1));
	assert_memory_equal(&f.record.v[0].source, &v[0].source, 16);
	assert_memory_equal(&f.record.v[2].destination, &v[3].destination, 16);
	assert_int_equal(f.record.v[0].destination_port, 4000);
	assert_int_equal(f.record.v[1].ifindex, if_nametoindex(lan1));
	assert_true(f.count.sent == 3 && f.count.failed == 0 && f.count.failed_answers == 0);
	/* an interface that is gone */
	v[0].ifindex = 9999;
	replies_send(v, 2, f.set, f.wan, &f.between, &f.count);
	assert_int_equal(f.record.n, 4);
	assert_true(f.count.sent == 4 && f.count.failed == 1 && f.count.failed_answers == 1);
	assert_int_equal(f.count.error, -ENODEV);
	stop(&f);
}

/* RFC 6887 14.2: who has not asked just now is told from the interface of its section that its address belongs to. */
static void updates(void **state)
{
	static const struct {
		const char *destination, *interface;
	} cases[] = {
	    {"192.0.2.11", lan0},     {"198.51.100.11", lan1}, {"2001:db8:2::11", lan1},
	    {"2001:db8:1::11", lan0}, {"203.0.113.9", lan0},
	};
	struct fixture f;

	(void)state;
	if (!start(&f))
		skip();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct round_reply r = answer("::", cases[i].destination, NULL);
		bool ipv6 = !codec_is_v4(&r.destination);

		replies_send(&r, 1, f.set, f.wan, &f.between, &f.count);
		assert_int_equal(f.record.n, i + 1);
		assert_int_equal(f.record.fd[i], descriptor(&f, ipv6, cases[i].interface));
		assert_int_equal(f.record.v[i].ifindex, if_nametoindex(cases[i].interface));
	}
	stop(&f);
}

/* RFC 6886 3.2.1, RFC 6887 14.1: from each interface of the section, with its own address; that one cannot is no failed answer. */
static void announcements(void **state)
{
	struct round_reply v[] = {
	    {.data = data, .length = sizeof(data), .kind = ROUND_ANNOUNCE},
	    {.data = data, .length = sizeof(data), .kind = ROUND_ANNOUNCE, .ipv6 = true},
	    {.data = data, .length = sizeof(data), .kind = ROUND_ANNOUNCE, .listen = 1},
	};
	static const char *const sources[] = {"192.0.2.1", "198.51.100.1", "fe80::1", "fe80::2"};
	struct fixture f;

	(void)state;
	if (!start(&f))
		skip();
	f.record.refused = 1;
	replies_send(v, 3, f.set, f.wan, &f.between, &f.count);
	assert_int_equal(f.record.n, 4);
	for (size_t i = 0; i < 4; i++) {
		struct in6_addr source = at(sources[i]), group = at(i < 2 ? "224.0.0.1" : "ff02::1");

		assert_int_equal(f.record.fd[i], descriptor(&f, i >= 2, first[i % 2]));
		assert_memory_equal(&f.record.v[i].source, &source, 16);
		assert_memory_equal(&f.record.v[i].destination, &group, 16);
		assert_int_equal(f.record.v[i].destination_port, CODEC_ANNOUNCE_PORT);
	}
	assert_true(f.count.sent == 0 && f.count.failed == 4 && f.count.failed_answers == 0);
	/* lan1 is another section's now */
	f.conf.listens_n = 2;
	f.sections[0].interfaces.n = 1;
	f.sections[1] = (struct conf_listen){.interfaces = {second, 1}, .pcp = true};
	assert_int_equal(listeners_apply(f.set, &f.conf, f.wan), 0);
	replies_send(v, 1, f.set, f.wan, &f.between, &f.count);
	assert_int_equal(f.record.n, 5);
	replies_send(v + 2, 1, f.set, f.wan, &f.between, &f.count);
	assert_int_equal(f.record.n, 6);
	assert_memory_equal(&f.record.v[5].source, &f.record.v[1].source, 16);
	stop(&f);
}

/* What leaves from one socket leaves together, in the order in which it was said. */
static void batches(void **state)
{
	static const size_t calls[] = {UDP_BATCH, 6, 1, 1, 1, 1, 2};
	struct round_reply v[UDP_BATCH + 11];
	struct fixture f;
	size_t n = 0;

	(void)state;
	if (!start(&f))
		skip();
	while (n < UDP_BATCH + 6)
		v[n++] = answer("192.0.2.1", "192.0.2.11", lan0);
	v[n++] = (struct round_reply){.data = data, .length = sizeof(data), .kind = ROUND_ANNOUNCE};
	v[n++] = answer("198.51.100.1", "198.51.100.11", lan1);
	v[n++] = answer("2001:db8:1::1", "2001:db8:1::11", lan0);
	v[n++] = answer("192.0.2.1", "192.0.2.11", lan0);
	v[n++] = answer("192.0.2.1", "192.0.2.12", lan0);
	assert_int_equal(n, sizeof(v) / sizeof(*v));
	f.record.refused = 1;
	replies_send(v, n, f.set, f.wan, &f.between, &f.count);
	assert_int_equal(f.record.calls_n, sizeof(calls) / sizeof(*calls));
	assert_memory_equal(f.record.calls, calls, sizeof(calls));
	for (size_t i = 0; i < UDP_BATCH + 6; i++)
		assert_int_equal(f.record.fd[i], descriptor(&f, false, lan0));
	assert_true(f.count.failed == 7 && f.count.failed_answers == 5 && f.count.sent == f.record.n - 7);
	assert_int_equal(f.count.error, -ENETUNREACH);
	stop(&f);
}

static bool write_to(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	bool written = f && fputs(text, f) >= 0;

	return f && fclose(f) == 0 && written;
}

/* The kernel looks for each neighbour of lan0 as long as the test takes, and keeps all that waits for it. */
static bool patient(void)
{
	return write_to("/proc/sys/net/ipv4/neigh/lan0/retrans_time_ms", "3600000") &&
	       write_to("/proc/sys/net/ipv6/neigh/lan0/retrans_time_ms", "3600000") &&
	       write_to("/proc/sys/net/ipv4/neigh/lan0/unres_qlen_bytes", "100000000") &&
	       write_to("/proc/sys/net/ipv6/neigh/lan0/unres_qlen_bytes", "100000000");
}

/* One of each, none of which may stand in the way of others: true if it was sent. */
static bool goes(struct fixture *f, const char *source, const char *destination)
{
	struct round_reply r = answer(source, destination, lan0);
	struct replies_count before = f->count;

	f->count.error = 0;
	replies_send(&r, 1, f->set, f->wan, NULL, &f->count);
	assert_int_equal(f->count.sent + f->count.failed, before.sent + before.failed + 1);
	assert_int_equal(f->count.error, f->count.failed == before.failed ? 0 : -EHOSTUNREACH);
	return f->count.sent > before.sent;
}

/* 6887-8.2-15: half of the socket is for those whom the kernel need not look for, on the link or behind a router. */
static void half_full(void **state)
{
	static const struct {
		const char *server, *nobody, *behind_nobody, *somebody, *behind_somebody, *unknown;
	} cases[] = {
	    {"192.0.2.1", "192.0.2.12", "203.0.113.129", "192.0.2.11", "203.0.113.9", "192.0.2.13"},
	    {"2001:db8:1::1", "2001:db8:1::c", "2001:db8:4::9", "2001:db8:1::b", "2001:db8:3::9", "2001:db8:1::d"},
	};
	struct fixture f;

	(void)state;
	if (!start(&f) || !patient())
		skip();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *server = cases[i].server;
		int fd = descriptor(&f, i == 1, lan0);
		struct round_reply many[ROUND_REQUESTS_MAX];

		assert_true(
		    netns_ip("neigh replace %s lladdr 02:00:00:00:00:11 nud permanent dev lan0", cases[i].somebody));
		assert_true(netns_ip("route add %s via %s", cases[i].behind_nobody, cases[i].nobody));
		assert_true(netns_ip("route add %s via %s", cases[i].behind_somebody, cases[i].somebody));
		/* there is room: whoever it is */
		assert_true(goes(&f, server, cases[i].nobody) && goes(&f, server, cases[i].behind_nobody));
		for (size_t k = 0; k < ROUND_REQUESTS_MAX; k++)
			many[k] = answer(server, cases[i].behind_nobody, lan0);
		for (unsigned k = 0; !udp_half_full(fd); k++) {
			assert_true(k < 1000);
			replies_send(many, ROUND_REQUESTS_MAX, f.set, f.wan, NULL, &f.count);
		}
		assert_false(goes(&f, server, cases[i].nobody) || goes(&f, server, cases[i].behind_nobody));
		assert_true(goes(&f, server, cases[i].somebody) && goes(&f, server, cases[i].behind_somebody));
		/* nobody has looked for this one yet */
		assert_true(goes(&f, server, cases[i].unknown));
		assert_false(goes(&f, server, cases[i].unknown));
		/* some of a round go, and some do not */
		many[1] = answer(server, cases[i].somebody, lan0);
		many[3] = answer(server, cases[i].behind_somebody, lan0);
		memset(&f.count, 0, sizeof(f.count));
		replies_send(many, 4, f.set, f.wan, NULL, &f.count);
		assert_true(f.count.sent == 2 && f.count.failed == 2 && f.count.failed_answers == 2);
	}
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers), cmocka_unit_test(updates),   cmocka_unit_test(announcements),
	    cmocka_unit_test(batches), cmocka_unit_test(half_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
