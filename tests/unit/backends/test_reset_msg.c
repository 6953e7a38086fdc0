/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The segments as another program makes them. */
#include "backends/reset_msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/backends/hex.h"

static const struct {
	enum reset_msg_kind kind;
	uint32_t source, destination;
	uint16_t source_port, destination_port;
	const char *hex;
} rows[] = {
    {RESET_MSG_ACK, 0xc6336402, 0xc000020b, 7000, 4001,
     "450000280000000040068e8fc6336402c000020b1b580fa16e6174706d63706450100000d8000000"},
    {RESET_MSG_SYN, 0xc6336402, 0xc000020b, 7000, 4001,
     "450000280000000040068e8fc6336402c000020b1b580fa16e6174700000000050020000b5d60000"},
    /* sums that carry more than once */
    {RESET_MSG_ACK, 0xffffffff, 0xfffffffe, 65535, 65535,
     "450000280000000040067ad2fffffffffffffffeffffffff6e6174706d63706450100000ef3c0000"},
};

static void segments(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint8_t out[RESET_MSG_LENGTH + 1];
		char hex[2 * RESET_MSG_LENGTH + 1];

		memset(out, 0xa5, sizeof(out));
		reset_msg_segment(out, rows[i].kind, rows[i].source, rows[i].source_port, rows[i].destination,
				  rows[i].destination_port);
		to_hex(out, RESET_MSG_LENGTH, hex);
		assert_string_equal(hex, rows[i].hex);
		assert_int_equal(out[RESET_MSG_LENGTH], 0xa5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(segments)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
