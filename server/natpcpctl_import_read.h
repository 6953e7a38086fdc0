/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a miniupnpd.conf says that natpcpd has a counterpart for, and a note for each line that it has none for. */
#ifndef SERVER_NATPCPCTL_IMPORT_READ_H
#define SERVER_NATPCPCTL_IMPORT_READ_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "server/natpcpctl_import_rule.h"

/* An inside, by the name of its interface if that is known, else by the address that miniupnpd was bound to. */
struct import_lan {
	char interface[IF_NAMESIZE]; /* "" if unknown */
	uint32_t address;	     /* 0 if unknown */
	unsigned length;	     /* of its network, of 32 bits; 0 if unknown */
};

struct import {
	char external[IF_NAMESIZE];
	uint32_t external_address; /* 0: that of the interface */
	bool allow_private;
	bool third_party;
	bool no_ipv6;
	bool spoken;		/* it answered NAT-PMP and PCP */
	uint32_t min_s, max_s;	/* 0: not said */
	char forward_chain[64]; /* "" if not said */
	char forward_table[64];
	struct import_lan *lans;
	size_t lans_n;
	struct import_rule *rules;
	size_t rules_n;
	FILE *notes; /* comment lines in the syntax of natpcpd.conf */
	char *notes_text;
	size_t notes_length;
};

/*
 * Reads length octets of text, whatever they are; false if out of memory. x is to be cleared in either case. find tells
 * the interface of this machine that holds an IPv4 address (host byte order), false if none does.
 */
bool import_read(struct import *x, const char *text, size_t length,
		 bool (*find)(uint32_t address, char interface[IF_NAMESIZE]));
void import_clear(struct import *x);

/* Writes s for a comment: printable ASCII only, cut at 100 octets. */
void import_tame(FILE *out, const char *s);

#endif
