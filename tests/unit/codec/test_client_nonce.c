/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nonces from a secret. */
#include "tests/unit/codec/bed.h"

#include <stdlib.h>

static struct codec_nonce nonce_of(uint8_t secret, struct in6_addr server, uint8_t protocol, uint16_t port)
{
	uint8_t key[CLIENT_SECRET] = {secret};
	struct codec_nonce n;

	client_nonce(key, &server, protocol, port, &n);
	return n;
}

/* 6887-11.2-04, 6887-11.2-05, 6887-11.2-06, 6887-12.2-02, 6887-12.2-03: the same for the same, and else none like another: another
 * one for each server, and after another secret was drawn */
static void differ(void **state)
{
	struct codec_nonce all[2 * 3 * 2 * 100];
	size_t n = 0;

	(void)state;
	for (uint8_t secret = 0; secret < 2; secret++)
		for (uint8_t server = 0; server < 3; server++)
			for (uint8_t protocol = 6; protocol <= 17; protocol += 11)
				for (uint16_t port = 0; port < 100; port++) {
					struct in6_addr s = gateway;
					struct codec_nonce again;

					s.s6_addr[15] = server;
					all[n] = nonce_of(secret, s, protocol, port);
					again = nonce_of(secret, s, protocol, port);
					assert_memory_equal(&all[n], &again, sizeof(again));
					n++;
				}
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(&all[i], &all[k], sizeof(all[i]));
}

/* Later runs of the program need the same ones: SipHash-2-4 with the key 00 01 .. 0f, computed elsewhere. */
static void stay(void **state)
{
	static const uint8_t expected[CODEC_NONCE_LENGTH] = {0xbe, 0xf6, 0x60, 0x90, 0x7b, 0x6a,
							     0x75, 0x30, 0x60, 0xb5, 0x0c, 0xf6};
	uint8_t key[CLIENT_SECRET];
	struct codec_nonce n;

	(void)state;
	for (uint8_t i = 0; i < sizeof(key); i++)
		key[i] = i;
	client_nonce(key, &gateway, TCP, 8080, &n);
	assert_memory_equal(n.octets, expected, sizeof(expected));
}

/* 6887-11.2-04: each bit of the input changes about half of all bits. */
static void unlike_each_other(void **state)
{
	const struct codec_nonce base = nonce_of(0, gateway, TCP, 8080);
	unsigned int ones[CODEC_NONCE_LENGTH * 8] = {0};

	(void)state;
	for (unsigned int bit = 0; bit < 128; bit++) {
		uint8_t key[CLIENT_SECRET] = {0};
		struct codec_nonce n;
		unsigned int changed = 0;

		key[bit / 8] ^= (uint8_t)(1 << bit % 8);
		client_nonce(key, &gateway, TCP, 8080, &n);
		for (unsigned int i = 0; i < LENGTH(ones); i++) {
			bool differs = (n.octets[i / 8] ^ base.octets[i / 8]) >> i % 8 & 1;

			changed += differs;
			ones[i] += differs;
		}
		assert_in_range(changed, 24, 72);
	}
	for (unsigned int i = 0; i < LENGTH(ones); i++)
		assert_in_range(ones[i], 32, 96);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(differ), cmocka_unit_test(stay),
					   cmocka_unit_test(unlike_each_other)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
