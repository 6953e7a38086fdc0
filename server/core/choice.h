/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which external address and port a translated mapping gets. */
#ifndef SERVER_CORE_CHOICE_H
#define SERVER_CORE_CHOICE_H

#include "server/core/state.h"

struct choice {
	size_t external;
	uint8_t protocol;
	bool pcp;		/* NAT-PMP stays on the first address and wants the other transport's port kept free */
	bool exact;		/* the wish or nothing */
	struct in6_addr client; /* the internal address */
	uint16_t internal_port;
	struct in6_addr wish_address; /* unspecified = none */
	uint16_t wish_port;	      /* 0 = none */
	bool many;		  /* a new mapping of a client that has many: what is kept for others is not for it */
	struct conf_ranges ports; /* that the rule allows, empty = all of the external's */
};

enum choice_result {
	CHOICE_FOUND,
	CHOICE_RANDOM,	   /* neither the wish nor the internal port: choice_pick() is to be asked */
	CHOICE_NO_ADDRESS, /* the external has none now */
	CHOICE_REFUSED,	   /* the wish was exact, or there is only one port that would do, and it cannot be had */
};

/* Looks for the wish, then the internal port. Changes nothing. *address is set unless there is none. */
enum choice_result choice_find(const struct engine *e, const struct choice *c, struct in6_addr *address,
			       uint16_t *port);
/* After CHOICE_RANDOM: any port that can be had. False if there is none. */
bool choice_pick(struct engine *e, const struct choice *c, struct in6_addr *address, uint16_t *port);

/* The address that the client gets ports of. False if the external has none now. */
bool choice_address(const struct engine *e, const struct choice *c, struct in6_addr *address);
/* True if the client can have the port. */
bool choice_can_have(const struct engine *e, const struct choice *c, const struct in6_addr *address, uint16_t port);

#endif
