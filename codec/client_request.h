/* SPDX-License-Identifier: MIT */
/* What a client's request means and how it is written: inside of the library. */
#ifndef NATPCP_CLIENT_REQUEST_H
#define NATPCP_CLIENT_REQUEST_H

#include "codec/client.h"

/* Finds the first option of a code in an area, of a request or an answer; malformed ones of other codes are no obstacle. */
bool client_request_option(const uint8_t *options, size_t length, uint8_t code, struct pcp_option *o);
bool client_request_has(const struct client_request *r, uint8_t code);

/* True if all the RFCs allow the request; peer: by PEER, else by MAP. */
bool client_request_sound(const struct client *c, const struct client_request *r, bool peer);

/* True if it has ports in common with another mapping that the client has or asks for, and one of the two is of a set
 * (RFC 7753 6.3). */
bool client_request_overlaps(const struct client *c, const struct client_request *r);

/* True if it takes a THIRD_PARTY on the path in use; *inside is the address that the mapping is for in either case. */
bool client_request_third_party(const struct client *c, const struct client_request *r, struct in6_addr *inside);

/* True if NAT-PMP cannot express the request: a single peer, another host, another protocol than TCP and UDP, all
 * ports, IPv6 outside, or an option that must be processed, without which NAT-PMP would do something else. */
bool client_request_needs_pcp(const struct client *c, const struct client_request *r);

/* Write what an operation asks for now; 0 if it does not fit. */
size_t client_request_natpmp(const struct client_op *op, uint8_t *out, size_t capacity, uint64_t now_ms);
size_t client_request_pcp(const struct client *c, const struct client_op *op, uint8_t *out, size_t capacity,
			  uint64_t now_ms);

#endif
