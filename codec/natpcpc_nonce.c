/* SPDX-License-Identifier: MIT */
#include "codec/natpcpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* What tells this host from others: for good, or where there is no such file (containers) until the next boot. */
static const char *const identities[] = {"/etc/machine-id", "/proc/sys/kernel/random/boot_id"};

static uint64_t rotl(uint64_t v, int by)
{
	return v << by | v >> (64 - by);
}

static uint64_t little_endian(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static void sip_rounds(uint64_t v[4], int rounds)
{
	while (rounds-- > 0) {
		v[0] += v[1];
		v[1] = rotl(v[1], 13) ^ v[0];
		v[0] = rotl(v[0], 32);
		v[2] += v[3];
		v[3] = rotl(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotl(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotl(v[1], 17) ^ v[2];
		v[2] = rotl(v[2], 32);
	}
}

/* SipHash-2-4 of a length that is a multiple of eight, but 255 at most. */
static uint64_t siphash(const uint8_t secret[16], const uint8_t *data, size_t length)
{
	uint64_t k0 = little_endian(secret), k1 = little_endian(secret + 8);
	uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
			 k1 ^ 0x7465646279746573};

	for (size_t i = 0; i <= length; i += 8) {
		uint64_t m = i < length ? little_endian(data + i) : (uint64_t)length << 56;

		v[3] ^= m;
		sip_rounds(v, 2);
		v[0] ^= m;
	}
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

bool hex_parse(const char *s, uint8_t *out, size_t capacity, size_t *length)
{
	size_t n = strlen(s);

	if (n % 2 || n / 2 > capacity || strspn(s, "0123456789abcdefABCDEF") != n)
		return false;
	for (size_t i = 0; i < n / 2; i++) {
		char pair[3] = {s[2 * i], s[2 * i + 1], 0};

		out[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	*length = n / 2;
	return true;
}

static bool identity(const char *path, uint8_t out[16])
{
	FILE *f = fopen(path, "re");
	char digits[33] = "";
	size_t n = 0;
	int c;

	if (!f)
		return false;
	while (n < 32 && (c = fgetc(f)) != EOF && c != '\n')
		if (c != '-')
			digits[n++] = (char)c;
	fclose(f);
	return hex_parse(digits, out, 16, &n) && n == 16;
}

/* The identity is the hash's secret key: it is unknown off this host and does not show in the nonce. Without one
 * nothing links two runs, and the nonce is random. */
void nonce_choose(const struct app *a, uint8_t protocol, uint16_t internal_port, struct codec_nonce *nonce)
{
	uint8_t secret[16], data[40] = {0};
	uint64_t h[2];
	uid_t uid = getuid();
	bool known = false;

	if (a->o.has_nonce) {
		*nonce = a->o.nonce;
		return;
	}
	for (size_t i = 0; i < sizeof(identities) / sizeof(identities[0]) && !known && !a->o.random_nonce; i++)
		known = identity(identities[i], secret);
	if (!known) {
		while (getrandom(nonce->octets, sizeof(nonce->octets), 0) != sizeof(nonce->octets))
			;
		return;
	}
	for (uint8_t i = 0; i < 2; i++) {
		data[0] = i;
		data[1] = protocol;
		data[2] = (uint8_t)(internal_port >> 8);
		data[3] = (uint8_t)internal_port;
		for (int j = 0; j < 4; j++)
			data[4 + j] = (uint8_t)(uid >> (8 * j));
		memcpy(data + 8, &a->server.address, 16);
		memcpy(data + 24, &a->o.third_party, 16);
		h[i] = siphash(secret, data, sizeof(data));
	}
	memcpy(nonce->octets, &h[0], 8);
	memcpy(nonce->octets + 8, &h[1], 4);
}
