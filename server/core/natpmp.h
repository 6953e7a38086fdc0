/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is peculiar to NAT-PMP: its three requests, its results, the form of its errors. RFC 6886. */
#ifndef SERVER_CORE_NATPMP_H
#define SERVER_CORE_NATPMP_H

#include "server/core/reply.h"

/* Answers a request that was parsed. */
void natpmp_request(struct engine *e, const struct engine_datagram *d, const struct natpmp_message *m, uint64_t now_ms,
		    struct round *r);
/* Answers a request of another version, where NAT-PMP alone is spoken: RFC 6886 3.5. */
void natpmp_version(struct engine *e, const struct engine_datagram *d, uint64_t now_ms, struct round *r);
/* Makes an answer the error that result stands for, and notes the refusal. */
void natpmp_refuse(struct engine *e, struct round_answer *a, enum mapper_result result, const char *why,
		   uint64_t now_ms, struct round *r);
/* Writes the announcement of the external address, RFC 6886 3.2.1. Returns its length. */
size_t natpmp_announcement(const struct engine *e, size_t external, uint64_t now_ms, uint8_t *out, size_t capacity);

#endif
