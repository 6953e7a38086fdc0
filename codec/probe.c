/* SPDX-License-Identifier: MIT */
#include "codec/message.h"

static enum codec_kind probe_natpmp(const uint8_t *data, size_t length)
{
	uint8_t opcode = data[1] & ~MESSAGE_RESPONSE;
	size_t whole = opcode == NATPMP_ADDRESS ? 12 : 16;

	if (data[1] & MESSAGE_RESPONSE) {
		if (length >= whole)
			return CODEC_KIND_NATPMP_RESPONSE;
		/* an error may end behind the result */
		bool error = length >= 4 && (data[2] != 0 || data[3] != NATPMP_SUCCESS);
		return error ? CODEC_KIND_NATPMP_RESPONSE : CODEC_KIND_OTHER;
	}
	if (opcode == NATPMP_ADDRESS) {
		bool misprint = length == 8 && data[2] == 0 && data[3] == NATPMP_UNSUPP_VERSION;
		return misprint ? CODEC_KIND_NATPMP_RESPONSE : CODEC_KIND_NATPMP_REQUEST;
	}
	return length >= 12 && !message_is_stun(data, length) ? CODEC_KIND_NATPMP_REQUEST : CODEC_KIND_OTHER;
}

static enum codec_kind probe_pcp(const uint8_t *data, size_t length)
{
	bool response = data[1] & MESSAGE_RESPONSE;
	bool error = response && length >= 4 && data[3] != PCP_SUCCESS;

	if (error && data[3] == PCP_UNSUPP_VERSION)
		return CODEC_KIND_PCP_RESPONSE;
	if (length < PCP_HEADER_LENGTH || length > CODEC_MESSAGE_MAX || length % 4 != 0)
		return CODEC_KIND_OTHER;
	if (!error && length < pcp_fixed_length(data[1] & ~MESSAGE_RESPONSE))
		return CODEC_KIND_OTHER;
	return response ? CODEC_KIND_PCP_RESPONSE : CODEC_KIND_PCP_REQUEST;
}

enum codec_kind codec_probe(const uint8_t *data, size_t length)
{
	/* both protocols know the opcodes 0, 1 and 2 */
	if (length < 2 || (data[1] & ~MESSAGE_RESPONSE) > PCP_PEER)
		return CODEC_KIND_OTHER;
	if (data[0] == CODEC_VERSION_NATPMP)
		return probe_natpmp(data, length);
	return data[0] == CODEC_VERSION_PCP ? probe_pcp(data, length) : CODEC_KIND_OTHER;
}
