/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/extra.h"

#include <stdlib.h>
#include <string.h>

const struct extra_parts extra_none;

static bool is_empty(const struct extra_parts *p)
{
	return IN6_IS_ADDR_UNSPECIFIED(&p->asker) && p->remote_port == 0 && p->more_ports == 0 && p->filters_n == 0 &&
	       p->description_length == 0;
}

bool extra_new(const struct extra_parts *parts, struct extra **x)
{
	size_t filters = parts->filters_n * sizeof(*parts->filters);
	char *behind;

	*x = NULL;
	if (is_empty(parts))
		return true;
	*x = malloc(sizeof(**x) + filters + parts->description_length);
	if (!*x)
		return false;
	**x = (struct extra){.parts = *parts, .references = 1};
	behind = (char *)(*x + 1);
	(*x)->parts.filters = filters ? memcpy(behind, parts->filters, filters) : NULL;
	behind += filters;
	(*x)->parts.description =
	    parts->description_length ? memcpy(behind, parts->description, parts->description_length) : NULL;
	return true;
}

struct extra *extra_hold(struct extra *x)
{
	if (x)
		x->references++;
	return x;
}

void extra_drop(struct extra *x)
{
	if (x && --x->references == 0)
		free(x);
}
