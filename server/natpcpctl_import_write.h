/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was read of a miniupnpd.conf, as a natpcpd.conf. */
#ifndef SERVER_NATPCPCTL_IMPORT_WRITE_H
#define SERVER_NATPCPCTL_IMPORT_WRITE_H

#include <stdio.h>

#include "server/natpcpctl_import_read.h"

/* Writes a configuration that natpcpd -t passes; from is the name of the file that was read. */
void import_write(FILE *out, const struct import *x, const char *from);

#endif
