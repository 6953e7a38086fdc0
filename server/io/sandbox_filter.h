/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The filter of system calls: sandbox_filter.c by libseccomp, or sandbox_nofilter.c where that is missing. */
#ifndef SERVER_IO_SANDBOX_FILTER_H
#define SERVER_IO_SANDBOX_FILTER_H

#include "server/io/sandbox.h"

/* For all threads. 0; -ENOSYS: this kernel or this program has none; or -errno. */
int sandbox_filter(const struct sandbox *s);

#endif
