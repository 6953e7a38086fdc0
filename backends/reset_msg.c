/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/reset_msg.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

enum {
	HEADER = 20, /* octets of either header */
	TTL = 64,
	SYN = 0x02,
	ACK = 0x10,
	/*
	 * Acceptable by chance only: with windows of a megabyte each, sequence number and acknowledgement together are once
	 * in 16 million connections, and then nothing is answered.
	 */
	SEQUENCE = 0x6e617470,
	ACKNOWLEDGED = 0x6d637064,
};

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

/* RFC 1071, of an even number of octets. */
static uint32_t sum(const uint8_t *at, size_t length)
{
	uint32_t s = 0;

	for (size_t i = 0; i < length; i += 2)
		s += (uint32_t)at[i] << 8 | at[i + 1];
	return s;
}

static uint32_t fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return ~s & 0xffff;
}

void reset_msg_segment(uint8_t out[RESET_MSG_LENGTH], enum reset_msg_kind kind, uint32_t source, uint16_t source_port,
		       uint32_t destination, uint16_t destination_port)
{
	uint8_t *ip = out, *tcp = out + HEADER;

	memset(out, 0, RESET_MSG_LENGTH);
	ip[0] = 4 << 4 | HEADER / 4;
	put16(ip + 2, RESET_MSG_LENGTH);
	ip[8] = TTL;
	ip[9] = IPPROTO_TCP;
	put32(ip + 12, source);
	put32(ip + 16, destination);
	put16(ip + 10, fold(sum(ip, HEADER)));
	put16(tcp, source_port);
	put16(tcp + 2, destination_port);
	put32(tcp + 4, SEQUENCE);
	if (kind == RESET_MSG_ACK)
		put32(tcp + 8, ACKNOWLEDGED);
	tcp[12] = HEADER / 4 << 4;
	tcp[13] = kind == RESET_MSG_ACK ? ACK : SYN;
	/* the pseudo header: both addresses, the protocol, the length */
	put16(tcp + 16, fold(sum(ip + 12, 8) + IPPROTO_TCP + HEADER + sum(tcp, HEADER)));
}
