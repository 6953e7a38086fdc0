/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules as octets: those that nft 1.0.6 sends for the text above each, without the default operation of bitwise. */
#include "backends/nft_reset.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>

#include "tests/unit/backends/hex.h"
#include "tests/unit/core/failmalloc.h"

static const char *const golden[NFT_RESET_MESSAGES] = {
    /* chain output { type filter hook output priority raw; policy accept; } */
    "54000000030a01040200000000000000010000000c0001006e617470637064000b0003006f7574707574000014000480"
    "080001000000000308000200fffffed408000500000000010b00070066696c7465720000",
    /* ct status 0x400 ct mark & 0x30000000 != 0 meta nfproto ipv4 meta l4proto tcp reject with tcp reset */
    "14020000060a010c0300000000000000010000000c0001006e617470637064000c000200666f727761726400e8010480"
    "2000018007000100637400001400028008000200000000020800010000000001440001800c0001006269747769736500"
    "340002800800010000000001080002000000000108000300000000040c00048008000100000400000c00058008000100"
    "000000002c00018008000100636d700020000280080001000000000108000200000000010c0003800800010000000000"
    "2000018007000100637400001400028008000200000000030800010000000001440001800c0001006269747769736500"
    "340002800800010000000001080002000000000108000300000000040c00048008000100000000300c00058008000100"
    "000000002c00018008000100636d700020000280080001000000000108000200000000010c0003800800010000000000"
    "24000180090001006d6574610000000014000280080002000000000f08000100000000012c00018008000100636d7000"
    "20000280080001000000000108000200000000000c000380050001000200000024000180090001006d65746100000000"
    "14000280080002000000001008000100000000012c00018008000100636d700020000280080001000000000108000200"
    "000000000c0003800500010006000000240001800b00010072656a656374000014000280080001000000000105000200"
    "00000000",
    /* meta mark & 0x30000000 == 0x30000000 meta nfproto ipv4 notrack */
    "24010000060a010c0400000000000000010000000c0001006e617470637064000b0002006f75747075740000f8000480"
    "24000180090001006d657461000000001400028008000200000000030800010000000001440001800c00010062697477"
    "69736500340002800800010000000001080002000000000108000300000000040c00048008000100000000300c000580"
    "08000100000000002c00018008000100636d700020000280080001000000000108000200000000000c00038008000100"
    "0000003024000180090001006d6574610000000014000280080002000000000f08000100000000012c00018008000100"
    "636d700020000280080001000000000108000200000000000c0003800500010002000000100001800c0001006e6f7472"
    "61636b00",
};

struct bed {
	char table[16];
	struct conf conf;
	_Alignas(8) uint8_t data[16384];
	struct nft_msg_batch batch;
};

static struct bed *bed_new(void)
{
	struct bed *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	strcpy(b->table, "natpcpd");
	b->conf.backend.table = b->table;
	b->conf.backend.mark = 0x10000000;
	b->conf.backend.hairpin_mark = 0x20000000;
	b->batch.data = b->data;
	b->batch.capacity = sizeof(b->data);
	return b;
}

static void rules(void **state)
{
	struct bed *b = bed_new();
	size_t offset = 0;

	(void)state;
	assert_int_equal(nft_reset_mark(&b->conf), 0x30000000);
	assert_int_equal(nft_reset_put(&b->batch, &b->conf, 2), 0);
	for (size_t i = 0; i < NFT_RESET_MESSAGES; i++) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)(b->data + offset);
		char hex[2048];

		assert_true(offset < b->batch.length && h->nlmsg_len < sizeof(hex) / 2);
		to_hex(b->data + offset, h->nlmsg_len, hex);
		assert_string_equal(hex, golden[i]);
		offset += NLMSG_ALIGN(h->nlmsg_len);
	}
	assert_int_equal(offset, b->batch.length);
	free(b);
}

static void no_room(void **state)
{
	struct bed *b = bed_new();

	(void)state;
	b->batch.capacity = 4200;
	assert_int_equal(nft_reset_put(&b->batch, &b->conf, 2), -EMSGSIZE);
	assert_true(b->batch.length <= b->batch.capacity);
	free(b);
}

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
		rc = nft_reset_put(&b->batch, &b->conf, 2);
		assert_true(rc == -ENOMEM || (rc == 0 && failmalloc_in > 0));
		failmalloc_in = 0;
	}
	assert_true(nth > 2); /* one that failed, and all went well */
	free(b);
#else
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rules),
	    cmocka_unit_test(no_room),
	    cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
