/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	START = 16384,	  /* octets that a buffer has at first */
	KEPT = 256 << 10, /* and that it keeps */
};

_Static_assert(sizeof(struct wire_mapping) == 64 && sizeof(struct wire_change) == 80 &&
		   sizeof(struct wire_found) == 72 && sizeof(struct wire_filter) == 20 &&
		   sizeof(struct wire_flow) == 64 && sizeof(struct wire_item) == 64,
	       "no padding");

/* Writing */

static bool reserve(struct wire_buffer *b, size_t more)
{
	size_t capacity = b->capacity ? b->capacity : START;
	uint8_t *data;

	if (b->failed || more > WIRE_MAX || b->length + more > WIRE_MAX + sizeof(struct wire_head))
		b->failed = true;
	if (b->failed || b->length + more <= b->capacity)
		return !b->failed;
	while (capacity < b->length + more)
		capacity *= 2;
	data = realloc(b->data, capacity);
	b->failed = !data;
	if (data) {
		b->data = data;
		b->capacity = capacity;
	}
	return data != NULL;
}

void wire_begin(struct wire_buffer *b, enum wire_what what)
{
	const struct wire_head h = {.what = what};

	b->length = 0;
	b->failed = false;
	wire_put(b, &h, sizeof(h));
}

void wire_put(struct wire_buffer *b, const void *data, size_t length)
{
	if (!reserve(b, length) || length == 0)
		return;
	memcpy(b->data + b->length, data, length);
	b->length += length;
}

bool wire_end(struct wire_buffer *b, size_t n, int result)
{
	struct wire_head h;

	if (b->failed)
		return false;
	memcpy(&h, b->data, sizeof(h));
	h.length = (uint32_t)(b->length - sizeof(h));
	h.n = (uint32_t)n;
	h.result = result;
	memcpy(b->data, &h, sizeof(h));
	return true;
}

void wire_clear(struct wire_buffer *b)
{
	free(b->data);
	*b = (struct wire_buffer){0};
}

void wire_trim(struct wire_buffer *b)
{
	if (b->capacity > KEPT)
		wire_clear(b);
}

struct wire_mapping wire_mapping(const struct mapping *m)
{
	struct wire_mapping w;

	memset(&w, 0, sizeof(w));
	w.internal_address = m->internal_address;
	w.external_address = m->external_address;
	w.remote_address = m->remote_address;
	w.internal_port = m->internal_port;
	w.external_port = m->external_port;
	w.more_ports = m->more_ports;
	w.remote_port = m->remote_port;
	w.filters_n = m->filters_n;
	w.protocol = m->protocol;
	w.kind = m->kind;
	w.external = m->external;
	return w;
}

void wire_put_filters(struct wire_buffer *b, const struct mapping *m)
{
	for (size_t i = 0; i < m->filters_n; i++) {
		struct wire_filter f;

		memset(&f, 0, sizeof(f));
		f.address = m->filters[i].address;
		f.port = m->filters[i].port;
		f.prefix_length = m->filters[i].prefix_length;
		wire_put(b, &f, sizeof(f));
	}
}

void wire_put_changes(struct wire_buffer *b, const struct change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct wire_change w;

		memset(&w, 0, sizeof(w));
		w.mapping = wire_mapping(&changes[i].mapping);
		w.timeout_ms = changes[i].timeout_ms;
		w.group = changes[i].group;
		w.op = changes[i].op;
		wire_put(b, &w, sizeof(w));
	}
	for (size_t i = 0; i < n; i++)
		wire_put_filters(b, &changes[i].mapping);
}

void wire_put_mappings(struct wire_buffer *b, const struct mapping *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct wire_mapping w = wire_mapping(&v[i]);

		wire_put(b, &w, sizeof(w));
	}
	for (size_t i = 0; i < n; i++)
		wire_put_filters(b, &v[i]);
}

void wire_put_items(struct wire_buffer *b, const struct ender_item *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct wire_item w;

		memset(&w, 0, sizeof(w));
		w.internal_address = v[i].key.internal_address;
		w.external_address = v[i].key.external_address;
		w.remote_address = v[i].key.remote_address;
		w.internal_port = v[i].internal_port;
		w.external_port = v[i].external_port;
		w.more_ports = v[i].more_ports;
		w.remote_port = v[i].key.remote_port;
		w.protocol = v[i].key.protocol;
		w.purpose = v[i].purpose;
		wire_put(b, &w, sizeof(w));
	}
}

void wire_put_flow(struct wire_buffer *b, const struct conntrack_flow *f)
{
	struct wire_flow w;

	memset(&w, 0, sizeof(w));
	w.internal_address = f->internal_address;
	w.remote_address = f->remote_address;
	w.external_address = f->external_address;
	w.internal_port = f->internal_port;
	w.remote_port = f->remote_port;
	w.external_port = f->external_port;
	w.protocol = f->protocol;
	w.left_s = f->left_s;
	wire_put(b, &w, sizeof(w));
}

/* Reading */

void wire_room_clear(struct wire_room *r)
{
	free(r->records);
	free(r->filters);
	*r = (struct wire_room){0};
}

/* Room for so many octets of records and so many filters; what no ordinary message needs is given back. */
static int make_room(struct wire_room *r, size_t size, size_t filters_n)
{
	if (r->records_size > KEPT && size <= KEPT)
		wire_room_clear(r);
	if (size > r->records_size) {
		void *records = realloc(r->records, size);

		if (!records)
			return -ENOMEM;
		r->records = records;
		r->records_size = size;
	}
	if (filters_n > r->filters_n) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed above is NULL now */
		struct mapping_filter *filters = realloc(r->filters, filters_n * sizeof(*filters));

		if (!filters)
			return -ENOMEM;
		r->filters = filters;
		r->filters_n = filters_n;
	}
	return 0;
}

/* The mapping at the start of record i, of records that are size octets long. */
static struct wire_mapping mapping_at(const uint8_t *body, size_t i, size_t size)
{
	struct wire_mapping w;

	memcpy(&w, body + i * size, sizeof(w));
	return w;
}

/* How many filters n records have together; negative if a record or the length is wrong. */
static ssize_t count_filters(const uint8_t *body, size_t length, size_t n, size_t size)
{
	size_t filters = 0;

	if (n > WIRE_CHANGES_MAX)
		return -E2BIG;
	if (length < n * size)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		struct wire_mapping w = mapping_at(body, i, size);

		if (w.filters_n > WIRE_FILTERS_MAX || w.kind > MAPPING_PINHOLE)
			return -EBADMSG;
		filters += w.filters_n;
	}
	return length - n * size == filters * sizeof(struct wire_filter) ? (ssize_t)filters : -EBADMSG;
}

static int get_filters(struct wire_room *r, const uint8_t *at, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct wire_filter f;

		memcpy(&f, at + i * sizeof(f), sizeof(f));
		if (f.prefix_length > 128)
			return -EBADMSG;
		r->filters[i] =
		    (struct mapping_filter){.address = f.address, .port = f.port, .prefix_length = f.prefix_length};
	}
	return 0;
}

/* *filters: where those of the mapping are, and then where those of the next one are. */
static struct mapping to_mapping(const struct wire_mapping *w, const struct mapping_filter **filters)
{
	struct mapping m = {.internal_address = w->internal_address,
			    .external_address = w->external_address,
			    .remote_address = w->remote_address,
			    .internal_port = w->internal_port,
			    .external_port = w->external_port,
			    .more_ports = w->more_ports,
			    .remote_port = w->remote_port,
			    .protocol = w->protocol,
			    .kind = w->kind,
			    .external = w->external,
			    .filters_n = w->filters_n,
			    .filters = w->filters_n ? *filters : NULL};

	*filters = w->filters_n ? *filters + w->filters_n : *filters;
	return m;
}

/* Room for n records of which each is one of given octets here and of size octets there, and their filters. */
static int begin(struct wire_room *r, const uint8_t *body, size_t length, size_t n, size_t given, size_t size)
{
	ssize_t filters = count_filters(body, length, n, given);
	int rc = filters < 0 ? (int)filters : make_room(r, n * size, (size_t)filters);

	return rc ? rc : get_filters(r, body + n * given, (size_t)filters);
}

int wire_get_changes(struct wire_room *r, const uint8_t *body, size_t length, size_t n, struct change **changes)
{
	int rc = begin(r, body, length, n, sizeof(struct wire_change), sizeof(struct change));
	const struct mapping_filter *filters = r->filters;
	struct change *v = r->records;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		struct wire_change w;

		memcpy(&w, body + i * sizeof(w), sizeof(w));
		if (w.op > CHANGE_REMOVE)
			return -EBADMSG;
		v[i] = (struct change){.mapping = to_mapping(&w.mapping, &filters),
				       .timeout_ms = w.timeout_ms,
				       .group = w.group,
				       .op = w.op};
	}
	*changes = v;
	return rc;
}

int wire_get_mappings(struct wire_room *r, const uint8_t *body, size_t length, size_t n, struct mapping **out)
{
	int rc = begin(r, body, length, n, sizeof(struct wire_mapping), sizeof(struct mapping));
	const struct mapping_filter *filters = r->filters;
	struct mapping *v = r->records;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		struct wire_mapping w = mapping_at(body, i, sizeof(w));

		v[i] = to_mapping(&w, &filters);
	}
	*out = v;
	return rc;
}

int wire_get_found(struct wire_room *r, const uint8_t *body, size_t length, size_t n, backend_list_fn *fn,
		   void *context)
{
	int rc = begin(r, body, length, n, sizeof(struct wire_found), 0);
	const struct mapping_filter *filters = r->filters;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		struct wire_found w;
		struct mapping m;

		memcpy(&w, body + i * sizeof(w), sizeof(w));
		m = to_mapping(&w.mapping, &filters);
		fn(context, &m, w.remaining_ms);
	}
	return rc;
}

int wire_get_items(struct wire_room *r, const uint8_t *body, size_t length, size_t n, struct ender_item **out)
{
	struct ender_item *v;
	int rc = n > WIRE_ITEMS_MAX ? -E2BIG : length != n * sizeof(struct wire_item) ? -EBADMSG : 0;

	if (rc == 0)
		rc = make_room(r, n * sizeof(*v), 0);
	v = r->records;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		struct wire_item w;

		memcpy(&w, body + i * sizeof(w), sizeof(w));
		if (w.purpose > ENDER_RESET)
			return -EBADMSG;
		memset(&v[i], 0, sizeof(v[i])); /* keys are compared by their octets */
		v[i].key.internal_address = w.internal_address;
		v[i].key.external_address = w.external_address;
		v[i].key.remote_address = w.remote_address;
		v[i].key.remote_port = w.remote_port;
		v[i].key.protocol = w.protocol;
		v[i].internal_port = w.internal_port;
		v[i].external_port = w.external_port;
		v[i].more_ports = w.more_ports;
		v[i].purpose = w.purpose;
	}
	*out = v;
	return rc;
}

int wire_get_flow(const uint8_t *body, size_t length, struct conntrack_flow *f)
{
	struct wire_flow w;

	if (!wire_get(body, length, &w, sizeof(w)))
		return -EBADMSG;
	*f = (struct conntrack_flow){.internal_address = w.internal_address,
				     .remote_address = w.remote_address,
				     .external_address = w.external_address,
				     .internal_port = w.internal_port,
				     .remote_port = w.remote_port,
				     .external_port = w.external_port,
				     .protocol = w.protocol,
				     .left_s = w.left_s};
	return 0;
}

bool wire_get(const uint8_t *body, size_t length, void *out, size_t size)
{
	if (length != size)
		return false;
	memcpy(out, body, size);
	return true;
}

void wire_get_text(const uint8_t *body, size_t length, char *out, size_t size)
{
	if (size == 0)
		return;
	if (length > size - 1)
		length = size - 1;
	if (length)
		memcpy(out, body, length);
	out[length] = '\0';
}
