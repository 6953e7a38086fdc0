/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages made wrong, in place: data has room for ALTER_ROOM octets. Pure. */
#ifndef SERVER_LAB_ALTER_H
#define SERVER_LAB_ALTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ALTER_ROOM 4096

/* Requests. True if the message has such a field and it changed. */

/* Wishes for another outside port: this one, or a thousand above the one wished for if 0. A wish for any stays. */
bool alter_wish(uint8_t *data, size_t length, uint16_t port);
/* Wishes for no more than so many seconds. */
bool alter_lifetime(uint8_t *data, size_t length, uint32_t most_s);
/* Wishes for so many seconds at least, by PCP: NAT-PMP knows no such limit. */
bool alter_least(uint8_t *data, size_t length, uint32_t least_s);

/* Answers. The new length. */

/* Another nonce in every octet; of an answer that has one. */
size_t alter_nonce(uint8_t *data, size_t length);
/* The first octets of it; half of them if 0. */
size_t alter_truncate(size_t length, uint32_t octets);
/* With so many octets behind it; 4 if 0. */
size_t alter_lengthen(uint8_t *data, size_t length, uint32_t octets);
/* Octets that mean nothing. */
size_t alter_garbage(uint8_t *data, size_t length, uint64_t (*random)(void *context), void *context);
/* Tells of another outside port, or outside address: what somebody would say who wants the traffic. */
size_t alter_promise(uint8_t *data, size_t length);

#endif
