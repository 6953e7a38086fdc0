/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checksums of records made right: else nothing would ever come behind them. */
#ifndef TESTS_FUZZ_REPAIR_H
#define TESTS_FUZZ_REPAIR_H

#include <zlib.h>

#include "server/core/record.h"

static inline void repair(uint8_t *data, size_t length)
{
	uLong sum = 0;

	for (size_t at = 0; at + RECORD_SIZE <= length; at += RECORD_SIZE) {
		sum = crc32(data[at] == RECORD_PART ? sum : 0, data + at, RECORD_SIZE - 4);
		for (int i = 0; i < 4; i++)
			data[at + RECORD_SIZE - 4 + i] = (uint8_t)(sum >> (24 - 8 * i));
	}
}

#endif
