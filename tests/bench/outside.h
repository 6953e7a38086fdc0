/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The outside of a mapping as load.c writes it into a file and flows.c reads it. */
#ifndef TESTS_BENCH_OUTSIDE_H
#define TESTS_BENCH_OUTSIDE_H

#include <stdint.h>

struct outside {
	uint32_t address; /* network byte order */
	uint16_t port;	  /* host byte order */
	uint8_t protocol, unused;
};

#endif
