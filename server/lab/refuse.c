/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/refuse.h"

#include <string.h>

#include "codec/codec.h"

#define NATPMP_OCTETS 8
#define PCP_OCTETS    24
#define VERSION_HOLD  1800 /* what RFC 6887 7.4 proposes for errors that stay */

size_t refuse_result(const uint8_t *request, size_t length, uint16_t result, uint32_t hold_s, uint32_t epoch_s,
		     uint8_t *out, size_t room)
{
	struct codec_error e;
	struct codec_message m;

	if (request[0] == CODEC_VERSION_NATPMP)
		return natpmp_marshal_error(request, length, (enum natpmp_result)result, epoch_s, out, room);
	return pcp_marshal_error(request, length, codec_parse(request, length, &m, &e) == CODEC_OK,
				 (enum pcp_result)result, hold_s, epoch_s, out, room);
}

/* What a box without PCP says to it. */
static size_t natpmp_version(const uint8_t *request, enum fault_style style, uint32_t epoch_s, uint8_t *out,
			     size_t room)
{
	if (room < NATPMP_OCTETS)
		return 0;
	memset(out, 0, NATPMP_OCTETS);
	out[1] = style == FAULT_STYLE_MISPRINT ? 0 : style == FAULT_STYLE_OPCODE ? request[1] | 0x80 : 0x80;
	out[3] = NATPMP_UNSUPP_VERSION;
	for (int i = 0; i < 4; i++)
		out[4 + i] = (uint8_t)(epoch_s >> (24 - 8 * i));
	return NATPMP_OCTETS;
}

size_t refuse_version(const uint8_t *request, size_t length, enum fault_style style, uint32_t epoch_s, uint8_t *out,
		      size_t room)
{
	size_t n;

	if (style != FAULT_STYLE_PCP && style != FAULT_STYLE_PCP1)
		return natpmp_version(request, style, epoch_s, out, room);
	n = pcp_marshal_error(request, length < PCP_OCTETS ? length : PCP_OCTETS, false, PCP_UNSUPP_VERSION,
			      VERSION_HOLD, epoch_s, out, room);
	if (n && style == FAULT_STYLE_PCP1)
		out[0] = 1;
	return n;
}
