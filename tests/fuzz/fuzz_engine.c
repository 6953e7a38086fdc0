/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens to an engine, read from the input: requests, time, refusals, other addresses and configurations. */
#include "tests/scenario/drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	struct drive d;

	if (length == 0 || !drive_open(&d, 0, data, length))
		return 0;
	drive_out(&d);
	return 0;
}
