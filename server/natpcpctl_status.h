/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server's status, for people. */
#ifndef SERVER_NATPCPCTL_STATUS_H
#define SERVER_NATPCPCTL_STATUS_H

#include <jansson.h>
#include <stdio.h>

#include "server/natpcpctl_look.h"

/* o: what the server says to /v1/status. What it does not say is left out. */
void status_print(FILE *out, const struct look *l, const json_t *o);

#endif
