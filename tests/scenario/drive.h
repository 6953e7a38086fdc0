/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives an engine through anything that can happen to it, as numbers say that come from a generator or from a fuzzer,
 * and checks after each settled round what must always hold:
 *   the engine's leases are what the packet filter has,
 *   a success that was told is true there,
 *   no port that nobody may have was given away,
 *   what is counted, for quotas and to be shown, is what counting the leases gives,
 *   every reply can be read, and is an answer to its request;
 * and at the end that the ports which are marked as taken are those that are.
 */
#ifndef TESTS_SCENARIO_DRIVE_H
#define TESTS_SCENARIO_DRIVE_H

#include <errno.h>

#include "tests/scenario/drive_check.h"
#include "tests/scenario/restart.h"

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

/* Before all is known, the leases need not be what the packet filter has. */
static inline bool drive_settled(void *context)
{
	struct drive *d = context;

	world_settle(&d->w);
	round_clear(d->w.round);
	return true;
}

/* The daemon ends, in some way or other, and starts again. */
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

/* All that the input says, and the end; aborts if anything did not hold. For fuzz targets. */
static inline void drive_out(struct drive *d)
{
	while (!drive_over(d) && !d->broken)
		drive_step(d);
	drive_close(d);
	if (d->broken) {
		fprintf(stderr, "%s\n", d->broken);
		abort();
	}
}

#endif
