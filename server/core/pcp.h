/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is peculiar to PCP: header, opcodes, options, the order of checks, the form of its errors. RFC 6887. */
#ifndef SERVER_CORE_PCP_H
#define SERVER_CORE_PCP_H

#include "server/core/reply.h"

/* Answers a request that was parsed. */
void pcp_request(struct engine *e, const struct engine_datagram *d, const struct pcp_message *m, uint64_t now_ms,
		 struct round *r);
/* True if a MAP or PEER request has a THIRD_PARTY option: *host is whom it names, which may be forbidden or nonsense. Else
 * *host stays. */
bool pcp_names_host(const struct pcp_message *m, struct in6_addr *host);
/* The leases whose time a MAP request would cut if they had no connections. Returns how many. */
size_t pcp_concerns(const struct engine *e, const struct engine_datagram *d, const struct pcp_message *m,
		    uint64_t now_ms, uint32_t leases[PORTSET_TOUCHED_MAX]);
/* Answers a request that codec_parse() refused; m is what it could read. */
void pcp_unparsed(struct engine *e, const struct engine_datagram *d, const struct pcp_message *m,
		  const struct codec_error *error, uint64_t now_ms, struct round *r);
/* The mapper's result in PCP's words. */
enum pcp_result pcp_result_of(enum mapper_result result);
/* Makes an answer the error that result stands for, and notes the refusal. error_s 0: for as long as is usual. */
void pcp_refuse(struct engine *e, struct round_answer *a, enum mapper_result result, uint32_t error_s, const char *why,
		uint64_t now_ms, struct round *r);
/* Writes an unsolicited ANNOUNCE, RFC 6887 14.1.3. Returns its length. */
size_t pcp_announcement(const struct engine *e, uint64_t now_ms, uint8_t *out, size_t capacity);
/* Writes a Mapping Update for a lease, RFC 6887 14.2; failed: that it cannot be kept as PREFER_FAILURE wanted it. Returns
 * its length. */
size_t pcp_update(const struct engine *e, const struct lease *l, bool failed, uint64_t now_ms, uint8_t *out,
		  size_t capacity);

#endif
