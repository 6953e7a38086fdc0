/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Items of one size in chunks, named by index. They never move, so growing copies nothing and pointers stay valid. */
#ifndef SERVER_CORE_SLAB_H
#define SERVER_CORE_SLAB_H

#include <stddef.h>
#include <stdint.h>

#define SLAB_NONE UINT32_MAX

enum { SLAB_CHUNK_BITS = 10, SLAB_CHUNK = 1 << SLAB_CHUNK_BITS };

struct slab {
	char **chunks;
	uint32_t chunks_n, chunks_room;
	uint32_t used;	/* indices below it were handed out once */
	uint32_t spare; /* first of those that were given back */
	size_t size;	/* octets of an item */
	size_t link;	/* offset of a uint32_t that is the slab's own while the item is free */
};

void slab_init(struct slab *s, size_t size, size_t link);
void slab_clear(struct slab *s);
/* An index whose item has any contents, SLAB_NONE if out of memory or if limit indices are in use. */
uint32_t slab_take(struct slab *s, uint32_t limit);
void slab_give(struct slab *s, uint32_t i);

static inline void *slab_at(const struct slab *s, uint32_t i, size_t size)
{
	return s->chunks[i >> SLAB_CHUNK_BITS] + size * (i & (SLAB_CHUNK - 1));
}

#endif
