/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/alter.h"

#include <string.h>

#include "codec/codec.h"
#include "server/lab/sight.h"

#define WISH_STEP   1000
#define LENGTHEN_BY 4

static uint32_t get(const uint8_t *at, size_t octets)
{
	uint32_t v = 0;

	for (size_t i = 0; i < octets; i++)
		v = v << 8 | at[i];
	return v;
}

static void put(uint8_t *at, size_t octets, uint32_t v)
{
	while (octets-- > 0) {
		at[octets] = (uint8_t)v;
		v >>= 8;
	}
}

bool alter_wish(uint8_t *data, size_t length, uint16_t port)
{
	struct sight s = sight(data, length);
	size_t at = s.protocol == SIGHT_NATPMP ? SIGHT_NATPMP_EXTERNAL : SIGHT_PCP_EXTERNAL;
	uint32_t old, new;

	if (s.protocol == SIGHT_OTHER || (s.op != SIGHT_MAP && s.op != SIGHT_PEER) || length < at + 2)
		return false;
	old = get(data + at, 2);
	new = port;
	if (!port)
		new = old == 0 ? 0 : old + WISH_STEP > UINT16_MAX ? old - WISH_STEP : old + WISH_STEP;
	put(data + at, 2, new);
	return new != old;
}

bool alter_lifetime(uint8_t *data, size_t length, uint32_t most_s)
{
	struct sight s = sight(data, length);
	size_t at = s.protocol == SIGHT_NATPMP ? SIGHT_NATPMP_LIFETIME : SIGHT_PCP_LIFETIME;

	if (s.protocol == SIGHT_OTHER || (s.op != SIGHT_MAP && s.op != SIGHT_PEER) || length < at + 4 ||
	    get(data + at, 4) <= most_s)
		return false;
	put(data + at, 4, most_s);
	return true;
}

bool alter_least(uint8_t *data, size_t length, uint32_t least_s)
{
	struct sight s = sight(data, length);

	if (s.protocol != SIGHT_PCP || (s.op != SIGHT_MAP && s.op != SIGHT_PEER) || length < SIGHT_PCP_LIFETIME + 4 ||
	    get(data + SIGHT_PCP_LIFETIME, 4) >= least_s)
		return false;
	put(data + SIGHT_PCP_LIFETIME, 4, least_s);
	return true;
}

size_t alter_nonce(uint8_t *data, size_t length)
{
	for (size_t i = SIGHT_PCP_NONCE; i < SIGHT_PCP_NONCE + CODEC_NONCE_LENGTH && i < length; i++)
		data[i] ^= 0xff;
	return length;
}

size_t alter_truncate(size_t length, uint32_t octets)
{
	size_t want = octets ? octets : length / 2;

	return want < length ? want : length;
}

size_t alter_lengthen(uint8_t *data, size_t length, uint32_t octets)
{
	size_t more = octets ? octets : LENGTHEN_BY;

	if (length + more > ALTER_ROOM)
		more = ALTER_ROOM - length;
	memset(data + length, 0, more);
	return length + more;
}

size_t alter_garbage(uint8_t *data, size_t length, uint64_t (*random)(void *context), void *context)
{
	for (size_t i = 0; i < length; i++)
		data[i] = (uint8_t)(random(context) >> 32);
	return length;
}

size_t alter_promise(uint8_t *data, size_t length)
{
	struct sight s = sight(data, length);

	if (s.protocol == SIGHT_NATPMP && s.op == SIGHT_ADDRESS && length >= SIGHT_NATPMP_ADDRESS + 4)
		put(data + SIGHT_NATPMP_ADDRESS, 4, 0xcb007142); /* 203.0.113.66 */
	else if (s.protocol == SIGHT_NATPMP && length >= SIGHT_NATPMP_MAPPED + 2)
		data[SIGHT_NATPMP_MAPPED + 1] ^= 1;
	else if (s.protocol == SIGHT_PCP && length >= SIGHT_PCP_EXTERNAL + 2)
		data[SIGHT_PCP_EXTERNAL + 1] ^= 1;
	return length;
}
