/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/wall.h"

#include <time.h>

uint64_t wall_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}
