/* SPDX-License-Identifier: MIT */
/* Nonces that can be made again: SipHash-2-4 of what they are for, under a secret key. */
#include "codec/client.h"

#include <string.h>

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

/* Of a length that is a multiple of eight, but 255 at most. */
static uint64_t siphash(const uint8_t *secret, const uint8_t *data, size_t length)
{
	uint64_t k0 = little_endian(secret), k1 = little_endian(secret + 8);
	uint64_t v[4] = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
			 k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};

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

void client_nonce(const uint8_t secret[CLIENT_SECRET], const struct in6_addr *server, uint8_t protocol,
		  uint16_t internal_port, struct codec_nonce *nonce)
{
	uint8_t data[24] = {0, protocol, (uint8_t)(internal_port >> 8), (uint8_t)internal_port};
	uint64_t h[2];

	memcpy(data + 8, server, sizeof(*server));
	for (uint8_t i = 0; i < 2; i++) {
		data[0] = i;
		h[i] = siphash(secret, data, sizeof(data));
	}
	for (unsigned int i = 0; i < CODEC_NONCE_LENGTH; i++)
		nonce->octets[i] = (uint8_t)(h[i / 8] >> (i % 8 * 8));
}
