/* SPDX-License-Identifier: MIT */
#include "codec/message.h"

#define RESULT_END 4 /* where an error may end */
#define WORDS	   3 /* bits that the length of a PCP message does not have */

/* What a datagram must be like with this version, opcode and R bit. */
struct form {
	uint16_t least[2]; /* octets, if it is no error and if it is one */
	uint16_t error;	   /* the bits of the third and fourth octet that tell an error; none in a request */
	uint8_t ragged;	   /* bits that its length must not have */
	uint8_t kind;
};

#define NATPMP_REQUEST(least)                                                                                          \
	{                                                                                                              \
		{least, least}, 0, 0, CODEC_KIND_NATPMP_REQUEST                                                        \
	}
#define NATPMP_RESPONSE(least)                                                                                         \
	{                                                                                                              \
		{least, RESULT_END}, 0xffff, 0, CODEC_KIND_NATPMP_RESPONSE                                             \
	}
#define PCP_REQUEST(least)                                                                                             \
	{                                                                                                              \
		{least, least}, 0, WORDS, CODEC_KIND_PCP_REQUEST                                                       \
	}
#define PCP_RESPONSE(least)                                                                                            \
	{                                                                                                              \
		{least, PCP_HEADER_LENGTH}, 0xff, WORDS, CODEC_KIND_PCP_RESPONSE                                       \
	}

/* By half the version, opcode, R. */
static const struct form forms[2][3][2] = {
    {
	[NATPMP_ADDRESS] = {NATPMP_REQUEST(2), NATPMP_RESPONSE(12)},
	[NATPMP_MAP_UDP] = {NATPMP_REQUEST(12), NATPMP_RESPONSE(16)},
	[NATPMP_MAP_TCP] = {NATPMP_REQUEST(12), NATPMP_RESPONSE(16)},
    },
    {
	[PCP_ANNOUNCE] = {PCP_REQUEST(PCP_HEADER_LENGTH), PCP_RESPONSE(PCP_HEADER_LENGTH)},
	[PCP_MAP] = {PCP_REQUEST(PCP_MAP_LENGTH), PCP_RESPONSE(PCP_MAP_LENGTH)},
	[PCP_PEER] = {PCP_REQUEST(PCP_PEER_LENGTH), PCP_RESPONSE(PCP_PEER_LENGTH)},
    },
};

enum codec_kind codec_probe(const uint8_t *data, size_t length)
{
	/* nearly all that is not ours goes no further */
	if (length < 2 || (data[0] != CODEC_VERSION_NATPMP && data[0] != CODEC_VERSION_PCP) ||
	    (data[1] & ~MESSAGE_RESPONSE) > PCP_PEER)
		return CODEC_KIND_OTHER;

	const struct form *f = &forms[data[0] / 2][data[1] & ~MESSAGE_RESPONSE][data[1] / MESSAGE_RESPONSE];
	if (length < RESULT_END)
		return length >= f->least[0] ? (enum codec_kind)f->kind : CODEC_KIND_OTHER;

	unsigned result = (unsigned)data[2] << 8 | data[3];
	if (f->ragged) {
		if (f->error && (result & f->error) == PCP_UNSUPP_VERSION)
			return CODEC_KIND_PCP_RESPONSE;
		if (length > CODEC_MESSAGE_MAX)
			return CODEC_KIND_OTHER;
	} else if (!f->error) {
		/* a version error with the opcode as RFC 6886 3.5 misprinted it */
		if (length == 8 && data[1] == NATPMP_ADDRESS && result == NATPMP_UNSUPP_VERSION)
			return CODEC_KIND_NATPMP_RESPONSE;
		if (data[1] != NATPMP_ADDRESS && message_is_stun(data, length))
			return CODEC_KIND_OTHER;
	}
	/* no branch: which it is cannot be guessed */
	bool fits = (length >= f->least[(result & f->error) != 0]) & ((length & f->ragged) == 0);
	return fits ? (enum codec_kind)f->kind : CODEC_KIND_OTHER;
}
