/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Syntax, sections and keys: what is taken, and what is said about the rest. */
#include "conf/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_taken(void **state)
{
	static const char *const texts[] = {
	    "",
	    "\n\n",
	    "\xef\xbb\xbf# with a byte order mark\n",
	    "\xef\xbb\xbf",
	    "# no newline at the end",
	    "// a comment",
	    "/* a comment */ /* and\n one * over / lines **/",
	    "log{level=info target=syslog}",
	    "log {\r\n\tlevel = info\r\n}\r\n",
	    "log { level = \"info\" }",
	    "log { level = 'info' }",
	    "log { level = info# comment\n}",
	    "log { level = info } # comment",
	    "log { # comment\n level /* here */ = // there\n info }",
	    "rule x { action = allow }",
	    "rule \"x\" { action = allow } rule \"y\" { action = deny }",
	    "rule x { action = allow clients = { 192.0.2.0/24, 2001:db8::/32 } }",
	    "rule x { action = allow clients = { 192.0.2.0/24, } }",
	    "rule x { action = allow clients = 192.0.2.0/24 }",
	    "rule x { action = allow macs = { 00:11:22:33:44:55 } internal-ports = { 1-2,3, 4 } }",
	    "reserved-ports { tcp = { } udp = {} }",
	    "static x { protocol = 17 external-port = 53 to = [2001:db8::1]:53 }",
	    "journal { path = /var/lib/leases }",
	    "journal { path = \"/tmp/\\\"a\\\\b\\\"\" }",
	    "journal { path = \"a\\\nb\" }",
	    "journal { path = \"http://x/*#\" }",
	    "journal { path = \"\xc3\xa4\" }",
	    "process { user = a234567890123456789012345678901 }",
	    "lifetime { min = 2m max = 1d hold = 0 }",
	    "backend { forward-chain = \"ip6 filter FORWARD\" table = \"inet  my_table\" on-exit = clear }",
	    "backend { forward-chain = \"\" }",
	    "backend { forward-chain = { } }",
	    "backend { forward-chain = { \"ip filter FORWARD\", \"ip6 filter FORWARD\", } }",
	    "backend { forward-chain = { \"ip a a\", \"ip a b\", \"ip a c\", \"ip a d\", \"ip a e\", \"ip a f\", \"ip "
	    "a g\", "
	    "\"ip a h\" } }",
	    "external \"a b\" { interface = wan0 ports = { 5-6, 1-2, 3-4 } private-address = refuse nat = off }",
	    "listen x { nonce-check = same-address pcp = no }",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		char why[CONF_LOCATION_MAX];
		struct parse p;

		if (!parse_text(&p, texts[i], strlen(texts[i]), "f", why))
			fail_msg("%s\n%s", texts[i], why);
		parse_clear(&p);
	}
}

static const struct {
	const char *text, *why;
} refused[] = {
    /* words */
    {"external \"wan\" {\n  interface = \"wan0\n}",
     "f:2: external \"wan\": interface: string without its closing quote in this line (column 15)"},
    {"log { level = \"info", "f:1: log: level: string without its closing quote (column 15)"},
    {"log { level = \"info\\", "f:1: log: level: string without its closing quote (column 15)"},
    {"log { level = 'info\n' }", "f:1: log: level: string without its closing quote in this line (column 15)"},
    {"log {\n} /* open\n\n", "f:2: syntax: comment without \"*/\" (column 3)"},
    {"log { level = \"\\q\" }",
     "f:1: log: level: unknown escape (there are \\\\ \\\" \\' \\xHH and \\OOO) (column 16)"},
    {"log { level = \"\\x\" }",
     "f:1: log: level: unknown escape (there are \\\\ \\\" \\' \\xHH and \\OOO) (column 16)"},
    {"log { level = \"\\777\" }",
     "f:1: log: level: unknown escape (there are \\\\ \\\" \\' \\xHH and \\OOO) (column 16)"},
    {"journal { path = \"a\\x0ab\" }", "f:1: journal: path: string with a control character (column 18)"},
    {"journal { path = \"a\\0b\" }", "f:1: journal: path: string with a control character (column 18)"},
    {"journal { path = \"a\tb\" }", "f:1: journal: path: string with a control character (column 18)"},
    {"journal { path = \"\\xff\" }", "f:1: journal: path: string that is not UTF-8 (column 18)"},
    {"# \xff\n", "f:1: syntax: not UTF-8 (column 3)"},
    {"log {}\n\xc3\xa4\xc3\xa4 \xc3", "f:2: syntax: not UTF-8 (column 4)"},
    {"log { level = \"\xc3\xa4\xc3\xa4\" x",
     "f:1: log: level: \"\xc3\xa4\xc3\xa4\": not one of \"error\", \"warning\", "
     "\"info\", \"debug\""},
    {"log { /* \xc3\xa4 */ \x01 }", "f:1: log: a control character (column 15)"},
    {"log { level = info; }", "f:1: log: no \";\" is needed (column 19)"},
    {"log { level = (info) }", "f:1: log: level: a character that must stand in quotes (column 15)"},
    {"log { level = info//x\n}",
     "f:1: log: level: a comment without a space before it, or a word that needs quotes (column 19)"},

    /* sections */
    {"}", "f:1: syntax: expected the name of a section, found \"}\" (column 1)"},
    {"\n\"log\" { }", "f:2: syntax: expected the name of a section, found \"log\" (column 1)"},
    {"rulee \"x\" { }", "f:1: \"rulee\": unknown section, did you mean \"rule\"?"},
    {"listener { }", "f:1: \"listener\": unknown section, did you mean \"listen\"?"},
    {"interface = wan0", "f:1: \"interface\": unknown section, it is a key of section \"external\""},
    {"something { }", "f:1: \"something\": unknown section"},
    {"rule { action = allow }", "f:1: rule: expected a name in quotes, found \"{\" (column 6)"},
    {"rule \"\" { action = allow }", "f:1: rule: \"\": a name has 1 to 63 octets"},
    {"rule 1234567890123456789012345678901234567890123456789012345678901234 { }",
     "f:1: rule: \"1234567890123456789012345678901234567890123456789012345678901234\": a name has 1 to 63 octets"},
    {"rule a b { }", "f:1: rule: expected \"{\", found \"b\" (column 8)"},
    {"rule a", "f:1: rule: expected \"{\", found the end of the file (column 7)"},
    {"rule", "f:1: rule: expected a name in quotes, found the end of the file (column 5)"},
    {"log \"x\" { }", "f:1: log: expected \"{\", found \"x\" (column 5)"},
    {"log = info", "f:1: log: expected \"{\", found \"=\" (column 5)"},
    {"log { }\n\nlog { }", "f:3: log: this section stands twice, first in line 1"},
    {"\nlog {\n level = info\n", "f:2: log: \"}\" is missing for the \"{\" in this line"},
    {"rule \"a\" {\n action = allow\n\nrule \"b\" { }",
     "f:4: rule \"a\": rule: a section cannot stand in a section; is a \"}\" missing for the \"{\" of line 1?"},
    {"log { } }", "f:1: syntax: expected the name of a section, found \"}\" (column 9)"},

    /* keys */
    {"rule \"hosts\" { external-prots = { 1 } }",
     "f:1: rule \"hosts\": \"external-prots\": unknown key, did you mean \"external-ports\"?"},
    {"listen x { interface = lan0 }", "f:1: listen \"x\": \"interface\": unknown key, did you mean \"interfaces\"?"},
    {"listen x { nat_pmp = on }", "f:1: listen \"x\": \"nat_pmp\": unknown key, did you mean \"nat-pmp\"?"},
    {"limits {\n  clients = 5 }", "f:2: limits: \"clients\": unknown key, it is a key of section \"rule\""},
    {"log { foobar = 5 }", "f:1: log: \"foobar\": unknown key"},
    {"log {\n level = info\n target = stderr\n level = debug }", "f:4: log: level: stands twice, first in line 2"},
    {"log { level info }", "f:1: log: level: expected \"=\", found \"info\" (column 13)"},
    {"log { level { info } }", "f:1: log: level: expected \"=\", found \"{\" (column 13)"},
    {"log { level", "f:1: log: level: expected \"=\", found the end of the file (column 12)"},
    {"log { level =\n}", "f:2: log: level: expected a value, found \"}\" (column 1)"},
    {"log { level = = info }", "f:1: log: level: expected a value, found \"=\" (column 15)"},
    {"log { level = info info }", "f:1: log: \"info\": unknown key"},
    {"log { = info }", "f:1: log: expected a key or \"}\", found \"=\" (column 7)"},
    {"log { \"level\" = info }", "f:1: log: expected a key or \"}\", found \"level\" (column 7)"},
    {"log { level = { info } }", "f:1: log: level: takes one value, not a list"},
    {"listen x { interfaces = a, b }",
     "f:1: listen \"x\": expected a key or \"}\" (several values stand in { }), found \",\" (column 26)"},

    /* lists */
    {"listen x { interfaces = { } }",
     "f:1: listen \"x\": interfaces: an empty list; leave the key out if nothing is to be said"},
    {"listen x { interfaces = { a b } }",
     "f:1: listen \"x\": interfaces: expected \",\" or \"}\" in the list, found \"b\" (column 29)"},
    {"listen x { interfaces = { , } }",
     "f:1: listen \"x\": interfaces: expected a value or \"}\", found \",\" (column 27)"},
    {"listen x { interfaces = { a,, b } }",
     "f:1: listen \"x\": interfaces: expected a value or \"}\", found \",\" (column 29)"},
    {"listen x {\n interfaces = { a,\n b\n external = wan }",
     "f:4: listen \"x\": interfaces: expected \",\" or \"}\" in the list, found \"external\" (column 2)"},
    {"listen x {\n interfaces = {\n a", "f:2: listen \"x\": interfaces: \"}\" is missing for the \"{\" in this line"},
    {"listen x {\n interfaces = {", "f:2: listen \"x\": interfaces: \"}\" is missing for the \"{\" in this line"},
    {"listen x { interfaces = { a, { b } } }",
     "f:1: listen \"x\": interfaces: expected a value or \"}\", found \"{\" (column 30)"},
    {"listen x { interfaces = { a,\n b, \n a } }", "f:3: listen \"x\": interfaces: \"a\": stands twice in the list"},

    {"listen x { interfaces = { a, b, b } }", "f:1: listen \"x\": interfaces: \"b\": stands twice in the list"},
    {"listen x { interfaces = { a, b/c } }", "f:1: listen \"x\": interfaces: \"b/c\": not the name of an interface"},
    {"backend { table = \"inut natpcpd\" }", "f:1: backend: table: \"inut natpcpd\": not \"inet NAME\""},
    {"backend { table = \"inet6 natpcpd\" }", "f:1: backend: table: \"inet6 natpcpd\": not \"inet NAME\""},
    {"process { user = a2345678901234567890123456789012 }",
     "f:1: process: user: \"a2345678901234567890123456789012\": longer than 31 octets"},
    /* values, one of every type */
    {"external x { nat = maybe }", "f:1: external \"x\": nat: \"maybe\": not true or false"},
    {"external x { private-address = no }",
     "f:1: external \"x\": private-address: \"no\": not one of \"auto\", \"allow\", \"refuse\""},
    {"external x { interface = interface-too-long }",
     "f:1: external \"x\": interface: \"interface-too-long\": too long for the name of an interface (15 octets)"},
    {"external x {\n addresses = { 198.51.100.9/29 } }",
     "f:2: external \"x\": addresses: \"198.51.100.9/29\": has bits set behind the prefix, did you mean "
     "\"198.51.100.8/29\"?"},
    {"listen x { addresses = 127.0.0.0/8 }",
     "f:1: listen \"x\": addresses: \"127.0.0.0/8\": an address is needed here, not a network"},
    {"rule \"hosts\" {\n external-ports = {\n \"70000\" } }",
     "f:3: rule \"hosts\": external-ports: \"70000\": not a port (1-65535)"},
    {"rule x { internal-ports = { 100-200, 150-300 } }",
     "f:1: rule \"x\": internal-ports: \"150-300\": overlaps 100-200"},
    {"rule x { internal-ports = { 100-200, 300-400, 50-100 } }",
     "f:1: rule \"x\": internal-ports: \"50-100\": overlaps 100-200"},
    {"rule x { internal-ports = { 100-200, 300-400, 1-1000 } }",
     "f:1: rule \"x\": internal-ports: \"1-1000\": overlaps 100-200"},
    {"rule x { internal-ports = { 300-400, 100-200, 250-350 } }",
     "f:1: rule \"x\": internal-ports: \"250-350\": overlaps 300-400"},
    {"rule x { internal-ports = { 5, 5 } }", "f:1: rule \"x\": internal-ports: \"5\": overlaps 5"},
    {"rule x { macs = { 00:11 } }", "f:1: rule \"x\": macs: \"00:11\": not a hardware address (xx:xx:xx:xx:xx:xx)"},
    {"rule x { protocols = { tpc } }",
     "f:1: rule \"x\": protocols: \"tpc\": not a protocol (tcp, udp, sctp, dccp, udplite or 1-255)"},
    {"rule x { lifetime-max = forever }",
     "f:1: rule \"x\": lifetime-max: \"forever\": not a number of seconds, nor one with s, m, h or d behind it"},
    {"rule x { wildcard = maybe }", "f:1: rule \"x\": wildcard: \"maybe\": not true or false"},
    {"rule x { mappings-max = 0 }", "f:1: rule \"x\": mappings-max: \"0\": not between 1 and 10000000"},
    {"rule x { }", "f:1: rule \"x\": action: is missing"},
    {"static x { external-port = 443 to = 192.0.2.1:443 }", "f:1: static \"x\": protocol: is missing"},
    {"static x { protocol = tcp to = 192.0.2.1:443 }", "f:1: static \"x\": external-port: is missing"},
    {"static x { protocol = tcp external-port = 443 }", "f:1: static \"x\": to: is missing"},
    {"static x { external-port = 1-2 }", "f:1: static \"x\": external-port: \"1-2\": not a port (1-65535)"},
    {"static x { to = 192.0.2.10 }", "f:1: static \"x\": to: \"192.0.2.10\": the port is missing (\"ADDRESS:PORT\")"},
    {"reserved-ports { tcp = { ssh } }", "f:1: reserved-ports: tcp: \"ssh\": not a port (1-65535)"},
    {"third-party { clients = { host } }",
     "f:1: third-party: clients: \"host\": not an address or network (ADDRESS/LENGTH)"},
    {"lifetime { max = 2000d }", "f:1: lifetime: max: \"2000d\": not between 1 and 31536000 seconds"},
    {"limits { burst = many }", "f:1: limits: burst: \"many\": not a number"},
    {"backend { type = iptables }", "f:1: backend: type: \"iptables\": not one of \"nftables\", \"memory\""},
    {"backend { table = natpcpd }", "f:1: backend: table: \"natpcpd\": not \"inet NAME\""},
    {"backend { table = \"ip natpcpd\" }", "f:1: backend: table: \"ip natpcpd\": not \"inet NAME\""},
    {"backend { table = \"inet a b\" }", "f:1: backend: table: \"inet a b\": not \"inet NAME\""},
    {"backend { table = \"inet 1\" }", "f:1: backend: table: \"inet 1\": a name is a letter, then letters, digits, "
				       "\"_\", \"-\" and \".\", 63 at most"},
    {"backend { forward-chain = forward }", "f:1: backend: forward-chain: \"forward\": not \"FAMILY TABLE CHAIN\" "
					    "with the family inet, ip or ip6"},
    {"backend { forward-chain = \"bridge filter forward\" }",
     "f:1: backend: forward-chain: \"bridge filter forward\": not \"FAMILY TABLE CHAIN\" with the family inet, ip "
     "or ip6"},
    {"backend { forward-chain = \"ip a b c\" }", "f:1: backend: forward-chain: \"ip a b c\": not \"FAMILY TABLE "
						 "CHAIN\" with the family inet, ip or ip6"},
    {"backend { forward-chain = \"ip a {b}\" }", "f:1: backend: forward-chain: \"ip a {b}\": a name is a letter, "
						 "then letters, digits, \"_\", \"-\" and \".\", 63 at most"},
    {"backend { forward-chain = { \"ip filter FORWARD\",\n\"ip6 filter forward\", \"ip  filter  FORWARD\" } }",
     "f:2: backend: forward-chain: \"ip  filter  FORWARD\": stands twice in the list"},
    {"backend { forward-chain = { \"ip a a\", \"ip a b\", \"ip a c\", \"ip a d\", \"ip a e\", \"ip a f\", \"ip a g\", "
     "\"ip a h\", \"ip a i\" } }",
     "f:1: backend: forward-chain: \"ip a i\": more than 8 chains"},
    {"backend { mark = 0x3 }", "f:1: backend: mark: \"0x3\": not a single bit, like 0x10000000"},
    {"control { socket = "
     "\"/a2345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
     "567\" }",
     "f:1: control: socket: \"/a23456789012345678901234567890123456789012345678901234567890123...\": longer than "
     "107 octets"},
    {"control { http = \"192.0.2.1:80\" }",
     "f:1: control: http: \"192.0.2.1:80\": not on loopback (127.0.0.1:PORT or [::1]:PORT)"},
};

static void refuse(const char *text, size_t length, const char *expected)
{
	char why[CONF_LOCATION_MAX];
	struct parse p;
	bool good = parse_text(&p, text, length, "f", why);

	parse_clear(&p);
	if (good)
		fail_msg("taken: %s", text);
	if (strcmp(why, expected))
		fail_msg("%s\nis       %s\ninstead  %s", text, why, expected);
}

static void test_refused(void **state)
{
	static const char nul[] = "log {}\n# a\0b\n";

	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++)
		refuse(refused[i].text, strlen(refused[i].text), refused[i].why);
	refuse(nul, sizeof(nul) - 1, "f:2: syntax: a NUL octet (column 4)");
}

/* Every beginning of a text ends in a verdict, and a message is never longer than its buffer. */
static void test_cut(void **state)
{
	static const char text[] =
	    "rule \"a\\\"\" { action = allow /* x */ clients = { '192.0.2.1', 2001:db8::/32 } }\n"
	    "backend { forward-chain = \"inet \\x61 b\" }\n";
	char name[2 * CONF_LOCATION_MAX], why[CONF_LOCATION_MAX];
	struct parse p;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (size_t n = 0; n < sizeof(text); n++) {
		bool good = parse_text(&p, text, n, name, why);

		parse_clear(&p);
		assert_true(good || strlen(why) < sizeof(why));
		if (!good)
			assert_memory_equal(why, name, 100);
	}
	assert_true(parse_text(&p, text, sizeof(text) - 1, name, why));
	assert_string_equal(p.conf->rules[0].name, "a\"");
	assert_string_equal(p.conf->backend.forward.v[0].table, "a");
	parse_clear(&p);
}

static void test_lines(void **state)
{
	static const char text[] = "rule a {\n\n action = allow\n clients =\n 192.0.2.1 }\nlog {\n level = info }\n";
	char why[CONF_LOCATION_MAX];
	struct parse p;

	(void)state;
	assert_true(parse_text(&p, text, sizeof(text) - 1, "f", why));
	assert_int_equal(parse_line(&p, SCHEMA_RULE, 0, NULL), 1);
	assert_int_equal(parse_line(&p, SCHEMA_RULE, 0, "action"), 3);
	assert_int_equal(parse_line(&p, SCHEMA_RULE, 0, "clients"), 4);
	assert_int_equal(parse_line(&p, SCHEMA_RULE, 0, "macs"), 1);
	assert_int_equal(parse_line(&p, SCHEMA_RULE, 1, "action"), 0);
	assert_int_equal(parse_line(&p, SCHEMA_LOG, 0, "level"), 7);
	assert_int_equal(parse_line(&p, SCHEMA_JOURNAL, 0, "path"), 0);
	assert_int_equal(p.last_line, 8);
	parse_clear(&p);
}

/* Ranges are sorted, whatever the order in the file. */
static void test_sorted(void **state)
{
	static const char text[] = "reserved-ports { tcp = { 50-60, 1, 70, 61-69, 2-3, 65535 } }";
	static const struct conf_range sorted[] = {{1, 1}, {2, 3}, {50, 60}, {61, 69}, {70, 70}, {65535, 65535}};
	char why[CONF_LOCATION_MAX];
	struct parse p;

	(void)state;
	assert_true(parse_text(&p, text, sizeof(text) - 1, "f", why));
	assert_int_equal(p.conf->reserved.tcp.n, COUNT(sorted));
	assert_memory_equal(p.conf->reserved.tcp.v, sorted, sizeof(sorted));
	parse_clear(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_taken), cmocka_unit_test(test_refused), cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_lines), cmocka_unit_test(test_sorted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
