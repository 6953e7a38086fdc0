/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values that the core and the backends exchange. */
#ifndef BACKENDS_MAPPING_H
#define BACKENDS_MAPPING_H

#include <netinet/in.h>
#include <stdint.h>

enum mapping_kind {
	MAPPING_NAT,	 /* IPv4: destination and source are translated */
	MAPPING_PINHOLE, /* nothing is translated: external equals internal; IPv6, or IPv4 with nat = false */
};

/* One mapping as the packet filter sees it. Addresses are v4-mapped for IPv4, ports in host byte order. */
struct mapping {
	struct in6_addr internal_address;
	struct in6_addr external_address;
	uint16_t internal_port;
	uint16_t external_port;
	uint8_t protocol; /* IANA number */
	uint8_t kind;	  /* enum mapping_kind */
};

enum change_op {
	CHANGE_ADD,    /* it is not there; refused with -EEXIST if its external or internal side is taken */
	CHANGE_RENEW,  /* it is there: only its timeout changes, and forwarding has no gap */
	CHANGE_REMOVE, /* gone afterwards; not an error if it was not there */
};

/*
 * One change of the packet filter. Changes with the same group stand next to each other, and stand or fall together:
 * if one is refused, so are the others. A change on a mapping that an earlier refused change of the same commit touched
 * is refused too.
 */
struct change {
	struct mapping mapping;
	uint64_t timeout_ms; /* ADD, RENEW: the packet filter closes it by itself after this time; 0 = never */
	uint32_t group;
	uint8_t op;  /* enum change_op */
	int verdict; /* set by commit: 0, or -errno of the refusal */
};

#endif
