/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A client on a test bed: what it sends is parsed, the server is made of codec functions, times are literals. */
#ifndef NATPCP_TESTS_UNIT_CODEC_BED_H
#define NATPCP_TESTS_UNIT_CODEC_BED_H

#include "codec/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define TCP	  6
#define UDP	  17
#define NONCE(b)  ((struct codec_nonce){{b, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}})
#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

#define V4(a, b, c, d)                                                                                                 \
	{                                                                                                              \
		{                                                                                                      \
			{                                                                                              \
				[10] = 0xff, [11] = 0xff, a, b, c, d                                                   \
			}                                                                                              \
		}                                                                                                      \
	}

static const struct in6_addr gateway = V4(192, 0, 2, 1);
static const struct in6_addr own_host = V4(192, 0, 2, 11);
static const struct in6_addr other_host = V4(192, 0, 2, 12);
static const struct in6_addr outside = V4(198, 51, 100, 1);
static const struct in6_addr outside_2 = V4(198, 51, 100, 2);
static const struct in6_addr v4_any = V4(0, 0, 0, 0);
static const struct in6_addr v6_gateway = {{{0x20, 0x01, 0x0d, 0xb8, [15] = 1}}};
static const struct in6_addr v6_host = {{{0x20, 0x01, 0x0d, 0xb8, [15] = 11}}};

struct bed {
	struct client c;
	struct client_endpoint server;
	/* what client_next() gave last */
	uint8_t out[CODEC_MESSAGE_MAX];
	struct codec_message sent;
	size_t length;
	uint64_t deadline;
};

static inline void start(struct bed *b, enum client_mode mode)
{
	memset(b, 0, sizeof(*b));
	b->server = (struct client_endpoint){gateway, CODEC_SERVER_PORT, 0};
	client_init(&b->c, mode, &b->server, &own_host, 4711);
}

static inline bool next(struct bed *b, uint64_t now)
{
	struct client_endpoint to;

	b->length = client_next(&b->c, b->out, sizeof(b->out), &to, &b->deadline, now);
	if (b->length == 0)
		return false;
	assert_memory_equal(&to.address, &b->server.address, 16);
	assert_int_equal(to.port, b->server.port);
	assert_int_equal(codec_parse(b->out, b->length, &b->sent, NULL), CODEC_OK);
	return true;
}

static inline void expect_pcp(struct bed *b, uint64_t now)
{
	assert_true(next(b, now));
	assert_int_equal(b->sent.protocol, CODEC_VERSION_PCP);
	assert_false(b->sent.pcp.response);
}

static inline void expect_natpmp(struct bed *b, uint64_t now)
{
	assert_true(next(b, now));
	assert_int_equal(b->sent.protocol, CODEC_VERSION_NATPMP);
	assert_false(b->sent.natpmp.response);
}

static inline void expect_silence(struct bed *b, uint64_t now)
{
	assert_false(next(b, now));
}

static inline bool deliver_from(struct bed *b, const struct codec_message *m, struct in6_addr address, uint16_t port,
				uint64_t now)
{
	struct client_endpoint from = {address, port, 0};
	uint8_t data[CODEC_MESSAGE_MAX];
	size_t n = codec_marshal(m, data, sizeof(data));

	assert_true(n > 0);
	return client_deliver(&b->c, data, n, &from, now);
}

static inline bool deliver(struct bed *b, const struct codec_message *m, uint64_t now)
{
	return deliver_from(b, m, b->server.address, b->server.port, now);
}

static inline bool deliver_bytes(struct bed *b, const char *bytes, size_t n, uint64_t now)
{
	return client_deliver(&b->c, (const uint8_t *)bytes, n, &b->server, now);
}

/* A NAT-PMP server's answer to another version (RFC 6886 3.5 with erratum 3618). */
static inline void refuse_version(struct bed *b, uint64_t now)
{
	assert_true(deliver_bytes(b, "\0\x80\0\1\0\0\0\x09", 8, now));
}

/* The answer to a request that grants all it asks, from outside. */
static inline struct codec_message granting(const struct codec_message *request, uint32_t lifetime_s, uint32_t epoch_s)
{
	struct codec_message m = *request;

	if (m.protocol == CODEC_VERSION_PCP) {
		m.pcp.response = true;
		m.pcp.epoch_s = epoch_s;
		m.pcp.lifetime_s = lifetime_s;
		m.pcp.mapping.external_address = outside;
	} else {
		m.natpmp.response = true;
		m.natpmp.epoch_s = epoch_s;
		m.natpmp.lifetime_s = lifetime_s;
		if (m.natpmp.opcode == NATPMP_ADDRESS)
			m.natpmp.external_address = outside;
	}
	return m;
}

static inline struct codec_message refusing(const struct codec_message *request, uint8_t result, uint32_t lifetime_s,
					    uint32_t epoch_s)
{
	struct codec_message m = granting(request, lifetime_s, epoch_s);

	if (m.protocol == CODEC_VERSION_PCP) {
		m.pcp.result = result;
		m.pcp.mapping.external_address = request->pcp.mapping.external_address;
	} else {
		m.natpmp.result = result;
		m.natpmp.lifetime_s = 0;
		m.natpmp.external_address = codec_from_v4(0);
	}
	return m;
}

static inline struct codec_message announcement(enum codec_version v, uint32_t epoch_s)
{
	struct codec_message m = {.protocol = v};

	if (v == CODEC_VERSION_PCP) {
		m.pcp.version = CODEC_VERSION_PCP;
		m.pcp.response = true;
		m.pcp.epoch_s = epoch_s;
	} else {
		m.natpmp.response = true;
		m.natpmp.epoch_s = epoch_s;
		m.natpmp.external_address = outside;
	}
	return m;
}

static inline void answer(struct bed *b, uint32_t lifetime_s, uint32_t epoch_s, uint64_t now)
{
	struct codec_message m = granting(&b->sent, lifetime_s, epoch_s);

	assert_true(deliver(b, &m, now));
}

static inline struct client_request tcp_8080(void)
{
	return (struct client_request){.protocol = TCP,
				       .internal_port = 8080,
				       .external_port = 80,
				       .lifetime_s = 3600,
				       .nonce = NONCE(1),
				       .keep = true};
}

/* The option area of a request, in place. */
struct area {
	uint8_t octets[CLIENT_OPTIONS_MAX];
	size_t length;
};

static inline void put(struct area *a, struct pcp_option o)
{
	assert_true(pcp_option_put(&o, a->octets, &a->length, sizeof(a->octets)));
}

static inline void use(struct client_request *r, const struct area *a)
{
	r->options = a->octets;
	r->options_length = a->length;
}

/* How many options of a code what was sent last has. */
static inline unsigned int sent_options(const struct bed *b, uint8_t code)
{
	struct pcp_option o;
	unsigned int n = 0;
	size_t offset = 0;

	while (pcp_option_next(b->sent.pcp.options, b->sent.pcp.options_length, &offset, &o, NULL) == CODEC_OK)
		n += o.code == code;
	return n;
}

static inline void map(struct bed *b, struct client_op *op, const struct client_request *r, uint64_t now)
{
	assert_true(client_map(&b->c, op, r, now));
	assert_int_equal(op->result.state, CLIENT_ASKING);
}

/* A client that has asked for one mapping at 0, in PCP if it may: b->sent is the request. */
static inline void start_asking(struct bed *b, enum client_mode mode, struct client_op *op,
				const struct client_request *r)
{
	start(b, mode);
	map(b, op, r, 0);
	if (mode == CLIENT_NATPMP)
		expect_natpmp(b, 0);
	else
		expect_pcp(b, 0);
}

/* The same, and it was granted at 0. */
static inline void start_granted(struct bed *b, enum client_mode mode, struct client_op *op,
				 const struct client_request *r, uint32_t lifetime_s, uint32_t epoch_s)
{
	start_asking(b, mode, op, r);
	answer(b, lifetime_s, epoch_s, 0);
	assert_int_equal(op->result.state, CLIENT_GRANTED);
}

#endif
