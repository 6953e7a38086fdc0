/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The time of day, for people. Nothing is decided by it, since it may be set. */
#ifndef SERVER_IO_WALL_H
#define SERVER_IO_WALL_H

#include <stdint.h>

/* Milliseconds since 1970. */
uint64_t wall_now_ms(void);

#endif
