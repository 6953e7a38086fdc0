/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/warden_self.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "backends/backend.h"
#include "codec/codec.h"
#include "tests/unit/io/netns.h"

static const char text[] = "external wan { interface = wan0 }\n"
			   "external pool { addresses = { 203.0.113.8 } }\n"
			   "listen lan { interfaces = lan0 external = wan }\n"
			   "rule no { action = deny clients = { 192.0.2.64/26 } }\n"
			   "rule yes { action = allow }\n"
			   "backend { type = memory }\n";

static struct in6_addr at(const char *address)
{
	struct in6_addr a;

	assert_true(codec_address_parse(address, strlen(address), &a));
	return a;
}

static struct conf *parse(void)
{
	char why[CONF_LOCATION_MAX];
	struct conf *conf = conf_parse(text, sizeof(text) - 1, "test.conf", why);

	if (!conf)
		fail_msg("%s", why);
	return conf;
}

static bool up(struct ward *w)
{
	if (!netns_enter() || !netns_ip("link add lan0 type veth peer name wan0"))
		return false;
	assert_true(netns_ip("addr add 192.0.2.1/24 dev lan0"));
	assert_true(netns_ip("addr add 2001:db8:1::1/64 dev lan0 nodad"));
	assert_true(netns_ip("addr add 198.51.100.1/24 dev wan0"));
	assert_true(netns_ip("link set lan0 up") && netns_ip("link set wan0 up"));
	memset(w, 0, sizeof(*w));
	w->conf = parse();
	assert_int_equal(wan_open(&w->wan), 0);
	assert_int_equal(backend_memory_open(&w->serve.backend), 0);
	return true;
}

static void down(struct ward *w)
{
	w->serve.backend->ops->close(w->serve.backend, false);
	wan_close(w->wan);
	conf_free(w->conf);
}

static struct change change(enum change_op op, const char *internal, const char *external, uint16_t port, uint8_t index)
{
	bool ipv6 = strchr(internal, ':');

	return (struct change){
	    .mapping = {.internal_address = at(internal),
			.external_address = at(external),
			.remote_address = at("::"),
			.internal_port = port,
			.external_port = port,
			.protocol = 17,
			.kind = ipv6 ? MAPPING_PINHOLE : MAPPING_NAT,
			.external = index},
	    .timeout_ms = 60000,
	    .op = op,
	};
}

/* As a question with one change in it. */
static bool permitted(struct ward *w, enum change_op op, const char *internal, const char *external, uint16_t port,
		      uint8_t index)
{
	struct change c = change(op, internal, external, port, index);

	w->place_checked = false;
	return warden_permit(w, &c) == NULL;
}

/* Outside an address that the external has, inside a host that is not the router, and not outside. */
static void places(void **state)
{
	static const struct {
		const char *internal, *external;
		uint8_t index;
		bool good;
	} cases[] = {
	    {"192.0.2.11", "198.51.100.1", 0, true},
	    {"192.0.2.11", "198.51.100.9", 0, false},
	    {"192.0.2.11", "192.0.2.1", 0, false},
	    {"192.0.2.11", "203.0.113.8", 0, false},
	    {"192.0.2.11", "203.0.113.8", 1, true},
	    {"192.0.2.11", "203.0.113.9", 1, false},
	    {"192.0.2.11", "198.51.100.1", 1, false},
	    {"192.0.2.11", "198.51.100.1", 2, false}, /* there is none */
	    {"192.0.2.1", "198.51.100.1", 0, false},
	    {"198.51.100.1", "198.51.100.1", 0, false},
	    {"198.51.100.7", "198.51.100.1", 0, false},
	    {"198.18.0.1", "198.51.100.1", 0, true},  /* behind a router */
	    {"192.0.2.65", "198.51.100.1", 0, false}, /* the rule's word counts, too */
	    {"2001:db8:1::11", "2001:db8:1::11", 0, true},
	    {"2001:db8:1::1", "2001:db8:1::1", 0, false},
	};
	struct ward w;

	(void)state;
	if (!up(&w))
		skip();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (permitted(&w, CHANGE_ADD, cases[i].internal, cases[i].external, 8080, cases[i].index) !=
		    cases[i].good)
			fail_msg("%s as %s of %u", cases[i].internal, cases[i].external, cases[i].index);
	down(&w);
}

/* An address that came, or went, counts from the next question on. */
static void changes(void **state)
{
	struct change c = change(CHANGE_ADD, "192.0.2.11", "198.51.100.9", 8080, 0);
	struct ward w;

	(void)state;
	if (!up(&w))
		skip();
	assert_non_null(warden_permit(&w, &c));
	assert_true(w.place_checked);
	assert_true(netns_ip("addr add 198.51.100.9/24 dev wan0"));
	assert_non_null(warden_permit(&w, &c));
	w.place_checked = false;
	assert_null(warden_permit(&w, &c));
	assert_true(netns_ip("addr del 198.51.100.9/24 dev wan0"));
	assert_null(warden_permit(&w, &c));
	w.place_checked = false;
	assert_non_null(warden_permit(&w, &c));
	down(&w);
}

/* What was permitted when it was made goes on though it would not be now; and everything may be taken away. */
static void renewals(void **state)
{
	struct change c = change(CHANGE_ADD, "192.0.2.65", "198.51.100.1", 8080, 0);
	struct ward w;

	(void)state;
	if (!up(&w))
		skip();
	assert_int_equal(w.serve.backend->ops->commit(w.serve.backend, &c, 1), 0);
	assert_int_equal(c.verdict, 0);
	assert_true(permitted(&w, CHANGE_RENEW, "192.0.2.65", "198.51.100.1", 8080, 0));
	assert_false(permitted(&w, CHANGE_RENEW, "192.0.2.65", "198.51.100.1", 8081, 0));
	assert_false(permitted(&w, CHANGE_RENEW, "192.0.2.66", "198.51.100.1", 8080, 0));
	assert_false(permitted(&w, CHANGE_ADD, "192.0.2.65", "198.51.100.1", 8080, 0));
	assert_true(permitted(&w, CHANGE_RENEW, "192.0.2.11", "198.51.100.1", 8082, 0));
	assert_true(permitted(&w, CHANGE_REMOVE, "192.0.2.65", "198.51.100.1", 8080, 0));
	assert_true(permitted(&w, CHANGE_REMOVE, "192.0.2.1", "198.51.100.9", 8080, 0));
	/* but not what could be no mapping */
	assert_false(permitted(&w, CHANGE_RENEW, "192.0.2.65", "198.51.100.1", 8080, 2));
	assert_false(permitted(&w, CHANGE_REMOVE, "192.0.2.65", "198.51.100.1", 8080, 2));
	assert_true(warden_shaped(&w, &c.mapping));
	c.mapping.external = 2;
	assert_false(warden_shaped(&w, &c.mapping));
	down(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(places),
	    cmocka_unit_test(changes),
	    cmocka_unit_test(renewals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
