/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The order of a server's addresses. */
#include "tests/unit/codec/bed.h"

#define MAX 4

static struct in6_addr a(const char *text)
{
	struct in6_addr address;

	assert_true(codec_address_parse(text, strlen(text), &address));
	return address;
}

/* 7488-3-01, 7488-3-02, 6887-8.4-01: the candidate sources first, then rule by rule of RFC 6724 section 6, the examples of its
 * section 10.2 among them; the expected order is that of the pairs */
static void order(void **state)
{
	static const struct {
		const char *why;
		const char *source;	   /* the one candidate, or all */
		const char *pairs[MAX][2]; /* server, own */
	} cases[] = {
	    {"no source is last", NULL, {{"192.0.2.1", "192.0.2.11"}, {"2001:db8::1", "::"}}},
	    {"RFC 7488 section 5",
	     "203.0.113.11",
	     {{"192.0.2.1", "203.0.113.11"}, {"2001:db8:1111::1", "2001:db8:3333::1"}}},
	    {"the other candidate",
	     "2001:db8:3333::1",
	     {{"2001:db8:1111::1", "2001:db8:3333::1"}, {"192.0.2.1", "203.0.113.11"}}},
	    {"matching scope", NULL, {{"198.51.100.121", "198.51.100.117"}, {"2001:db8:1::1", "fe80::1"}}},
	    {"precedence", NULL, {{"2001:db8:1::1", "2001:db8:1::2"}, {"10.1.2.3", "10.1.2.4"}}},
	    {"smaller scope", NULL, {{"fe80::1", "fe80::2"}, {"2001:db8:1::1", "2001:db8:1::2"}}},
	    {"longest prefix", NULL, {{"2001:db8:1::1", "2001:db8:1::2"}, {"2001:db8:3ffe::1", "2001:db8:3f44::2"}}},
	    {"label", NULL, {{"2002:c633:6401::1", "2002:c633:6401::2"}, {"2001:db8:1::1", "2002:c633:6401::2"}}},
	    {"6to4 after native",
	     NULL,
	     {{"2001:db8:1::1", "2001:db8:1::2"}, {"2002:c633:6401::1", "2002:c633:6401::2"}}},
	    {"a global source before a unique local one",
	     NULL,
	     {{"2001:db8:1::1", "2001:db8:1::2"}, {"2001:db8:1::1", "fd00::2"}}},
	    {"unique local after IPv4", NULL, {{"192.0.2.1", "192.0.2.11"}, {"fd00::1", "fd00::2"}}},
	    {"Teredo behind all", NULL, {{"192.0.2.1", "192.0.2.11"}, {"2001::1", "2001::2"}}},
	    {"site-local, 6bone", NULL, {{"fd00::1", "fd00::2"}, {"fec0::1", "fec0::2"}, {"3ffe::1", "3ffe::2"}}},
	    {"link-local IPv4", NULL, {{"192.0.2.1", "192.0.2.11"}, {"169.254.0.1", "192.0.2.11"}}},
	    {"loopback", NULL, {{"::1", "::1"}, {"127.0.0.1", "127.0.0.1"}}},
	    {"the interface's part is not compared",
	     NULL,
	     {{"2001:db8:1::8000:0:0:1", "2001:db8:1::2"}, {"2001:db8:1::1", "2001:db8:1::2"}}},
	    {"nor is IPv4's prefix, which is not known",
	     NULL,
	     {{"198.51.100.1", "192.0.2.11"}, {"192.0.2.1", "192.0.2.11"}}},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct client_path right[MAX], paths[MAX];
		struct in6_addr source;
		size_t n = 0;

		if (cases[i].source)
			source = a(cases[i].source);
		for (; n < MAX && cases[i].pairs[n][0]; n++)
			right[n] =
			    (struct client_path){{a(cases[i].pairs[n][0]), (uint16_t)n, 0}, a(cases[i].pairs[n][1])};
		/* the last two are of equal rank: they stay as they are */
		bool stable = i + 2 >= LENGTH(cases);
		for (size_t rotated = 0; rotated < (stable ? 1 : n); rotated++) {
			for (size_t k = 0; k < n; k++)
				paths[k] = right[(k + rotated) % n];
			client_paths_sort(paths, n, &source, cases[i].source ? 1 : 0);
			for (size_t k = 0; k < n; k++)
				if (paths[k].server.port != k)
					fail_msg("%s", cases[i].why);
		}
	}
	client_paths_sort(NULL, 0, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(order)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
