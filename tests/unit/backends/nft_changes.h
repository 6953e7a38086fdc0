/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mappings of each kind, and parts of the messages that are about them. */
#ifndef TESTS_UNIT_BACKENDS_NFT_CHANGES_H
#define TESTS_UNIT_BACKENDS_NFT_CHANGES_H

#include "backends/nft_msg.h"

/* Parts of messages: table "natpcpd" and each set, as attributes. */
#define DNAT4 "0c0001006e617470637064000a000200646e617434000000"
#define SNAT4 "0c0001006e617470637064000e000200736e6174342d77616e000000"
#define PIN4  "0c0001006e617470637064000900020070696e3400000000"
#define PIN6  "0c0001006e617470637064000900020070696e3600000000"
/* The element's two sides: tcp . 198.51.100.1 . 8080 and tcp . 192.0.2.11 . 80. */
#define OUT_KEY	 "140001801000010006000000c63364011f900000"
#define IN_KEY	 "140001801000010006000000c000020b00500000"
#define OUT_DATA "100002800c000100c63364011f900000"
#define IN_DATA	 "100002800c000100c000020b00500000"
#define TEN_S	 "0c0004000000000000002710"

static const struct in6_addr inside4 = {
    .s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = 11}};
static const struct in6_addr outside4 = {
    .s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 51, [14] = 100, [15] = 1}};
static const struct in6_addr remote4 = {
    .s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 203, [13] = 0, [14] = 113, [15] = 5}};
static const struct in6_addr remote6 = {.s6_addr = {0x20, 0x01, 0x0d, 0xb8, 0, 2, [15] = 2}};
static const struct in6_addr inside6 = {.s6_addr = {0x20, 0x01, 0x0d, 0xb8, 0, 1, [15] = 0x11}};

static const struct mapping_filter filters4[] = {
    {.address = {.s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 203, [13] = 0, [14] = 113}},
     .port = 443,
     .prefix_length = 120},
    {.address = {.s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 51, [14] = 100, [15] = 7}},
     .prefix_length = 128}};
static const struct mapping_filter filters6[] = {
    {.address = {.s6_addr = {0x20, 0x01, 0x0d, 0xb8, 0, 2}}, .port = 443, .prefix_length = 48}};

enum what {
	NAT,
	PIN_V4,
	PIN_V6,
	NAT_PEER,
	PIN_V4_PEER,
	PIN_V6_PEER,
	NAT_PORTS,
	PIN_V4_PORTS,
	PIN_V6_PORTS,
	NAT_FILTER,
	PIN_V4_FILTER,
	PIN_V6_FILTER,
	PROTOCOL_V4,
	PROTOCOL_V6,
	HOST_V4,
	HOST_V6,
	PROTOCOL_V4_FILTER,
	PROTOCOL_V6_FILTER,
	HOST_V4_FILTER,
	HOST_V6_FILTER
};

static inline struct mapping mapping(enum what what)
{
	struct mapping m = {.kind = MAPPING_PINHOLE, .protocol = 17, .internal_port = 5000, .external_port = 5000};

	if (what >= PROTOCOL_V4_FILTER) {
		what -= PROTOCOL_V4_FILTER - PROTOCOL_V4;
		m.filters = what == PROTOCOL_V6 || what == HOST_V6 ? filters6 : filters4;
		m.filters_n = m.filters == filters6 ? 1 : 2;
	}
	if (what >= PROTOCOL_V4) {
		m.protocol = what >= HOST_V4 ? 0 : what == PROTOCOL_V4 ? 47 : 17;
		m.internal_port = m.external_port = 0;
		what = what == PROTOCOL_V4 || what == HOST_V4 ? PIN_V4 : PIN_V6;
	} else if (what >= NAT_FILTER) {
		what -= NAT_FILTER;
		m.filters = what == PIN_V6 ? filters6 : filters4;
		m.filters_n = what == PIN_V6 ? 1 : 2;
	} else if (what >= NAT_PORTS) {
		what -= NAT_PORTS;
		m.more_ports = 31;
	} else if (what >= NAT_PEER) {
		what -= NAT_PEER;
		m.remote_address = what == PIN_V6 ? remote6 : remote4;
		m.remote_port = 53;
	}
	m.internal_address = m.external_address = what == PIN_V6 ? inside6 : inside4;
	if (what == NAT) {
		m.kind = MAPPING_NAT;
		m.protocol = 6;
		m.internal_port = 80;
		m.external_port = 8080;
		m.external_address = outside4;
	}
	if (m.more_ports)
		m.external_port = m.internal_port;
	return m;
}

static char table_name[] = "natpcpd", external_name[] = "wan";
static struct conf_external external = {.name = external_name};
static const struct conf conf = {.externals = &external, .externals_n = 1, .backend.table = table_name};
static const struct nft_msg_kernel old = {.destroy = false, .update = false};
static const struct nft_msg_kernel new = {.destroy = true, .update = true};

/* The i-th mapping of a run that begins with mapping(what). */
static inline struct change in_run(enum what what, unsigned i, enum change_op op)
{
	struct change c = {.mapping = mapping(what), .op = (uint8_t)op, .timeout_ms = 10000};

	c.mapping.internal_port += i;
	c.mapping.external_port += i;
	return c;
}

#endif
