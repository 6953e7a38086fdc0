/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fault of the lab's gateway, as it is written on a command line or in a line of a script:
 *     NAME[=VALUE] [n=1,3-5] [every=N] [share=30%] [op=map,...] [protocol=natpmp|pcp] [client=ADDRESS] [at=5s] [for=10s]
 * natpcp-lab(1) has them all. Pure.
 */
#ifndef SERVER_LAB_FAULT_H
#define SERVER_LAB_FAULT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/lab/sight.h"

enum fault_kind {
	/* of requests: the engine does not see them, or sees other ones */
	FAULT_SILENCE,
	FAULT_RESULT,
	FAULT_VERSION,
	FAULT_UNREACHABLE,
	FAULT_PORT,
	FAULT_LIFETIME,
	/* of answers */
	FAULT_MUTE,
	FAULT_NONCE,
	FAULT_TRUNCATE,
	FAULT_LENGTHEN,
	FAULT_GARBAGE,
	FAULT_SPOOF,
	FAULT_TWICE,
	FAULT_SOURCE,
	FAULT_SOURCE_PORT,
	FAULT_SLOW,
	/* of announcements */
	FAULT_ANNOUNCE,
	/* of the gateway: each happens once, at its time or with the first request that it is for */
	FAULT_EPOCH,
	FAULT_FORGE,
	FAULT_RESTART,
	FAULT_ADDRESS,
	FAULT_KINDS,
};

enum fault_when { FAULT_OF_REQUESTS, FAULT_OF_ANSWERS, FAULT_OF_ANNOUNCEMENTS, FAULT_OF_GATEWAY };

/* How a box refuses versions that it does not speak. */
enum fault_style {
	FAULT_STYLE_NATPMP,   /* PCP: 8 octets, opcode 128, as RFC 6886 3.5 means it */
	FAULT_STYLE_MISPRINT, /* PCP: 8 octets, opcode 0, as it was printed */
	FAULT_STYLE_OPCODE,   /* PCP: 8 octets, the request's opcode with the response bit */
	FAULT_STYLE_PCP1,     /* PCP: as a box that speaks only version 1 */
	FAULT_STYLE_PCP,      /* NAT-PMP: as a box that speaks only PCP */
};

enum fault_epoch { FAULT_EPOCH_SET, FAULT_EPOCH_SHIFT, FAULT_EPOCH_FROZEN };

#define FAULT_RANGES 8
#define FAULT_WHY    160 /* octets for a reason */
#define FAULT_ALWAYS UINT64_MAX

struct fault {
	enum fault_kind kind;
	bool given; /* a value: else the default of its kind holds */
	/* the value, by kind */
	uint16_t result[2]; /* RESULT, by enum sight_protocol; FAULT_NO_RESULT: the protocol has none of that name */
	uint32_t number;    /* PORT, SOURCE_PORT, TRUNCATE, LENGTHEN */
	uint32_t time_ms;   /* LIFETIME, SLOW */
	struct in6_addr address; /* SOURCE, SPOOF, FORGE, ADDRESS; :: for "none" */
	enum fault_style style;	 /* VERSION */
	enum fault_epoch epoch;	 /* EPOCH */
	int64_t seconds;	 /* EPOCH */
	bool forget;		 /* RESTART */
	uint32_t hold_s;	 /* RESULT: how long PCP says that it will be so */
	uint32_t down_ms;	 /* RESTART: until it is there again */
	/* which of them, counted from 1 among those that it is for; none of these: all */
	struct fault_range {
		uint32_t first, last;
	} n[FAULT_RANGES];
	size_t n_n;
	uint32_t every;
	uint32_t share; /* of a million */
	unsigned ops;	/* bits 1 << enum sight_op; 0: all */
	bool protocol_set;
	enum sight_protocol protocol;
	bool client_set;
	struct in6_addr client;
	/* when */
	uint64_t at_ms;	 /* since the begin */
	uint64_t for_ms; /* FAULT_ALWAYS: to the end */
};

#define FAULT_NO_RESULT UINT16_MAX

/* Reads one line. False with the reason in why. */
bool fault_parse(const char *text, struct fault *f, char why[FAULT_WHY]);

const char *fault_name(enum fault_kind kind);
enum fault_when fault_when(enum fault_kind kind);
/* True if it could happen to this message of this client at all: n, every, share and the time are left out. */
bool fault_fits(const struct fault *f, const struct sight *s, const struct in6_addr *client);

#endif
