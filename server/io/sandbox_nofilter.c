/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Built without libseccomp. */
#include <errno.h>

#include "server/io/sandbox_filter.h"

bool sandbox_has_filter(void)
{
	return false;
}

int sandbox_filter(const struct sandbox *s)
{
	(void)s;
	return -ENOSYS;
}
