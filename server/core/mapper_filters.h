/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the mapper makes of filters: RFC 6887 13.3. */
#ifndef SERVER_CORE_MAPPER_FILTERS_H
#define SERVER_CORE_MAPPER_FILTERS_H

#include "server/core/mapper.h"

/* Other filters are another mapping for the packet filter: a renewal with some becomes a replacement. More of them than
 * the mapping, or all together, may have are refused. l: the lease, NULL = a new one. */
void mapper_filters_plan(const struct engine *e, const struct mapper_want *w, const struct lease *l,
			 struct mapper_plan *p);

#endif
