/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a datagram is about, as far as faults are concerned: a look at a few octets, lenient. Pure. */
#ifndef SERVER_LAB_SIGHT_H
#define SERVER_LAB_SIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sight_protocol { SIGHT_NATPMP, SIGHT_PCP, SIGHT_OTHER };

enum sight_op {
	SIGHT_ADDRESS,
	SIGHT_MAP, /* with a lifetime */
	SIGHT_PEER,
	SIGHT_DELETE, /* MAP or PEER without one */
	SIGHT_ANNOUNCE,
	SIGHT_UNKNOWN,
};

struct sight {
	enum sight_protocol protocol;
	enum sight_op op;
	bool response;
};

struct sight sight(const uint8_t *data, size_t length);

/* Where the parts of a message are, in octets from its start. */
enum {
	SIGHT_NATPMP_EPOCH = 4,
	SIGHT_NATPMP_EXTERNAL = 6, /* port wished for */
	SIGHT_NATPMP_LIFETIME = 8,
	SIGHT_NATPMP_ADDRESS = 8, /* in an answer */
	SIGHT_NATPMP_MAPPED = 10, /* port in an answer */
	SIGHT_NATPMP_GRANTED = 12,
	SIGHT_PCP_LIFETIME = 4,
	SIGHT_PCP_EPOCH = 8,
	SIGHT_PCP_NONCE = 24,
	SIGHT_PCP_EXTERNAL = 42, /* port */
	SIGHT_PCP_MAPPING_END = 60,
};

#endif
