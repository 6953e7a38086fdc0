/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engine knows, as JSON values. */
#ifndef SERVER_VIEWS_H
#define SERVER_VIEWS_H

#include <jansson.h>
#include <stddef.h>

#include "server/core/engine.h"

/* The caller owns what is returned; NULL if out of memory. */

/* protocol ("tcp", "udp" or a number), internal_address, internal_port, external_address, external_port, expires_in_s
 * (null: never), ports (how many from these on, for a set), origin, kind; rule, and requested_by if it was another host, where known. */
json_t *views_lease(const struct engine_lease *l);
json_t *views_explanation(const struct engine_question *q, const struct engine_explanation *x);
/* Requests by opcode, answers by result, silent drops, what became of mappings. */
json_t *views_stats(const struct engine_stats *s);
json_t *views_addresses(const struct in6_addr *v, size_t n);
json_t *views_address(const struct in6_addr *a);
json_t *views_protocol(uint8_t protocol);

#endif
