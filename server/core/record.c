/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/record.h"

#include <string.h>
#include <zlib.h>

#include "codec/wire.h"

enum {
	CHECKED = RECORD_SIZE - 4, /* octets that the checksum is of */
	HEAD = 12,		   /* of each record but a part */
	PART_HEAD = 2,
	PART_SHARE = CHECKED - PART_HEAD,
	FILTER_SIZE = 19,
	EXTRA_HEAD = 42, /* of an extra, before its filters and its description */
};

enum flag { BEHIND = 1, CLEAN = 2, HELD = 4, ALWAYS = 8 };

static const char magic[8] = "natpcpd";

uint32_t record_name(const char *name)
{
	uint32_t n = (uint32_t)crc32(0, (const Bytef *)name, (uInt)strlen(name));

	return n ? n : 1;
}

static uint32_t checksum(uint32_t before, const uint8_t *record)
{
	return (uint32_t)crc32(before, record, CHECKED);
}

/* How many parts an extra needs, RECORD_PARTS_MAX + 1 if too many. */
static size_t parts_of(const struct extra_parts *x)
{
	size_t octets = EXTRA_HEAD + (size_t)x->filters_n * FILTER_SIZE + x->description_length;

	if (octets == EXTRA_HEAD && !x->remote_port && !x->more_ports && !x->first_port &&
	    IN6_IS_ADDR_UNSPECIFIED(&x->remote_address) && IN6_IS_ADDR_UNSPECIFIED(&x->asker))
		return 0;
	octets = (octets + PART_SHARE - 1) / PART_SHARE;
	return octets <= RECORD_PARTS_MAX ? octets : RECORD_PARTS_MAX + 1;
}

static size_t extra_put(const struct extra_parts *x, uint8_t *out, size_t room)
{
	struct wire_writer w = wire_writer_init(out, room);

	wire_put_address(&w, &x->remote_address);
	wire_put_address(&w, &x->asker);
	wire_put_u16(&w, x->remote_port);
	wire_put_u16(&w, x->more_ports);
	wire_put_u16(&w, x->first_port);
	wire_put_u16(&w, x->filters_n);
	wire_put_u16(&w, x->description_length);
	for (size_t i = 0; i < x->filters_n; i++) {
		wire_put_address(&w, &x->filters[i].address);
		wire_put_u16(&w, x->filters[i].port);
		wire_put_u8(&w, x->filters[i].prefix_length);
	}
	wire_put_octets(&w, x->description, x->description_length);
	return wire_written(&w);
}

static void lease_put(struct wire_writer *w, const struct record_lease *l)
{
	wire_put_u8(w, l->protocol);
	wire_put_u8(w, l->kind);
	wire_put_u8(w, l->origin);
	wire_put_u8(w, l->flags);
	wire_put_u16(w, l->internal_port);
	wire_put_u16(w, l->external_port);
	wire_put_u16(w, l->reply_port);
	wire_put_address(w, &l->internal_address);
	wire_put_address(w, &l->external_address);
	wire_put_octets(w, &l->nonce, sizeof(l->nonce));
	wire_put_u64(w, l->expires_ms);
	wire_put_u32(w, l->listen);
	wire_put_u32(w, l->external);
}

/* What is behind the checked octets. Returns the checksum. */
static uint32_t seal(struct wire_writer *w, size_t record, uint32_t before)
{
	uint32_t sum = 0;

	if (w->bad)
		return 0;
	wire_put_zeros(w, record + CHECKED - w->offset);
	if (!w->bad)
		sum = checksum(before, w->data + record);
	wire_put_u32(w, sum);
	return sum;
}

static uint8_t flags_of(const struct record *r)
{
	if (r->type == RECORD_HEADER)
		return r->header.behind ? BEHIND : 0;
	if (r->type == RECORD_STATE)
		return (uint8_t)((r->state.clean ? CLEAN : 0) | (r->state.always ? ALWAYS : 0));
	return r->lease.held ? HELD : 0;
}

/* The record itself. Returns its checksum. */
static uint32_t main_put(struct wire_writer *w, const struct record *r, size_t parts)
{
	wire_put_u8(w, (uint8_t)r->type);
	wire_put_u8(w, (uint8_t)parts);
	wire_put_u8(w, flags_of(r));
	wire_put_u8(w, 0);
	wire_put_u64(w, r->written_ms);
	if (r->type == RECORD_HEADER) {
		wire_put_octets(w, magic, sizeof(magic));
		wire_put_u16(w, RECORD_VERSION);
		wire_put_octets(w, r->header.boot_id, RECORD_BOOT_ID);
	} else if (r->type == RECORD_STATE) {
		wire_put_u64(w, (uint64_t)r->state.natpmp.origin_ms);
		wire_put_u64(w, (uint64_t)r->state.pcp.origin_ms);
		wire_put_u64(w, r->state.boot_ms);
		wire_put_u64(w, r->state.wall_ms);
		wire_put_u64(w, r->state.token);
	} else {
		lease_put(w, &r->lease);
	}
	return seal(w, 0, 0);
}

size_t record_put(const struct record *r, uint8_t *out, size_t room)
{
	struct wire_writer w = wire_writer_init(out, room);
	uint8_t rest[RECORD_PARTS_MAX * PART_SHARE];
	struct extra_parts extra = {0};
	size_t parts, from = 0, left = 0;
	uint32_t sum;

	if (r->type == RECORD_LEASE)
		extra = r->lease.extra;
	if (r->type == RECORD_END) {
		extra.remote_address = r->lease.extra.remote_address;
		extra.remote_port = r->lease.extra.remote_port;
	}
	parts = parts_of(&extra);
	if (parts > RECORD_PARTS_MAX)
		return 0;
	sum = main_put(&w, r, parts);
	if (parts)
		left = extra_put(&extra, rest, sizeof(rest));
	for (size_t i = 1; i <= parts; i++) {
		size_t n = left < PART_SHARE ? left : PART_SHARE;

		wire_put_u8(&w, RECORD_PART);
		wire_put_u8(&w, (uint8_t)i);
		wire_put_octets(&w, rest + from, n);
		sum = seal(&w, i * RECORD_SIZE, sum);
		from += n;
		left -= n;
	}
	return wire_written(&w);
}

static void lease_get(struct wire_reader *in, struct record_lease *l)
{
	l->protocol = wire_get_u8(in);
	l->kind = wire_get_u8(in);
	l->origin = wire_get_u8(in);
	l->flags = wire_get_u8(in);
	l->internal_port = wire_get_u16(in);
	l->external_port = wire_get_u16(in);
	l->reply_port = wire_get_u16(in);
	l->internal_address = wire_get_address(in);
	l->external_address = wire_get_address(in);
	wire_get_octets(in, &l->nonce, sizeof(l->nonce));
	l->expires_ms = wire_get_u64(in);
	l->listen = wire_get_u32(in);
	l->external = wire_get_u32(in);
}

/* From storage->octets. False if it does not take just that many parts. */
static bool extra_get(struct record_storage *storage, size_t parts, struct extra_parts *x)
{
	struct wire_reader in = wire_reader_init(storage->octets, parts * PART_SHARE);

	x->remote_address = wire_get_address(&in);
	x->asker = wire_get_address(&in);
	x->remote_port = wire_get_u16(&in);
	x->more_ports = wire_get_u16(&in);
	x->first_port = wire_get_u16(&in);
	x->filters_n = wire_get_u16(&in);
	x->description_length = wire_get_u16(&in);
	if (parts_of(x) != parts)
		return false;
	for (size_t i = 0; i < x->filters_n; i++) {
		struct mapping_filter *f = &storage->filters[i];

		f->address = wire_get_address(&in);
		f->port = wire_get_u16(&in);
		f->prefix_length = wire_get_u8(&in);
		if (f->prefix_length > 128)
			return false;
	}
	x->filters = x->filters_n ? storage->filters : NULL;
	x->description = wire_take(&in, x->description_length);
	if (!x->description_length)
		x->description = NULL;
	return !in.bad;
}

static uint32_t sum_of(const uint8_t *record)
{
	struct wire_reader in = wire_reader_init(record + CHECKED, 4);

	return wire_get_u32(&in);
}

/* Puts the shares of the parts together. NULL, or what is wrong. */
static const char *collect(const uint8_t *data, size_t parts, struct record_storage *storage)
{
	uint32_t sum = sum_of(data);

	for (size_t i = 1; i <= parts; i++) {
		const uint8_t *part = data + i * RECORD_SIZE;

		sum = checksum(sum, part);
		if (sum != sum_of(part))
			return "wrong checksum";
		if (part[0] != RECORD_PART || part[1] != i)
			return "a part of another record";
		memcpy(storage->octets + (i - 1) * PART_SHARE, part + PART_HEAD, PART_SHARE);
	}
	return NULL;
}

static const char *body_get(struct wire_reader *in, uint8_t flags, struct record *r)
{
	char start[sizeof(magic)];

	switch (r->type) {
	case RECORD_HEADER:
		wire_get_octets(in, start, sizeof(start));
		if (memcmp(start, magic, sizeof(magic)) != 0)
			return "no journal of natpcpd";
		wire_skip(in, 2);
		wire_get_octets(in, r->header.boot_id, RECORD_BOOT_ID);
		r->header.behind = flags & BEHIND;
		return NULL;
	case RECORD_STATE:
		r->state.natpmp.origin_ms = (int64_t)wire_get_u64(in);
		r->state.pcp.origin_ms = (int64_t)wire_get_u64(in);
		r->state.boot_ms = wire_get_u64(in);
		r->state.wall_ms = wire_get_u64(in);
		r->state.token = wire_get_u64(in);
		r->state.clean = flags & CLEAN;
		r->state.always = flags & ALWAYS;
		return NULL;
	case RECORD_LEASE:
	case RECORD_END:
		lease_get(in, &r->lease);
		r->lease.held = flags & HELD;
		return NULL;
	case RECORD_PART:
		return "a part without its record";
	}
	return "unknown type";
}

/* A version to come may have its checksum elsewhere, so this is looked at first. */
static bool is_foreign(const uint8_t *data)
{
	struct wire_reader in = wire_reader_init(data + HEAD, sizeof(magic) + 2);
	const uint8_t *start = wire_take(&in, sizeof(magic));

	return data[0] == RECORD_HEADER && memcmp(start, magic, sizeof(magic)) == 0 &&
	       wire_get_u16(&in) != RECORD_VERSION;
}

size_t record_get(const uint8_t *data, size_t length, struct record_storage *storage, struct record *r,
		  const char **why)
{
	struct wire_reader in = wire_reader_init(data, length);
	size_t parts;
	uint8_t flags;

	memset(r, 0, sizeof(*r));
	*why = "cut short";
	if (length < RECORD_SIZE)
		return 0;
	*why = "another version";
	if (is_foreign(data))
		return 0;
	*why = "wrong checksum";
	if (checksum(0, data) != sum_of(data))
		return 0;
	r->type = wire_get_u8(&in);
	parts = wire_get_u8(&in);
	flags = wire_get_u8(&in);
	wire_skip(&in, 1);
	r->written_ms = wire_get_u64(&in);
	*why = body_get(&in, flags, r);
	if (*why)
		return 0;
	*why = "too many parts";
	if (parts > RECORD_PARTS_MAX || (parts && r->type != RECORD_LEASE && r->type != RECORD_END))
		return 0;
	*why = "cut short";
	if (length < (1 + parts) * RECORD_SIZE)
		return 0;
	*why = collect(data, parts, storage);
	if (*why)
		return 0;
	*why = "parts that do not fit together";
	if (parts && !extra_get(storage, parts, &r->lease.extra))
		return 0;
	*why = NULL;
	return (1 + parts) * RECORD_SIZE;
}
