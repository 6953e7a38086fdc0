/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tells on stdout what was done to whom: a line of JSON for each fault that was applied. */
#ifndef SERVER_LAB_NOTE_H
#define SERVER_LAB_NOTE_H

#include <netinet/in.h>
#include <stdint.h>

struct note {
	const char *what;
	const char *fault;	       /* as it was written; NULL */
	const struct in6_addr *client; /* whose message it was; NULL */
	uint16_t client_port;
	const struct in6_addr *to; /* the new outside address, :: for none; NULL */
};

void note(const struct note *n);

#endif
