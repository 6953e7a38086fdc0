/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/wan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"
#include "server/io/route.h"
#include "tests/unit/io/netns.h"

static struct in6_addr at(const char *text)
{
	struct in6_addr a;

	assert_true(codec_address_parse(text, strlen(text), &a));
	return a;
}

static bool has(const struct wan *w, const char *interface, const char *text)
{
	struct in6_addr a = at(text);

	return wan_has(w, wan_ifindex(w, interface), &a);
}

static bool on_link(const struct wan *w, const char *interface, const char *text)
{
	struct in6_addr a = at(text);

	return wan_on_link(w, wan_ifindex(w, interface), &a);
}

static void private_addresses(void **state)
{
	static const struct {
		const char *text;
		bool yes;
	} cases[] = {
	    {"0.0.0.0", true},
	    {"0.1.2.3", true},
	    {"10.0.0.0", true},
	    {"10.255.255.255", true},
	    {"9.255.255.255", false},
	    {"11.0.0.0", false},
	    {"100.63.255.255", false},
	    {"100.64.0.0", true},
	    {"100.127.255.255", true},
	    {"100.128.0.0", false},
	    {"127.0.0.1", true},
	    {"169.253.255.255", false},
	    {"169.254.0.1", true},
	    {"172.15.255.255", false},
	    {"172.16.0.0", true},
	    {"172.31.255.255", true},
	    {"172.32.0.0", false},
	    {"192.168.0.1", true},
	    {"192.167.255.255", false},
	    {"192.169.0.0", false},
	    {"224.0.0.1", true},
	    {"240.0.0.1", true},
	    {"255.255.255.255", true},
	    {"198.51.100.1", false},
	    {"192.0.2.1", false},
	    {"203.0.113.1", false},
	    {"::", true},
	    {"::1", true},
	    {"fe80::1", true},
	    {"fd00::1", true},
	    {"ff02::1", true},
	    {"2001:db8::1", false},
	    {"3fff::1", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct in6_addr a = at(cases[i].text);

		if (wan_private(&a) != cases[i].yes)
			fail_msg("%s", cases[i].text);
	}
}

static struct wan *lan_and_wan(void)
{
	struct wan *w;

	if (!netns_enter() || !netns_ip("link add lan0 type veth peer name lan0p"))
		return NULL;
	assert_true(netns_ip("link add wan0 type veth peer name wan0p"));
	assert_true(netns_ip("addr add 192.0.2.1/24 dev lan0"));
	assert_true(netns_ip("addr add 192.0.2.254/24 dev lan0"));
	assert_true(netns_ip("addr add 2001:db8:1::1/64 dev lan0 nodad"));
	assert_true(netns_ip("addr add 198.51.100.1/24 dev wan0"));
	assert_true(netns_ip("addr add 192.0.2.129/25 dev wan0"));
	assert_true(netns_ip("link set lan0 up"));
	assert_true(netns_ip("link set wan0 up"));
	assert_int_equal(wan_open(&w), 0);
	return w;
}

/* 6886-3.3-28, 6887-8.2-02 */
static void interfaces(void **state)
{
	struct wan *w = lan_and_wan();
	struct in6_addr a;

	(void)state;
	if (!w)
		skip();
	assert_int_equal(wan_ifindex(w, "lo"), 1);
	assert_int_equal(wan_ifindex(w, "no-such"), 0);
	assert_string_equal(wan_interface(w, wan_ifindex(w, "lan0")), "lan0");
	assert_string_equal(wan_interface(w, 9999), "");
	assert_true(has(w, "lan0", "192.0.2.1") && has(w, "lan0", "192.0.2.254") && has(w, "lan0", "2001:db8:1::1"));
	assert_false(has(w, "lan0", "198.51.100.1") || has(w, "lan0", "192.0.2.255") || has(w, "lan0", "224.0.0.1") ||
		     has(w, "wan0", "192.0.2.1") || has(w, "no-such", "192.0.2.1"));
	/* the longer prefix has it; nobody has what is routed, nor what means any router */
	assert_true(on_link(w, "lan0", "192.0.2.11") && on_link(w, "lan0", "fe80::1") &&
		    on_link(w, "wan0", "192.0.2.200") && on_link(w, "lan0", "2001:db8:1::99"));
	assert_false(on_link(w, "lan0", "198.51.100.2") || on_link(w, "lan0", "192.0.2.200") ||
		     on_link(w, "lan0", "192.0.2.0") || on_link(w, "wan0", "192.0.2.255") ||
		     on_link(w, "lan0", "2001:db8:1::") || on_link(w, "lan0", "203.0.113.9") ||
		     on_link(w, "wan0", "192.0.2.11"));
	a = at("192.0.2.254");
	assert_int_equal(wan_interface_of(w, &a), wan_ifindex(w, "lan0"));
	a = at("198.51.100.77");
	assert_int_equal(wan_interface_of(w, &a), wan_ifindex(w, "wan0"));
	a = at("203.0.113.7");
	assert_int_equal(wan_interface_of(w, &a), 0);
	wan_close(w);
}

/* 6886-3.2.1-11: announcements leave from the address that clients know */
static void primary(void **state)
{
	struct wan *w = lan_and_wan();
	struct in6_addr a, first = at("192.0.2.1"), v[8];

	(void)state;
	if (!w)
		skip();
	assert_true(wan_primary(w, wan_ifindex(w, "lan0"), false, &a));
	assert_memory_equal(&a, &first, sizeof(a));
	/* the link-local one is there, unless duplicate address detection is still at it */
	assert_true(wan_primary(w, wan_ifindex(w, "lan0"), true, &a));
	assert_true(IN6_IS_ADDR_LINKLOCAL(&a) || a.s6_addr[0] == 0x20);
	assert_false(wan_primary(w, 9999, false, &a));
	/* all of them, IPv4 first, as many as there is room for */
	assert_in_range(wan_addresses(w, wan_ifindex(w, "lan0"), v, 8), 3, 4);
	assert_true(codec_is_v4(&v[0]) && codec_is_v4(&v[1]) && !codec_is_v4(&v[2]));
	assert_int_equal(wan_addresses(w, wan_ifindex(w, "lan0"), v, 1), 1);
	assert_int_equal(wan_addresses(w, 0, v, 8), 0);
	assert_int_equal(wan_addresses(w, 9999, v, 8), 0);
	wan_close(w);
}

/* The kernel says that there is an IPv6 address when it has the time for it, also without duplicate address detection. */
static void settled(const char *address)
{
	for (int tries = 0; !netns_ip("-6 route show table local %s | grep -q .", address); tries++) {
		assert_in_range(tries, 0, 6000);
		usleep(10000);
	}
}

static void changes(void **state)
{
	struct wan *w = lan_and_wan();

	(void)state;
	if (!w)
		skip();
	settled("2001:db8:1::1");
	wan_drain(w);
	assert_true(wan_refresh(w) >= 0);
	assert_true(netns_ip("addr add 192.0.2.7/24 dev lan0"));
	assert_true(wan_drain(w));
	assert_false(wan_drain(w));
	assert_int_equal(wan_refresh(w), 1);
	assert_true(has(w, "lan0", "192.0.2.7"));
	assert_true(netns_ip("link set wan0 name up0"));
	assert_true(wan_drain(w));
	assert_int_equal(wan_refresh(w), 1);
	assert_int_equal(wan_ifindex(w, "wan0"), 0);
	assert_true(wan_ifindex(w, "up0") != 0);
	wan_close(w);
}

/* What no reading finds, as it comes and goes between them. */
static void comes_and_goes(void **state)
{
	struct wan *w = lan_and_wan();
	char interface[] = "wan0", empty[] = "";
	struct conf_prefix prefix = {at("203.0.113.8"), 128};
	struct conf_external x = {.interface = interface, .nat = true},
			     pool = {.interface = interface, .addresses = {&prefix, 1}},
			     anywhere = {.interface = empty, .addresses = {&prefix, 1}};
	struct in6_addr a = at("198.51.100.7"), a6 = at("2001:db8:7::7");

	(void)state;
	if (!w)
		skip();
	assert_true(wan_refresh(w) >= 0 && wan_refresh(w) >= 0);
	assert_false(wan_was_there(w, &x, &a));
	assert_true(netns_ip("addr add 198.51.100.7/24 dev wan0") && netns_ip("addr del 198.51.100.7/24 dev wan0"));
	/* also what nobody has drained */
	assert_true(wan_refresh(w) >= 0);
	assert_false(has(w, "wan0", "198.51.100.7"));
	assert_true(wan_was_there(w, &x, &a));
	assert_true(wan_refresh(w) >= 0);
	assert_false(wan_was_there(w, &x, &a));

	/* another interface's, and another address */
	assert_true(netns_ip("addr add 198.51.100.7/24 dev lan0") && netns_ip("addr del 198.51.100.7/24 dev lan0"));
	assert_true(netns_ip("addr add 198.51.100.8/24 dev wan0"));
	assert_true(wan_drain(w) && wan_refresh(w) >= 0);
	assert_false(wan_was_there(w, &x, &a));

	/* the interface: up, down; then taken down once more with nothing between */
	assert_true(netns_ip("addr add 198.51.100.7/24 dev wan0") && netns_ip("link set wan0 down"));
	assert_true(wan_refresh(w) >= 0 && wan_refresh(w) >= 0);
	assert_false(wan_was_there(w, &x, &a) || wan_was_there(w, &pool, &prefix.address));
	assert_true(netns_ip("link set wan0 up") && netns_ip("link set wan0 down"));
	assert_true(wan_refresh(w) >= 0);
	assert_true(wan_was_there(w, &x, &a) && wan_was_there(w, &pool, &prefix.address));
	assert_false(wan_was_there(w, &anywhere, &prefix.address));
	/* one that is there and must not be used, while its interface changes in what does not count */
	assert_true(netns_ip("link set wan0 up") && netns_ip("addr add 2001:db8:7::7/64 dev wan0 nodad"));
	settled("2001:db8:7::7");
	assert_true(netns_ip("addr change 2001:db8:7::7/64 dev wan0 preferred_lft 0"));
	assert_true(wan_refresh(w) >= 0 && wan_was_there(w, &x, &a6));
	assert_true(netns_ip("addr change 2001:db8:7::7/64 dev wan0 valid_lft 900 preferred_lft 0"));
	assert_true(netns_ip("link set wan0 mtu 1400"));
	assert_true(wan_refresh(w) >= 0 && has(w, "wan0", "2001:db8:7::7"));
	assert_false(wan_was_there(w, &x, &a6));
	assert_true(netns_ip("link set wan0 down") && wan_refresh(w) >= 0);
	/* an address that comes to an interface that is down is no outside address */
	assert_true(netns_ip("addr del 198.51.100.7/24 dev wan0") && netns_ip("addr add 198.51.100.7/24 dev wan0"));
	assert_true(wan_refresh(w) >= 0);
	assert_false(wan_was_there(w, &x, &a));
	wan_close(w);
}

static void externals(void **state)
{
	struct wan *w = lan_and_wan();
	char interface[] = "wan0", empty[] = "", absent[] = "ppp0";
	struct conf_external x = {.interface = interface, .nat = true};
	struct conf_prefix prefix = {at("203.0.113.8"), 125};
	struct in6_addr v[16], private_address, a;
	bool refused;

	(void)state;
	if (!w)
		skip();
	assert_int_equal(wan_external(w, &x, v, 16, &refused, &private_address), 2);
	a = at("198.51.100.1");
	assert_memory_equal(&v[0], &a, sizeof(a));
	assert_false(refused);
	/* private ones are left out, unless they are allowed or nothing is translated */
	assert_true(netns_ip("addr flush dev wan0 scope global"));
	assert_true(netns_ip("addr add 10.0.0.2/24 dev wan0"));
	assert_int_equal(wan_refresh(w), 1);
	assert_int_equal(wan_external(w, &x, v, 16, &refused, &private_address), 0);
	a = at("10.0.0.2");
	assert_true(refused);
	assert_memory_equal(&private_address, &a, sizeof(a));
	x.private_address = CONF_PRIVATE_ALLOW;
	assert_int_equal(wan_external(w, &x, v, 16, &refused, &private_address), 1);
	x.private_address = CONF_PRIVATE_REFUSE;
	x.nat = false;
	assert_int_equal(wan_external(w, &x, v, 16, NULL, NULL), 1);
	/* a pool is what the operator says, of an interface that is there and up */
	x.addresses = (struct conf_prefixes){&prefix, 1};
	assert_int_equal(wan_external(w, &x, v, 16, &refused, &private_address), 8);
	a = at("203.0.113.15");
	assert_memory_equal(&v[7], &a, sizeof(a));
	assert_int_equal(wan_external(w, &x, v, 3, NULL, NULL), 3);
	/* private ones, too, unless they are refused in so many words */
	prefix = (struct conf_prefix){at("10.0.0.8"), 127};
	x.nat = true;
	x.private_address = CONF_PRIVATE_AUTO;
	assert_int_equal(wan_external(w, &x, v, 16, &refused, &private_address), 2);
	assert_false(refused);
	x.private_address = CONF_PRIVATE_REFUSE;
	assert_int_equal(wan_external(w, &x, v, 16, &refused, &private_address), 0);
	a = at("10.0.0.9");
	assert_true(refused);
	assert_memory_equal(&private_address, &a, sizeof(a));
	prefix = (struct conf_prefix){at("203.0.113.8"), 125};
	x.interface = empty;
	assert_int_equal(wan_external(w, &x, v, 16, NULL, NULL), 8);
	x.interface = absent;
	assert_int_equal(wan_external(w, &x, v, 16, NULL, NULL), 0);
	x.interface = interface;
	assert_true(netns_ip("link set wan0 down"));
	assert_int_equal(wan_refresh(w), 1);
	assert_int_equal(wan_external(w, &x, v, 16, NULL, NULL), 0);
	wan_close(w);
}

/* 6887-8.2-02 for clients behind another router */
static void routes(void **state)
{
	struct wan *w = lan_and_wan();
	struct route *c;
	struct in6_addr a = at("203.0.113.9"), b = at("198.51.100.9"), v6 = at("2001:db8:1::9");
	uint32_t lan;

	(void)state;
	if (!w)
		skip();
	lan = wan_ifindex(w, "lan0");
	assert_int_equal(route_open(&c), 0);
	assert_int_equal(route_interface(c, &a), 0);
	assert_int_equal(route_leads(c, &a, lan, 1000), ROUTE_ELSEWHERE);
	assert_true(netns_ip("route add 203.0.113.0/24 via 192.0.2.11"));
	assert_int_equal(route_interface(c, &a), lan);
	/* the answer is kept for a second */
	assert_int_equal(route_leads(c, &a, lan, 1999), ROUTE_ELSEWHERE);
	assert_int_equal(route_leads(c, &a, lan, 2000), ROUTE_THERE);
	assert_int_equal(route_leads(c, &a, wan_ifindex(w, "wan0"), 2000), ROUTE_ELSEWHERE);
	assert_int_equal(route_interface(c, &b), wan_ifindex(w, "wan0"));
	assert_int_equal(route_interface(c, &v6), lan);
	assert_int_equal(route_leads(c, &v6, lan, 2000), ROUTE_THERE);
	/* a way that was right is looked for again after a minute, or a second after the last time when routes changed */
	assert_int_equal(route_leads(c, &a, lan, 61000), ROUTE_THERE);
	assert_int_equal(route_leads(c, &a, lan, 62000), ROUTE_THERE);
	assert_true(netns_ip("route change 203.0.113.0/24 via 198.51.100.2"));
	assert_int_equal(route_leads(c, &a, lan, 62999), ROUTE_THERE);
	assert_int_equal(route_leads(c, &a, lan, 63000), ROUTE_ELSEWHERE);
	/* links take their routes with them without a word about each */
	assert_int_equal(route_leads(c, &v6, lan, 63000), ROUTE_THERE);
	assert_true(netns_ip("link set lan0 down"));
	assert_int_equal(route_leads(c, &v6, lan, 64000), ROUTE_ELSEWHERE);
	route_close(c);
	wan_close(w);
}

static unsigned spoof(struct route *c, uint32_t ifindex, unsigned n, uint64_t now_ms)
{
	static uint32_t next;
	unsigned asked = 0;

	for (; n > 0; n--) {
		struct in6_addr a = codec_from_v4(0xc6120000 + next++ % 0x20000);

		asked += route_leads(c, &a, ifindex, now_ms) == ROUTE_ELSEWHERE;
	}
	return asked;
}

/* A flood of sources that belong elsewhere: the kernel is not asked about each, and clients stay known. */
static void spoofed_sources(void **state)
{
	struct wan *w = lan_and_wan();
	struct in6_addr a = at("203.0.113.9"), late = at("203.0.113.10");
	struct route *c;
	uint32_t lan;

	(void)state;
	if (!w)
		skip();
	lan = wan_ifindex(w, "lan0");
	assert_true(netns_ip("route add 203.0.113.0/24 via 192.0.2.11"));
	assert_int_equal(route_open(&c), 0);
	assert_int_equal(route_leads(c, &a, lan, 1000), ROUTE_THERE);
	assert_int_equal(spoof(c, lan, 100000, 1000), 4999);
	/* whoever was there is believed for a minute, however many come */
	assert_int_equal(spoof(c, lan, 100, 1001), 50);
	for (uint64_t now_ms = 2000; now_ms < 61000; now_ms += 5000) {
		assert_int_equal(spoof(c, lan, 8000, now_ms), 5000);
		assert_int_equal(route_leads(c, &a, lan, now_ms), ROUTE_THERE);
	}
	assert_int_equal(spoof(c, lan, 6000, 61000), 5000);
	assert_int_equal(route_leads(c, &a, lan, 61000), ROUTE_UNASKED);
	assert_int_equal(route_leads(c, &late, lan, 61000), ROUTE_UNASKED);
	/* and asked for again when there is time */
	assert_int_equal(route_leads(c, &a, lan, 61001), ROUTE_THERE);
	assert_int_equal(route_leads(c, &late, lan, 61001), ROUTE_THERE);
	route_close(c);
	wan_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(private_addresses),
	    cmocka_unit_test(interfaces),
	    cmocka_unit_test(primary),
	    cmocka_unit_test(changes),
	    cmocka_unit_test(comes_and_goes),
	    cmocka_unit_test(externals),
	    cmocka_unit_test(routes),
	    cmocka_unit_test(spoofed_sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
