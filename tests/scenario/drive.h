/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives an engine through anything that can happen to it, as numbers say that come from a generator or from a fuzzer,
 * and checks after each settled round what must always hold:
 *   the engine's leases are what the packet filter has,
 *   a success that was told is true there,
 *   no port that nobody may have was given away,
 *   every reply can be read, and is an answer to its request;
 * and at the end that the ports which are marked as taken are those that are.
 */
#ifndef TESTS_SCENARIO_DRIVE_H
#define TESTS_SCENARIO_DRIVE_H

#include <errno.h>

#include "server/core/state.h"
#include "tests/scenario/restart.h"

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

static inline const char *drive_conf(unsigned n)
{
	static const char *const confs[] = {
	    "external \"wan\" { interface = \"wan0\" ports = { \"1000-1040\", \"5340-5360\" } }\n"
	    "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
	    "rule \"all\" { action = allow wildcard = true }\n"
	    "static \"web\" { protocol = \"tcp\" external-port = 1003 to = \"192.0.2.3:1003\" }\n"
	    "third-party { clients = { \"192.0.2.1\" } }\n"
	    "reserved-ports { tcp = { \"1001\" } }\n"
	    "lifetime { hold = 60 }\n"
	    "limits { mappings-per-client = 8 mappings = 40 requests-per-second = 0 }\n",

	    "external \"dmz\" { addresses = { \"203.0.113.0/30\" } }\n"
	    "external \"wan\" { interface = \"wan0\" ports = { \"1000-1040\", \"5340-5360\" } }\n"
	    "listen \"other\" { interfaces = { \"lan1\" } external = \"dmz\" }\n"
	    "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
	    "rule \"no two\" { action = deny clients = { \"192.0.2.2\" } }\n"
	    "rule \"all\" { action = allow mappings-max = 4 external-ports = { \"1000-1020\", \"5340-5360\" } }\n"
	    "static \"web\" { protocol = \"tcp\" external-port = 1004 external = \"wan\" to = \"192.0.2.3:1003\" }\n"
	    "static \"dns\" { protocol = \"udp\" external-port = 1005 external = \"wan\" to = \"192.0.2.4:1000\" }\n"
	    "lifetime { hold = 0 }\n"
	    "limits { mappings-per-client = 8 mappings = 40 requests-per-second = 0 }\n",

	    "external \"wan\" { addresses = { \"198.51.100.8/30\" } }\n"
	    "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" nonce-check = \"same-address\" }\n"
	    "rule \"all\" { action = allow }\n"
	    "limits { mappings-per-client = 6 mappings = 30 requests-per-second = 0 }\n",

	    "external \"wan\" { interface = \"wan0\" nat = false }\n"
	    "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" nonce-check = \"off\" }\n"
	    "rule \"all\" { action = allow protocols = { \"tcp\", \"udp\", \"1\" } wildcard = true }\n"
	    "limits { requests-per-second = 0 }\n",
	};

	return confs[n % (sizeof(confs) / sizeof(*confs))];
}

static inline bool drive_open(struct drive *d, uint64_t seed, const uint8_t *data, size_t length)
{
	struct in6_addr address = codec_from_v4(0xc6336401);

	*d = (struct drive){.data = data, .length = length, .state = seed};
	if (!world_open(&d->w, drive_conf(0)))
		return false;
	world_start(&d->w, &address);
	d->wan[0] = address;
	d->wan_n = 1;
	return restart_snapshot(&d->w);
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

static inline void drive_find(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	struct world_compare *c = context;

	(void)remaining_ms;
	if (c->v->protocol == m->protocol && c->v->internal_port >= m->internal_port &&
	    c->v->internal_port - m->internal_port <= m->more_ports && c->v->remote_port == m->remote_port &&
	    memcmp(&c->v->remote_address, &m->remote_address, 16) == 0 &&
	    c->v->external_port - m->external_port == c->v->internal_port - m->internal_port &&
	    memcmp(&c->v->internal_address, &m->internal_address, 16) == 0)
		c->n++;
}

/* The only request of a round was granted: is it so? */
static inline void drive_check_grant(struct drive *d, const struct round_reply *reply, const struct codec_message *m)
{
	struct mapping want = {.internal_address = reply->destination};
	struct world_compare c = {.v = &want};
	size_t at = 0, ports = 1;
	struct pcp_option o;

	if (m->protocol == CODEC_VERSION_NATPMP) {
		if (m->natpmp.opcode == NATPMP_ADDRESS || m->natpmp.result || !m->natpmp.lifetime_s)
			return;
		want.protocol = m->natpmp.opcode == NATPMP_MAP_TCP ? 6 : 17;
		want.internal_port = m->natpmp.internal_port;
		want.external_port = m->natpmp.external_port;
	} else {
		if ((m->pcp.opcode != PCP_MAP && m->pcp.opcode != PCP_PEER) || m->pcp.result || !m->pcp.lifetime_s)
			return;
		/* a PEER for no time is a question */
		if (m->pcp.opcode == PCP_PEER && memcmp(d->packets[0] + 4, "\0\0\0", 4) == 0)
			return;
		want.remote_port = m->pcp.mapping.remote_port;
		want.remote_address = m->pcp.mapping.remote_address;
		want.protocol = m->pcp.mapping.protocol;
		want.internal_port = m->pcp.mapping.internal_port;
		want.external_port = m->pcp.mapping.external_port;
		while (pcp_option_next(m->pcp.options, m->pcp.options_length, &at, &o, NULL) == CODEC_OK)
			if (o.code == PCP_OPTION_THIRD_PARTY)
				want.internal_address = o.third_party;
			else if (o.code == PCP_OPTION_PORT_SET) {
				ports = o.port_set.size;
				want.internal_port = o.port_set.first_internal_port;
			}
	}
	for (size_t i = 0; i < ports; i++) {
		d->w.backend->ops->list(d->w.backend, drive_find, &c);
		want.internal_port++;
		want.external_port++;
	}
	want.external_port = (uint16_t)(want.external_port - ports);
	if (c.n != ports)
		drive_complain(d, "a success was told that is not in the packet filter");
	if (want.protocol == 17 && want.remote_port == 0 &&
	    (want.external_port == 5350 || want.external_port == 5351) && codec_is_v4(&want.internal_address) &&
	    d->w.conf->externals[d->w.conf->externals_n - 1].nat)
		drive_complain(d, "a port was given that nobody may have");
}

static inline void drive_check(struct drive *d, bool failing)
{
	size_t n;
	const struct round_reply *replies = round_replies(d->w.round, &n);

	for (size_t i = 0; i < n; i++) {
		unsigned request = replies[i].destination_port - 40000u;
		struct codec_message m;

		if (replies[i].length == 0)
			continue; /* settled to silence */
		if (codec_parse(replies[i].data, replies[i].length, &m, NULL) != CODEC_OK) {
			/* the answer to an opcode or version that nobody knows may have any form */
			if (replies[i].length < 4 || !(replies[i].data[1] & 0x80))
				drive_complain(d, "a reply cannot be read");
			continue;
		}
		if (replies[i].kind == ROUND_ANNOUNCE)
			continue;
		if (request < d->packets_n && d->lengths[request] >= 2 &&
		    (replies[i].data[1] & 0x7f) != (d->packets[request][1] & 0x7f))
			drive_complain(d, "a reply has another opcode than its request");
		if (d->packets_n == 1 && n == 1 && !failing)
			drive_check_grant(d, &replies[i], &m);
	}
	if (!failing && !world_agrees(&d->w))
		drive_complain(d, "the engine's leases are not what the packet filter has");
}

static inline void drive_settle(struct drive *d)
{
	world_settle(&d->w);
	drive_check(d, false);
	d->packets_n = 0;
	round_clear(d->w.round);
}

static inline void drive_after(struct world *w, void *context)
{
	(void)w;
	drive_check(context, false);
}

static inline void drive_requests(struct drive *d)
{
	uint32_t n = 1 + (drive_number(d, 2) ? drive_number(d, DRIVE_BATCH) : 0);

	round_clear(d->w.round);
	while (n--)
		drive_request(d);
	drive_settle(d);
}

static inline void drive_wan(struct drive *d)
{
	static const uint32_t addresses[] = {0xc6336401, 0xc6336402, 0xc6336403, 0x0a000001};
	size_t external = d->w.conf->externals_n - 1;

	d->wan_n = drive_number(d, 3);
	for (uint32_t i = 0; i < d->wan_n; i++)
		d->wan[i] = codec_from_v4(addresses[drive_number(d, 4)]);
	round_clear(d->w.round);
	engine_wan(d->w.engine, external, d->wan, d->wan_n, d->w.now_ms, d->w.round);
	drive_settle(d);
}

static inline void drive_reload(struct drive *d)
{
	const char *text = drive_conf(drive_number(d, 4));
	struct conf *conf = conf_parse(text, strlen(text), "conf", d->w.why);

	if (!conf) {
		drive_complain(d, d->w.why);
		return;
	}
	round_clear(d->w.round);
	if (engine_reload(d->w.engine, conf, d->w.now_ms, d->w.round) != 0) {
		conf_free(conf);
		return;
	}
	drive_settle(d);
	conf_free(d->w.conf);
	d->w.conf = conf;
}

/* A mapping turns up in the packet filter; it is not there yet, so the engine does not know of it either. */
static inline void drive_adopt(struct drive *d)
{
	struct change c = {.op = CHANGE_ADD, .mapping = {.external_address = codec_from_v4(0xc6336401), .protocol = 6}};
	uint64_t remaining_ms = drive_number(d, 4) * 30000;

	c.mapping.internal_address = codec_from_v4(0xc0000200 + drive_number(d, 6));
	c.mapping.internal_port = drive_port(d);
	c.mapping.external_port = drive_port(d);
	if (drive_number(d, 3) == 0) {
		c.mapping.remote_address = codec_from_v4(0xcb007101);
		c.mapping.remote_port = (uint16_t)(1000 + drive_number(d, 3));
	} else if (drive_number(d, 3) == 0) {
		c.mapping.more_ports = (uint16_t)(1 + drive_number(d, 4));
		c.mapping.internal_port = c.mapping.external_port;
	}
	if (c.mapping.internal_port == 0 && c.mapping.external_port >= 1000) {
		c.mapping.external_port = 0;
		c.mapping.external_address = c.mapping.internal_address;
		c.mapping.kind = MAPPING_PINHOLE;
		c.mapping.protocol = c.mapping.more_ports ? 0 : 6;
		c.mapping.more_ports = 0;
	}
	backend_memory_refuse(d->w.backend, 0, 0);
	d->w.backend->ops->commit(d->w.backend, &c, 1);
	if (c.verdict)
		return;
	round_clear(d->w.round);
	engine_adopt(d->w.engine, &c.mapping, remaining_ms, d->w.now_ms, d->w.round);
	drive_settle(d);
	/* at another time than at a start it is not written */
	restart_snapshot(&d->w);
}

static inline void drive_first(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	(void)remaining_ms;
	*(struct mapping *)context = *m;
}

static inline void drive_flush(struct drive *d)
{
	struct change c = {.op = CHANGE_REMOVE};

	while (backend_memory_count(d->w.backend)) {
		d->w.backend->ops->list(d->w.backend, drive_first, &c.mapping);
		d->w.backend->ops->commit(d->w.backend, &c, 1);
	}
}

static inline void drive_reinstall(struct drive *d)
{
	backend_memory_refuse(d->w.backend, 0, 0);
	drive_flush(d);
	if (drive_number(d, 2))
		backend_memory_refuse(d->w.backend, 1 + drive_number(d, 20), -EBUSY);
	round_clear(d->w.round);
	engine_reinstall(d->w.engine, d->w.now_ms, d->w.round);
	drive_settle(d);
}

/* The daemon ends, in some way or other, and starts again. */
/* Before all is known, the leases need not be what the packet filter has. */
static inline bool drive_settled(void *context)
{
	struct drive *d = context;

	world_settle(&d->w);
	round_clear(d->w.round);
	return true;
}

static inline void drive_restart(struct drive *d)
{
	struct engine_past past = {.whole = drive_number(d, 4) != 0,
				   .same_boot = drive_number(d, 2) != 0,
				   .natpmp_goes_on = drive_number(d, 2) != 0,
				   .pcp_goes_on = drive_number(d, 2) != 0};
	bool calm = drive_number(d, 2); /* what was refused has been tried again */
	uint8_t *before, *after;
	size_t before_n, after_n;

	backend_memory_refuse(d->w.backend, 0, 0);
	/* a reload may have changed what an external knows, and is followed by this */
	round_clear(d->w.round);
	engine_wan(d->w.engine, d->w.conf->externals_n - 1, d->wan, d->wan_n, d->w.now_ms, d->w.round);
	drive_settle(d);
	if (calm && !world_pass(&d->w, d->w.now_ms + 121000, drive_after, d))
		drive_complain(d, "there is no end of ticks");
	if (!restart_remembers(&d->w))
		drive_complain(d, "the engine's leases are not what the journal has");
	before_n = restart_snapshot_of(d->w.engine, d->w.now_ms, &before);
	if (!past.same_boot)
		drive_flush(d);
	if (!restart_engine(&d->w, &past) || !restart_take(&d->w, d->w.now_ms % 4, drive_settled, d))
		drive_complain(d, "out of memory");
	drive_settle(d);
	engine_wan(d->w.engine, d->w.conf->externals_n - 1, d->wan, d->wan_n, d->w.now_ms, d->w.round);
	drive_settle(d);
	while (engine_walks(d->w.engine)) {
		engine_tick(d->w.engine, d->w.now_ms, d->w.round);
		drive_settle(d);
	}
	engine_start(d->w.engine, d->w.now_ms, d->w.round);
	drive_settle(d);
	restart_snapshot(&d->w);
	after_n = restart_snapshot_of(d->w.engine, d->w.now_ms, &after);
	if (calm && past.whole && !restart_has(d->w.conf, before, before_n, after, after_n, d->w.now_ms))
		drive_complain(d, "a lease was lost by a restart");
	free(before);
	free(after);
}

static inline void drive_revoke(struct drive *d)
{
	struct in6_addr host = drive_host(d);

	round_clear(d->w.round);
	engine_revoke(d->w.engine, drive_number(d, 4) ? &host : NULL, drive_number(d, 2) ? 6 : 0, 0, d->w.now_ms,
		      d->w.round);
	drive_settle(d);
}

static inline void drive_busy(struct drive *d)
{
	struct engine_busy busy[3] = {{in6addr_any, (uint16_t)(1000 + drive_number(d, 8)), 6},
				      {codec_from_v4(0), (uint16_t)(1000 + drive_number(d, 8)), 17},
				      {codec_from_v4(0xc6336401), (uint16_t)(1000 + drive_number(d, 8)), 6}};

	engine_busy(d->w.engine, busy, drive_number(d, 4));
}

static inline void drive_time(struct drive *d)
{
	static const uint64_t spans_ms[] = {1, 250, 1000, 15000, 60000, 121000, 3600000};
	uint64_t to = d->w.now_ms + spans_ms[drive_number(d, 7)];

	if (!world_pass(&d->w, to, drive_after, d))
		drive_complain(d, "there is no end of ticks");
}

/* A packet filter that fails altogether, for the length of one round. */
static inline void drive_outage(struct drive *d)
{
	uint32_t n = 1 + drive_number(d, DRIVE_BATCH);

	backend_memory_fail(d->w.backend, -EIO);
	round_clear(d->w.round);
	while (n--)
		drive_request(d);
	world_settle(&d->w);
	drive_check(d, true);
	backend_memory_fail(d->w.backend, 0);
	if (!world_agrees(&d->w))
		drive_complain(d, "an outage left something behind");
	d->packets_n = 0;
	round_clear(d->w.round);
}

static inline void drive_step(struct drive *d)
{
	static const int errors[] = {-EEXIST, -EBUSY, -ENOSPC, -EINVAL};
	uint32_t what = drive_number(d, 61);

	switch (what) {
	case 0:
		drive_wan(d);
		break;
	case 1:
		drive_reload(d);
		break;
	case 2:
		drive_adopt(d);
		break;
	case 3:
		drive_reinstall(d);
		break;
	case 4:
		drive_revoke(d);
		break;
	case 5:
		drive_busy(d);
		break;
	case 6:
		drive_outage(d);
		break;
	case 7:
	case 8:
	case 9:
		backend_memory_refuse(d->w.backend, 1 + drive_number(d, 10), errors[drive_number(d, 4)]);
		break;
	case 10:
	case 11:
	case 12:
	case 13:
		drive_time(d);
		break;
	case 14:
		drive_restart(d);
		break;
	default:
		drive_requests(d);
		break;
	}
}

/* To make the marks of a port what they should be changes nothing: a mark too many is a port that nobody gets, ever. */
static inline void drive_check_marks(struct drive *d, const struct outside_place *p, size_t external, uint8_t protocol)
{
	static const struct conf_range ranges[] = {{990, 1045}, {5340, 5360}};

	if (!(p->prepared >> (outside_mappable(protocol) - 1) & 1))
		return;
	for (uint32_t r = 0; r < 2; r++)
		for (uint16_t port = ranges[r].first; port <= ranges[r].last; port++) {
			bool was = ports_taken(p->ports, protocol, port);

			outside_refresh(d->w.engine, external, &p->address, protocol, port);
			if (was != ports_taken(p->ports, protocol, port))
				drive_complain(d, was ? "a free port is marked as taken"
						      : "a port that is taken is not marked");
		}
}

static inline void drive_marks(struct drive *d)
{
	static const uint8_t protocols[] = {6, 17, 132, 33};
	struct engine *e = d->w.engine;

	/* marks lag while a walk is under way */
	if (e->walk != LEASE_NONE || e->walk_again.at_ms != ENGINE_NEVER)
		return;
	for (size_t i = 0; i < e->conf->externals_n; i++)
		for (size_t k = 0; k < e->outsides[i].places_n; k++)
			for (size_t n = 0; n < sizeof(protocols); n++)
				drive_check_marks(d, &e->outsides[i].places[k], i, protocols[n]);
}

/* Whatever happened: when nothing is refused any more and nobody renews, all that is left is the static mappings. */
static inline void drive_close(struct drive *d)
{
	struct engine_lease l;

	backend_memory_refuse(d->w.backend, 0, 0);
	drive_marks(d);
	if (!d->broken && !world_pass(&d->w, d->w.now_ms + 3 * 86400000ull, drive_after, d))
		drive_complain(d, "there is no end of ticks");
	for (uint32_t cursor = 0; engine_lease_next(d->w.engine, &cursor, d->w.now_ms, &l);)
		if (l.origin != ENGINE_ORIGIN_STATIC)
			drive_complain(d, "a lease outlived its time");
	drive_marks(d);
	world_close(&d->w);
}

#endif
