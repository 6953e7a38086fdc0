/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end that changes the packet filter, over a memory backend: it refuses what has the external port 666. */
#ifndef TESTS_UNIT_BACKENDS_WARDEN_BED_H
#define TESTS_UNIT_BACKENDS_WARDEN_BED_H

#include <errno.h>
#include <string.h>

#include "backends/serve.h"

enum { BED_FORBIDDEN = 666 };

static const char *bed_permit(void *context, const struct change *c)
{
	(void)context;
	return c->op == CHANGE_ADD && c->mapping.external_port == BED_FORBIDDEN ? "forbidden" : NULL;
}

static bool bed_shaped(void *context, const struct mapping *m)
{
	(void)context;
	return m->external_port != BED_FORBIDDEN;
}

static struct in6_addr bed_v4(uint8_t a, uint8_t d)
{
	return (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff, [12] = a, [15] = d}};
}

static inline struct change bed_add(uint32_t group, uint16_t port)
{
	return (struct change){.mapping = {.internal_address = bed_v4(192, (uint8_t)(1 + port % 200)),
					   .external_address = bed_v4(198, 1),
					   .internal_port = port,
					   .external_port = port,
					   .protocol = 17,
					   .kind = MAPPING_NAT},
			       .timeout_ms = 60000,
			       .group = group,
			       .op = CHANGE_ADD,
			       .verdict = 99};
}

#endif
