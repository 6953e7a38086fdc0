/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/neighbour.h"

#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"
#include "server/io/netlink.h"
#include "tests/unit/io/netns.h"

static struct in6_addr at(const char *text)
{
	struct in6_addr a;

	assert_true(codec_address_parse(text, strlen(text), &a));
	return a;
}

/* The kernel has one table for all namespaces, and throws out of a full one what it could learn again: not these. */
#define SOMEBODY "lladdr 02:00:00:00:00:11 nud permanent"
#define NOBODY	 "nud failed extern_learn"

/* In both networks of lan0: somebody is .11 (::b), nobody is .12 (::c). */
static bool lan(void)
{
	if (!netns_enter() || !netns_ip("link add lan0 type veth peer name lan0p"))
		return false;
	assert_true(netns_ip("addr add 192.0.2.1/24 dev lan0"));
	assert_true(netns_ip("addr add 192.0.2.2/24 dev lan0"));
	assert_true(netns_ip("addr add 2001:db8:1::1/64 dev lan0 nodad"));
	assert_true(netns_ip("link set lan0p up"));
	assert_true(netns_ip("link set lan0 up"));
	assert_true(netns_ip("neigh replace 192.0.2.11 " SOMEBODY " dev lan0"));
	assert_true(netns_ip("neigh replace 2001:db8:1::b " SOMEBODY " dev lan0"));
	assert_true(netns_ip("neigh replace 192.0.2.12 " NOBODY " dev lan0"));
	assert_true(netns_ip("neigh replace 2001:db8:1::c " NOBODY " dev lan0"));
	return true;
}

static void macs(void **state)
{
	static const struct conf_mac expected = {{2, 0, 0, 0, 0, 0x11}};
	static const char *const known[] = {"192.0.2.11", "2001:db8:1::b"};
	static const char *const unknown[] = {"192.0.2.12", "192.0.2.13", "2001:db8:1::c", "2001:db8:1::d"};
	struct conf_mac mac;
	uint32_t lan0;

	(void)state;
	if (!lan())
		skip();
	lan0 = if_nametoindex("lan0");
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		struct in6_addr a = at(known[i]);

		assert_int_equal(neighbour_mac(lan0, &a, &mac), 0);
		assert_memory_equal(&mac, &expected, sizeof(mac));
		assert_true(neighbour_mac(if_nametoindex("lan0p"), &a, &mac) < 0);
	}
	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
		struct in6_addr a = at(unknown[i]);

		assert_true(neighbour_mac(lan0, &a, &mac) < 0);
	}
}

struct way {
	const char *interface; /* NULL: as routed */
	const char *source, *destination;
	bool missing;
};

static void check(const struct way *v, size_t n)
{
	struct netlink kernel = {0};

	for (size_t i = 0; i < n; i++) {
		struct in6_addr source = at(v[i].source), destination = at(v[i].destination);
		uint32_t ifindex = v[i].interface ? if_nametoindex(v[i].interface) : 0;

		if (neighbour_missing(&kernel, ifindex, &source, &destination) != v[i].missing)
			fail_msg("from %s to %s by %s: %s", v[i].source, v[i].destination,
				 v[i].interface ? v[i].interface : "any", v[i].missing ? "not missing" : "missing");
	}
	netlink_close(&kernel);
}

/* Hosts of the link; one that nobody has looked for yet is not missing. */
static void hosts(void **state)
{
	static const struct way ways[] = {
	    {"lan0", "192.0.2.1", "192.0.2.11", false},
	    {"lan0", "192.0.2.1", "192.0.2.12", true},
	    {"lan0", "192.0.2.1", "192.0.2.13", false},
	    {"lan0", "2001:db8:1::1", "2001:db8:1::b", false},
	    {"lan0", "2001:db8:1::1", "2001:db8:1::c", true},
	    {"lan0", "2001:db8:1::1", "2001:db8:1::d", false},
	    {"lan0", "fe80::1", "fe80::b", false},
	    {"lan0", "fe80::1", "fe80::c", true},
	    {"lan0", "0.0.0.0", "192.0.2.12", true},
	    {"lan0", "::", "2001:db8:1::c", true},
	    {NULL, "192.0.2.1", "192.0.2.12", true},
	    {NULL, "2001:db8:1::1", "2001:db8:1::c", true},
	    {"lan0p", "192.0.2.1", "192.0.2.12", false},
	};

	(void)state;
	if (!lan())
		skip();
	assert_true(netns_ip("addr add fe80::1/64 dev lan0 nodad"));
	assert_true(netns_ip("neigh replace fe80::b " SOMEBODY " dev lan0"));
	assert_true(netns_ip("neigh replace fe80::c " NOBODY " dev lan0"));
	check(ways, sizeof(ways) / sizeof(*ways));
}

/* Hosts behind routers of the link: the router is looked for. */
static void routers(void **state)
{
	static const struct way ways[] = {
	    {"lan0", "192.0.2.1", "203.0.113.9", false},
	    {"lan0", "192.0.2.1", "203.0.113.129", true},
	    {NULL, "192.0.2.1", "203.0.113.129", true},
	    /* routes of IPv4 by routers of IPv6 */
	    {"lan0", "192.0.2.1", "198.18.0.9", false},
	    {"lan0", "192.0.2.1", "198.18.1.9", true},
	    {"lan0", "2001:db8:1::1", "2001:db8:2::9", false},
	    {"lan0", "2001:db8:1::1", "2001:db8:3::9", true},
	    {"lan0", "2001:db8:1::1", "2001:db8:4::9", true},
	};

	(void)state;
	if (!lan())
		skip();
	assert_true(netns_ip("neigh replace fe80::c " NOBODY " dev lan0"));
	assert_true(netns_ip("route add 203.0.113.0/25 via 192.0.2.11"));
	assert_true(netns_ip("route add 203.0.113.128/25 via 192.0.2.12"));
	assert_true(netns_ip("route add 198.18.0.0/24 via inet6 2001:db8:1::b dev lan0"));
	assert_true(netns_ip("route add 198.18.1.0/24 via inet6 fe80::c dev lan0"));
	assert_true(netns_ip("route add 2001:db8:2::/64 via 2001:db8:1::b"));
	assert_true(netns_ip("route add 2001:db8:3::/64 via 2001:db8:1::c"));
	assert_true(netns_ip("route add 2001:db8:4::/64 via fe80::c dev lan0"));
	check(ways, sizeof(ways) / sizeof(*ways));
}

/* The way is that of what is sent: from this source, by this interface. */
static void choices(void **state)
{
	static const struct way ways[] = {
	    {"lan0", "192.0.2.1", "203.0.113.9", false},       {"lan0", "192.0.2.2", "203.0.113.9", true},
	    {NULL, "198.51.100.1", "198.18.0.9", false},       {"lan0", "198.51.100.1", "198.18.0.9", false},
	    {"lan1", "198.51.100.1", "198.18.0.9", true},      {NULL, "2001:db8:5::1", "2001:db8:2::9", false},
	    {"lan0", "2001:db8:5::1", "2001:db8:2::9", false}, {"lan1", "2001:db8:5::1", "2001:db8:2::9", true},
	};

	(void)state;
	if (!lan())
		skip();
	assert_true(netns_ip("link add lan1 type veth peer name lan1p"));
	assert_true(netns_ip("addr add 198.51.100.1/24 dev lan1"));
	assert_true(netns_ip("addr add 2001:db8:5::1/64 dev lan1 nodad"));
	assert_true(netns_ip("link set lan1p up"));
	assert_true(netns_ip("link set lan1 up"));
	assert_true(netns_ip("neigh replace 198.51.100.9 " NOBODY " dev lan1"));
	assert_true(netns_ip("neigh replace 2001:db8:5::9 " NOBODY " dev lan1"));
	assert_true(netns_ip("route add 203.0.113.0/24 via 192.0.2.11"));
	assert_true(netns_ip("route add 203.0.113.0/24 via 192.0.2.12 table 100"));
	assert_true(netns_ip("rule add from 192.0.2.2 lookup 100"));
	assert_true(netns_ip("route add 198.18.0.0/24 via 192.0.2.11 metric 1"));
	assert_true(netns_ip("route add 198.18.0.0/24 via 198.51.100.9 metric 2"));
	assert_true(netns_ip("route add 2001:db8:2::/64 via 2001:db8:1::b metric 1"));
	assert_true(netns_ip("route add 2001:db8:2::/64 via 2001:db8:5::9 metric 2"));
	check(ways, sizeof(ways) / sizeof(*ways));
}

/* Where the kernel tells no way, what it knows of the host itself counts. */
static void no_way(void **state)
{
	static const struct way ways[] = {
	    {"lan0", "192.0.2.1", "203.0.113.9", true},	      {"lan0", "192.0.2.1", "203.0.113.8", false},
	    {"lan0", "198.51.100.1", "192.0.2.12", true},     {"lan0", "198.51.100.1", "192.0.2.11", false},
	    {"lan0", "2001:db8:1::1", "2001:db8:2::9", true}, {"lan0", "2001:db8:1::1", "2001:db8:2::8", false},
	    {NULL, "192.0.2.1", "203.0.113.9", false},
	};

	(void)state;
	if (!lan())
		skip();
	assert_true(netns_ip("neigh replace 203.0.113.9 " NOBODY " dev lan0"));
	assert_true(netns_ip("neigh replace 2001:db8:2::9 " NOBODY " dev lan0"));
	assert_true(netns_ip("route add unreachable 203.0.113.0/24"));
	check(ways, sizeof(ways) / sizeof(*ways));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(macs),    cmocka_unit_test(hosts),	 cmocka_unit_test(routers),
	    cmocka_unit_test(choices), cmocka_unit_test(no_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
