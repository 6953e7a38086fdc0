/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long things take and how many they are, in memory that does not grow with what clients do. */
#ifndef SERVER_METER_H
#define SERVER_METER_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "server/core/round.h"
#include "server/histogram.h"
#include "server/io/listen.h"

enum {
	METER_INTERFACES = 64, /* the last one stands for all that are more */
	METER_PROTOCOLS = 2,   /* NAT-PMP, PCP */
	METER_OPCODES = 4,     /* the last one: others */
	METER_RESULTS = 16,
};

struct meter_interface {
	char name[IF_NAMESIZE]; /* "" = unknown */
	uint64_t answers[METER_PROTOCOLS][METER_OPCODES][METER_RESULTS];
};

struct meter {
	struct histogram request_us; /* from the reception of a request until its answer has been sent */
	struct histogram commit_us;
	struct histogram changes; /* of a round that has any, less one: histogram_below() is "at most" */
	uint64_t rounds;
	uint64_t received_us; /* when the requests came that are being served; 0: there are none */
	uint32_t ifindex;     /* of the interface of the last answer, at: */
	struct meter_interface *at;
	struct meter_interface *interfaces[METER_INTERFACES];
	size_t interfaces_n;
};

/* A round was committed in us. */
void meter_commit(struct meter *m, size_t changes, uint64_t us);
/* The replies of a round have been sent, now_us. Only answers count, by what they say themselves. */
void meter_answers(struct meter *m, const struct round_reply *v, size_t n, const struct listeners *s, uint64_t now_us);
/* Interfaces may have other numbers by now. */
void meter_renumbered(struct meter *m);
void meter_clear(struct meter *m);

#endif
