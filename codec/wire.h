/* SPDX-License-Identifier: MIT */
/*
 * Bounds-checked cursors over wire bytes. A step that does not fit sets bad and is not done; so is none after it: a
 * reader then returns zeros, a writer writes nothing. One look at bad at the end is enough.
 */
#ifndef NATPCP_WIRE_H
#define NATPCP_WIRE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wire_reader {
	const uint8_t *data;
	size_t length;
	size_t offset;
	bool bad;
};

struct wire_writer {
	uint8_t *data;
	size_t capacity;
	size_t offset;
	bool bad;
};

static inline struct wire_reader wire_reader_init(const uint8_t *data, size_t length)
{
	return (struct wire_reader){.data = data, .length = length};
}

static inline size_t wire_left(const struct wire_reader *r)
{
	return r->bad ? 0 : r->length - r->offset;
}

/* Steps over n octets and returns where they begin, or NULL if there are fewer. */
static inline const uint8_t *wire_take(struct wire_reader *r, size_t n)
{
	if (r->bad || n > r->length - r->offset) {
		r->bad = true;
		return NULL;
	}
	const uint8_t *p = r->data + r->offset;
	r->offset += n;
	return p;
}

static inline void wire_skip(struct wire_reader *r, size_t n)
{
	(void)wire_take(r, n);
}

static inline uint8_t wire_get_u8(struct wire_reader *r)
{
	const uint8_t *p = wire_take(r, 1);
	return p ? p[0] : 0;
}

static inline uint16_t wire_get_u16(struct wire_reader *r)
{
	const uint8_t *p = wire_take(r, 2);
	return p ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

static inline uint32_t wire_get_u32(struct wire_reader *r)
{
	const uint8_t *p = wire_take(r, 4);
	return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

static inline uint64_t wire_get_u64(struct wire_reader *r)
{
	const uint8_t *p = wire_take(r, 8);
	if (!p)
		return 0;
	return (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 | (uint64_t)p[3] << 32 |
	       (uint64_t)p[4] << 24 | (uint64_t)p[5] << 16 | (uint64_t)p[6] << 8 | p[7];
}

/* Copies n octets, all or none: out is zeroed if there are fewer. */
static inline void wire_get_octets(struct wire_reader *r, void *out, size_t n)
{
	const uint8_t *p = wire_take(r, n);
	if (p)
		memcpy(out, p, n);
	else
		memset(out, 0, n);
}

static inline struct in6_addr wire_get_address(struct wire_reader *r)
{
	struct in6_addr a;
	wire_get_octets(r, &a, sizeof(a));
	return a;
}

static inline struct wire_writer wire_writer_init(uint8_t *data, size_t capacity)
{
	return (struct wire_writer){.data = data, .capacity = capacity};
}

/* What a writing function returns: the octets written, or 0 if something did not fit. */
static inline size_t wire_written(const struct wire_writer *w)
{
	return w->bad ? 0 : w->offset;
}

/* Steps over n octets and returns where they begin, or NULL if there is no room. */
static inline uint8_t *wire_room(struct wire_writer *w, size_t n)
{
	if (w->bad || n > w->capacity - w->offset) {
		w->bad = true;
		return NULL;
	}
	uint8_t *p = w->data + w->offset;
	w->offset += n;
	return p;
}

static inline void wire_put_zeros(struct wire_writer *w, size_t n)
{
	uint8_t *p = wire_room(w, n);
	if (p && n)
		memset(p, 0, n);
}

static inline void wire_put_u8(struct wire_writer *w, uint8_t v)
{
	uint8_t *p = wire_room(w, 1);
	if (p)
		p[0] = v;
}

static inline void wire_put_u16(struct wire_writer *w, uint16_t v)
{
	uint8_t *p = wire_room(w, 2);
	if (p) {
		p[0] = (uint8_t)(v >> 8);
		p[1] = (uint8_t)v;
	}
}

static inline void wire_put_u32(struct wire_writer *w, uint32_t v)
{
	uint8_t *p = wire_room(w, 4);
	if (p) {
		p[0] = (uint8_t)(v >> 24);
		p[1] = (uint8_t)(v >> 16);
		p[2] = (uint8_t)(v >> 8);
		p[3] = (uint8_t)v;
	}
}

static inline void wire_put_u64(struct wire_writer *w, uint64_t v)
{
	uint8_t *p = wire_room(w, 8);
	if (p) {
		p[0] = (uint8_t)(v >> 56);
		p[1] = (uint8_t)(v >> 48);
		p[2] = (uint8_t)(v >> 40);
		p[3] = (uint8_t)(v >> 32);
		p[4] = (uint8_t)(v >> 24);
		p[5] = (uint8_t)(v >> 16);
		p[6] = (uint8_t)(v >> 8);
		p[7] = (uint8_t)v;
	}
}

/* src may be NULL if n is 0, and may overlap what is written. */
static inline void wire_put_octets(struct wire_writer *w, const void *src, size_t n)
{
	uint8_t *p = wire_room(w, n);
	if (p && n)
		memmove(p, src, n);
}

static inline void wire_put_address(struct wire_writer *w, const struct in6_addr *a)
{
	wire_put_octets(w, a, sizeof(*a));
}

#endif
