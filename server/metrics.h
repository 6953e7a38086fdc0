/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Figures for monitoring, in Prometheus' text format. Labels are the configuration's words and ours, never a client's. */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include "server/grown.h"
#include "server/server.h"

void metrics_write(struct server *s, struct grown *t);

#endif
