/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * External ports of one external address: which are free, for which protocol. A bitmap with summaries, so that a free
 * port is found in constant time however few are left. It knows nothing of leases: the mapper marks and unmarks.
 */
#ifndef SERVER_CORE_PORTS_H
#define SERVER_CORE_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "server/core/runs.h"

struct ports;

/* Nothing is taken at first, but port 0. ours: of these is counted how many are free (empty: all); it is borrowed. NULL if
 * out of memory (about 8.3 KiB for each protocol that is used). */
struct ports *ports_new(const struct conf_ranges *ours);
void ports_free(struct ports *p);

/* Marks a port of a protocol as taken or free. 0, or -ENOMEM, with nothing changed, at the first use of a protocol. */
int ports_set(struct ports *p, uint8_t protocol, uint16_t port, bool taken);
/* How many of ours are free. */
uint32_t ports_left(const struct ports *p, uint8_t protocol);
/* How many ports there are in ranges; empty: all but 0. */
uint32_t ports_total(const struct conf_ranges *ranges);
bool ports_taken(const struct ports *p, uint8_t protocol, uint16_t port);

/*
 * A free port inside one of the ranges of both a and b (an empty list stands for 1-65535), chosen by random (uniform
 * over all 32 bits). A port that is free for every protocol is preferred to one that is taken for another protocol. 0 = none.
 */
uint16_t ports_pick(const struct ports *p, uint8_t protocol, const struct conf_ranges *a, const struct conf_ranges *b,
		    uint32_t random);

/*
 * Consecutive free ports inside one of the ranges of both a and b: a run of the wanted length behind a place chosen by
 * random, else one anywhere, else the longest. Returns its length, with its first port in *first; 0 = none is free, or out
 * of memory (16 KiB at the first call for a protocol). The work does not depend on which ports are taken.
 */
uint32_t ports_find_run(struct ports *p, uint8_t protocol, const struct conf_ranges *a, const struct conf_ranges *b,
			const struct runs_want *want, uint32_t random, uint16_t *first);

#endif
