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

/* Remote hosts that may send to a mapping (RFC 6887 13.3). */
struct mapping_filter {
	struct in6_addr address; /* bits beyond the prefix are zero */
	uint16_t port;		 /* 0 = any */
	uint8_t prefix_length;	 /* of the 128 bits: an IPv4 /24 is 120 */
};

/* One mapping as the packet filter sees it. Addresses are v4-mapped for IPv4, ports in host byte order. */
struct mapping {
	struct in6_addr internal_address;
	struct in6_addr external_address;
	uint16_t internal_port;
	uint16_t external_port;
	uint8_t protocol; /* IANA number */
	uint8_t kind;	  /* enum mapping_kind */
	uint8_t external; /* of NAT: index into conf.externals, of the one that the outside address is on */
	/* a set of ports (RFC 7753): how many follow the first; then both sides have the same ports */
	uint16_t more_ports;
	/* not 0: traffic of this one peer only (RFC 6887 12) */
	uint16_t remote_port;
	struct in6_addr remote_address;
	/* who may come in; none = everybody. The array is its owner's and outlives the commit. */
	uint16_t filters_n;
	const struct mapping_filter *filters;
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
