/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The filter of files, by the kernel's Landlock. */
#ifndef SERVER_IO_SANDBOX_PATHS_H
#define SERVER_IO_SANDBOX_PATHS_H

#include "server/io/sandbox.h"

/* For the thread that calls, and its children. The version of it that is used, from 1; -ENOSYS: this kernel has none; or
 * -errno. */
int sandbox_paths(const struct sandbox *s);

#endif
