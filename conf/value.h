/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Single values: text to number, address, range... Each returns true with the value set, or false with the reason
 * appended to why ("not a port (1-65535)"); the caller says which key and which text.
 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include "conf/conf.h"
#include "conf/text.h"

/* "true", "yes", "on" and their opposites. */
bool value_bool(const char *s, bool *v, struct text *why);
/* Decimal, or hexadecimal with 0x; min..max. */
bool value_number(const char *s, uint32_t min, uint32_t max, uint32_t *v, struct text *why);
/* Seconds: a number, or one with the unit s, m, h or d; min..max seconds. */
bool value_duration(const char *s, uint32_t min, uint32_t max, uint32_t *v, struct text *why);
/* A number with exactly one bit set. */
bool value_mark(const char *s, uint32_t *v, struct text *why);
/* 1-65535 */
bool value_port(const char *s, uint16_t *v, struct text *why);
/* "N" or "N-M", 1-65535, not reversed. */
bool value_range(const char *s, struct conf_range *v, struct text *why);
/* An address of either family. */
bool value_address(const char *s, struct in6_addr *v, struct text *why);
/* "ADDRESS/LENGTH" without host bits, or "ADDRESS". */
bool value_prefix(const char *s, struct conf_prefix *v, struct text *why);
/* "ADDRESS:PORT"; IPv6 as "[ADDRESS]:PORT". */
bool value_endpoint(const char *s, struct in6_addr *address, uint16_t *port, struct text *why);
/* The same on 127.0.0.0/8 or ::1. */
bool value_loopback(const char *s, struct text *why);
/* Six octets in hexadecimal, with ":" or "-" between them. */
bool value_mac(const char *s, struct conf_mac *v, struct text *why);
/* A name ("tcp", "udp", "sctp", "dccp", "udplite") or a number 1-255. */
bool value_protocol(const char *s, uint8_t *v, struct text *why);
/* A name that the kernel would take for an interface: 1 to 15 octets. */
bool value_interface(const char *s, struct text *why);
/* A name of a table or chain: a letter, then letters, digits, "_", "-" and "."; at most 63 octets. */
bool value_identifier(const char *s, size_t length, struct text *why);

#endif
