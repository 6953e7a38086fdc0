/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An event of the server's, in a line. */
#ifndef SERVER_NATPCPCTL_EVENT_H
#define SERVER_NATPCPCTL_EVENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "server/natpcpctl_look.h"

/* Every type that there is. */
#define EVENT_TYPES "made,renewed,ended,moved,adopted,refused,external,reload,backend,lost,stats"
/* Without those that come all the time. */
#define EVENT_TYPES_USUAL "made,renewed,ended,moved,adopted,refused,external,reload,backend,lost"

/* True if list is types with commas between; else *unknown is what is none (size octets). */
bool event_types(const char *list, char *unknown, size_t size);

/* o: what the server says in /v1/events; type: of the stream, if o has none. One line. */
void event_print(FILE *out, const struct look *l, const char *type, const json_t *o);

#endif
