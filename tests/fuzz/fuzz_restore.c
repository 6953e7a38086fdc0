/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A start from a journal that says anything: records whose checksums are right and whose values are not. What cannot be
 * is left out, and of the rest all holds that must always hold, whatever happens then.
 */
#include "tests/scenario/drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

enum { RECORDS_MAX = 24, FILTERS_MAX = 40 };

static struct in6_addr address(struct drive *d)
{
	static const uint32_t v4[] = {0xc0000202, 0xc0000203, 0xc6336401, 0xc6336402, 0xcb007101, 0, 0xffffffff};
	uint32_t n = drive_number(d, 10);

	return n < 7 ? codec_from_v4(v4[n]) : n < 9 ? drive_host(d) : in6addr_any;
}

static uint16_t any_port(struct drive *d)
{
	static const uint16_t ports[] = {0, 1, 5350, 65535, 1003};
	uint32_t n = drive_number(d, 16);

	return n < 5 ? ports[n] : (uint16_t)(998 + n);
}

static uint64_t expiry(struct drive *d)
{
	static const uint64_t left_ms[] = {1, 60000, 3600000, UINT64_MAX, UINT64_MAX - 1, INT64_MAX, 1ull << 52};
	uint64_t v = left_ms[drive_number(d, 7)];

	return v < (1ull << 40) ? d->w.now_ms + v : v;
}

static void extra(struct drive *d, struct extra_parts *x, struct mapping_filter *filters)
{
	if (drive_number(d, 4) == 1) {
		x->remote_address = address(d);
		x->remote_port = any_port(d);
	}
	if (drive_number(d, 4) == 1) {
		x->more_ports = (uint16_t)(drive_number(d, 32) != 31 ? drive_number(d, 6) : 3000);
		x->first_port = any_port(d);
	}
	if (drive_number(d, 4) == 1) {
		x->filters_n = (uint16_t)(drive_number(d, 8) != 7 ? drive_number(d, 4) : drive_number(d, FILTERS_MAX));
		x->filters = filters;
		for (size_t i = 0; i < x->filters_n; i++) {
			filters[i].address = address(d);
			filters[i].port = any_port(d);
			filters[i].prefix_length = (uint8_t)drive_number(d, 129);
		}
	}
	if (drive_number(d, 4) == 1) {
		x->description = (const uint8_t *)"\xff\0\x1b[31m\xc3";
		x->description_length = (uint16_t)drive_number(d, 8);
	}
}

static void record(struct drive *d)
{
	static const uint8_t protocols[] = {6, 6, 17, 17, 132, 33, 136, 1, 0, 47, 255};
	struct mapping_filter filters[FILTERS_MAX];
	struct record r = {.type = drive_number(d, 8) != 7 ? RECORD_LEASE : RECORD_END, .written_ms = d->w.now_ms};
	struct record_lease *l = &r.lease;

	l->held = drive_number(d, 6) == 1;
	l->protocol = protocols[drive_number(d, sizeof(protocols))];
	l->kind = (uint8_t)drive_number(d, 3);
	l->origin = (uint8_t)drive_number(d, 6);
	l->flags = (uint8_t)drive_number(d, 256);
	l->internal_port = any_port(d);
	l->external_port = drive_number(d, 2) ? l->internal_port : any_port(d);
	l->internal_address = address(d);
	l->external_address = drive_number(d, 3) != 2	? codec_from_v4(0xc6336401)
			      : drive_number(d, 3) != 2 ? l->internal_address
							: address(d);
	l->expires_ms = expiry(d);
	l->listen = drive_number(d, 2) ? record_name("lan") : drive_number(d, 2);
	l->external = drive_number(d, 2) ? record_name("wan") : drive_number(d, 2);
	extra(d, &l->extra, filters);
	if (l->extra.more_ports && drive_number(d, 4) != 3)
		l->extra.first_port = l->internal_port;
	if (world_journal_room(&d->w))
		d->w.journal_length += record_put(&r, d->w.journal + d->w.journal_length, RECORD_MAX);
}

/* Is what was taken over something that a client could have been given? */
static void check_leases(struct drive *d)
{
	struct engine_lease l;

	for (uint32_t cursor = 0; engine_lease_next(d->w.engine, &cursor, d->w.now_ms, &l);) {
		if (l.expires_in_ms > (uint64_t)UINT32_MAX * 1000)
			drive_complain(d, "a lease that outlives every lifetime");
		if (l.mapping.internal_port == 0 && l.mapping.kind == MAPPING_NAT)
			drive_complain(d, "all ports are translated");
		for (size_t i = 0; i < l.mapping.filters_n; i++)
			if (codec_is_v4(&l.mapping.filters[i].address) != codec_is_v4(&l.mapping.internal_address) ||
			    (codec_is_v4(&l.mapping.internal_address) && l.mapping.filters[i].prefix_length < 96))
				drive_complain(d, "a filter that fits no packet");
	}
}

static void start(struct drive *d)
{
	struct engine_past past = {.whole = drive_number(d, 4) != 3,
				   .same_boot = drive_number(d, 2) != 0,
				   .natpmp_goes_on = drive_number(d, 2) != 0,
				   .pcp_goes_on = drive_number(d, 2) != 0};

	past.natpmp.origin_ms = past.pcp.origin_ms = (int64_t)d->w.now_ms;
	drive_flush(d);
	if (!restart_engine(&d->w, &past) || !restart_take(&d->w, d->w.now_ms % 4, drive_settled, d))
		drive_complain(d, "out of memory");
	world_settle(&d->w);
	round_clear(d->w.round);
	engine_wan(d->w.engine, 0, d->wan, d->wan_n, d->w.now_ms, d->w.round);
	world_settle(&d->w);
	round_clear(d->w.round);
	for (unsigned i = 0; engine_walks(d->w.engine); i++) {
		if (i == 100000) {
			drive_complain(d, "there is no end of the walk");
			return;
		}
		engine_tick(d->w.engine, d->w.now_ms, d->w.round);
		world_settle(&d->w);
		round_clear(d->w.round);
	}
	engine_start(d->w.engine, d->w.now_ms, d->w.round);
	drive_settle(d);
	restart_snapshot(&d->w);
	check_leases(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	struct drive d;
	uint32_t n;

	if (length == 0 || !drive_open(&d, 0, data, length))
		return 0;
	d.w.journal_length = 0;
	for (n = 1 + drive_number(&d, RECORDS_MAX); n > 0 && !drive_over(&d); n--)
		record(&d);
	start(&d);
	drive_out(&d);
	return 0;
}
