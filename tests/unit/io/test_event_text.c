/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/event_text.h"

#include <jansson.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"

#define AT UINT64_C(1794000000123)

static const struct in6_addr six = {.s6_addr = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};

static void names(void **state)
{
	(void)state;
	for (enum event_kind i = 0; i < EVENT_KINDS; i++) {
		const char *name = event_name(i);

		assert_int_equal(event_named(name, strlen(name)), i);
		assert_int_equal(event_named(name, strlen(name) - 1), EVENT_KINDS);
	}
	assert_int_equal(event_named("", 0), EVENT_KINDS);
	assert_int_equal(event_named("mad", 3), EVENT_KINDS);
	assert_int_equal(event_named("mades", 5), EVENT_KINDS);
}

static void rounds(void **state)
{
	struct in6_addr in = codec_from_v4(0xc000020a), out = codec_from_v4(0xc6336401);
	struct mapping m = {.internal_address = in,
			    .external_address = out,
			    .internal_port = 4000,
			    .external_port = 40000,
			    .protocol = IPPROTO_UDP};
	struct mapping set = m, peer = m, unknown = {.internal_address = in};
	const struct {
		struct round_event e;
		const char *text;
	} cases[] = {
	    {{.kind = ROUND_MADE,
	      .pcp = true,
	      .opcode = PCP_MAP,
	      .mapping = m,
	      .client = in,
	      .lifetime_s = 7200,
	      .rule = "lan"},
	     "{\"schema\":1,\"at\":1794000000.123,\"event\":\"made\",\"by\":\"pcp\",\"client\":\"192.0.2.10\","
	     "\"opcode\":\"MAP\","
	     "\"protocol\":\"udp\",\"internal_address\":\"192.0.2.10\",\"internal_port\":4000,"
	     "\"external_address\":\"198.51.100.1\",\"external_port\":40000,\"lifetime_s\":7200,\"rule\":\"lan\"}"},
	    {{.kind = ROUND_ENDED, .mapping = m, .client = in, .why = "expired"},
	     "{\"schema\":1,\"at\":1794000000.123,\"event\":\"ended\",\"by\":\"nat-pmp\",\"client\":\"192.0.2.10\","
	     "\"protocol\":\"udp\",\"internal_address\":\"192.0.2.10\",\"internal_port\":4000,"
	     "\"external_address\":\"198.51.100.1\",\"external_port\":40000,\"why\":\"expired\"}"},
	    {{.kind = ROUND_REFUSED,
	      .pcp = true,
	      .opcode = 77,
	      .result = PCP_UNSUPP_OPCODE,
	      .mapping = unknown,
	      .client = in},
	     "{\"schema\":1,\"at\":1794000000.123,\"event\":\"refused\",\"by\":\"pcp\",\"client\":\"192.0.2.10\","
	     "\"opcode\":77,"
	     "\"result\":\"UNSUPP_OPCODE\"}"},
	    {{.kind = ROUND_REFUSED,
	      .opcode = NATPMP_ADDRESS,
	      .result = NATPMP_NETWORK_FAILURE,
	      .mapping = unknown,
	      .client = in},
	     "{\"schema\":1,\"at\":1794000000.123,\"event\":\"refused\",\"by\":\"nat-pmp\",\"client\":\"192.0.2.10\","
	     "\"opcode\":\"ADDRESS\",\"result\":\"NETWORK_FAILURE\"}"},
	    {{.kind = ROUND_MADE, .permanent = true, .mapping = set, .rule = "web"},
	     "{\"schema\":1,\"at\":1794000000.123,\"event\":\"made\",\"by\":\"static\",\"protocol\":\"udp\","
	     "\"internal_address\":\"192.0.2.10\",\"internal_port\":4000,\"external_address\":\"198.51.100.1\","
	     "\"external_port\":40000,\"ports\":16,\"rule\":\"web\"}"},
	    {{.kind = ROUND_ADOPTED, .mapping = peer, .client = in},
	     "{\"schema\":1,\"at\":1794000000.123,\"event\":\"adopted\",\"client\":\"192.0.2.10\",\"protocol\":\"udp\","
	     "\"internal_address\":\"192.0.2.10\",\"internal_port\":4000,\"external_address\":\"198.51.100.1\","
	     "\"external_port\":40000,\"peer\":\"[2001:db8::1]:443\"}"},
	};
	struct round_event e[sizeof(cases) / sizeof(cases[0])];
	char out_text[EVENT_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n;

		e[i] = cases[i].e;
		if (e[i].permanent)
			e[i].mapping.more_ports = 15;
		if (e[i].kind == ROUND_ADOPTED) {
			e[i].mapping.remote_address = six;
			e[i].mapping.remote_port = 443;
		}
		n = event_text_round(out_text, sizeof(out_text) - 1, &e[i], AT);
		out_text[n] = '\0';
		assert_string_equal(out_text, cases[i].text);
	}
}

/* Everything that an event can have at its longest fits, and can be read. */
static void longest(void **state)
{
	static char rule[512], why[512];
	struct in6_addr wide;
	struct mapping m;
	char out[EVENT_TEXT_MAX];
	json_t *o;
	size_t n;

	(void)state;
	memset(rule, '\x01', sizeof(rule) - 1);
	memset(why, '"', sizeof(why) - 1);
	memset(&wide, 0x2f, sizeof(wide));
	m = (struct mapping){.internal_address = wide,
			     .external_address = wide,
			     .remote_address = wide,
			     .internal_port = 65535,
			     .external_port = 65535,
			     .remote_port = 65535,
			     .more_ports = 65534,
			     .protocol = 255};
	for (enum round_event_kind kind = ROUND_MADE; kind <= ROUND_ADOPTED; kind++) {
		struct round_event e = {.kind = kind,
					.pcp = true,
					.opcode = 127,
					.result = PCP_EXCESSIVE_REMOTE_PEERS,
					.mapping = m,
					.client = wide,
					.lifetime_s = UINT32_MAX,
					.rule = rule,
					.why = why};

		n = event_text_round(out, sizeof(out), &e, UINT64_MAX);
		assert_true(n > 0);
		o = json_loadb(out, n, 0, NULL);
		assert_non_null(o);
		json_decref(o);
	}
	n = event_text_reload(out, sizeof(out), false, why, UINT64_MAX);
	assert_true(n > 0);
	n = event_text_external(
	    out, sizeof(out),
	    &(struct event_external){.name = rule,
				     .interface = "fifteenoctets15",
				     .state = "private",
				     .why = why,
				     .v = (struct in6_addr[8]){wide, wide, wide, wide, wide, wide, wide, wide},
				     .n = 4096,
				     .refused = &wide},
	    UINT64_MAX);
	assert_true(n > 0);
	assert_int_equal(event_text_reload(out, 20, false, why, AT), 0);
}

static void others(void **state)
{
	struct in6_addr v = codec_from_v4(0xc6336401);
	struct event_stats stats = {1, 2, 3, 4, 5, 6, 7, 8};
	char out[EVENT_TEXT_MAX];

	(void)state;
	out[event_text_external(
	    out, sizeof(out),
	    &(struct event_external){.name = "wan", .interface = "wan0", .state = "ok", .why = "", .v = &v, .n = 1},
	    AT)] = '\0';
	assert_string_equal(
	    out, "{\"schema\":1,\"at\":1794000000.123,\"event\":\"external\",\"name\":\"wan\",\"interface\":\"wan0\","
		 "\"addresses\":[\"198.51.100.1\"],\"state\":\"ok\",\"why\":\"\"}");
	out[event_text_reload(out, sizeof(out), true, NULL, AT)] = '\0';
	assert_string_equal(out, "{\"schema\":1,\"at\":1794000000.123,\"event\":\"reload\",\"ok\":true}");
	out[event_text_backend(out, sizeof(out), "failed", "No buffer space", AT)] = '\0';
	assert_string_equal(out, "{\"schema\":1,\"at\":1794000000.123,\"event\":\"backend\",\"state\":\"failed\","
				 "\"why\":\"No buffer space\"}");
	out[event_text_stats(out, sizeof(out), &stats, AT)] = '\0';
	assert_string_equal(
	    out, "{\"schema\":1,\"at\":1794000000.123,\"event\":\"stats\",\"requests\":1,\"replies\":2,\"refused\":3,"
		 "\"dropped\":4,\"leases\":5,\"clients\":6,\"request_p50_us\":7,\"request_p99_us\":8}");
	out[event_text_lost(out, sizeof(out), 9, AT)] = '\0';
	assert_string_equal(out, "{\"schema\":1,\"at\":1794000000.123,\"event\":\"lost\",\"count\":9}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(rounds), cmocka_unit_test(longest),
					   cmocka_unit_test(others)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
