/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/slab.h"

#include <stdlib.h>
#include <string.h>

void slab_init(struct slab *s, size_t size, size_t link)
{
	*s = (struct slab){.spare = SLAB_NONE, .size = size, .link = link};
}

void slab_clear(struct slab *s)
{
	for (uint32_t i = 0; i < s->chunks_n; i++)
		free(s->chunks[i]);
	free(s->chunks);
	slab_init(s, s->size, s->link);
}

static char *link_of(const struct slab *s, uint32_t i)
{
	return (char *)slab_at(s, i, s->size) + s->link;
}

static int add_chunk(struct slab *s)
{
	if (s->chunks_n == s->chunks_room) {
		uint32_t room = s->chunks_room ? 2 * s->chunks_room : 16;
		char **chunks = realloc(s->chunks, room * sizeof(*chunks));
		if (!chunks)
			return -1;
		s->chunks = chunks;
		s->chunks_room = room;
	}
	char *chunk = malloc(s->size * SLAB_CHUNK);
	if (!chunk)
		return -1;
	s->chunks[s->chunks_n++] = chunk;
	return 0;
}

uint32_t slab_take(struct slab *s, uint32_t limit)
{
	uint32_t i = s->spare;
	if (i != SLAB_NONE) {
		memcpy(&s->spare, link_of(s, i), sizeof(s->spare));
		return i;
	}
	if (s->used >= limit || (s->used == (uint64_t)s->chunks_n * SLAB_CHUNK && add_chunk(s) < 0))
		return SLAB_NONE;
	return s->used++;
}

void slab_give(struct slab *s, uint32_t i)
{
	memcpy(link_of(s, i), &s->spare, sizeof(s->spare));
	s->spare = i;
}
