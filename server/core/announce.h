/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unsolicited announcements, for both protocols on one schedule: RFC 6886 3.2.1, RFC 6887 14.1.3. */
#ifndef SERVER_CORE_ANNOUNCE_H
#define SERVER_CORE_ANNOUNCE_H

#include <stdint.h>

struct engine;
struct round;

struct announce {
	uint64_t next_ms; /* ENGINE_NEVER: nothing to say */
	uint64_t gap_ms;  /* until the copy after the next */
	unsigned copies;  /* left */
};

void announce_init(struct announce *a);
/* There is news: the series starts anew, at once. */
void announce_begin(struct announce *a, uint64_t now_ms);
/* Puts the copy that is due, if one is, into the round: freshly made, for every listen section, protocol and family. */
void announce_tick(struct engine *e, uint64_t now_ms, struct round *r);

#endif
