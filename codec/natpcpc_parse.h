/* SPDX-License-Identifier: MIT */
/* What is written on natpcpc's command line: text in, values out. No function looks at anything but its arguments. */
#ifndef NATPCP_NATPCPC_PARSE_H
#define NATPCP_NATPCPC_PARSE_H

#include "codec/codec.h"

/* A decimal number of at most max. */
bool parse_number(const char *text, uint64_t max, uint64_t *out);
bool parse_port(const char *text, uint16_t *port);
/* "8080", "4000-4007", or "all", which is port 0; count is how many. */
bool parse_ports(const char *text, uint16_t *first, uint16_t *count);
/* A name, a number, or "all", which is 0. */
bool parse_protocol(const char *text, uint8_t *protocol);
/* Seconds, also 90s, 30m, 2h, 1d, or "forever". */
bool parse_lifetime(const char *text, uint32_t *seconds);
/* Seconds with a fraction, more than 0. */
bool parse_timeout(const char *text, uint64_t *ms);
/* ADDR, ADDR/LEN or either with :PORT; what is IPv6 and has a port stands in brackets. */
bool parse_filter(const char *text, struct pcp_option *filter);
/* ADDR:PORT or [ADDR]:PORT. */
bool parse_place(const char *text, struct in6_addr *address, uint16_t *port);
/* PORT, ADDR, ADDR:PORT or [ADDR]:PORT, or "any", which is port 0. What is not named stays as it is. */
bool parse_outside(const char *text, struct in6_addr *address, uint16_t *port, bool *has_port);
/* Pairs of hexadecimal digits, of at most capacity octets. */
bool parse_hex(const char *text, uint8_t *out, size_t capacity, size_t *length);
bool parse_nonce(const char *text, struct codec_nonce *nonce);

#endif
