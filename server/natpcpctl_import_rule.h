/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A line of miniupnpd's list of permissions: allow|deny EXTERNAL-PORTS ADDRESS[/MASK] INTERNAL-PORTS ["REGEX"]. */
#ifndef SERVER_NATPCPCTL_IMPORT_RULE_H
#define SERVER_NATPCPCTL_IMPORT_RULE_H

#include <stdbool.h>
#include <stdint.h>

struct import_rule {
	unsigned line;
	bool allow;
	uint16_t external_first, external_last; /* 1-65535 is every port: port 0 is none, and left out */
	uint16_t internal_first, internal_last;
	uint32_t network; /* host byte order, no bits beyond length */
	unsigned length;  /* 0-32 */
};

/* Takes an address with an optional mask, as /24 or /255.255.255.0; *length is 32 without one. */
bool import_network(const char *text, uint32_t *address, unsigned *length);
/* Reads the line; NULL, or why there is no counterpart (static). The members but line are set. */
const char *import_rule_read(struct import_rule *r, const char *text);
/* True if the rule leaves nothing out. */
bool import_rule_is_all(const struct import_rule *r);

#endif
