/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a configuration must be as a whole. */
#include "conf/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Two lines that every text needs and most have, so that what follows them begins in line 3. */
#define BASE                                                                                                           \
	"external wan { interface = wan0 }\n"                                                                          \
	"listen lan { interfaces = lan0 }\n"

static void test_taken(void **state)
{
	static const char *const texts[] = {
	    BASE,
	    /* the order of the sections is free */
	    "listen lan { interfaces = lan0 external = wan }\nexternal wan { interface = wan0 }",
	    /* a pool, of both families */
	    "external wan { addresses = { 198.51.100.8/29, 2001:db8::1 } }\nlisten lan { interfaces = lan0 }",
	    "external wan { addresses = { 198.51.96.0/20 } }\nlisten lan { interfaces = lan0 }",
	    /* two externals share an interface if their pools differ */
	    "external a { interface = wan0 addresses = 198.51.100.1 }\n"
	    "external b { interface = wan0 addresses = 198.51.100.2 }\n"
	    "listen lan { interfaces = lan0 external = b }",
	    "external a { interface = wan0 }\nexternal b { interface = wan1 }\n"
	    "listen lan { interfaces = { lan0, lan1 } external = b }\nlisten dmz { interfaces = dmz0 external = a }",
	    "external wan { interface = wan0 }\nlisten l { addresses = { 127.0.0.1, ::1 } }",
	    /* names are unique among their kind only */
	    BASE "rule lan { action = allow }\n"
		 "static lan { protocol = tcp external-port = 80 to = 192.0.2.1:80 }\n",
	    BASE "rule a { action = allow interfaces = lan0 lifetime-max = 120 }",
	    BASE "rule a { action = allow wildcard = true }\nrule b { action = deny wildcard = false }",
	    /* bound to addresses, the interfaces of requests are not known */
	    "external wan { interface = wan0 }\nlisten l { addresses = 127.0.0.1 }\n"
	    "rule a { action = allow interfaces = lo }",
	    BASE "listen l { addresses = 127.0.0.1 }\nrule a { action = allow interfaces = lo }",
	    /* both families on one port; other protocols; another external; many hosts in IPv6 */
	    BASE "static a { protocol = tcp external-port = 80 to = 192.0.2.1:8080 }\n"
		 "static b { protocol = tcp external-port = 80 to = [2001:db8::1]:80 }\n"
		 "static c { protocol = tcp external-port = 80 to = [2001:db8::2]:80 }\n"
		 "static d { protocol = udp external-port = "
		 "80 to = 192.0.2.1:8080 }",
	    "external a { interface = wan0 }\nexternal b { interface = wan1 }\n"
	    "listen lan { interfaces = lan0 external = b }\n"
	    "static a { protocol = tcp external-port = 80 to = 192.0.2.1:80 }\n"
	    "static b { protocol = tcp external = b external-port = 80 to = 192.0.2.2:80 }\n",
	    /* reserved ports are for those who ask, not for the operator; 5351 is reserved in UDP only */
	    BASE "reserved-ports { tcp = 80 }\n"
		 "static a { protocol = tcp external-port = 80 to = 192.0.2.1:80 }\n",
	    BASE "static a { protocol = tcp external-port = 5351 to = 192.0.2.1:80 }\n",
	    /* a pool of IPv4 addresses says nothing about IPv6 through the interface */
	    "external wan { interface = wan0 addresses = 198.51.100.1 }\nlisten lan { interfaces = lan0 }\n"
	    "static a { protocol = tcp external-port = 80 to = [2001:db8::1]:80 }\n",
	    "external wan { interface = wan0 nat = false ports = 1-100 }\nlisten lan { interfaces = lan0 }\n"
	    "static a { protocol = tcp external-port = 443 to = 203.0.113.1:443 }\n"
	    "static b { protocol = tcp external-port = 443 to = 203.0.113.2:443 }\n",
	    BASE "hook a { exec = \"/bin/true\" events = made }\nhook b { exec = \"/x\" events = { refused, external } "
		 "timeout = 1m }",
	    BASE "lifetime { min = 60 max = 60 }",
	    BASE "backend { mark = 0x20000000 hairpin-mark = 0x10000000 }",
	    BASE "backend { forward-chain = \"ip natpcpd forward\" }",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		char why[CONF_LOCATION_MAX];
		struct conf *c = conf_parse(texts[i], strlen(texts[i]), "f", why);

		if (!c)
			fail_msg("%s\n%s", texts[i], why);
		assert_string_equal(why, "");
		conf_free(c);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
	    /* what must be there, and once */
	    {"", "f:1: external: there is no such section; it names the interface to the outside"},
	    {"log { }\n\n", "f:3: external: there is no such section; it names the interface to the outside"},
	    {"external wan { interface = wan0 }\n",
	     "f:2: listen: there is no such section; it names the inside interfaces"},
	    {BASE "external wan { interface = wan1 }", "f:3: external \"wan\": the name stands twice, first in line 1"},
	    {BASE "listen lan { interfaces = lan1 }", "f:3: listen \"lan\": the name stands twice, first in line 2"},
	    {BASE "rule b { action = deny }\nrule a { action = deny }\nrule c { action = deny }\n"
		  "rule a { action = deny }\nrule b { action = deny }",
	     "f:6: rule \"a\": the name stands twice, first in line 4"},
	    {BASE "static a { protocol = tcp external-port = 80 to = 192.0.2.1:80 }\n"
		  "static a { protocol = tcp external-port = 81 to = 192.0.2.1:81 }\n",
	     "f:4: static \"a\": the name stands twice, first in line 3"},

	    /* external */
	    {"external wan {\n nat = true }\nlisten lan { interfaces = lan0 }",
	     "f:1: external \"wan\": interface: is missing (or addresses)"},
	    {BASE "external b {\n interface = wan0 }",
	     "f:4: external \"b\": interface: \"wan0\": is already that of external \"wan\""},
	    {"external wan { addresses = 0.0.0.0 }\nlisten lan { interfaces = lan0 }",
	     "f:1: external \"wan\": addresses: an outside address is that of a host"},
	    {"external wan { addresses = 224.0.0.0/30 }\nlisten lan { interfaces = lan0 }",
	     "f:1: external \"wan\": addresses: an outside address is that of a host"},
	    {"external wan { addresses = ff02::1 }\nlisten lan { interfaces = lan0 }",
	     "f:1: external \"wan\": addresses: an outside address is that of a host"},
	    {"external wan { addresses = 198.18.0.0/15 }\nlisten lan { interfaces = lan0 }",
	     "f:1: external \"wan\": addresses: more than 4096 addresses"},
	    {"external wan { addresses = 2001:db8::/64 }\nlisten lan { interfaces = lan0 }",
	     "f:1: external \"wan\": addresses: more than 4096 addresses"},
	    {"external wan { addresses = { 198.51.96.0/20, 203.0.113.1 } }\nlisten lan { interfaces = lan0 }",
	     "f:1: external \"wan\": addresses: more than 4096 addresses"},
	    {"external wan { addresses = { 198.51.100.9, 198.51.100.8/29 } }\nlisten lan { interfaces = lan0 }",
	     "f:1: external \"wan\": addresses: an address is given twice, also in external \"wan\""},
	    {"external a { addresses = 198.51.100.8/29 }\nexternal b {\n addresses = 198.51.100.12/30 }\n"
	     "listen lan { interfaces = lan0 external = a }",
	     "f:3: external \"b\": addresses: an address is given twice, also in external \"a\""},

	    /* listen */
	    {"external wan { interface = wan0 }\nlisten lan {\n pcp = true }",
	     "f:2: listen \"lan\": interfaces: is missing"},
	    {"external wan { interface = wan0 }\nlisten lan { interfaces = lan0\n addresses = 127.0.0.1 }",
	     "f:3: listen \"lan\": addresses: takes the place of interfaces, give one of them"},
	    {"external wan { interface = wan0 }\nlisten lan { interfaces = lan0\n external = lan }",
	     "f:3: listen \"lan\": external: \"lan\": there is no external section of that name"},
	    {"external a { interface = wan0 }\nexternal b { interface = wan1 }\nlisten lan { interfaces = lan0 }",
	     "f:3: listen \"lan\": external: is missing; there are several external sections"},
	    {"external wan { interface = wan0 }\nlisten lan {\n interfaces = { lan0, wan0 } }",
	     "f:3: listen \"lan\": interfaces: \"wan0\": is outside, in external \"wan\""},
	    {"listen lan {\n interfaces = { lan0, wan0 } }\nexternal wan { interface = wan0 }\n",
	     "f:2: listen \"lan\": interfaces: \"wan0\": is outside, in external \"wan\""},
	    {BASE "listen b {\n interfaces = { lan1, lan0 } }",
	     "f:4: listen \"b\": interfaces: \"lan0\": stands already in listen \"lan\""},
	    {"external wan { interface = wan0 }\nlisten l { addresses = 0.0.0.0 }",
	     "f:2: listen \"l\": addresses: \"0.0.0.0\": not an address of this host"},
	    {"external wan { interface = wan0 }\nlisten l { addresses = { ::1, 224.0.0.1 } }",
	     "f:2: listen \"l\": addresses: \"224.0.0.1\": not an address of this host"},
	    {"external wan { interface = wan0 }\nlisten l { addresses = { ::1, 127.0.0.1, ::1 } }",
	     "f:2: listen \"l\": addresses: \"::1\": stands already in listen \"l\""},
	    {"external wan { interface = wan0 }\nlisten l { addresses = ::1 }\nlisten m { addresses = ::1 }",
	     "f:3: listen \"m\": addresses: \"::1\": stands already in listen \"l\""},

	    {"external a { interface = wan0 }\nexternal b { interface = wan1 }\n"
	     "listen lan { interfaces = wan1 external = a }",
	     "f:3: listen \"lan\": interfaces: \"wan1\": is outside, in external \"b\""},
	    {BASE "listen b { interfaces = lan1 }\nlisten c { interfaces = lan1 }",
	     "f:4: listen \"c\": interfaces: \"lan1\": stands already in listen \"b\""},
	    {BASE "listen b { interfaces = { lan1, lan2 } }\nlisten c { interfaces = lan2 }",
	     "f:4: listen \"c\": interfaces: \"lan2\": stands already in listen \"b\""},
	    {"external wan { interface = wan0 }\nlisten l { addresses = ::1 }\nlisten m { addresses = 127.0.0.1 }\n"
	     "listen n { addresses = 127.0.0.1 }",
	     "f:4: listen \"n\": addresses: \"127.0.0.1\": stands already in listen \"m\""},
	    {"external a { addresses = 198.51.100.1 }\nexternal b { addresses = 198.51.100.2 }\n"
	     "external c { addresses = 198.51.100.2 }\nlisten lan { interfaces = lan0 external = a }",
	     "f:3: external \"c\": addresses: an address is given twice, also in external \"b\""},
	    {BASE
	     "rule b { action = deny }\nrule a { action = deny }\nrule a { action = deny }\nrule a { action = deny }",
	     "f:5: rule \"a\": the name stands twice, first in line 4"},

	    /* rule */
	    {BASE "rule a { action = allow\n interfaces = { lan0, lan1 } }",
	     "f:4: rule \"a\": interfaces: \"lan1\": no listen section has this interface"},
	    {BASE "rule a { action = deny\n wildcard = true }",
	     "f:4: rule \"a\": wildcard: has a meaning only in a rule that allows"},
	    {BASE "rule a { action = deny\n preset = home }",
	     "f:4: rule \"a\": preset: has a meaning only in a rule that allows"},
	    {BASE "rule a { action = deny\n reject-ports = 445 }",
	     "f:4: rule \"a\": reject-ports: has a meaning only in a rule that allows"},
	    {BASE "rule a { action = deny\n mappings-total = 9 }",
	     "f:4: rule \"a\": mappings-total: has a meaning only in a rule that allows"},
	    {BASE "rule a {\n preset = guest }\nlifetime { min = 2h }",
	     "f:3: rule \"a\": lifetime-max: is less than min of section \"lifetime\", 7200; the rule has it from its "
	     "preset, unless it says so itself"},
	    {BASE "rule a { preset = office }",
	     "f:3: rule \"a\": preset: \"office\": not one of \"home\", \"guest\", \"gaming\""},
	    {BASE "rule a { action = allow\n lifetime-max = 60 }",
	     "f:4: rule \"a\": lifetime-max: is less than min of section \"lifetime\", 120"},

	    /* static */
	    {BASE "static a { protocol = tcp external-port = 80 to = 192.0.2.1:80\n external = lan }\n",
	     "f:4: static \"a\": external: \"lan\": there is no external section of that name"},
	    {BASE "static a { protocol = 47\n external-port = 80 to = 192.0.2.1:80 }",
	     "f:3: static \"a\": protocol: a protocol without ports"},
	    {BASE "static a { protocol = tcp external-port = 80\n to = 0.0.0.0:80 }\n",
	     "f:4: static \"a\": to: not the address of a host"},
	    {BASE "static a { protocol = tcp external-port = 80 to = [ff02::1]:80 }\n",
	     "f:3: static \"a\": to: not the address of a host"},
	    {BASE "static a { protocol = tcp external-port = 80 to = [2001:db8::1]:81 }\n",
	     "f:3: static \"a\": to: nothing is translated here: the port must be external-port, 80"},
	    {"external wan { interface = wan0 nat = no }\nlisten lan { interfaces = lan0 }\n"
	     "static a { protocol = tcp external-port = 80 to = 192.0.2.1:81 }\n",
	     "f:3: static \"a\": to: nothing is translated here: the port must be external-port, 80"},
	    {"external wan { addresses = 198.51.100.1 }\nlisten lan { interfaces = lan0 }\n"
	     "static a { protocol = tcp external-port = 80 to = [2001:db8::1]:80 }\n",
	     "f:3: static \"a\": to: is IPv6, but there is no such address in external \"wan\""},
	    {"external wan { interface = wan0 addresses = 2001:db8::1 }\nlisten lan { interfaces = lan0 }\n"
	     "static a { protocol = tcp external-port = 80 to = 192.0.2.1:80 }\n",
	     "f:3: static \"a\": to: is IPv4, but there is no such address in external \"wan\""},
	    {BASE "static a { protocol = udp\n external-port = 5350 to = 192.0.2.1:80 }",
	     "f:4: static \"a\": external-port: UDP ports 5350 and 5351 are those of NAT-PMP and PCP themselves"},
	    {BASE "static a { protocol = 17\n external-port = 5351 to = 192.0.2.1:80 }",
	     "f:4: static \"a\": external-port: UDP ports 5350 and 5351 are those of NAT-PMP and PCP themselves"},
	    {"external wan { interface = wan0 ports = { 1024-2047, 4096 } }\nlisten lan { interfaces = lan0 }\n"
	     "static a { protocol = tcp \n external-port = 443 to = 192.0.2.1:443 }\n",
	     "f:4: static \"a\": external-port: 443: is not in ports of external \"wan\""},
	    {BASE "static a { protocol = tcp external-port = 443 to = 192.0.2.1:443 }\n"
		  "static b { protocol = tcp external-port = 444 to = 192.0.2.2:443 }\n"
		  "static c { protocol = tcp external-port = 444 to = 192.0.2.3:443 external = wan }\n"
		  "static d { protocol = tcp external-port = 443 to = 192.0.2.4:443 }\n",
	     "f:5: static \"c\": external-port: 444: is already mapped by static \"b\""},
	    {BASE "static a { protocol = tcp external-port = 443 to = 192.0.2.1:443 }\n"
		  "static b { protocol = tcp external-port = 444 to = 192.0.2.1:443 }\n",
	     "f:4: static \"b\": to: the same inside address and port as in static \"a\""},
	    {BASE "static a { protocol = tcp external-port = 443 to = [2001:db8::1]:443 }\n"
		  "static b { protocol = tcp external-port = 443 to = [2001:db8::1]:443 }\n",
	     "f:4: static \"b\": to: the same inside address and port as in static \"a\""},

	    /* hook */
	    {BASE "hook a { events = made }", "f:3: hook \"a\": exec: is missing"},
	    {BASE "hook a { exec = \"/x\" }", "f:3: hook \"a\": events: is missing"},
	    {BASE "hook a { exec = \"x\"\n events = made }",
	     "f:3: hook \"a\": exec: \"x\": not a path that begins with \"/\""},
	    {BASE "hook a { exec = \"/\" }", "f:3: hook \"a\": exec: \"/\": not a path that begins with \"/\""},
	    {BASE "hook a { exec = \"/x\" events = { } }",
	     "f:3: hook \"a\": events: an empty list; leave the key out if nothing is to be said"},
	    {BASE "hook a { exec = \"/x\" events = { made, mad } }",
	     "f:3: hook \"a\": events: \"mad\": not one of \"made\", \"renewed\", \"ended\", \"moved\", \"adopted\", "
	     "\"refused\", \"external\", \"reload\""},
	    {BASE "hook a { exec = \"/x\" events = made timeout = 0 }",
	     "f:3: hook \"a\": timeout: \"0\": not between 1 and 3600 seconds"},
	    {BASE "hook a { exec = \"/x\" events = made }\nhook a { exec = \"/y\" events = made }",
	     "f:4: hook \"a\": the name stands twice, first in line 3"},

	    /* sections that stand once */
	    {BASE "lifetime { min = 600 max = 300 }", "f:3: lifetime: min: 600: is more than max, 300"},
	    {BASE "lifetime { min = 100000 }", "f:3: lifetime: min: 100000: is more than max, 86400"},
	    {BASE "lifetime {\n min = 600\n max = 300 }", "f:5: lifetime: max: 300: is less than min, 600"},
	    {BASE "lifetime {\n max = 60 }", "f:4: lifetime: max: 60: is less than min, 120"},
	    {BASE "backend {\n mark = 0x20000000 }", "f:4: backend: mark: is the same bit as hairpin-mark"},
	    {BASE "backend {\n mark = 4\n hairpin-mark = 4 }", "f:5: backend: hairpin-mark: is the same bit as mark"},
	    {BASE "backend {\n table = \"inet x\"\n forward-chain = { \"ip x forward\", \"inet x forward\" } }",
	     "f:5: backend: forward-chain: a chain of yours is needed, not one of the daemon's own table"},
	    {BASE "backend {\n table = \"inet x\"\n forward-chain = \"inet x forward\" }",
	     "f:5: backend: forward-chain: a chain of yours is needed, not one of the daemon's own table"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char why[CONF_LOCATION_MAX];
		struct conf *c = conf_parse(cases[i].text, strlen(cases[i].text), "f", why);

		if (c)
			fail_msg("taken: %s", cases[i].text);
		if (strcmp(why, cases[i].why))
			fail_msg("%s\nis       %s\ninstead  %s", cases[i].text, why, cases[i].why);
	}
}

/* Indexes of leases have limits: a lease keeps its external in 8 bits, its rule in 16. */
static void test_many(void **state)
{
	static const struct {
		const char *kind, *inside;
		unsigned most;
		const char *told;
	} cases[] = {
	    {"external", "interface = e", 255, "f:256: external \"e255\": more than 255 sections"},
	    {"rule", "action = deny", 65535, "f:65537: rule \"e65535\": more than 65535"},
	    {"hook", "exec = \"/x\" events = made", 32, "f:34: hook \"e32\": more than 32 sections"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (unsigned n = cases[i].most; n <= cases[i].most + 1; n++) {
			char *text = malloc((size_t)n * 64 + 256), *at = text, why[CONF_LOCATION_MAX];
			bool externals = i == 0;
			struct conf *c;

			assert_non_null(text);
			at += sprintf(at, externals ? "" : "external e0 { interface = e0 }\n");
			for (unsigned k = 0; k < n; k++)
				at += externals ? sprintf(at, "%s e%u { %s%u }\n", cases[i].kind, k, cases[i].inside, k)
						: sprintf(at, "%s e%u { %s }\n", cases[i].kind, k, cases[i].inside);
			at += sprintf(at, "listen l { interfaces = lan external = e0 }\n");
			c = conf_parse(text, (size_t)(at - text), "f", why);
			free(text);
			if (n == cases[i].most) {
				assert_non_null(c);
				conf_free(c);
			} else {
				assert_null(c);
				assert_non_null(strstr(why, cases[i].told));
			}
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_taken),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
