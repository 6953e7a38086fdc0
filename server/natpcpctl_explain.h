/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An explanation in sentences. */
#ifndef SERVER_NATPCPCTL_EXPLAIN_H
#define SERVER_NATPCPCTL_EXPLAIN_H

#include <jansson.h>
#include <stdio.h>

#include "server/natpcpctl_look.h"

/* o: what the server says to /v1/explain; wish: the external port that was asked for, NULL if any will do. */
void explain_print(FILE *out, const struct look *l, const json_t *o, const char *wish);

#endif
