/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of natpcpctl selftest share. A host that is not there asks as a host inside would: its packets come in
 * on the inside interface, and what goes back to it is seen leaving there. Packets to the port that it was given come
 * in on the outside interface. So they meet every rule that a real one meets, with the interfaces that it names.
 */
#ifndef SERVER_NATPCPCTL_SELFTEST_H
#define SERVER_NATPCPCTL_SELFTEST_H

#include <jansson.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "codec/codec.h"
#include "server/natpcpctl.h"
#include "server/natpcpctl_selftest_link.h"
#include "server/natpcpctl_selftest_trace.h"

/* Of one family. IPv4 addresses are v4-mapped. */
struct selftest {
	bool v6;
	bool absent; /* the inside has no address of the family, or a global one */
	struct tool *tool;
	json_t *status; /* what the server says of itself; borrowed */
	char lan[IF_NAMESIZE], wan[IF_NAMESIZE];
	int lan_index, wan_index;
	struct in6_addr gateway, host, outside;
	int space;  /* the namespace, or less than 0 */
	int tap;    /* what leaves for the host, or less than 0 */
	bool known; /* the kernel was told of the host */
	struct link in, out;
	struct trace *trace;
	struct codec_nonce nonce;
	volatile int *ended; /* by a signal */
};

enum selftest_end {
	SELFTEST_REACHED,
	SELFTEST_REFUSED,    /* by the server */
	SELFTEST_UNANSWERED, /* the request was not dropped by a chain, but nothing came back */
	SELFTEST_LOST,	     /* the packet was not dropped by a chain, but did not come out */
	SELFTEST_DROPPED,    /* by a chain */
	SELFTEST_STOPPED,    /* by a signal, or by an error that was told */
};

/* What came of one protocol. */
struct selftest_step {
	uint8_t protocol;
	enum selftest_end end;
	bool granted; /* else it is about the request */
	uint16_t internal_port, external_port;
	struct in6_addr external;
	uint32_t lifetime_s;
	uint8_t result; /* of PCP */
	struct trace_seen seen;
};

/*
 * Finds where to test: lan, gateway, host and outside, from the status and the options. An exit code; what is wrong was
 * said. If absent is set, there is nothing to be tested.
 */
int selftest_place(struct selftest *s);
/* Sets wan by the external address that was given; false if no external section has an interface for it. */
bool selftest_outside(struct selftest *s, const struct in6_addr *external);

/* Asks for a port as the host; step->granted says whether it was given. */
void selftest_ask(struct selftest *s, struct selftest_step *step);
/* Sends to that port, and looks whether it comes out for the host. */
void selftest_send(struct selftest *s, struct selftest_step *step);

/* Lines of advice on what went wrong, none if nothing did. */
void selftest_hints(const struct selftest *s, const struct selftest_step *step, FILE *out);

#endif
