/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text format of Prometheus, as JSON. */
#ifndef SERVER_NATPCPCTL_METRICS_H
#define SERVER_NATPCPCTL_METRICS_H

#include <jansson.h>

/* {"schema", "metrics": [{"name", "labels": {...}, "value"}]}, with "type" and "help" where the text says them; lines
 * that are none of the format are left out. NULL if out of memory. */
json_t *metrics_json(const char *text);

#endif
