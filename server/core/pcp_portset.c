/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/pcp_portset.h"

enum { LENGTH = 5 };

void pcp_portset_take(struct pcp_portset *s, const struct pcp_option *o)
{
	if (o->length != LENGTH)
		return;
	s->empty = s->empty || o->port_set.size == 0;
	if (s->seen++ > 0)
		return;
	s->size = o->port_set.size;
	s->parity = o->port_set.parity;
}

const char *pcp_portset_wrong(const struct pcp_portset *s, uint32_t lifetime_s, bool prefer_failure)
{
	if (lifetime_s == 0 || s->seen == 0)
		return NULL;
	if (s->seen > 1)
		return "PORT_SET twice";
	if (s->empty)
		return "PORT_SET of no port";
	return prefer_failure ? "PORT_SET with PREFER_FAILURE" : NULL;
}

size_t pcp_portset_parts(const struct engine *e, const struct mapper_want *w, uint16_t out[PORTSET_TOUCHED_MAX])
{
	uint32_t leases[PORTSET_TOUCHED_MAX];
	size_t n;

	if (w->ports < 2 || w->internal_port == 0)
		return 0;
	n = portset_touched(e, w->protocol, &w->internal_address, w->internal_port, w->ports, leases);
	for (size_t i = 0; i < n; i++) {
		uint16_t first = lease_peek(e->leases, leases[i])->internal_port;

		/* the request's own port where the mapping has it: RFC 7753 5.3 and 6.3 */
		out[i] = first > w->internal_port ? first : w->internal_port;
	}
	return n;
}

void pcp_portset_put(uint16_t first, uint16_t more, bool parity, uint8_t *options, size_t *length, size_t capacity)
{
	struct pcp_option o = {
	    .code = PCP_OPTION_PORT_SET,
	    .port_set = {.size = (uint16_t)(more + 1), .first_internal_port = first, .parity = parity}};

	if (more)
		pcp_option_put(&o, options, length, capacity);
}
