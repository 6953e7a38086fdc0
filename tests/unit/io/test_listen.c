/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/listen.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "codec/codec.h"
#include "server/io/busy.h"
#include "server/io/udp.h"
#include "tests/unit/io/netns.h"

static char lan0[] = "lan0", lan1[] = "lan1", lan9[] = "lan9";
static char *names[] = {lan0, lan1, lan9};

struct fixture {
	struct loop *loop;
	struct wan *wan;
	struct listeners *set;
	struct conf_listen sections[2];
	struct conf conf;
};

static void nothing(void *context, struct listener *l)
{
	(void)context;
	(void)l;
}

static bool start(struct fixture *f)
{
	if (!netns_enter() || !netns_ip("link add lan0 type veth peer name lan0p"))
		return false;
	assert_true(netns_ip("link set lan0 up"));
	assert_true(netns_ip("link add lan1 type veth peer name lan1p"));
	memset(f, 0, sizeof(*f));
	f->loop = loop_new();
	assert_int_equal(wan_open(&f->wan), 0);
	f->set = listeners_new(f->loop, nothing, NULL);
	f->conf.listens = f->sections;
	f->conf.listens_n = 1;
	f->sections[0] = (struct conf_listen){.interfaces = {names, 1}, .natpmp = true, .pcp = true};
	return true;
}

static void stop(struct fixture *f)
{
	listeners_free(f->set);
	wan_close(f->wan);
	loop_free(f->loop);
}

static int apply(struct fixture *f)
{
	assert_true(wan_refresh(f->wan) >= 0);
	return listeners_apply(f->set, &f->conf, f->wan);
}

static int descriptor(struct fixture *f, bool ipv6, const char *interface)
{
	const struct listener *l = listeners_find(f->set, 0, ipv6, wan_ifindex(f->wan, interface));

	return l ? l->fd : -1;
}

static uint32_t bound_to(int fd)
{
	uint32_t ifindex = 0;
	socklen_t n = sizeof(ifindex);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &ifindex, &n), 0);
	return ifindex;
}

static void sections(void **state)
{
	struct fixture f;
	int v4, v6;

	(void)state;
	if (!start(&f))
		skip();
	assert_int_equal(apply(&f), 0);
	assert_int_equal(listeners_count(f.set), 2);
	v4 = descriptor(&f, false, lan0);
	v6 = descriptor(&f, true, lan0);
	assert_true(v4 >= 0 && v6 >= 0);
	/* a second interface, and one that is not there yet: what stays is kept open */
	f.sections[0].interfaces.n = 3;
	assert_int_equal(apply(&f), 0);
	assert_int_equal(listeners_count(f.set), 4);
	assert_int_equal(descriptor(&f, false, lan0), v4);
	assert_int_equal(descriptor(&f, true, lan0), v6);
	/* it comes */
	assert_true(netns_ip("link add lan9 type veth peer name lan9p"));
	assert_int_equal(apply(&f), 0);
	assert_int_equal(listeners_count(f.set), 6);
	assert_true(descriptor(&f, false, lan9) >= 0);
	assert_true(netns_ip("link del lan1"));
	assert_int_equal(apply(&f), 0);
	assert_int_equal(listeners_count(f.set), 4);
	/* another interface of the same name has another index: new sockets */
	assert_true(netns_ip("link del lan0"));
	assert_true(netns_ip("link add lan0 type veth peer name lan0p"));
	assert_int_equal(apply(&f), 0);
	assert_int_equal(listeners_count(f.set), 4);
	assert_int_equal(bound_to(descriptor(&f, false, lan0)), wan_ifindex(f.wan, lan0));
	assert_int_equal(bound_to(descriptor(&f, true, lan0)), wan_ifindex(f.wan, lan0));
	stop(&f);
}

/* decision-12, 6886-3.8-04: a protocol that is off has no socket, so that ICMP answers */
static void protocols(void **state)
{
	struct fixture f;
	const struct listener *l;

	(void)state;
	if (!start(&f))
		skip();
	f.sections[0].pcp = false;
	assert_int_equal(apply(&f), 0);
	assert_int_equal(listeners_count(f.set), 1);
	assert_false(listeners_at(f.set, 0)->ipv6);
	f.sections[0].natpmp = false;
	assert_int_equal(apply(&f), 0);
	assert_int_equal(listeners_count(f.set), 0);
	f.sections[0].pcp = true;
	/* sections move: the socket stays and knows its new place */
	f.sections[1] = f.sections[0];
	f.sections[0] = (struct conf_listen){.pcp = true};
	f.conf.listens_n = 2;
	assert_int_equal(apply(&f), 0);
	assert_int_equal(listeners_count(f.set), 2);
	assert_null(listeners_find(f.set, 0, false, 0));
	l = listeners_find(f.set, 1, true, 0);
	assert_non_null(l);
	assert_string_equal(l->interface, lan0);
	assert_null(listeners_find(f.set, 1, true, 9999));
	stop(&f);
}

static void addresses(void **state)
{
	struct fixture f;
	struct conf_prefix a = {codec_from_v4(0x7f000002), 128};
	struct udp_where blocked = {.address = codec_from_v4(0x7f000003), .port = CODEC_SERVER_PORT};
	int fd;

	(void)state;
	if (!start(&f))
		skip();
	f.sections[0] = (struct conf_listen){.addresses = {&a, 1}, .natpmp = true, .pcp = true};
	assert_int_equal(apply(&f), 0);
	assert_int_equal(listeners_count(f.set), 1);
	assert_true(listeners_at(f.set, 0)->address_only);
	/* 127/8 is on it, so announcements can leave */
	assert_int_equal(listeners_at(f.set, 0)->ifindex, 1);
	assert_ptr_equal(listeners_find(f.set, 0, false, 77), listeners_at(f.set, 0));
	/* what is in use is an error; the socket that cannot stay is closed all the same */
	fd = udp_open(&blocked);
	assert_true(fd >= 0);
	a.address = blocked.address;
	assert_int_equal(apply(&f), -EADDRINUSE);
	assert_int_equal(listeners_count(f.set), 0);
	close(fd);
	assert_int_equal(apply(&f), 0);
	assert_int_equal(listeners_count(f.set), 1);
	stop(&f);
}

static bool busy_has(const struct busy *b, uint8_t protocol, const char *text, uint16_t port)
{
	struct in6_addr a;

	assert_true(codec_address_parse(text, strlen(text), &a));
	for (size_t i = 0; i < b->n; i++) {
		if (b->v[i].protocol == protocol && b->v[i].port == port && !memcmp(&b->v[i].address, &a, sizeof(a)))
			return true;
	}
	return false;
}

static int bound(int family, int kind, uint32_t v4, uint16_t port, const char *interface, int v6only)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(v4)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(family, kind, 0);

	assert_true(fd >= 0);
	if (family == AF_INET6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)), 0);
	if (interface)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface)),
				 0);
	if (family == AF_INET)
		assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	else
		assert_int_equal(bind(fd, (struct sockaddr *)&in6, sizeof(in6)), 0);
	if (kind == SOCK_STREAM)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

/* 6887-11.3-26: which ports the gateway itself holds */
static void busy(void **state)
{
	struct busy b = {0};
	struct fixture f;
	int fds[8], n = 0;
	uint32_t outside;

	(void)state;
	if (!start(&f))
		skip();
	assert_true(netns_ip("addr add 192.0.2.1/24 dev lan0"));
	assert_true(netns_ip("link set lan1 up"));
	fds[n++] = bound(AF_INET, SOCK_STREAM, 0, 80, NULL, 0);
	fds[n++] = bound(AF_INET, SOCK_DGRAM, 0xc0000201, 53, NULL, 0);
	fds[n++] = bound(AF_INET, SOCK_STREAM, 0x7f000001, 81, NULL, 0);
	fds[n++] = bound(AF_INET, SOCK_DGRAM, 0, 67, lan0, 0);
	fds[n++] = bound(AF_INET, SOCK_DGRAM, 0, 68, lan1, 0);
	fds[n++] = bound(AF_INET6, SOCK_STREAM, 0, 8080, NULL, 0);
	fds[n++] = bound(AF_INET6, SOCK_DGRAM, 0, 546, NULL, 1);
	assert_true(wan_refresh(f.wan) >= 0);
	outside = wan_ifindex(f.wan, lan1);
	assert_int_equal(busy_read(&b, &outside, 1), 0);
	assert_true(busy_has(&b, IPPROTO_TCP, "0.0.0.0", 80));
	assert_true(busy_has(&b, IPPROTO_UDP, "192.0.2.1", 53));
	assert_true(busy_has(&b, IPPROTO_UDP, "0.0.0.0", 68));
	assert_true(busy_has(&b, IPPROTO_TCP, "::", 8080));
	assert_int_equal(b.n, 4);
	for (int i = 0; i < n; i++)
		close(fds[i]);
	assert_int_equal(busy_read(&b, &outside, 1), 0);
	assert_int_equal(b.n, 0);
	busy_clear(&b);
	stop(&f);
}

/* The same for protocols that not every kernel has. */
static void busy_others(void **state)
{
	static const struct {
		uint8_t protocol;
		int kind;
	} cases[] = {{IPPROTO_SCTP, SOCK_STREAM}, {IPPROTO_DCCP, SOCK_DCCP}, {IPPROTO_UDPLITE, SOCK_DGRAM}};
	struct busy b = {0};
	struct fixture f;
	unsigned had = 0;

	(void)state;
	if (!start(&f))
		skip();
	assert_int_equal(busy_read(&b, NULL, 0), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(9000)};
		int fd = socket(AF_INET, cases[i].kind, cases[i].protocol);

		if (fd < 0)
			continue;
		had++;
		assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
		assert_true(cases[i].kind == SOCK_DGRAM || listen(fd, 1) == 0);
		assert_int_equal(busy_read(&b, NULL, 0), 0);
		assert_true(busy_has(&b, cases[i].protocol, "0.0.0.0", 9000));
		assert_int_equal(b.n, 1);
		close(fd);
	}
	busy_clear(&b);
	stop(&f);
	if (!had)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sections), cmocka_unit_test(protocols),   cmocka_unit_test(addresses),
	    cmocka_unit_test(busy),	cmocka_unit_test(busy_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
