/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between an engine_datagram and the two protocols: how an answer is begun, and what both say of a refusal. */
#ifndef SERVER_CORE_REPLY_H
#define SERVER_CORE_REPLY_H

#include "server/core/mapper.h"

/* Begins the answer to a datagram, with room for its success and its error form; NULL if out of memory, then the request
 * stays unanswered. The pointer is valid until the next is begun. */
struct round_answer *reply_begin(const struct engine_datagram *d, bool pcp, uint8_t opcode, struct round *r);
/* Its index in the round. */
uint32_t reply_index(const struct round *r, const struct round_answer *a);
/* The answer is so many octets of its buffer. */
void reply_length(struct round *r, const struct round_answer *a, size_t length);
/* Notes a refusal. result is as sent. */
void reply_refused(struct round *r, struct round_answer *a, uint8_t result, const char *why);

#endif
