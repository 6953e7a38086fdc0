/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PORT_SET option of RFC 7753: what a request says, and which mappings it is about. */
#ifndef SERVER_CORE_PCP_PORTSET_H
#define SERVER_CORE_PCP_PORTSET_H

#include "server/core/mapper.h"

/* What the options of a request say. Zero: there is none. */
struct pcp_portset {
	unsigned seen;
	bool empty; /* one of them has size 0 */
	bool parity;
	uint16_t size;
};

/* Takes a PORT_SET. One of the wrong length is none, as the option may be ignored. */
void pcp_portset_take(struct pcp_portset *s, const struct pcp_option *o);
/* Why a request with such options is malformed, or NULL: RFC 7753 4.2. */
const char *pcp_portset_wrong(const struct pcp_portset *s, uint32_t lifetime_s, bool prefer_failure);

/*
 * The mappings that a request touches: RFC 7753 4.4.1. Each is to be treated as if it had been asked for alone, by the
 * internal port in out. Returns how many; 0: the request stands for itself, as an ordinary one or for a new set.
 */
size_t pcp_portset_parts(const struct engine *e, const struct mapper_want *w, uint16_t out[PORTSET_TOUCHED_MAX]);

/* Appends the option that tells of a set: first internal port, ports behind it. Nothing for a single port. */
void pcp_portset_put(uint16_t first, uint16_t more, bool parity, uint8_t *options, size_t *length, size_t capacity);

#endif
