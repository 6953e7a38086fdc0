/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mappings that a search through the kernel's connections is for, and what it finds of them. Pure. */
#ifndef BACKENDS_ENDER_LIST_H
#define BACKENDS_ENDER_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "backends/ender_msg.h"
#include "backends/mapping.h"

/* What a search is to do about the connections of a mapping. */
enum ender_purpose {
	ENDER_FORGET, /* the mapping is no more: they end */
	ENDER_ASK,    /* how long would they go on? */
	ENDER_RESET,  /* the mapping is no more: they end, and both ends of TCP are told */
};

struct ender_item {
	struct {
		struct in6_addr internal_address, external_address, remote_address;
		uint16_t remote_port;
		uint8_t protocol, none;
	} key;
	uint16_t external_port, more_ports, internal_port;
	uint16_t reach;	 /* the last external port of those with this key up to here */
	uint8_t purpose; /* enum ender_purpose */
	uint32_t left_s; /* ENDER_ASK, found: as in struct ender_flow, of the one that goes on longest; 0 = none does */
	void *context;	 /* the asker's */
};

struct ender_list {
	struct ender_item *v;
	size_t n, capacity;
};

/* Appends a mapping (copied); its remote side counts if it is for one peer. 0 or -ENOMEM. */
int ender_list_add(struct ender_list *l, const struct mapping *m, enum ender_purpose purpose, void *context);
/* Empties it and frees its memory. */
void ender_list_clear(struct ender_list *l);
/* Puts the items into the order in which ender_list_meet() looks for them. */
void ender_list_sort(struct ender_list *l);
/* Notes a connection with the mappings that it is of. Returns what is to be done about it: for each purpose that one of
 * them is there for, 1 << purpose. */
unsigned ender_list_meet(struct ender_list *l, const struct ender_flow *f);

#endif
