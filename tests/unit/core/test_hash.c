/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "codec/codec.h"

/* Values made with another implementation, the hash of bytes in CPython 3.11 (seeds 0 and 42). */
static void test_vectors(void **state)
{
	(void)state;
	static const uint8_t seeds[2][16] = {
	    {0},
	    {0xaf, 0x90, 0xcd, 0x68, 0xd3, 0x4f, 0x50, 0xdc, 0xc1, 0xe9, 0x99, 0xfe, 0x9f, 0xbb, 0x20, 0xb9},
	};
	static const struct {
		int seed;
		const char *address;
		uint32_t number;
		uint64_t hash;
	} cases[] = {
	    {0, "::", 0, 0x24de1cc795c400b0},
	    {0, "192.0.2.1", 0x6c005, 0xa83dc15a132a5c8c},
	    {0, "2001:db8::1", 443, 0xd06dd84ceee5ddca},
	    {0, "2001:db8:1:2:3:4:5:6", 0x110050, 0xb6a0f37a6ab7680d},
	    {1, "::", 0, 0x741d2ad029684894},
	    {1, "192.0.2.1", 0x6c005, 0x8ca66a2e83cecd4e},
	    {1, "2001:db8::1", 443, 0x79e31fadf0c5879a},
	    {1, "2001:db8:1:2:3:4:5:6", 0x110050, 0x02cce579132351d7},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hash_key key = hash_key_from(seeds[cases[i].seed]);
		struct in6_addr a;
		size_t length = 0;
		while (cases[i].address[length])
			length++;
		assert_true(codec_address_parse(cases[i].address, length, &a));
		assert_true(cases[i].hash == hash_address(&key, &a, cases[i].number));
	}
}

/* The memo says the same, also of keys that share a place in it. */
static void test_memo(void **state)
{
	struct hash_key key = {1, 2};
	struct hash_memo memo = {0};

	(void)state;
	for (int turn = 0; turn < 2; turn++)
		for (uint32_t number = 0; number < 200; number += 7)
			for (uint32_t host = 0; host < 40; host++) {
				struct in6_addr a = codec_from_v4(host << 24 | host);

				assert_true(hash_again(&memo, &key, &a, number) == hash_address(&key, &a, number));
				assert_true(hash_again(&memo, &key, &a, number) == hash_address(&key, &a, number));
			}
	/* the key that an empty place looks like */
	memset(&memo, 0, sizeof(memo));
	assert_true(hash_again(&memo, &key, &in6addr_any, 0) == hash_address(&key, &in6addr_any, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_vectors),
	    cmocka_unit_test(test_memo),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
