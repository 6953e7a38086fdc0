/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/ender_seen.h"

#include <string.h>

enum { PORTS_MAX = 256 }; /* of larger sets, yes is said without a look */

static unsigned bit_of(const struct in6_addr *address, uint8_t protocol, uint16_t port)
{
	uint64_t half[2], n = (uint64_t)protocol << 16 | port;

	memcpy(half, address, sizeof(half));
	n = (n ^ half[0]) * 0x9e3779b97f4a7c15;
	n = (n ^ n >> 32 ^ half[1]) * 0x9e3779b97f4a7c15;
	return (unsigned)(n >> 48) % ENDER_SEEN_BITS;
}

void ender_seen_add(struct ender_seen *s, const struct ender_flow *f)
{
	unsigned bit = bit_of(&f->external_address, f->protocol, f->external_port);

	s->bits[bit / 64] |= (uint64_t)1 << bit % 64;
}

bool ender_seen_has(const struct ender_seen *s, const struct mapping *m)
{
	/* neither is there a look for all ports */
	if (m->external_port == 0 || m->more_ports >= PORTS_MAX)
		return true;
	for (unsigned i = 0; i <= m->more_ports; i++) {
		unsigned bit = bit_of(&m->external_address, m->protocol, (uint16_t)(m->external_port + i));

		if (s->bits[bit / 64] >> bit % 64 & 1)
			return true;
	}
	return false;
}
