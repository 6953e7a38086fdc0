/* SPDX-License-Identifier: MIT */
/*
 * The questions of natpcpc probe: each is one datagram to a gateway, and what the RFCs let it answer. Nothing here does
 * I/O: corner_ask() writes the datagram, corner_judge() reads what came back.
 */
#ifndef NATPCP_NATPCPC_CORNER_H
#define NATPCP_NATPCPC_CORNER_H

#include "codec/codec.h"

#define CORNER_PORTS	     4
#define CORNER_LIFE_S	     120
#define CORNER_TEXT	     96
#define CORNER_DATAGRAM	     1104 /* one question is longer than a message may be */
#define CORNER_BROKEN_OPTION 101  /* says that it is longer than the message */

/* What the questions stand on. */
struct corner_bed {
	struct in6_addr own;
	struct in6_addr neighbour; /* another host of the link, for which only a deletion of nothing is asked */
	uint16_t port; /* even, and CORNER_PORTS of them: the caller holds them, so that nobody else's are opened */
	struct codec_nonce nonce, other_nonce, stranger; /* the last has never made anything */
	/* learnt on the way */
	bool natpmp, pcp; /* spoken */
	uint16_t external_port;
	struct in6_addr external_address;
};

enum corner_verdict {
	CORNER_UNASKED,
	CORNER_OK,     /* as the RFCs want it */
	CORNER_ABSENT, /* not there, which the RFCs allow */
	CORNER_ODD,    /* not as the RFCs want it */
};

struct corner_result {
	enum corner_verdict verdict;
	bool answered;
	uint16_t code;
	const char *name; /* of the code */
	uint32_t lifetime_s, epoch_s;
	uint16_t external_port;
	char text[CORNER_TEXT]; /* what came, in words */
	const char *note;	/* what is odd about it, or NULL */
};

enum corner_flag {
	CORNER_MAKES = 1,  /* a mapping, if it succeeds */
	CORNER_KEEPS = 2,  /* which later questions need */
	CORNER_SILENT = 4, /* no answer is the right one */
	CORNER_NATPMP = 8, /* asked only of who speaks it: neither of these two, of everybody */
	CORNER_PCP = 16,
};

struct corner {
	const char *id, *title, *section;
	unsigned int flags;
	uint8_t version, opcode, protocol;
	uint8_t port; /* the how-manieth of bed.port */
	uint32_t lifetime_s;
	uint8_t option;		/* 0 = none */
	uint32_t right, absent; /* bits of the result codes that are right, and of those that say: not here */
};

extern const struct corner corners[];
extern const size_t corners_count;

/* Writes the question; out holds CORNER_DATAGRAM octets. */
size_t corner_ask(const struct corner *c, const struct corner_bed *bed, uint8_t *out);
/* Writes the deletion of what it made. */
size_t corner_undo(const struct corner *c, const struct corner_bed *bed, uint8_t *out);
/* Judges the answer, of length 0 if there was none; bed learns from it. */
void corner_judge(const struct corner *c, struct corner_bed *bed, const uint8_t *data, size_t length,
		  struct corner_result *r);
const char *corner_verdict_name(enum corner_verdict v);

#endif
