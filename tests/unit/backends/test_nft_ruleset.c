/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ruleset as octets. The rules are those that nft 1.0.6 sends for the text which it lists for them, without what it
 * repeats: set numbers in lookups and the default operation of bitwise.
 */
#include "backends/nft_ruleset.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>

#include "backends/nft_sets.h"
#include "tests/unit/backends/hex.h"
#include "tests/unit/backends/ruleset_alike.h"
#include "tests/unit/backends/ruleset_golden.h"
#include "tests/unit/core/failmalloc.h"

/* insert rule inet filter forward ct mark & 0x10000000 == 0x10000000 accept comment "natpcpd" */
static const char golden_accept[] =
    "00010000060a01040200000000000000010000000b00010066696c74657200000c000200666f7277617264000e000700"
    "00086e617470637064000000c40004802000018007000100637400001400028008000200000000030800010000000001"
    "440001800c0001006269747769736500340002800800010000000001080002000000000108000300000000040c000480"
    "08000100000000100c00058008000100000000002c00018008000100636d700020000280080001000000000108000200"
    "000000000c0003800800010000000010300001800e000100696d6d6564696174650000001c0002800800010000000000"
    "100002800c0002800800010000000001";

/* insert rule ip filter FORWARD meta mark & 0x10000000 == 0x10000000 accept comment "natpcpd"; and of ip6 */
static const char *const golden_accepts[][3] = {
    {"ip", "FORWARD",
     "04010000060a01040200000000000000020000000b00010066696c74657200000c000200464f5257415244000e000700"
     "00086e617470637064000000c800048024000180090001006d6574610000000014000280080002000000000308000100"
     "00000001440001800c000100626974776973650034000280080001000000000108000200000000010800030000000004"
     "0c00048008000100000000100c00058008000100000000002c00018008000100636d7000200002800800010000000001"
     "08000200000000000c0003800800010000000010300001800e000100696d6d6564696174650000001c00028008000100"
     "00000000100002800c0002800800010000000001"},
    {"ip6", "forward",
     "04010000060a010402000000000000000a0000000b00010066696c74657200000c000200666f7277617264000e000700"
     "00086e617470637064000000c800048024000180090001006d6574610000000014000280080002000000000308000100"
     "00000001440001800c000100626974776973650034000280080001000000000108000200000000010800030000000004"
     "0c00048008000100000000100c00058008000100000000002c00018008000100636d7000200002800800010000000001"
     "08000200000000000c0003800800010000000010300001800e000100696d6d6564696174650000001c00028008000100"
     "00000000100002800c0002800800010000000001"},
};

/* Strings of a configuration are its own; these live in the test. */
struct bed {
	char table[16], lan[16], name[16], wan[16], family[16], filter[16], chain[16], empty[1];
	char *interfaces[1];
	struct conf_chain forward;
	struct conf_external external;
	struct conf_listen listen;
	struct conf conf;
	_Alignas(8) uint8_t data[262144];
	struct nft_msg_batch batch;
};

static struct bed *bed_new(void)
{
	struct bed *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	strcpy(b->table, "natpcpd");
	strcpy(b->lan, "br-lan");
	strcpy(b->wan, "wan0");
	strcpy(b->family, "inet");
	strcpy(b->filter, "filter");
	strcpy(b->chain, "forward");
	b->interfaces[0] = b->lan;
	b->external.interface = b->wan;
	strcpy(b->name, "wan");
	b->external.name = b->name;
	b->listen.interfaces = (struct conf_strings){.v = b->interfaces, .n = 1};
	b->conf.externals = &b->external;
	b->conf.externals_n = 1;
	b->conf.listens = &b->listen;
	b->conf.listens_n = 1;
	b->conf.backend.table = b->table;
	b->forward = (struct conf_chain){.family = b->family, .table = b->filter, .chain = b->chain};
	b->conf.backend.forward = (struct conf_chains){.v = &b->forward, .n = 1};
	b->conf.backend.mark = 0x10000000;
	b->conf.backend.hairpin_mark = 0x20000000;
	b->batch.data = b->data;
	b->batch.capacity = sizeof(b->data);
	return b;
}

static void compare(const char *name, const uint8_t *message, const char *expected)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)message;
	char hex[4096];

	assert_true(h->nlmsg_len < sizeof(hex) / 2);
	to_hex(message, h->nlmsg_len, hex);
	if (strcmp(hex, expected) != 0)
		fail_msg("%s:\n%s\nnot\n%s", name, hex, expected);
}

static void whole_ruleset(void **state)
{
	struct bed *b = bed_new();
	size_t offset = 0, compared = 0, skipped = 0, like = 0;

	(void)state;
	assert_int_equal(nft_ruleset_put(&b->batch, &b->conf, NFT_RULESET_KEPT, false, 2), 0);
	while (offset < b->batch.length) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)(b->data + offset);

		if (memmem(h, h->nlmsg_len, "from4-", 6) || memmem(h, h->nlmsg_len, "from6-", 6)) {
			if (like < sizeof(alike) / sizeof(alike[0]) && alike[like].at == skipped) {
				compare(alike[like].name, b->data + offset, alike[like].hex);
				like++;
			}
			skipped++;
		} else {
			assert_true(compared < GOLDEN_N);
			compare(golden[compared].name, b->data + offset, golden[compared].hex);
			compared++;
		}
		offset += NLMSG_ALIGN(h->nlmsg_len);
	}
	assert_int_equal(compared, GOLDEN_N);
	assert_int_equal(skipped, ALIKE_N);
	assert_int_equal(like, sizeof(alike) / sizeof(alike[0]));
	assert_int_equal(offset, b->batch.length);
	free(b);
}

/* How often octets stand in the batch. */
static unsigned occurrences(const struct bed *b, const void *what, size_t length)
{
	unsigned n = 0;

	for (size_t i = 0; i + length <= b->batch.length; i++)
		n += memcmp(b->data + i, what, length) == 0;
	return n;
}

static void variants(void **state)
{
	struct bed *b = bed_new();

	(void)state;
	/* An external without an interface: outbound is what does not go to the LAN or to another external. */
	assert_int_equal(nft_ruleset_put(&b->batch, &b->conf, 0, false, 1), 0);
	/* in the set, and in a comparison each for peers, for all and for sets of ports */
	assert_int_equal(occurrences(b, "wan0", 4), 4);
	assert_int_equal(occurrences(b, "\x01\x00wan\0", 6), 0);
	b->batch.length = 0;
	b->external.interface = b->empty;
	assert_int_equal(nft_ruleset_put(&b->batch, &b->conf, 0, false, 1), 0);
	assert_int_equal(occurrences(b, "\x01\x00wan\0", 6), 3);
	assert_int_equal(occurrences(b, "wan0", 4), 0);
	/* Another mark: the old one is kept by no mask any more. */
	b->batch.length = 0;
	b->conf.backend.mark = 0x00010000;
	assert_int_equal(nft_ruleset_put(&b->batch, &b->conf, 0, false, 1), 0);
	assert_int_equal(occurrences(b, &(uint32_t){~0x10000000u}, 4), 0);
	/* Made anew: a table is made, deleted, made. */
	b->batch.length = 0;
	assert_int_equal(nft_ruleset_put(&b->batch, &b->conf, NFT_RULESET_KEPT, true, 1), 0);
	compare("table to delete", b->data, "20000000000a01040100000000000000010000000c0001006e61747063706400");
	compare("deletion", b->data + 32, "20000000020a01000200000000000000010000000c0001006e61747063706400");
	assert_memory_equal(b->data + 64, "\x28\0\0\0\0\x0a", 6);
	/* A name that no interface can have is left out. */
	b->batch.length = 0;
	b->interfaces[0] = b->table;
	strcpy(b->lan, "abcdefghijklmno");
	b->interfaces[0] = b->lan;
	assert_int_equal(nft_ruleset_put(&b->batch, &b->conf, 0, false, 1), 0);
	assert_int_equal(occurrences(b, "abcdefghijklmno", 16), 1);
	free(b);
}

/* Each external has mirrors of its own, and its interface leads to them. */
static void two_externals(void **state)
{
	struct bed *b = bed_new();
	struct conf_external externals[2] = {b->external, b->external};
	char second[] = "b", wan1[] = "wan1";

	(void)state;
	externals[1].name = second;
	externals[1].interface = wan1;
	b->conf.externals = externals;
	b->conf.externals_n = 2;
	assert_int_equal(nft_ruleset_put(&b->batch, &b->conf, 0, false, 1), 0);
	/* made, looked into for hairpin and twice outbound */
	assert_int_equal(occurrences(b, "\0snat4-wan\0", 11), 4);
	assert_int_equal(occurrences(b, "\0snat4-b\0", 9), 4);
	assert_int_equal(occurrences(b, "\0peer-snat4-b\0", 14), 4);
	assert_int_equal(occurrences(b, "\0ports-snat4-b\0", 15), 4);
	assert_int_equal(occurrences(b, "wan0", 4), 4);
	assert_int_equal(occurrences(b, "wan1", 4), 4);
	b->batch.length = 0;
	nft_sets_delete(&b->batch, "natpcpd", "snat4-b", 7);
	compare("deletion", b->data,
		"2c000000"
		"0b0a0100"
		"07000000"
		"00000000"
		"01000000"
		"0c0001006e61747063706400"
		"0c000200736e6174342d6200");
	free(b);
}

static void too_small(void **state)
{
	struct bed *b = bed_new();

	(void)state;
	for (size_t capacity = 4096; capacity < 20000; capacity += 8) {
		int rc;

		b->batch.length = 0;
		b->batch.capacity = capacity;
		rc = nft_ruleset_put(&b->batch, &b->conf, NFT_RULESET_KEPT, true, 1);
		assert_true(b->batch.length <= capacity);
		assert_true(rc == 0 || rc == -EMSGSIZE);
		if (capacity < 12000)
			assert_int_equal(rc, -EMSGSIZE);
	}
	free(b);
}

static void accept_rule(void **state)
{
	struct bed *b = bed_new();
	struct nlmsghdr *h = (struct nlmsghdr *)(void *)b->data;
	size_t length;

	(void)state;
	assert_int_equal(nft_ruleset_put_accept(&b->batch, &b->conf, &b->forward, 2), 0);
	compare("accept", b->data, golden_accept);
	/* It has no handle yet. With one it is recognised, under the same table's name only. */
	assert_int_equal(nft_ruleset_is_accept(h, &b->conf), 0);
	mnl_attr_put_u64(h, 3, 0x2a00000000000000);
	assert_int_equal(nft_ruleset_is_accept(h, &b->conf), 0x2a);
	length = h->nlmsg_len;
	strcpy(b->table, "natpcp");
	assert_int_equal(nft_ruleset_is_accept(h, &b->conf), 0);
	strcpy(b->table, "natpcpx");
	assert_int_equal(nft_ruleset_is_accept(h, &b->conf), 0);
	strcpy(b->table, "natpcpd");
	/* Cut anywhere, nothing is read beyond. */
	for (size_t i = sizeof(*h) + 4; i < length; i++) {
		h->nlmsg_len = (uint32_t)i;
		nft_ruleset_is_accept(h, &b->conf);
	}
	memset(b->data, 0, sizeof(b->data));
	b->batch.length = 0;
	nft_ruleset_delete_accept(&b->batch, &b->forward, 0x2a, 7);
	compare("deletion", b->data,
		"38000000080a010007000000000000000100"
		"00000b00010066696c74657200000c000200666f7277617264000c000300000000000000002a");
	free(b);
}

/* Chains of one family, as iptables has them, see the packet's mark: it knows that match. */
static void accept_rule_of_family(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(golden_accepts) / sizeof(golden_accepts[0]); i++) {
		struct bed *b = bed_new();

		strcpy(b->family, golden_accepts[i][0]);
		strcpy(b->chain, golden_accepts[i][1]);
		assert_int_equal(nft_ruleset_put_accept(&b->batch, &b->conf, &b->forward, 2), 0);
		compare(golden_accepts[i][0], b->data, golden_accepts[i][2]);
		free(b);
	}
}

/* Three messages: a table with an owner alone, a chain, and a rule that looks at a connection. */
static void hooks(void **state)
{
	static const uint8_t types[] = {NFT_MSG_NEWTABLE, NFT_MSG_NEWCHAIN, NFT_MSG_NEWRULE};
	struct bed *b = bed_new();
	char name[NFT_MSG_TABLE_MAX] = "";
	size_t at = 0;

	(void)state;
	assert_int_equal(nft_ruleset_put_hooks(&b->batch, &b->conf, 2), 0);
	compare("table", b->data,
		"30000000000a0104020000000000000001000000120001006e6174706370642d686f6f6b730000000800020000000002");
	for (size_t i = 0; i < sizeof(types); i++) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)(b->data + at);

		assert_int_equal(h->nlmsg_type & 0xff, types[i]);
		assert_int_equal(h->nlmsg_seq, 2 + i);
		at += NLMSG_ALIGN(h->nlmsg_len);
	}
	assert_int_equal(at, b->batch.length);
	/* a name that is too long with what comes behind it */
	memset(name, 'x', sizeof(name) - sizeof("-hooks"));
	b->conf.backend.table = name;
	b->batch.length = 0;
	assert_int_equal(nft_ruleset_put_hooks(&b->batch, &b->conf, 2), 0);
	strcat(name, "x");
	assert_int_equal(nft_ruleset_put_hooks(&b->batch, &b->conf, 2), -ENAMETOOLONG);
	free(b);
}

/* Whichever allocation fails, it is said, and what is in the batch is whole. */
static void out_of_memory(void **state)
{
	(void)state;
#if FAILMALLOC
	struct bed *b = bed_new();
	int rc = -ENOMEM;
	long nth;

	for (nth = 1; rc; nth++) {
		b->batch.length = 0;
		failmalloc_in = nth;
		rc = nft_ruleset_put(&b->batch, &b->conf, NFT_RULESET_KEPT, false, 2);
		if (rc == 0)
			rc = nft_ruleset_put_accept(&b->batch, &b->conf, &b->forward, 99);
		if (rc == 0)
			rc = nft_ruleset_put_hooks(&b->batch, &b->conf, 199);
		assert_true(rc == -ENOMEM || (rc == 0 && failmalloc_in > 0));
		failmalloc_in = 0;
	}
	assert_true(nth > 2); /* one that failed, and all went well */
	free(b);
#else
	skip();
#endif
}

static void families(void **state)
{
	(void)state;
	assert_int_equal(nft_ruleset_family("inet"), 1);
	assert_int_equal(nft_ruleset_family("ip"), 2);
	assert_int_equal(nft_ruleset_family("ip6"), 10);
	assert_int_equal(nft_ruleset_family("bridge"), -1);
	assert_int_equal(nft_ruleset_family(""), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whole_ruleset), cmocka_unit_test(variants),    cmocka_unit_test(two_externals),
	    cmocka_unit_test(too_small),     cmocka_unit_test(accept_rule), cmocka_unit_test(accept_rule_of_family),
	    cmocka_unit_test(out_of_memory), cmocka_unit_test(hooks),	    cmocka_unit_test(families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
