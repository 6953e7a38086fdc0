/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The segment that makes an end of a TCP connection say where it is: one that does not fit it, to which TCP answers with an
 * ACK that has the right numbers (RFC 9293 3.10.7.4). Pure.
 */
#ifndef BACKENDS_RESET_MSG_H
#define BACKENDS_RESET_MSG_H

#include <stdint.h>

enum { RESET_MSG_LENGTH = 40 }; /* octets: an IPv4 and a TCP header without options */

enum reset_msg_kind {
	/* With numbers that are those of no connection. A stateful filter at that end may drop it for that. */
	RESET_MSG_ACK,
	/* Linux' connection tracking lets it pass to the end that was called, as it cannot know better. */
	RESET_MSG_SYN,
};

/* Addresses and ports in host byte order. The kernel fills in the identification. */
void reset_msg_segment(uint8_t out[RESET_MSG_LENGTH], enum reset_msg_kind kind, uint32_t source, uint16_t source_port,
		       uint32_t destination, uint16_t destination_port);

#endif
