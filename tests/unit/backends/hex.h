/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Octets and their hexadecimal text, for tests that compare messages. */
#ifndef TESTS_UNIT_BACKENDS_HEX_H
#define TESTS_UNIT_BACKENDS_HEX_H

#include <stddef.h>
#include <stdint.h>

/* Writes 2 * n digits and a NUL. */
static inline void to_hex(const uint8_t *data, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[data[i] >> 4];
		*out++ = digits[data[i] & 15];
	}
	*out = '\0';
}

/* Reads an even number of digits; returns how many octets. */
static inline size_t from_hex(const char *text, uint8_t *out)
{
	size_t n = 0;

	for (; text[0]; text += 2) {
		unsigned high = (unsigned)(text[0] <= '9' ? text[0] - '0' : text[0] - 'a' + 10);
		unsigned low = (unsigned)(text[1] <= '9' ? text[1] - '0' : text[1] - 'a' + 10);

		out[n++] = (uint8_t)(high << 4 | low);
	}
	return n;
}

#endif
