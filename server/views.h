/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engine knows, as JSON values. */
#ifndef SERVER_VIEWS_H
#define SERVER_VIEWS_H

#include <jansson.h>
#include <stddef.h>

#include "server/core/engine.h"

/* The caller owns what is returned; NULL if out of memory. */

/* protocol ("tcp", "udp" or a number), internal_address, internal_port, external_address, external_port, expires_in_s
 * (null: never), ports (how many from these on, for a set), origin, kind; lifetime_s as granted, rule, and requested_by
 * if it was another host, where known. */
json_t *views_lease(const struct engine_lease *l);
json_t *views_explanation(const struct engine_question *q, const struct engine_explanation *x);
/* Requests by opcode, answers by result, silent drops, what became of mappings. */
json_t *views_stats(const struct engine_stats *s);
json_t *views_addresses(const struct in6_addr *v, size_t n);
json_t *views_address(const struct in6_addr *a);
const char *views_origin_name(enum engine_origin origin);
/* False if there is none of that name. */
bool views_origin(const char *name, enum engine_origin *origin);
/* Why a datagram was dropped, in one word. */
const char *views_drop_name(enum engine_drop drop);
json_t *views_protocol(uint8_t protocol);

#endif
