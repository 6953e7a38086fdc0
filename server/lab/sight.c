/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/sight.h"

#include "codec/codec.h"

static bool zeros(const uint8_t *data, size_t n)
{
	while (n > 0 && data[n - 1] == 0)
		n--;
	return n == 0;
}

static enum sight_op natpmp_op(uint8_t opcode, const uint8_t *data, size_t length, bool response)
{
	size_t lifetime = response ? SIGHT_NATPMP_GRANTED : SIGHT_NATPMP_LIFETIME;

	if (opcode == NATPMP_ADDRESS)
		return SIGHT_ADDRESS;
	if (opcode != NATPMP_MAP_UDP && opcode != NATPMP_MAP_TCP)
		return SIGHT_UNKNOWN;
	return length >= lifetime + 4 && zeros(data + lifetime, 4) ? SIGHT_DELETE : SIGHT_MAP;
}

static enum sight_op pcp_op(uint8_t opcode, const uint8_t *data, size_t length)
{
	if (opcode == PCP_ANNOUNCE)
		return SIGHT_ANNOUNCE;
	if (opcode != PCP_MAP && opcode != PCP_PEER)
		return SIGHT_UNKNOWN;
	if (length >= SIGHT_PCP_LIFETIME + 4 && zeros(data + SIGHT_PCP_LIFETIME, 4))
		return SIGHT_DELETE;
	return opcode == PCP_MAP ? SIGHT_MAP : SIGHT_PEER;
}

struct sight sight(const uint8_t *data, size_t length)
{
	struct sight s = {.protocol = SIGHT_OTHER, .op = SIGHT_UNKNOWN};

	if (length < 2)
		return s;
	s.response = data[1] & 0x80;
	if (data[0] == CODEC_VERSION_NATPMP) {
		s.protocol = SIGHT_NATPMP;
		s.op = natpmp_op(data[1] & 0x7f, data, length, s.response);
	} else if (data[0] == CODEC_VERSION_PCP) {
		s.protocol = SIGHT_PCP;
		s.op = pcp_op(data[1] & 0x7f, data, length);
	}
	return s;
}
