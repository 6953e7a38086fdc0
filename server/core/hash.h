/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A keyed hash (SipHash-1-3) of an address and a number, so that nobody who does not know the seed can make many keys
 * fall into one chain. The same on every byte order.
 */
#ifndef SERVER_CORE_HASH_H
#define SERVER_CORE_HASH_H

#include <endian.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

struct hash_key {
	uint64_t k0, k1;
};

static inline uint64_t hash_load(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline struct hash_key hash_key_from(const uint8_t seed[16])
{
	return (struct hash_key){hash_load(seed), hash_load(seed + 8)};
}

static inline uint64_t hash_rotate(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static inline void hash_mix(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = hash_rotate(v[1], 13) ^ v[0];
	v[3] = hash_rotate(v[3], 16) ^ v[2];
	v[0] = hash_rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = hash_rotate(v[1], 17) ^ v[2];
	v[3] = hash_rotate(v[3], 21) ^ v[0];
	v[2] = hash_rotate(v[2], 32);
}

static inline void hash_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	hash_mix(v);
	v[0] ^= word;
}

/* The hash of the 20 octets of an address and a number with its low octet first. */
static inline uint64_t hash_address(const struct hash_key *k, const struct in6_addr *address, uint32_t number)
{
	uint64_t v[4] = {k->k0 ^ 0x736f6d6570736575, k->k1 ^ 0x646f72616e646f6d, k->k0 ^ 0x6c7967656e657261,
			 k->k1 ^ 0x7465646279746573};
	hash_word(v, hash_load(address->s6_addr));
	hash_word(v, hash_load(address->s6_addr + 8));
	hash_word(v, (uint64_t)20 << 56 | number);
	v[2] ^= 0xff;
	hash_mix(v);
	hash_mix(v);
	hash_mix(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/*
 * Hashes that were made lately. One request asks for the same few again and again: who its client is, whether a port is
 * free, who holds it. Starts zeroed.
 */
enum { HASH_MEMO = 64 };
struct hash_memo {
	struct {
		struct in6_addr address;
		uint32_t number;
		uint32_t known; /* 0: there is none */
		uint64_t hash;
	} v[HASH_MEMO];
};

/* As hash_address(), with one key for all of a memo. */
static inline uint64_t hash_again(struct hash_memo *m, const struct hash_key *k, const struct in6_addr *address,
				  uint32_t number)
{
	uint32_t i = (number ^ number >> 16 ^ address->s6_addr[15]) % HASH_MEMO;

	if (m->v[i].known && m->v[i].number == number && memcmp(&m->v[i].address, address, sizeof(*address)) == 0)
		return m->v[i].hash;
	m->v[i].address = *address;
	m->v[i].number = number;
	m->v[i].known = 1;
	m->v[i].hash = hash_address(k, address, number);
	return m->v[i].hash;
}

#endif
