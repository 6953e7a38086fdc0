/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a process that was forked has open, and should not. */
#ifndef SERVER_IO_DESCRIPTORS_H
#define SERVER_IO_DESCRIPTORS_H

#include <stddef.h>

/* Keeps the n descriptors of v, which become 3 and so on, close-on-exec, and are put into v; and 0, 1 and 2. All others are
 * closed. At most 8. */
void descriptors_keep(int *v, size_t n);

#endif
