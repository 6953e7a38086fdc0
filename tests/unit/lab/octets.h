/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages for the tests of the lab. */
#ifndef TESTS_UNIT_LAB_OCTETS_H
#define TESTS_UNIT_LAB_OCTETS_H

#include "codec/codec.h"
#include "server/lab/alter.h"

struct octets {
	uint8_t data[ALTER_ROOM];
	size_t length;
};

static inline struct octets octets_of(const struct codec_message *m)
{
	struct octets o = {.length = 0};

	o.length = codec_marshal(m, o.data, sizeof(o.data));
	return o;
}

static inline struct octets octets_natpmp(uint8_t opcode, bool response, uint16_t external_port, uint32_t lifetime_s)
{
	struct codec_message m = {.protocol = CODEC_VERSION_NATPMP};

	m.natpmp = (struct natpmp_message){
	    .response = response,
	    .opcode = opcode,
	    .epoch_s = response ? 50 : 0,
	    .external_address = codec_from_v4(0xc6336401),
	    .internal_port = opcode ? 8080 : 0,
	    .external_port = external_port,
	    .lifetime_s = lifetime_s,
	};
	return octets_of(&m);
}

static inline struct octets octets_pcp(uint8_t opcode, bool response, uint16_t external_port, uint32_t lifetime_s)
{
	struct codec_message m = {.protocol = CODEC_VERSION_PCP};

	m.pcp = (struct pcp_message){
	    .response = response,
	    .opcode = opcode,
	    .epoch_s = response ? 50 : 0,
	    .lifetime_s = lifetime_s,
	    .client_address = codec_from_v4(0x7f000001),
	    .mapping = {.nonce = {{1, 2, 3}}, .protocol = 6, .internal_port = 8080, .external_port = external_port},
	};
	if (opcode == PCP_PEER) {
		m.pcp.mapping.remote_port = 80;
		m.pcp.mapping.remote_address = codec_from_v4(0xc6336402);
	}
	return octets_of(&m);
}

/* What a message says. */
static inline struct codec_message octets_read(const uint8_t *data, size_t length)
{
	struct codec_message m = {.protocol = CODEC_VERSION_NATPMP};

	if (codec_parse(data, length, &m, NULL) != CODEC_OK)
		m.pcp.opcode = m.natpmp.opcode = 0xee;
	return m;
}

#endif
