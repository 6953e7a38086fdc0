/* SPDX-License-Identifier: MIT */
/*
 * NAT-PMP (RFC 6886) and PCP (RFC 6887) messages.
 *
 * Nothing here allocates, does I/O, reads a clock or keeps state. Numbers are in host byte order, addresses are
 * struct in6_addr with IPv4 in mapped form (RFC 6887 section 5). Pointers inside a parsed message point into the
 * buffer that was parsed and live as long as it does.
 */
#ifndef NATPCP_CODEC_H
#define NATPCP_CODEC_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The linker knows each function behind "natpcp_", lest short names meet those of others in one program. */
#pragma redefine_extname codec_parse natpcp_codec_parse
#pragma redefine_extname codec_marshal natpcp_codec_marshal
#pragma redefine_extname natpmp_marshal natpcp_natpmp_marshal
#pragma redefine_extname pcp_marshal natpcp_pcp_marshal
#pragma redefine_extname natpmp_marshal_error natpcp_natpmp_marshal_error
#pragma redefine_extname pcp_marshal_error natpcp_pcp_marshal_error
#pragma redefine_extname pcp_option_next natpcp_pcp_option_next
#pragma redefine_extname pcp_option_put natpcp_pcp_option_put
#pragma redefine_extname codec_utf8_valid natpcp_codec_utf8_valid
#pragma redefine_extname codec_utf8_cut natpcp_codec_utf8_cut
#pragma redefine_extname codec_probe natpcp_codec_probe
#pragma redefine_extname natpmp_opcode_name natpcp_natpmp_opcode_name
#pragma redefine_extname natpmp_result_name natpcp_natpmp_result_name
#pragma redefine_extname pcp_opcode_name natpcp_pcp_opcode_name
#pragma redefine_extname pcp_result_name natpcp_pcp_result_name
#pragma redefine_extname pcp_option_name natpcp_pcp_option_name
#pragma redefine_extname codec_protocol_name natpcp_codec_protocol_name
#pragma redefine_extname codec_format natpcp_codec_format
#pragma redefine_extname codec_is_v4 natpcp_codec_is_v4
#pragma redefine_extname codec_from_v4 natpcp_codec_from_v4
#pragma redefine_extname codec_to_v4 natpcp_codec_to_v4
#pragma redefine_extname codec_is_unspecified natpcp_codec_is_unspecified
#pragma redefine_extname codec_address_text natpcp_codec_address_text
#pragma redefine_extname codec_address_parse natpcp_codec_address_parse

#define CODEC_SERVER_PORT      5351 /* requests go to this UDP port */
#define CODEC_ANNOUNCE_PORT    5350 /* the server's multicasts go to this UDP port */
#define CODEC_MESSAGE_MAX      1100 /* octets in the longest PCP message, RFC 6887 section 7 */
#define CODEC_NONCE_LENGTH     12
#define CODEC_DESCRIPTION_MAX  1016 /* octets, RFC 7220 section 2 */
#define PCP_OPTION_OPTIONAL    128  /* from this code on a server may ignore an option, RFC 6887 section 7.3 */
#define CODEC_LIFETIME_FOREVER UINT32_MAX

enum codec_version { CODEC_VERSION_NATPMP = 0, CODEC_VERSION_PCP = 2 };

/* RFC 6886 section 3 */
enum natpmp_opcode { NATPMP_ADDRESS = 0, NATPMP_MAP_UDP = 1, NATPMP_MAP_TCP = 2 };

/* RFC 6886 section 3.5 */
enum natpmp_result {
	NATPMP_SUCCESS = 0,
	NATPMP_UNSUPP_VERSION = 1,
	NATPMP_NOT_AUTHORIZED = 2,
	NATPMP_NETWORK_FAILURE = 3,
	NATPMP_NO_RESOURCES = 4,
	NATPMP_UNSUPP_OPCODE = 5,
};

/* RFC 6887 section 19.2 */
enum pcp_opcode { PCP_ANNOUNCE = 0, PCP_MAP = 1, PCP_PEER = 2 };

/* RFC 6887 section 7.4 */
enum pcp_result {
	PCP_SUCCESS = 0,
	PCP_UNSUPP_VERSION = 1,
	PCP_NOT_AUTHORIZED = 2,
	PCP_MALFORMED_REQUEST = 3,
	PCP_UNSUPP_OPCODE = 4,
	PCP_UNSUPP_OPTION = 5,
	PCP_MALFORMED_OPTION = 6,
	PCP_NETWORK_FAILURE = 7,
	PCP_NO_RESOURCES = 8,
	PCP_UNSUPP_PROTOCOL = 9,
	PCP_USER_EX_QUOTA = 10,
	PCP_CANNOT_PROVIDE_EXTERNAL = 11,
	PCP_ADDRESS_MISMATCH = 12,
	PCP_EXCESSIVE_REMOTE_PEERS = 13,
};

/* RFC 6887 section 13, RFC 7220, RFC 7753 */
enum pcp_option_code {
	PCP_OPTION_THIRD_PARTY = 1,
	PCP_OPTION_PREFER_FAILURE = 2,
	PCP_OPTION_FILTER = 3,
	PCP_OPTION_DESCRIPTION = 128,
	PCP_OPTION_PORT_SET = 130,
};

struct codec_nonce {
	uint8_t octets[CODEC_NONCE_LENGTH];
};

/*
 * One NAT-PMP message. Fields that its layout lacks are zero.
 *   request  opcode 0:      nothing else                                     (2 octets)
 *   request  opcode 1, 2:   internal_port, external_port, lifetime_s         (12)
 *   response opcode 0:      result, epoch_s, external_address                (12)
 *   response opcode 1, 2:   result, epoch_s, internal_port, external_port, lifetime_s (16)
 *   any other opcode:       rest, rest_length: what follows the first two octets
 * A version error (RFC 6886 3.5, 8 octets, opcode 128 or, by a known misprint, 0) parses as a response of opcode 0
 * with result NATPMP_UNSUPP_VERSION, and such a response of opcode 0 is written in that form.
 * Beside a result other than 0 the external address of an opcode 0 response is 0.0.0.0, read and written (3.2). An error
 * response may end anywhere behind result: what lacks is zero, and an epoch_s of 0 then says nothing.
 */
struct natpmp_message {
	bool response;
	uint8_t opcode; /* 0..127, without the response bit */
	uint16_t result;
	uint32_t epoch_s;
	struct in6_addr external_address; /* v4-mapped */
	uint16_t internal_port;
	uint16_t external_port; /* suggested in a request, mapped in a response */
	uint32_t lifetime_s;
	const uint8_t *rest;
	size_t rest_length;
};

/* What MAP and PEER share, RFC 6887 11.1 and 12.1; the remote fields are PEER's and zero in a MAP. */
struct pcp_mapping {
	struct codec_nonce nonce;
	uint8_t protocol; /* IANA number, 0 = all */
	uint16_t internal_port;
	uint16_t external_port;		  /* suggested or assigned */
	struct in6_addr external_address; /* suggested or assigned */
	uint16_t remote_port;
	struct in6_addr remote_address;
};

/*
 * One PCP message. In a request client_address is set, in a response result and epoch_s. mapping is set for MAP and
 * PEER. For another opcode body and body_length hold everything behind the 24-octet header, uninterpreted.
 * options is the option area as it is on the wire, a multiple of four octets; read it with pcp_option_next(), write
 * it with pcp_option_put(). The lifetime of an ANNOUNCE that is no error is 0, read and written (14.1.1).
 *
 * An error response is a copy of the request, which may have been malformed, and cut or padded since: its header must be
 * whole, a mapping that is cut is read as if zeros followed (so the nonce is there if its octets were), and its options
 * may end in the middle of one. A response with result PCP_UNSUPP_VERSION is taken in any version and length from 4
 * octets on (8.3, 9), with zeros for what lacks and what passes a multiple of four or 1100 octets left out.
 */
struct pcp_message {
	bool response;
	uint8_t version; /* 0 is written as 2 */
	uint8_t opcode;	 /* 0..127, without the R bit */
	uint8_t result;
	uint32_t lifetime_s;
	uint32_t epoch_s;
	struct in6_addr client_address;
	struct pcp_mapping mapping;
	const uint8_t *options;
	size_t options_length;
	const uint8_t *body;
	size_t body_length;
};

struct codec_message {
	enum codec_version protocol; /* selects the member */
	union {
		struct natpmp_message natpmp;
		struct pcp_message pcp;
	};
};

/* What is to be done with bytes that were looked at. */
enum codec_verdict {
	CODEC_OK,     /* well formed */
	CODEC_DROP,   /* say nothing */
	CODEC_REFUSE, /* a request to be answered with codec_error.result */
};

struct codec_error {
	uint8_t result;	 /* enum natpmp_result or enum pcp_result, by the version in the first octet */
	size_t offset;	 /* octets from the start of the datagram to what is wrong, or to its end if something lacks */
	const char *why; /* a static string for logs */
};

/*
 * Parses a datagram as NAT-PMP (first octet 0) or PCP (any other, RFC 6887 appendix A).
 *
 * The checks of a request are made in the order of RFC 6887 8.2: length below 2 and responses of unknown layout are
 * dropped; another version than 0 and 2 is refused with PCP_UNSUPP_VERSION; a PCP request below 24 octets is dropped,
 * one above 1100, not a multiple of four or too short for its opcode is refused with PCP_MALFORMED_REQUEST; an option
 * area that cannot be walked is refused with PCP_MALFORMED_OPTION. An opcode that is not known is CODEC_OK here, with
 * its octets in rest or body: whether it is supported is the caller's to say. The contents of options are checked by
 * pcp_option_next(). A NAT-PMP request that is too short for its opcode is dropped, surplus octets are ignored; but one
 * whose surplus makes it a STUN message (20 octets or more, magic cookie, right length) is dropped as such.
 * Responses are either CODEC_OK or CODEC_DROP.
 *
 * m is filled as far as was read, also for CODEC_REFUSE; e may be NULL and is set unless CODEC_OK is returned.
 */
enum codec_verdict codec_parse(const uint8_t *data, size_t length, struct codec_message *m, struct codec_error *e);

/*
 * Writes a message. Returns its length in octets, or 0 if capacity octets are not enough, the message would pass 1100
 * octets, options_length or body_length is not a multiple of four, the opcode is above 127, or the address in a NAT-PMP
 * success is not IPv4. Reserved fields are zero.
 */
size_t codec_marshal(const struct codec_message *m, uint8_t *out, size_t capacity);
size_t natpmp_marshal(const struct natpmp_message *m, uint8_t *out, size_t capacity);
size_t pcp_marshal(const struct pcp_message *m, uint8_t *out, size_t capacity);

/*
 * Writes the answer to a NAT-PMP request that failed, RFC 6886 3.5: the normal layout of its opcode with the internal
 * port repeated and everything else zero; for NATPMP_UNSUPP_VERSION 8 octets with opcode 128 (erratum 3618); for
 * NATPMP_UNSUPP_OPCODE the whole request with the response bit, the result and, where the request is long enough, the
 * epoch. A request shorter than the layout asks for is read as if zeros followed. capacity should be at least
 * max(16, length). Returns the length, or 0 if it does not fit.
 */
size_t natpmp_marshal_error(const uint8_t *request, size_t length, enum natpmp_result result, uint32_t epoch_s,
			    uint8_t *out, size_t capacity);

/*
 * Writes the answer to a PCP request that failed, RFC 6887 7.2, 7.3, 8.2: a copy of the request's first 1100 octets,
 * zero-padded to a multiple of four and to 24 octets at least, with version 2, R, result, lifetime and epoch put in.
 * parsed tells whether the request could be parsed: then the reserved 96 bits are zero, else they stay as received. out
 * may be the request's own buffer, here and in natpmp_marshal_error().
 * Returns the length, or 0 if it does not fit into capacity.
 */
size_t pcp_marshal_error(const uint8_t *request, size_t length, bool parsed, enum pcp_result result,
			 uint32_t lifetime_s, uint32_t epoch_s, uint8_t *out, size_t capacity);

/* RFC 6887 13.3 */
struct pcp_option_filter {
	uint8_t prefix_length; /* 0 = remove all filters; IPv4 counts from 96 */
	uint16_t remote_port;  /* 0 = any */
	struct in6_addr remote_address;
};

/* RFC 7753 section 4 */
struct pcp_option_port_set {
	uint16_t size;
	uint16_t first_internal_port;
	bool parity;
};

/* One option. data and length are the raw contents, for every code; the members are set for the codes we know. */
struct pcp_option {
	uint8_t code;
	const uint8_t *data;
	uint16_t length;
	union {
		struct in6_addr third_party;
		struct pcp_option_filter filter;
		struct pcp_option_port_set port_set;
		/* DESCRIPTION is data and length: UTF-8 without a terminating NUL */
	};
};

/*
 * Reads the option at *offset of an option area and advances *offset behind it. Returns CODEC_OK with *o set;
 * CODEC_DROP at the end of the area; CODEC_REFUSE with *e (may be NULL) when the area or the contents of a known
 * option are malformed: wrong length for its code, FILTER prefix out of range (13.3, erratum 3891), DESCRIPTION longer
 * than 1016; then *offset is behind the option if the area can be walked on, else it has not moved. e->offset counts from
 * the start of the area to the field that is wrong. Text that is not UTF-8 is no error here, see codec_utf8_valid().
 */
enum codec_verdict pcp_option_next(const uint8_t *options, size_t length, size_t *offset, struct pcp_option *o,
				   struct codec_error *e);

/*
 * Appends one option with padding to an option area of *length octets. Known codes are written from their members
 * (PREFER_FAILURE has none, DESCRIPTION and unknown codes are data and length). Returns false, with nothing written,
 * if it does not fit into capacity or cannot be sent: FILTER prefix out of range, PORT_SET of size 0, DESCRIPTION too
 * long or not UTF-8.
 */
bool pcp_option_put(const struct pcp_option *o, uint8_t *options, size_t *length, size_t capacity);

/* True if length octets are UTF-8 (RFC 3629). */
bool codec_utf8_valid(const uint8_t *text, size_t length);
/* The longest prefix of valid UTF-8 text, at most limit octets, that ends at a code point. */
size_t codec_utf8_cut(const uint8_t *text, size_t length, size_t limit);

/* What the first octets of a datagram look like, for a socket that is shared with another protocol. */
enum codec_kind {
	CODEC_KIND_OTHER,
	CODEC_KIND_NATPMP_REQUEST,
	CODEC_KIND_NATPMP_RESPONSE,
	CODEC_KIND_PCP_REQUEST,
	CODEC_KIND_PCP_RESPONSE,
};

/*
 * Looks at the length and a few octets, in constant time; never reads beyond length. CODEC_KIND_OTHER is certain, the
 * rest is probable: codec_parse() decides. Strict enough to tell our messages from most others, lax enough to let
 * every message through for which codec_parse() returns CODEC_OK, if its version is 0 or 2 and its opcode one of those
 * named above. A server's own socket goes to codec_parse() at once: what is to be refused there is OTHER here.
 */
enum codec_kind codec_probe(const uint8_t *data, size_t length);

/* Names for logs, static strings; "?" for a value without a name. */
const char *natpmp_opcode_name(uint8_t opcode);
const char *natpmp_result_name(uint16_t result);
const char *pcp_opcode_name(uint8_t opcode);
const char *pcp_result_name(uint8_t result);
const char *pcp_option_name(uint8_t code);

/* "tcp", "udp", "sctp", "dccp", "udplite", or NULL for a protocol that is shown as a number. */
const char *codec_protocol_name(uint8_t protocol);

/*
 * One line for a log, "pcp MAP response SUCCESS lifetime=7200 epoch=12 tcp internal-port=80 external=198.51.100.7:80":
 * no newline in it, whatever is in the message, and cut to capacity octets with the NUL. Returns its length. Nonces are
 * left out, since who knows one may change the mapping.
 */
size_t codec_format(const struct codec_message *m, char *out, size_t capacity);

/* True for the 16 octets of ::ffff:0:0/96, all 96 leading bits compared (RFC 6887 section 5). */
bool codec_is_v4(const struct in6_addr *a);
/* The v4-mapped form of an IPv4 address in host byte order, and back (the last 32 bits, whatever precedes them). */
struct in6_addr codec_from_v4(uint32_t v4);
uint32_t codec_to_v4(const struct in6_addr *a);
/* True for :: and for ::ffff:0.0.0.0. */
bool codec_is_unspecified(const struct in6_addr *a);

#define CODEC_ADDRESS_TEXT 46 /* octets for codec_address_text(), with the NUL */
/* The usual text form, IPv4-mapped addresses as dotted quads. Returns out. */
const char *codec_address_text(const struct in6_addr *a, char out[CODEC_ADDRESS_TEXT]);
/* Reads either form; false if it is neither. length counts the octets of text, which needs no NUL. */
bool codec_address_parse(const char *text, size_t length, struct in6_addr *a);

#ifdef __cplusplus
}
#endif
#endif
