/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log lines of what a round did. */
#ifndef SERVER_REPORT_H
#define SERVER_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "server/core/round.h"
#include "server/io/log.h"
#include "server/io/udp.h"

enum { REPORT_RESULTS = 16 };

struct report {
	struct log_limit refused[2][REPORT_RESULTS]; /* by protocol and result */
	struct log_limit address, side;		     /* of datagrams that are not eligible, for report_dropped() */
};

/* One line for each event: made, ended, moved and adopted at info, renewed at debug; refused at info, but one line per
 * protocol and result in 10 s. */
void report_events(struct report *r, const struct round_event *v, size_t n, uint64_t now_ms);
/* A datagram that is not looked into, at debug: one line in 10 s, as the limit has it. */
void report_dropped(struct log_limit *limit, const struct udp_datagram *d, const char *interface, const char *why,
		    uint64_t now_ms);
/* Builds the line of one event, without writing it. */
void report_line(struct log_line *l, const struct round_event *e);

#endif
