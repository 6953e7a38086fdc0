/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/reserve.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* libevent knows one set of such functions for the whole process. */
static _Alignas(max_align_t) uint8_t blocks[RESERVE_BLOCKS][RESERVE_SIZE];
static bool taken[RESERVE_BLOCKS];
static unsigned taken_n;

/* RESERVE_BLOCKS: it is not of the reserve. */
static size_t block_of(const void *p)
{
	uintptr_t at = (uintptr_t)p, first = (uintptr_t)blocks;

	return at >= first && at < first + sizeof(blocks) ? (at - first) / RESERVE_SIZE : RESERVE_BLOCKS;
}

static void *take(size_t size)
{
	for (size_t i = 0; size <= RESERVE_SIZE && i < RESERVE_BLOCKS; i++) {
		if (!taken[i]) {
			taken[i] = true;
			taken_n++;
			return blocks[i];
		}
	}
	return NULL;
}

void *reserve_malloc(size_t size)
{
	void *p = malloc(size);

	if (!p && size > 0)
		p = take(size);
	return p;
}

void *reserve_realloc(void *p, size_t size)
{
	void *q;

	if (block_of(p) < RESERVE_BLOCKS) {
		q = malloc(size);
		if (!q)
			return size <= RESERVE_SIZE ? p : NULL;
		memcpy(q, p, size < RESERVE_SIZE ? size : RESERVE_SIZE);
		reserve_free(p);
		return q;
	}
	/* what cannot grow stays: how large it is nobody knows, so it cannot be copied */
	return p ? realloc(p, size) : reserve_malloc(size);
}

void reserve_free(void *p)
{
	size_t i = block_of(p);

	if (i == RESERVE_BLOCKS) {
		free(p);
		return;
	}
	taken[i] = false;
	taken_n--;
}

bool reserve_used(void)
{
	return taken_n > 0;
}
