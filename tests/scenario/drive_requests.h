/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an engine is driven by, numbers, and the requests of hosts that they make. */
#ifndef TESTS_SCENARIO_DRIVE_REQUESTS_H
#define TESTS_SCENARIO_DRIVE_REQUESTS_H

#include "tests/scenario/world.h"

enum { DRIVE_BATCH = 8, DRIVE_PACKET_MAX = 320, DRIVE_OPTIONS_MAX = DRIVE_PACKET_MAX - 80 };

struct drive {
	struct world w;
	const uint8_t *data; /* NULL: the generator */
	size_t length, at;
	uint64_t state;
	const char *broken; /* what does not hold, NULL = all is well */
	uint8_t packets[DRIVE_BATCH][DRIVE_PACKET_MAX];
	size_t lengths[DRIVE_BATCH];
	unsigned packets_n;
	struct in6_addr wan[2]; /* of the last external, as it was told last */
	uint32_t wan_n;
};

static inline uint32_t drive_number(struct drive *d, uint32_t below)
{
	uint64_t z;

	if (d->data)
		return d->at < d->length ? d->data[d->at++] % below : 0;
	z = (d->state += 0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (uint32_t)((z ^ z >> 31) % below);
}

static inline bool drive_over(const struct drive *d)
{
	return d->data && d->at >= d->length;
}

static inline void drive_complain(struct drive *d, const char *what)
{
	if (!d->broken)
		d->broken = what;
}

static inline struct in6_addr drive_host(struct drive *d)
{
	uint32_t n = drive_number(d, 8);
	struct in6_addr a = {{{0x20, 0x01, 0x0d, 0xb8, 0, 1}}};

	if (n < 6)
		return codec_from_v4(0xc0000200 + n);
	a.s6_addr[15] = (uint8_t)n;
	return a;
}

static inline uint32_t drive_lifetime(struct drive *d)
{
	static const uint32_t lifetimes[] = {0, 0, 0, 1, 60, 120, 600, 3600, 7200, UINT32_MAX};

	return lifetimes[drive_number(d, sizeof(lifetimes) / sizeof(*lifetimes))];
}

static inline uint16_t drive_port(struct drive *d)
{
	uint32_t n = drive_number(d, 40);

	return (uint16_t)(n < 2 ? 0 : n < 5 ? 5347 + n : 998 + n % 10);
}

static inline size_t drive_natpmp(struct drive *d, uint8_t *out)
{
	struct natpmp_message m = {.opcode = (uint8_t)drive_number(d, 4)};

	m.internal_port = drive_port(d);
	m.external_port = drive_port(d);
	m.lifetime_s = drive_lifetime(d);
	if (m.opcode > NATPMP_MAP_TCP)
		m.opcode = NATPMP_MAP_TCP;
	return natpmp_marshal(&m, out, DRIVE_PACKET_MAX);
}

static inline void drive_options(struct drive *d, uint8_t *options, size_t *length)
{
	struct pcp_option o = {.code = PCP_OPTION_PREFER_FAILURE};

	if (drive_number(d, 6) == 0)
		pcp_option_put(&o, options, length, DRIVE_OPTIONS_MAX);
	if (drive_number(d, 8) == 0) {
		o.code = PCP_OPTION_THIRD_PARTY;
		o.third_party = drive_host(d);
		pcp_option_put(&o, options, length, DRIVE_OPTIONS_MAX);
	}
	for (unsigned i = 0; i < 4 && drive_number(d, 4) == 1; i++) {
		o = (struct pcp_option){.code = PCP_OPTION_FILTER};
		o.filter.remote_address = drive_host(d);
		o.filter.prefix_length =
		    (uint8_t)(drive_number(d, 4) ? 126 + drive_number(d, 3) : drive_number(d, 129));
		o.filter.remote_port = (uint16_t)drive_number(d, 3);
		pcp_option_put(&o, options, length, DRIVE_OPTIONS_MAX);
	}
	if (drive_number(d, 8) == 0) {
		o = (struct pcp_option){.code = PCP_OPTION_DESCRIPTION,
					.data = (const uint8_t *)"description",
					.length = (uint16_t)drive_number(d, 12)};
		pcp_option_put(&o, options, length, DRIVE_OPTIONS_MAX);
	}
	while (drive_number(d, 4) == 1) {
		o = (struct pcp_option){
		    .code = PCP_OPTION_PORT_SET,
		    .port_set = {.size = (uint16_t)(1 + drive_number(d, 9)), .parity = drive_number(d, 2)}};
		pcp_option_put(&o, options, length, DRIVE_OPTIONS_MAX);
		if (drive_number(d, 20))
			break;
	}
	if (drive_number(d, 20) == 0) {
		o = (struct pcp_option){.code = (uint8_t)drive_number(d, 256)};
		pcp_option_put(&o, options, length, DRIVE_OPTIONS_MAX);
	}
}

/* The peer, and what connection tracking has of the flow to it. */
static inline void drive_peer(struct drive *d, const struct in6_addr *host, struct pcp_mapping *m)
{
	static const uint32_t addresses[] = {0xcb007101, 0xcb007101, 0xc6336401, 0xc0000202, 0};
	struct in6_addr six = {{{0x20, 0x01, 0x0d, 0xb8, 0, 2}}};

	m->remote_address = codec_from_v4(addresses[drive_number(d, 5)]);
	six.s6_addr[15] = (uint8_t)drive_number(d, 3);
	if (codec_is_v4(host) != (drive_number(d, 12) > 0))
		m->remote_address = six;
	m->remote_port = (uint16_t)(1000 + drive_number(d, 3));
	if (drive_number(d, 20) == 0)
		m->remote_port = 0;
	d->w.flow = (struct engine_flow){.known = drive_number(d, 4) == 0,
					 .external_port = (uint16_t)(1000 + drive_number(d, 8)),
					 .external_address = codec_from_v4(0xc6336401 + drive_number(d, 2)),
					 .left_s = drive_number(d, 400)};
}

static inline size_t drive_pcp(struct drive *d, const struct in6_addr *host, uint8_t *out)
{
	static const uint8_t protocols[] = {6, 6, 6, 17, 17, 17, 132, 33, 1, 0};
	uint8_t options[DRIVE_OPTIONS_MAX];
	struct pcp_message m = {.version = 2, .opcode = PCP_MAP, .client_address = *host, .options = options};

	if (drive_number(d, 20) == 0)
		m.opcode = (uint8_t)drive_number(d, 4);
	else if (drive_number(d, 4) == 0)
		m.opcode = PCP_PEER;
	m.lifetime_s = drive_lifetime(d);
	m.mapping.protocol = protocols[drive_number(d, sizeof(protocols))];
	m.mapping.internal_port = drive_port(d);
	/* one port of these makes no sense: more of the requests do if they are for all */
	if (m.mapping.protocol < 2 && m.mapping.internal_port >= 1000)
		m.mapping.internal_port = 0;
	m.mapping.external_port = drive_port(d);
	memset(&m.mapping.nonce, (int)drive_number(d, 2), sizeof(m.mapping.nonce));
	switch (drive_number(d, 4)) {
	case 0:
		m.mapping.external_address = *host;
		break;
	case 1:
		m.mapping.external_address = codec_from_v4(0xc6336408 + drive_number(d, 4));
		break;
	case 2:
		m.mapping.external_address = codec_from_v4(0xc6336401);
		break;
	default:
		m.mapping.external_address = codec_is_v4(host) ? codec_from_v4(0) : in6addr_any;
		break;
	}
	if (m.opcode == PCP_MAP || (m.opcode == PCP_PEER && drive_number(d, 4) == 0))
		drive_options(d, options, &m.options_length);
	if (m.opcode == PCP_PEER)
		drive_peer(d, host, &m.mapping);
	d->w.flows_left_s = drive_number(d, 4) ? drive_number(d, 400) : UINT32_MAX;
	return pcp_marshal(&m, out, DRIVE_PACKET_MAX);
}

static inline size_t drive_garbage(struct drive *d, uint8_t *out)
{
	size_t length = drive_number(d, 80);

	for (size_t i = 0; i < length; i++)
		out[i] = (uint8_t)drive_number(d, 256);
	if (length)
		out[0] = (uint8_t)drive_number(d, 4);
	return length;
}

static inline void drive_request(struct drive *d)
{
	uint8_t *packet = d->packets[d->packets_n];
	struct in6_addr host = drive_host(d);
	uint32_t kind = drive_number(d, 16);
	size_t length;

	if (kind == 0)
		length = drive_garbage(d, packet);
	else
		length = kind < 7 ? drive_natpmp(d, packet) : drive_pcp(d, &host, packet);
	d->lengths[d->packets_n++] = length;
	/* the port says which request it was */
	world_put(&d->w, &host, (uint16_t)(40000 + d->packets_n - 1), packet, length);
}

#endif
