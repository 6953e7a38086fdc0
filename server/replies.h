/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sends what a round has to say. */
#ifndef SERVER_REPLIES_H
#define SERVER_REPLIES_H

#include <stdint.h>

#include "server/between.h"
#include "server/core/round.h"
#include "server/io/listen.h"
#include "server/io/wan.h"

struct replies_count {
	uint64_t sent, failed; /* unicasts and announcements */
	uint64_t failed_answers;
	int error; /* of the last failed unicast */
};

/* Adds to count. Unicasts leave from the address that was asked, by the interface the request came in on; announcements
 * from every socket of their listen section and family that has an address. */
void replies_send(const struct round_reply *v, size_t n, const struct listeners *s, const struct wan *w,
		  const struct between *between, struct replies_count *count);

#endif
