/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prometheus' text format, version 0.0.4: families of samples. */
#ifndef SERVER_METRICS_TEXT_H
#define SERVER_METRICS_TEXT_H

#include <stdint.h>

#include "server/grown.h"
#include "server/histogram.h"

/* A family begins: name without "natpcpd_"; type "counter", "gauge" or "histogram". */
void metrics_family(struct grown *t, const char *name, const char *type, const char *help);
/* One sample. labels: pairs of name and value, NULL at the end; NULL: none. */
void metrics_sample(struct grown *t, const char *name, const char *const *labels, uint64_t value);
/* A family that is one sample without labels. */
void metrics_one(struct grown *t, const char *name, const char *type, const char *help, uint64_t value);
/* A family of one histogram, of microseconds as seconds. */
void metrics_seconds(struct grown *t, const char *name, const char *help, const struct histogram *h);
/* The same, of numbers of which one less each was counted. */
void metrics_numbers(struct grown *t, const char *name, const char *help, const struct histogram *h);

#endif
