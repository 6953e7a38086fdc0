/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/mapper_filters.h"

#include "server/core/mapper_set.h"

/* True if the mapping may have so many: each port of a set takes elements for each filter. What a lease has now it gives
 * up in the same transaction, be it on its way out. */
static bool is_room(const struct engine *e, const struct lease *l, size_t n, size_t ports)
{
	size_t others = lease_filters(e->leases) - (l ? ports * extra_parts(l->extra)->filters_n : 0);

	return others + n * ports <= e->conf->limits.filters;
}

void mapper_filters_plan(const struct engine *e, const struct mapper_want *w, const struct lease *l,
			 struct mapper_plan *p)
{
	const struct extra_parts *old = extra_parts(l && l->state == LEASE_ACTIVE ? l->extra : NULL);
	struct mapping_filter filters[TERMS_FILTERS_OF_MAPPING];
	size_t n, ports = l ? portset_more(l) + 1u : mapper_set_size(p);

	if (!w->terms || !w->terms->filter || p->verdict.result != MAPPER_OK)
		return;
	n = terms_merge(w->terms, old, filters);
	if (terms_same_filters(old, filters, n))
		return;
	if (n > e->conf->limits.filters_per_mapping ||
	    (n > 0 && l && ports > 1 && ports > e->conf->limits.port_set_max))
		mapper_refuse(p, MAPPER_FILTERS, "more filters than a mapping may have", 0);
	else if (n > old->filters_n && !is_room(e, l, n, ports))
		mapper_refuse(p, MAPPER_FILTERS, "more filters than all mappings may have together", 0);
	else if (p->action == MAPPER_RENEW)
		p->action = MAPPER_REPLACE;
}
