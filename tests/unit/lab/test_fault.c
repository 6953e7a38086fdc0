/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"

static struct fault good(const char *text)
{
	struct fault f;
	char why[FAULT_WHY] = "";

	if (!fault_parse(text, &f, why))
		fail_msg("%s: %s", text, why);
	return f;
}

static void bad(const char *text, const char *reason)
{
	struct fault f;
	char why[FAULT_WHY] = "";

	assert_false(fault_parse(text, &f, why));
	if (!strstr(why, reason))
		fail_msg("%s: %s", text, why);
}

static void names(void **state)
{
	static const struct {
		const char *text;
		enum fault_kind kind;
		enum fault_when when;
	} cases[] = {
	    {"silence", FAULT_SILENCE, FAULT_OF_REQUESTS},
	    {"result=3", FAULT_RESULT, FAULT_OF_REQUESTS},
	    {"version=natpmp", FAULT_VERSION, FAULT_OF_REQUESTS},
	    {"unreachable", FAULT_UNREACHABLE, FAULT_OF_REQUESTS},
	    {"port", FAULT_PORT, FAULT_OF_REQUESTS},
	    {"lifetime=10s", FAULT_LIFETIME, FAULT_OF_REQUESTS},
	    {"mute", FAULT_MUTE, FAULT_OF_ANSWERS},
	    {"nonce", FAULT_NONCE, FAULT_OF_ANSWERS},
	    {"truncate", FAULT_TRUNCATE, FAULT_OF_ANSWERS},
	    {"lengthen=1200", FAULT_LENGTHEN, FAULT_OF_ANSWERS},
	    {"garbage", FAULT_GARBAGE, FAULT_OF_ANSWERS},
	    {"spoof", FAULT_SPOOF, FAULT_OF_ANSWERS},
	    {"twice", FAULT_TWICE, FAULT_OF_ANSWERS},
	    {"source=192.0.2.99", FAULT_SOURCE, FAULT_OF_ANSWERS},
	    {"source-port=5352", FAULT_SOURCE_PORT, FAULT_OF_ANSWERS},
	    {"slow=1s", FAULT_SLOW, FAULT_OF_ANSWERS},
	    {"announce=lost", FAULT_ANNOUNCE, FAULT_OF_ANNOUNCEMENTS},
	    {"epoch=frozen", FAULT_EPOCH, FAULT_OF_GATEWAY},
	    {"forge", FAULT_FORGE, FAULT_OF_GATEWAY},
	    {"restart", FAULT_RESTART, FAULT_OF_GATEWAY},
	    {"address=none", FAULT_ADDRESS, FAULT_OF_GATEWAY},
	};

	(void)state;
	assert_int_equal(sizeof(cases) / sizeof(cases[0]), FAULT_KINDS);
	for (size_t i = 0; i < FAULT_KINDS; i++) {
		struct fault f = good(cases[i].text);

		assert_int_equal(f.kind, cases[i].kind);
		assert_int_equal(fault_when(f.kind), cases[i].when);
		assert_int_equal(strncmp(cases[i].text, fault_name(f.kind), strlen(fault_name(f.kind))), 0);
		assert_true(f.for_ms == FAULT_ALWAYS && f.at_ms == 0 && !f.n_n && !f.every && !f.share && !f.ops);
	}
}

static void results(void **state)
{
	struct fault f = good("result=NO_RESOURCES");

	(void)state;
	assert_int_equal(f.result[SIGHT_NATPMP], NATPMP_NO_RESOURCES);
	assert_int_equal(f.result[SIGHT_PCP], PCP_NO_RESOURCES);
	assert_int_equal(f.hold_s, 30);
	f = good("result=USER_EX_QUOTA hold=5s");
	assert_int_equal(f.result[SIGHT_NATPMP], FAULT_NO_RESULT);
	assert_int_equal(f.result[SIGHT_PCP], PCP_USER_EX_QUOTA);
	assert_int_equal(f.hold_s, 5);
	f = good("result=200");
	assert_int_equal(f.result[SIGHT_NATPMP], 200);
	assert_int_equal(f.result[SIGHT_PCP], 200);
	bad("result", "this fault takes");
	bad("result=SUCCESS", "this fault takes");
	bad("result=0", "this fault takes");
	bad("result=256", "this fault takes");
	bad("result=NONSENSE", "this fault takes");
	bad("result=?", "this fault takes");
}

static void values(void **state)
{
	struct fault f;

	(void)state;
	assert_int_equal(good("slow=1.5s").time_ms, 1500);
	assert_int_equal(good("slow=1.05s").time_ms, 1050);
	assert_int_equal(good("slow=200ms").time_ms, 200);
	assert_int_equal(good("lifetime=2m").time_ms, 120000);
	assert_int_equal(good("lifetime=1h").time_ms, 3600000);
	assert_int_equal(good("port=9999").number, 9999);
	assert_int_equal(good("truncate=7").number, 7);
	assert_true(good("source=2001:db8::9").given);
	assert_false(good("source").given);
	f = good("epoch=-1000");
	assert_true(f.epoch == FAULT_EPOCH_SHIFT && f.seconds == -1000);
	f = good("epoch=+4294967295");
	assert_true(f.epoch == FAULT_EPOCH_SHIFT && f.seconds == 4294967295);
	f = good("epoch=7");
	assert_true(f.epoch == FAULT_EPOCH_SET && f.seconds == 7);
	assert_int_equal(good("epoch=frozen").epoch, FAULT_EPOCH_FROZEN);
	assert_true(good("restart=forget").forget);
	f = good("restart=keep down=1s");
	assert_true(!f.forget && f.down_ms == 1000);
	f = good("address=none");
	assert_true(codec_is_unspecified(&f.address));
	f = good("address=198.51.100.9");
	assert_int_equal(codec_to_v4(&f.address), 0xc6336409);
	assert_int_equal(good("version=pcp1").style, FAULT_STYLE_PCP1);
	assert_int_equal(good("version=misprint").style, FAULT_STYLE_MISPRINT);
	assert_int_equal(good("version=opcode").style, FAULT_STYLE_OPCODE);
	assert_int_equal(good("version=pcp").style, FAULT_STYLE_PCP);
}

static void qualifiers(void **state)
{
	struct fault f = good(
	    "\tsilence \tn=1,3-5 every=2 share=2.5% op=map,peer protocol=pcp client=192.0.2.11 at=5s for=1m # why");

	(void)state;
	assert_int_equal(f.n_n, 2);
	assert_true(f.n[0].first == 1 && f.n[0].last == 1 && f.n[1].first == 3 && f.n[1].last == 5);
	assert_int_equal(f.every, 2);
	assert_int_equal(f.share, 25000);
	assert_int_equal(f.ops, 1U << SIGHT_MAP | 1U << SIGHT_PEER);
	assert_true(f.protocol_set && f.protocol == SIGHT_PCP);
	assert_true(f.client_set && codec_to_v4(&f.client) == 0xc000020b);
	assert_int_equal(f.at_ms, 5000);
	assert_int_equal(f.for_ms, 60000);
}

static void refused(void **state)
{
	(void)state;
	bad("", "which fault?");
	bad("# nothing", "which fault?");
	bad("quiet", "there is no such fault");
	bad("n=1 silence", "there is no such fault");
	bad("silence=yes", "no value");
	bad("silence n=0", "must be numbers from 1 on");
	bad("silence n=5-3", "must be numbers from 1 on");
	bad("silence n=", "must be numbers from 1 on");
	bad("silence n=1,2,3,4,5,6,7,8,9", "must be numbers from 1 on");
	bad("silence every=0", "must be a number");
	bad("silence share=30", "must be a share");
	bad("silence share=0%", "must be a share");
	bad("silence share=101%", "must be a share");
	bad("silence op=mapp", "must be some of");
	bad("silence protocol=upnp", "natpmp or pcp");
	bad("silence client=me", "an address");
	bad("silence at=5", "a time");
	bad("silence at=100000h", "a time");
	bad("silence hold=5s", "means nothing");
	bad("silence down=5s", "means nothing");
	bad("silence with=care", "means nothing");
	bad("silence \"n=1\"", "no quotes");
	bad("slow", "this fault takes a time");
	bad("slow=5", "this fault takes a time");
	bad("slow=1.2345s", "this fault takes a time");
	bad("lifetime=500ms", "from 1s on");
	bad("port=0", "a port");
	bad("port=65536", "a port");
	bad("source-port=5351", "not 5351");
	bad("source=0.0.0.0", "an address");
	bad("address=2001:db8::1", "an IPv4 address");
	bad("address", "an IPv4 address");
	bad("announce", "lost");
	bad("restart=maybe", "keep, forget");
	bad("epoch=soon", "frozen");
	bad("epoch=-", "frozen");
	bad("epoch=4294967296", "frozen");
	bad("version=9", "natpmp, misprint");
}

static bool fits(const char *text, enum sight_protocol protocol, enum sight_op op)
{
	struct fault f = good(text);
	struct sight s = {.protocol = protocol, .op = op};
	struct in6_addr client = codec_from_v4(0xc000020b);

	return fault_fits(&f, &s, &client);
}

static void for_whom(void **state)
{
	(void)state;
	assert_true(fits("silence", SIGHT_OTHER, SIGHT_UNKNOWN));
	assert_true(fits("silence op=map", SIGHT_PCP, SIGHT_MAP));
	assert_false(fits("silence op=map", SIGHT_PCP, SIGHT_DELETE));
	assert_false(fits("silence op=map,peer", SIGHT_PCP, SIGHT_ANNOUNCE));
	assert_true(fits("silence protocol=natpmp", SIGHT_NATPMP, SIGHT_ADDRESS));
	assert_false(fits("silence protocol=natpmp", SIGHT_PCP, SIGHT_MAP));
	assert_true(fits("silence client=192.0.2.11", SIGHT_PCP, SIGHT_MAP));
	assert_false(fits("silence client=192.0.2.12", SIGHT_PCP, SIGHT_MAP));
	assert_false(fits("result=USER_EX_QUOTA", SIGHT_NATPMP, SIGHT_MAP));
	assert_true(fits("result=USER_EX_QUOTA", SIGHT_PCP, SIGHT_ANNOUNCE));
	assert_false(fits("result=3", SIGHT_OTHER, SIGHT_UNKNOWN));
	assert_true(fits("version=natpmp", SIGHT_PCP, SIGHT_MAP));
	assert_false(fits("version=natpmp", SIGHT_NATPMP, SIGHT_MAP));
	assert_true(fits("version=pcp", SIGHT_NATPMP, SIGHT_MAP));
	assert_false(fits("version=pcp", SIGHT_PCP, SIGHT_MAP));
	assert_true(fits("nonce", SIGHT_PCP, SIGHT_DELETE));
	assert_false(fits("nonce", SIGHT_NATPMP, SIGHT_MAP));
	assert_false(fits("nonce", SIGHT_PCP, SIGHT_ANNOUNCE));
	assert_false(fits("lifetime=10s", SIGHT_NATPMP, SIGHT_DELETE));
	assert_true(fits("port", SIGHT_PCP, SIGHT_PEER));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names),	  cmocka_unit_test(results), cmocka_unit_test(values),
	    cmocka_unit_test(qualifiers), cmocka_unit_test(refused), cmocka_unit_test(for_whom),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
