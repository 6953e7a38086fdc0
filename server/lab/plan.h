/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which fault befalls which message, and when. Pure: the time is given, chance is a seed. */
#ifndef SERVER_LAB_PLAN_H
#define SERVER_LAB_PLAN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/lab/fault.h"

#define PLAN_MAX   64  /* faults */
#define PLAN_TEXT  160 /* octets of each, as it was written */
#define PLAN_NEVER UINT64_MAX

struct plan_entry {
	struct fault fault;
	char text[PLAN_TEXT];
	uint64_t from_ms;  /* when it begins to count; PLAN_NEVER: not known yet */
	uint64_t until_ms; /* when it is over; PLAN_NEVER */
	uint32_t count;	   /* messages that it could have befallen */
	bool begun, ended; /* its time came: of a fault of the gateway that is for no requests */
};

struct plan {
	struct plan_entry v[PLAN_MAX];
	size_t n;
	bool begun;
	uint64_t random;
};

void plan_init(struct plan *p, uint64_t seed);
/* Reads a fault; it counts from the begin, or from now if that has been. False with the reason. */
bool plan_add(struct plan *p, const char *text, uint64_t now_ms, char why[FAULT_WHY]);
/* The time of the faults starts. */
void plan_begin(struct plan *p, uint64_t now_ms);

/* Whether an entry befalls this message, which counts if it could. To be asked once for each message and entry. */
bool plan_takes(struct plan *p, size_t i, const struct sight *s, const struct in6_addr *client, uint64_t now_ms);
/* Whether the time of an entry is now. */
bool plan_holds(const struct plan *p, size_t i, uint64_t now_ms);

enum plan_turn { PLAN_BEGINS, PLAN_ENDS, PLAN_NOTHING };
/* The next fault of the gateway that is for no requests whose time has come, or is over; each is told once. */
enum plan_turn plan_next(struct plan *p, uint64_t now_ms, size_t *i);
/* When plan_next() has something to tell; PLAN_NEVER. */
uint64_t plan_deadline(const struct plan *p);

/* The next random number. */
uint64_t plan_random(struct plan *p);

#endif
