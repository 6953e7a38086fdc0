/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The segment that makes an end of a TCP connection say where it is: a bare ACK with numbers that are those of no
 * connection, to which TCP answers with an ACK that has the right ones (RFC 9293 3.10.7.4). Pure.
 */
#ifndef BACKENDS_RESET_MSG_H
#define BACKENDS_RESET_MSG_H

#include <stdint.h>

enum { RESET_MSG_LENGTH = 40 }; /* octets: an IPv4 and a TCP header without options */

/* Addresses and ports in host byte order. The kernel fills in the identification. */
void reset_msg_segment(uint8_t out[RESET_MSG_LENGTH], uint32_t source, uint16_t source_port, uint32_t destination,
		       uint16_t destination_port);

#endif
