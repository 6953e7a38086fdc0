/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes the ends of a TCP connection that is about to be reset say something, each in the name of the other: who is idle
 * would learn of it only by what he sends next. IPv4. */
#ifndef BACKENDS_RESET_H
#define BACKENDS_RESET_H

#include <stdbool.h>
#include <stdint.h>

#include "backends/conntrack_msg.h"

/* A socket that sends with the packet mark, and goes on to when privileges are dropped; or -errno. */
int reset_open(uint32_t mark);

/* To who sends what t says, from where he sends it to. called: it was the other who began. What cannot be sent at once is
 * not sent. */
void reset_elicit(int fd, const struct conntrack_tuple *t, bool called);

#endif
