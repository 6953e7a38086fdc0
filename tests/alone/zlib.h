/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the pure layers use of zlib, for a machine that there is a compiler for, but no library but C's. */
#ifndef TESTS_ALONE_ZLIB_H
#define TESTS_ALONE_ZLIB_H

#include <stddef.h>

typedef unsigned char Bytef;
typedef unsigned int uInt;
typedef unsigned long uLong;

static inline uLong crc32(uLong sum, const Bytef *data, uInt n)
{
	if (!data)
		return 0;
	sum ^= 0xffffffff;
	for (uInt i = 0; i < n; i++) {
		sum ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			sum = sum >> 1 ^ (sum & 1 ? 0xedb88320 : 0);
	}
	return sum ^ 0xffffffff;
}

#endif
