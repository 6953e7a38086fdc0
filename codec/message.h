/* SPDX-License-Identifier: MIT */
/* What the files of the codec share and its users do not need. */
#ifndef NATPCP_MESSAGE_H
#define NATPCP_MESSAGE_H

#include "codec/codec.h"

#include <string.h>

#define MESSAGE_RESPONSE 0x80 /* in the second octet of either protocol */

#define PCP_HEADER_LENGTH 24
#define PCP_MAP_LENGTH	  60 /* with the header */
#define PCP_PEER_LENGTH	  80
#define PCP_OPTION_HEADER 4

enum codec_verdict natpmp_parse(const uint8_t *data, size_t length, struct natpmp_message *m, struct codec_error *e);
enum codec_verdict pcp_parse(const uint8_t *data, size_t length, struct pcp_message *m, struct codec_error *e);

/* The octets of header and opcode data, options apart; the header alone for an opcode that is not known. */
static inline size_t pcp_fixed_length(uint8_t opcode)
{
	return opcode == PCP_MAP ? PCP_MAP_LENGTH : opcode == PCP_PEER ? PCP_PEER_LENGTH : PCP_HEADER_LENGTH;
}

static inline bool pcp_opcode_known(uint8_t opcode)
{
	return opcode <= PCP_PEER;
}

/* Option contents end on a multiple of four octets. */
static inline size_t pcp_option_padding(size_t length)
{
	return (4 - length % 4) % 4;
}

/*
 * A STUN message (RFC 8489 section 5) on a shared socket whose first octets could be a NAT-PMP request with surplus
 * octets. The magic cookie and the length, which for such a request would be in reserved zeros, tell them apart.
 */
static inline bool message_is_stun(const uint8_t *data, size_t length)
{
	static const uint8_t cookie[4] = {0x21, 0x12, 0xa4, 0x42};

	return length >= 20 && memcmp(data + 4, cookie, sizeof(cookie)) == 0 &&
	       (size_t)(data[2] << 8 | data[3]) == length - 20;
}

/* Tells why and passes the verdict through. */
static inline enum codec_verdict message_fail(struct codec_error *e, enum codec_verdict verdict, uint8_t result,
					      size_t offset, const char *why)
{
	if (e)
		*e = (struct codec_error){.result = result, .offset = offset, .why = why};
	return verdict;
}

/* Walks an option area without looking into the options. Returns why that is impossible, with the offset, or NULL. */
const char *pcp_options_walk(const uint8_t *options, size_t length, size_t *offset);

#endif
