/* SPDX-License-Identifier: MIT */
#include "codec/message.h"
#include "codec/wire.h"

/* Up to the result: what a client needs of an UNSUPP_VERSION, RFC 6887 8.3. */
#define RESULT_END 4

static void get_request_header(struct wire_reader *r, struct pcp_message *m)
{
	wire_skip(r, 2); /* reserved */
	m->lifetime_s = wire_get_u32(r);
	m->client_address = wire_get_address(r);
}

static void get_response_header(struct wire_reader *r, struct pcp_message *m)
{
	wire_skip(r, 1); /* reserved */
	m->result = wire_get_u8(r);
	m->lifetime_s = wire_get_u32(r);
	m->epoch_s = wire_get_u32(r);
	wire_skip(r, 12); /* reserved */
}

static void get_mapping(struct wire_reader *r, uint8_t opcode, struct pcp_mapping *mapping)
{
	wire_get_octets(r, mapping->nonce.octets, CODEC_NONCE_LENGTH);
	mapping->protocol = wire_get_u8(r);
	wire_skip(r, 3); /* reserved */
	mapping->internal_port = wire_get_u16(r);
	mapping->external_port = wire_get_u16(r);
	mapping->external_address = wire_get_address(r);
	if (opcode != PCP_PEER)
		return;
	mapping->remote_port = wire_get_u16(r);
	wire_skip(r, 2); /* reserved */
	mapping->remote_address = wire_get_address(r);
}

/* Everything behind the header. A message too short for its opcode data is read as if zeros followed. */
static void get_payload(struct wire_reader *r, struct pcp_message *m)
{
	if (!pcp_opcode_known(m->opcode)) {
		m->body_length = wire_left(r);
		m->body = wire_take(r, m->body_length);
		return;
	}
	if (m->opcode != PCP_ANNOUNCE)
		get_mapping(r, m->opcode, &m->mapping);
	m->options_length = wire_left(r);
	m->options = wire_take(r, m->options_length);
}

/* What is wrong with the option area, with the offset in the message, or NULL. */
static const char *options_fault(const struct pcp_message *m, size_t *offset)
{
	size_t at = 0;
	const char *why = pcp_options_walk(m->options, m->options_length, &at);

	*offset = pcp_fixed_length(m->opcode) + at;
	return why;
}

/* The order of the checks is that of RFC 6887 8.2. */
static enum codec_verdict parse_request(struct wire_reader *r, struct pcp_message *m, struct codec_error *e)
{
	const char *why;
	size_t at;

	if (m->version != CODEC_VERSION_PCP)
		return message_fail(e, CODEC_REFUSE, PCP_UNSUPP_VERSION, 0, "version is neither 0 nor 2");
	if (r->length < PCP_HEADER_LENGTH)
		return message_fail(e, CODEC_DROP, 0, r->length, "PCP request shorter than its header");
	get_request_header(r, m);
	if (r->length > CODEC_MESSAGE_MAX)
		return message_fail(e, CODEC_REFUSE, PCP_MALFORMED_REQUEST, CODEC_MESSAGE_MAX,
				    "PCP request longer than 1100 octets");
	if (r->length % 4 != 0)
		return message_fail(e, CODEC_REFUSE, PCP_MALFORMED_REQUEST, r->length,
				    "PCP request not a multiple of four octets");
	if (r->length < pcp_fixed_length(m->opcode))
		return message_fail(e, CODEC_REFUSE, PCP_MALFORMED_REQUEST, r->length,
				    "PCP request too short for its opcode");

	get_payload(r, m);
	if (m->opcode == PCP_ANNOUNCE)
		m->lifetime_s = 0; /* RFC 6887 14.1.1: ignored */
	why = options_fault(m, &at);
	return why ? message_fail(e, CODEC_REFUSE, PCP_MALFORMED_OPTION, at, why) : CODEC_OK;
}

/*
 * RFC 6887 8.3. An answer about the version counts whatever its length and version are. Another error is a copy of a
 * request that may have been cut, padded or malformed, hence only its header must be whole.
 */
static enum codec_verdict parse_response(struct wire_reader *r, struct pcp_message *m, struct codec_error *e)
{
	bool about_version = r->length >= RESULT_END && r->data[3] == PCP_UNSUPP_VERSION;
	const char *why;
	size_t at;

	if (about_version) {
		if (r->length > CODEC_MESSAGE_MAX)
			r->length = CODEC_MESSAGE_MAX;
		r->length -= r->length % 4;
	} else if (m->version != CODEC_VERSION_PCP) {
		return message_fail(e, CODEC_DROP, 0, 0, "response of another version");
	} else if (r->length < PCP_HEADER_LENGTH) {
		return message_fail(e, CODEC_DROP, 0, r->length, "PCP response shorter than its header");
	} else if (r->length > CODEC_MESSAGE_MAX) {
		return message_fail(e, CODEC_DROP, 0, CODEC_MESSAGE_MAX, "PCP response longer than 1100 octets");
	} else if (r->length % 4 != 0) {
		return message_fail(e, CODEC_DROP, 0, r->length, "PCP response not a multiple of four octets");
	}

	get_response_header(r, m);
	if (m->result == PCP_SUCCESS && r->length < pcp_fixed_length(m->opcode))
		return message_fail(e, CODEC_DROP, 0, r->length, "PCP response too short for its opcode");
	get_payload(r, m);
	if (m->result != PCP_SUCCESS)
		return CODEC_OK;
	if (m->opcode == PCP_ANNOUNCE)
		m->lifetime_s = 0; /* RFC 6887 14.1.1: ignored */
	why = options_fault(m, &at);
	return why ? message_fail(e, CODEC_DROP, 0, at, why) : CODEC_OK;
}

enum codec_verdict pcp_parse(const uint8_t *data, size_t length, struct pcp_message *m, struct codec_error *e)
{
	struct wire_reader r = wire_reader_init(data, length);

	m->version = wire_get_u8(&r);
	m->opcode = wire_get_u8(&r);
	m->response = m->opcode & MESSAGE_RESPONSE;
	m->opcode &= ~MESSAGE_RESPONSE;
	return m->response ? parse_response(&r, m, e) : parse_request(&r, m, e);
}

static void put_mapping(struct wire_writer *w, uint8_t opcode, const struct pcp_mapping *mapping)
{
	wire_put_octets(w, mapping->nonce.octets, CODEC_NONCE_LENGTH);
	wire_put_u8(w, mapping->protocol);
	wire_put_zeros(w, 3);
	wire_put_u16(w, mapping->internal_port);
	wire_put_u16(w, mapping->external_port);
	wire_put_address(w, &mapping->external_address);
	if (opcode != PCP_PEER)
		return;
	wire_put_u16(w, mapping->remote_port);
	wire_put_zeros(w, 2);
	wire_put_address(w, &mapping->remote_address);
}

/* RFC 6887 14.1.1: an ANNOUNCE has no lifetime; an error's lifetime is another thing. */
static uint32_t lifetime_on_wire(const struct pcp_message *m)
{
	bool error = m->response && m->result != PCP_SUCCESS;
	return m->opcode == PCP_ANNOUNCE && !error ? 0 : m->lifetime_s;
}

size_t pcp_marshal(const struct pcp_message *m, uint8_t *out, size_t capacity)
{
	if (capacity > CODEC_MESSAGE_MAX)
		capacity = CODEC_MESSAGE_MAX;
	struct wire_writer w = wire_writer_init(out, capacity);

	if ((m->opcode & MESSAGE_RESPONSE) || m->options_length % 4 != 0 || m->body_length % 4 != 0)
		return 0;

	wire_put_u8(&w, m->version ? m->version : CODEC_VERSION_PCP);
	if (m->response) {
		wire_put_u8(&w, m->opcode | MESSAGE_RESPONSE);
		wire_put_u8(&w, 0);
		wire_put_u8(&w, m->result);
		wire_put_u32(&w, lifetime_on_wire(m));
		wire_put_u32(&w, m->epoch_s);
		wire_put_zeros(&w, 12);
	} else {
		wire_put_u8(&w, m->opcode);
		wire_put_zeros(&w, 2);
		wire_put_u32(&w, lifetime_on_wire(m));
		wire_put_address(&w, &m->client_address);
	}

	if (!pcp_opcode_known(m->opcode)) {
		wire_put_octets(&w, m->body, m->body_length);
		return wire_written(&w);
	}
	if (m->opcode != PCP_ANNOUNCE)
		put_mapping(&w, m->opcode, &m->mapping);
	wire_put_octets(&w, m->options, m->options_length);
	return wire_written(&w);
}

size_t pcp_marshal_error(const uint8_t *request, size_t length, bool parsed, enum pcp_result result,
			 uint32_t lifetime_s, uint32_t epoch_s, uint8_t *out, size_t capacity)
{
	uint8_t opcode = length > 1 ? request[1] : 0;
	size_t copied = length < CODEC_MESSAGE_MAX ? length : CODEC_MESSAGE_MAX;
	size_t padded = copied < PCP_HEADER_LENGTH ? PCP_HEADER_LENGTH : (copied + 3) / 4 * 4;

	struct wire_writer w = wire_writer_init(out, capacity);
	wire_put_octets(&w, request, copied);
	wire_put_zeros(&w, padded - copied);
	if (w.bad)
		return 0;

	struct wire_writer head = wire_writer_init(out, padded);
	wire_put_u8(&head, CODEC_VERSION_PCP);
	wire_put_u8(&head, opcode | MESSAGE_RESPONSE);
	wire_put_u8(&head, 0);
	wire_put_u8(&head, (uint8_t)result);
	wire_put_u32(&head, lifetime_s);
	wire_put_u32(&head, epoch_s);
	if (parsed)
		wire_put_zeros(&head, 12);
	return padded;
}
