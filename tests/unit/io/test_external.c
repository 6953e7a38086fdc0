/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When another outside address counts: time is literals, and what is there is a pool that the test changes. */
#include "server/external.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"
#include "tests/unit/core/failmalloc.h"

struct bed {
	struct external external;
	struct conf_external conf;
	struct conf_prefix prefix;
	char empty[1];
	uint64_t again_ms;
};

/* Reads what there is at a time: the address 198.51.100.last, 0: none. */
static int look(struct bed *b, uint8_t last, bool at_once, uint64_t now_ms)
{
	b->prefix = (struct conf_prefix){codec_from_v4(0xc6336400U | last), 128};
	b->conf = (struct conf_external){.name = b->empty, .interface = b->empty, .addresses = {&b->prefix, last != 0}};
	return external_read(&b->external, &b->conf, NULL, at_once, now_ms, &b->again_ms);
}

static uint8_t told(const struct bed *b)
{
	return b->external.n ? (uint8_t)codec_to_v4(&b->external.v[0]) : 0;
}

static void comes_to_rest(void **state)
{
	struct bed b = {0};

	(void)state;
	/* the first time nothing is waited for */
	assert_int_equal(look(&b, 1, false, 5000), 1);
	assert_true(told(&b) == 1 && b.again_ms == UINT64_MAX);
	assert_int_equal(look(&b, 9, false, 6000), 0);
	assert_true(told(&b) == 1 && b.again_ms == 6250);
	assert_int_equal(look(&b, 9, false, 6249), 0);
	assert_int_equal(b.again_ms, 6250);
	assert_int_equal(look(&b, 9, false, 6250), 1);
	assert_true(told(&b) == 9 && b.again_ms == UINT64_MAX);
	assert_int_equal(look(&b, 9, false, 7000), 0);
	/* gone */
	assert_int_equal(look(&b, 0, false, 8000), 0);
	assert_int_equal(look(&b, 0, false, 8300), 1);
	assert_int_equal(told(&b), 0);
	external_clear(&b.external);
}

static void given_again(void **state)
{
	struct bed b = {0};

	(void)state;
	look(&b, 1, false, 0);
	/* ten times a second, for a minute */
	for (uint64_t now_ms = 1000; now_ms < 61000; now_ms += 100) {
		assert_int_equal(look(&b, 0, false, now_ms), 0);
		assert_int_equal(look(&b, 1, false, now_ms + 50), 0);
		assert_int_equal(b.again_ms, UINT64_MAX);
	}
	/* and each absence is waited for anew */
	assert_int_equal(look(&b, 0, false, 61000), 0);
	assert_int_equal(b.again_ms, 61250);
	external_clear(&b.external);
}

/* Among others it does not come to rest: what is there after two seconds is told. */
static void restless(void **state)
{
	struct bed b = {0};
	unsigned news = 0;

	(void)state;
	look(&b, 1, false, 0);
	for (uint64_t now_ms = 1000; now_ms < 3000; now_ms += 100) {
		news += look(&b, 0, false, now_ms) == 1;
		news += look(&b, 9, false, now_ms + 50) == 1;
		assert_true(b.again_ms <= 3000);
	}
	assert_int_equal(news, 0);
	assert_int_equal(look(&b, 9, false, 3000), 1);
	assert_int_equal(told(&b), 9);
	external_clear(&b.external);
}

static void configured(void **state)
{
	struct bed b = {0};

	(void)state;
	look(&b, 1, true, 0);
	look(&b, 0, false, 900);
	assert_int_equal(look(&b, 9, true, 1000), 1);
	assert_true(told(&b) == 9 && b.again_ms == UINT64_MAX);
	assert_int_equal(look(&b, 9, true, 1001), 0);
	external_clear(&b.external);
}

/* What is wrong with the address is known, and said in words. */
static void states(void **state)
{
	static const struct {
		const char *address;
		enum conf_private private_address;
		const char *state, *why;
	} cases[] = {
	    {"198.51.100.1", CONF_PRIVATE_REFUSE, "ok", ""},
	    {"10.0.0.1", CONF_PRIVATE_AUTO, "ok", ""}, /* written down, so meant */
	    {"10.0.0.1", CONF_PRIVATE_ALLOW, "ok", ""},
	    {"10.0.0.1", CONF_PRIVATE_REFUSE, "private",
	     "the external address is a private one: another NAT is in front of this router"},
	    {"172.31.255.1", CONF_PRIVATE_REFUSE, "private",
	     "the external address is a private one: another NAT is in front of this router"},
	    {"192.168.1.1", CONF_PRIVATE_REFUSE, "private",
	     "the external address is a private one: another NAT is in front of this router"},
	    {"100.127.0.1", CONF_PRIVATE_REFUSE, "private",
	     "the external address is of the provider's NAT (CGN, 100.64.0.0/10)"},
	    {"169.254.7.1", CONF_PRIVATE_REFUSE, "private",
	     "the external address is link-local: the provider has given none"},
	    {"100.128.0.1", CONF_PRIVATE_REFUSE, "ok", ""},
	    {NULL, CONF_PRIVATE_AUTO, "no-address",
	     "there is no IPv4 address; requests for one are answered with a network failure"},
	};
	char empty[] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct conf_prefix prefix = {.length = 128};
		struct conf_external x = {.name = empty,
					  .interface = empty,
					  .nat = true,
					  .private_address = cases[i].private_address,
					  .addresses = {&prefix, cases[i].address != NULL}};
		struct external o = {0};
		const struct in6_addr *v;
		const char *why;
		uint64_t again_ms;
		size_t n;

		if (cases[i].address)
			assert_true(codec_address_parse(cases[i].address, strlen(cases[i].address), &prefix.address));
		assert_int_equal(external_read(&o, &x, NULL, true, 1000, &again_ms), 1);
		assert_string_equal(external_state(&o, &why), cases[i].state);
		assert_string_equal(why, cases[i].why);
		assert_true(o.since_ms == 1000);
		/* the engine hears of the address in any case, and judges by itself */
		v = external_told(&o, &n);
		assert_int_equal(n, cases[i].address != NULL);
		if (n)
			assert_memory_equal(v, &prefix.address, sizeof(*v));
		assert_int_equal(o.n, !strcmp(cases[i].state, "ok"));
		assert_int_equal(external_read(&o, &x, NULL, true, 2000, &again_ms), 0);
		assert_true(o.since_ms == 1000);
		external_clear(&o);
	}
}

/* From none to one that is refused, and to another: that is news, though neither is used. */
static void refused_is_news(void **state)
{
	struct conf_prefix prefix = {codec_from_v4(0x0a000001), 128};
	char empty[] = "";
	struct conf_external x = {.name = empty,
				  .interface = empty,
				  .nat = true,
				  .private_address = CONF_PRIVATE_REFUSE,
				  .addresses = {&prefix, 0}};
	struct external o = {0};
	const char *why;
	uint64_t again_ms;

	(void)state;
	assert_int_equal(external_read(&o, &x, NULL, false, 0, &again_ms), 1);
	x.addresses.n = 1;
	assert_int_equal(external_read(&o, &x, NULL, false, 1000, &again_ms), 0);
	assert_true(again_ms == 1250);
	prefix.address = codec_from_v4(0x64400001);
	assert_int_equal(external_read(&o, &x, NULL, false, 1100, &again_ms), 0);
	assert_true(again_ms == 1350);
	assert_int_equal(external_read(&o, &x, NULL, false, 1350, &again_ms), 1);
	assert_string_equal(external_state(&o, &why), "private");
	assert_string_equal(why, "the external address is of the provider's NAT (CGN, 100.64.0.0/10)");
	assert_true(o.since_ms == 1350);
	external_clear(&o);
}

static void out_of_memory(void **state)
{
	(void)state;
#if FAILMALLOC
	struct bed b = {0};

	look(&b, 1, false, 0);
	failmalloc_in = 1;
	assert_int_equal(look(&b, 9, false, 1000), -ENOMEM);
	assert_int_equal(told(&b), 1);
	failmalloc_in = 0;
	assert_int_equal(look(&b, 9, false, 2000), 0);
	assert_int_equal(look(&b, 9, false, 2250), 1);
	external_clear(&b.external);
#else
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(comes_to_rest), cmocka_unit_test(given_again), cmocka_unit_test(restless),
	    cmocka_unit_test(configured),    cmocka_unit_test(states),	    cmocka_unit_test(refused_is_news),
	    cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
