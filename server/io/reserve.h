/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory for libevent, which does not survive everywhere that it gets none: where there is none any more, small pieces
 * come from a reserve. Whoever takes new work (control.c) stops while any of it is in use.
 */
#ifndef SERVER_IO_RESERVE_H
#define SERVER_IO_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

#define RESERVE_BLOCKS 256  /* one connection takes about 20 */
#define RESERVE_SIZE   4096 /* octets of each */

/* As malloc(), realloc() and free() do; NULL: too much was asked for, or the reserve is used up. */
void *reserve_malloc(size_t size);
void *reserve_realloc(void *p, size_t size);
void reserve_free(void *p);
/* True while some of it is in use. */
bool reserve_used(void);

#endif
