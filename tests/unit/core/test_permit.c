/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/permit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"

static const char text[] =
    "external \"wan\" { interface = wan0 ports = { 443, 1024-60000 } }\n"
    "external \"routed\" { interface = wan1 nat = false }\n"
    "listen \"lan\" { interfaces = { lan0 } external = wan }\n"
    "rule \"no\" { action = deny clients = { 192.0.2.64/26 } }\n"
    "rule \"yes\" { action = allow clients = { 192.0.2.0/24, 2001:db8:1::/48 } }\n"
    "rule \"all\" { action = allow clients = { 2001:db8:2::/48 } wildcard = true }\n"
    "static \"web\" { protocol = tcp external-port = 443 external = wan to = \"192.0.2.70:8443\" }\n"
    "reserved-ports { tcp = { 22, 5000-5010 } }\n"
    "backend { type = memory }\n";
static const struct permit_place ours = {.outside = true};

static struct conf *parse(void)
{
	char why[CONF_LOCATION_MAX];
	struct conf *conf = conf_parse(text, sizeof(text) - 1, "test.conf", why);

	if (!conf)
		fail_msg("%s", why);
	return conf;
}

static struct in6_addr address(const char *a)
{
	struct in6_addr out;

	assert_true(codec_address_parse(a, strlen(a), &out));
	return out;
}

struct row {
	const char *internal;
	uint16_t internal_port;
	const char *external;
	uint16_t external_port;
	uint8_t protocol, kind, index;
	uint16_t more, remote_port;
	const char *remote;
	bool permitted;
};

#define N   MAPPING_NAT
#define P   MAPPING_PINHOLE
#define OUT "198.51.100.1"

static struct mapping mapping(const struct row *r)
{
	return (struct mapping){.internal_address = address(r->internal),
				.external_address = address(r->external),
				.remote_address = address(r->remote ? r->remote : "::"),
				.internal_port = r->internal_port,
				.external_port = r->external_port,
				.protocol = r->protocol,
				.kind = r->kind,
				.external = r->index,
				.more_ports = r->more,
				.remote_port = r->remote_port};
}

static void additions(void **state)
{
	static const struct row rows[] = {
	    {"192.0.2.1", 80, OUT, 8080, 6, N, 0, 0, 0, NULL, true},
	    {"192.0.2.1", 80, OUT, 1023, 6, N, 0, 0, 0, NULL, false},
	    {"192.0.2.1", 80, OUT, 60001, 6, N, 0, 0, 0, NULL, false},
	    {"192.0.2.1", 80, OUT, 5005, 6, N, 0, 0, 0, NULL, false},
	    {"192.0.2.1", 80, OUT, 5005, 17, N, 0, 0, 0, NULL, true},
	    {"192.0.2.1", 80, OUT, 5351, 17, N, 0, 0, 0, NULL, false},
	    {"192.0.2.1", 80, OUT, 8080, 47, N, 0, 0, 0, NULL, false},
	    {"192.0.2.1", 0, OUT, 0, 6, N, 0, 0, 0, NULL, false},
	    {"192.0.2.1", 80, OUT, 8080, 6, N, 1, 0, 0, NULL, false}, /* does not translate */
	    {"192.0.2.65", 80, OUT, 8080, 6, N, 0, 0, 0, NULL, false},
	    {"203.0.113.1", 80, OUT, 8080, 6, N, 0, 0, 0, NULL, false}, /* no rule */
	    {"127.0.0.1", 80, OUT, 8080, 6, N, 0, 0, 0, NULL, false},
	    {"224.0.0.1", 80, OUT, 8080, 6, N, 0, 0, 0, NULL, false},
	    {"0.0.0.0", 80, OUT, 8080, 6, N, 0, 0, 0, NULL, false},
	    /* a set of ports */
	    {"192.0.2.1", 4990, OUT, 4990, 6, N, 0, 9, 0, NULL, true},
	    {"192.0.2.1", 4990, OUT, 4990, 6, N, 0, 10, 0, NULL, false},
	    {"192.0.2.1", 59999, OUT, 59999, 6, N, 0, 2, 0, NULL, false},
	    {"192.0.2.1", 4980, OUT, 4990, 6, N, 0, 9, 0, NULL, false},
	    /* of a flow that was there, on whatever port */
	    {"192.0.2.1", 80, OUT, 700, 6, N, 0, 0, 443, "203.0.113.9", true},
	    {"192.0.2.1", 80, OUT, 22, 6, N, 0, 0, 443, "203.0.113.9", false},
	    {"192.0.2.65", 80, OUT, 700, 6, N, 0, 0, 443, "203.0.113.9", false},
	    /* the operator's own, which no rule allows and none of the ports is; and who wants its place */
	    {"192.0.2.70", 8443, OUT, 443, 6, N, 0, 0, 0, NULL, true},
	    {"192.0.2.70", 8444, OUT, 443, 6, N, 0, 0, 0, NULL, false},
	    {"192.0.2.1", 8443, OUT, 443, 6, N, 0, 0, 443, "203.0.113.9", false},
	    /* pinholes */
	    {"2001:db8:1::1", 80, "2001:db8:1::1", 80, 6, P, 0, 0, 0, NULL, true},
	    {"2001:db8:1::1", 80, "2001:db8:1::1", 81, 6, P, 0, 0, 0, NULL, false},
	    {"2001:db8:1::1", 80, "2001:db8:1::2", 80, 6, P, 0, 0, 0, NULL, false},
	    {"2001:db8:3::1", 80, "2001:db8:3::1", 80, 6, P, 0, 0, 0, NULL, false},
	    {"2001:db8:1::1", 0, "2001:db8:1::1", 0, 6, P, 0, 0, 0, NULL, false},
	    {"2001:db8:2::1", 0, "2001:db8:2::1", 0, 6, P, 0, 0, 0, NULL, true},
	    {"2001:db8:2::1", 0, "2001:db8:2::1", 0, 0, P, 0, 0, 0, NULL, true},
	    {"2001:db8:2::1", 0, "2001:db8:2::1", 0, 0, P, 0, 1, 0, NULL, false},
	    {"fe80::1", 80, "fe80::1", 80, 6, P, 0, 0, 0, NULL, false},
	    {"::1", 80, "::1", 80, 6, P, 0, 0, 0, NULL, false},
	    {"192.0.2.1", 80, "192.0.2.1", 80, 6, P, 0, 0, 0, NULL, true}, /* one external does not translate */
	};
	struct conf *conf = parse();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct change c = {.mapping = mapping(&rows[i]), .op = CHANGE_ADD};
		const char *why = permit_change(conf, &c, &ours);

		if (!why != rows[i].permitted)
			fail_msg("row %zu: %s", i, why ? why : "permitted");
	}
	conf_free(conf);
}

static void places(void **state)
{
	static const struct row one = {"192.0.2.1", 80, OUT, 8080, 6, N, 0, 0, 0, NULL, true},
				web = {"192.0.2.70", 8443, OUT, 443, 6, N, 0, 0, 0, NULL, true};
	struct change c = {.mapping = mapping(&one), .op = CHANGE_ADD};
	struct conf *conf = parse();

	(void)state;
	assert_null(permit_change(conf, &c, &ours));
	assert_non_null(permit_change(conf, &c, &(struct permit_place){.outside = false}));
	assert_non_null(permit_change(conf, &c, &(struct permit_place){.outside = true, .own = true}));
	assert_non_null(permit_change(conf, &c, &(struct permit_place){.outside = true, .beyond = true}));
	/* new kernels make what is to be renewed */
	c.op = CHANGE_RENEW;
	assert_non_null(permit_change(conf, &c, &(struct permit_place){.own = true}));
	/* what is there may be taken away, wherever it is */
	c.op = CHANGE_REMOVE;
	assert_null(permit_change(conf, &c, &(struct permit_place){.beyond = true}));
	c = (struct change){.mapping = mapping(&web), .op = CHANGE_ADD};
	assert_null(permit_change(conf, &c, &(struct permit_place){.outside = true, .own = true}));
	assert_non_null(permit_change(conf, &c, &(struct permit_place){.outside = false}));
	conf_free(conf);
}

/* What no backend would know what to do with, not even to take it away. */
static void unsound(void **state)
{
	static const struct row rows[] = {
	    {"192.0.2.1", 80, OUT, 8080, 6, 2, 0, 0, 0, NULL, false},
	    {"192.0.2.1", 80, OUT, 8080, 6, N, 2, 0, 0, NULL, false},
	    {"192.0.2.1", 80, OUT, 8080, 6, N, 255, 0, 0, NULL, false},
	    {"2001:db8:1::1", 80, "2001:db8:1::1", 80, 6, N, 0, 0, 0, NULL, false},
	    {"192.0.2.1", 80, "2001:db8:1::1", 80, 6, N, 0, 0, 0, NULL, false},
	    {"2001:db8:1::1", 80, "192.0.2.1", 80, 6, P, 0, 0, 0, NULL, false},
	    {"192.0.2.1", 65535, OUT, 65535, 6, N, 0, 1, 0, NULL, false},
	    {"192.0.2.1", 1, OUT, 65535, 6, N, 0, 1, 0, NULL, false},
	    {"192.0.2.1", 80, OUT, 8080, 6, N, 0, 0, 443, "2001:db8::9", false},
	    {"192.0.2.1", 80, OUT, 8080, 6, N, 0, 4, 443, "203.0.113.9", false},
	    {"192.0.2.1", 80, OUT, 8080, 6, N, 0, 0, 0, NULL, true},
	    {"192.0.2.1", 80, "0.0.0.0", 0, 6, N, 0, 0, 0, NULL, true},
	};
	static const struct {
		const char *address;
		uint8_t length;
		bool sound;
	} filters[] = {{"203.0.113.0", 120, true},
		       {"203.0.113.0", 95, false},
		       {"203.0.113.0", 129, false},
		       {"2001:db8::", 64, false},
		       {"0.0.0.0", 96, true}};
	struct conf *conf = parse();
	struct mapping m = mapping(&rows[10]);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct change c = {.mapping = mapping(&rows[i]), .op = CHANGE_REMOVE};

		if (permit_sound(conf, &c.mapping) != rows[i].permitted ||
		    !permit_change(conf, &c, &ours) != rows[i].permitted)
			fail_msg("row %zu", i);
	}
	for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++) {
		struct mapping_filter f = {.address = address(filters[i].address), .prefix_length = filters[i].length};

		m.filters = &f;
		m.filters_n = 1;
		if (permit_sound(conf, &m) != filters[i].sound)
			fail_msg("filter %zu", i);
	}
	conf_free(conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(additions),
	    cmocka_unit_test(places),
	    cmocka_unit_test(unsound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
