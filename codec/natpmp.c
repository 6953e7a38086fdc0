/* SPDX-License-Identifier: MIT */
#include "codec/message.h"
#include "codec/wire.h"

#define REQUEST_HEADER	2
#define MAP_REQUEST	12
#define RESPONSE_HEADER 8 /* version, opcode, result, epoch */
#define RESULT_END	4

static bool opcode_known(uint8_t opcode)
{
	return opcode <= NATPMP_MAP_TCP;
}

/* A version error with the opcode as RFC 6886 3.5 misprinted it, without the response bit. */
static bool is_misprinted_version_error(const uint8_t *data, size_t length)
{
	return length == RESPONSE_HEADER && data[1] == NATPMP_ADDRESS && data[2] == 0 &&
	       data[3] == NATPMP_UNSUPP_VERSION;
}

static enum codec_verdict parse_request(struct wire_reader *r, struct natpmp_message *m, struct codec_error *e)
{
	if (m->opcode == NATPMP_ADDRESS)
		return CODEC_OK;
	if (message_is_stun(r->data, r->length))
		return message_fail(e, CODEC_DROP, 0, 4, "a STUN message");

	wire_skip(r, 2);
	m->internal_port = wire_get_u16(r);
	m->external_port = wire_get_u16(r);
	m->lifetime_s = wire_get_u32(r);
	if (r->bad)
		return message_fail(e, CODEC_DROP, 0, r->length, "NAT-PMP request too short for its opcode");
	return CODEC_OK;
}

/*
 * An error may end behind the result, as that of an unknown opcode does when the request was no longer (RFC 6886 3.5), or
 * behind the epoch, as the version errors of several servers do whatever the opcode was. What lacks is zero.
 */
static enum codec_verdict parse_response(struct wire_reader *r, struct natpmp_message *m, struct codec_error *e)
{
	m->result = wire_get_u16(r);
	if (r->bad)
		return message_fail(e, CODEC_DROP, 0, r->length, "NAT-PMP response without a result");
	m->epoch_s = wire_get_u32(r);
	if (m->opcode == NATPMP_ADDRESS) {
		uint32_t v4 = wire_get_u32(r);
		/* RFC 6886 3.2: the address beside an error is to be ignored */
		m->external_address = codec_from_v4(m->result == NATPMP_SUCCESS ? v4 : 0);
	} else {
		uint16_t internal_port = wire_get_u16(r);
		uint16_t external_port = wire_get_u16(r);
		uint32_t lifetime_s = wire_get_u32(r);
		if (!r->bad) {
			m->internal_port = internal_port;
			m->external_port = external_port;
			m->lifetime_s = lifetime_s;
		}
	}
	if (r->bad && m->result == NATPMP_SUCCESS)
		return message_fail(e, CODEC_DROP, 0, r->length, "NAT-PMP response too short for its opcode");
	return CODEC_OK;
}

enum codec_verdict natpmp_parse(const uint8_t *data, size_t length, struct natpmp_message *m, struct codec_error *e)
{
	struct wire_reader r = wire_reader_init(data, length);

	wire_skip(&r, REQUEST_HEADER);
	m->opcode = data[1] & ~MESSAGE_RESPONSE;
	m->response = (data[1] & MESSAGE_RESPONSE) || is_misprinted_version_error(data, length);
	if (!opcode_known(m->opcode)) {
		m->rest_length = wire_left(&r);
		m->rest = wire_take(&r, m->rest_length);
		return CODEC_OK;
	}
	return m->response ? parse_response(&r, m, e) : parse_request(&r, m, e);
}

static void put_header(struct wire_writer *w, uint8_t opcode, bool response)
{
	wire_put_u8(w, CODEC_VERSION_NATPMP);
	wire_put_u8(w, response ? opcode | MESSAGE_RESPONSE : opcode);
}

static void put_response_header(struct wire_writer *w, uint8_t opcode, uint16_t result, uint32_t epoch_s)
{
	put_header(w, opcode, true);
	wire_put_u16(w, result);
	wire_put_u32(w, epoch_s);
}

static size_t marshal_response(const struct natpmp_message *m, struct wire_writer *w)
{
	put_response_header(w, m->opcode, m->result, m->epoch_s);
	if (m->opcode != NATPMP_ADDRESS) {
		wire_put_u16(w, m->internal_port);
		wire_put_u16(w, m->external_port);
		wire_put_u32(w, m->lifetime_s);
	} else if (m->result == NATPMP_SUCCESS) {
		if (!codec_is_v4(&m->external_address))
			return 0;
		wire_put_u32(w, codec_to_v4(&m->external_address));
	} else if (m->result != NATPMP_UNSUPP_VERSION) {
		wire_put_zeros(w, 4); /* RFC 6886 3.2: no address beside an error */
	}
	return wire_written(w);
}

size_t natpmp_marshal(const struct natpmp_message *m, uint8_t *out, size_t capacity)
{
	if (capacity > CODEC_MESSAGE_MAX)
		capacity = CODEC_MESSAGE_MAX;
	struct wire_writer w = wire_writer_init(out, capacity);

	if (m->opcode & MESSAGE_RESPONSE)
		return 0;
	if (opcode_known(m->opcode) && m->response)
		return marshal_response(m, &w);

	put_header(&w, m->opcode, m->response);
	if (!opcode_known(m->opcode)) {
		wire_put_octets(&w, m->rest, m->rest_length);
	} else if (m->opcode != NATPMP_ADDRESS) {
		wire_put_zeros(&w, 2);
		wire_put_u16(&w, m->internal_port);
		wire_put_u16(&w, m->external_port);
		wire_put_u32(&w, m->lifetime_s);
	}
	return wire_written(&w);
}

/* RFC 6886 3.5: the request comes back whole; a short one grows by what the result needs. */
static size_t marshal_echo(const uint8_t *request, size_t length, enum natpmp_result result, uint32_t epoch_s,
			   uint8_t *out, size_t capacity)
{
	uint8_t opcode = length > 1 ? request[1] : 0;
	struct wire_writer w = wire_writer_init(out, capacity);

	wire_put_octets(&w, request, length);
	if (length < RESULT_END)
		wire_put_zeros(&w, RESULT_END - length);
	size_t written = wire_written(&w);
	if (written == 0)
		return 0;

	struct wire_writer head = wire_writer_init(out, written);
	put_header(&head, opcode, true);
	wire_put_u16(&head, result);
	if (written >= RESPONSE_HEADER)
		wire_put_u32(&head, epoch_s);
	return written;
}

size_t natpmp_marshal_error(const uint8_t *request, size_t length, enum natpmp_result result, uint32_t epoch_s,
			    uint8_t *out, size_t capacity)
{
	struct wire_reader r = wire_reader_init(request, length);
	wire_skip(&r, 1);
	uint8_t opcode = wire_get_u8(&r) & ~MESSAGE_RESPONSE;
	wire_skip(&r, 2);
	uint16_t internal_port = wire_get_u16(&r);

	if (result == NATPMP_UNSUPP_VERSION)
		opcode = NATPMP_ADDRESS; /* erratum 3618: whatever was asked, the answer's opcode is 128 */
	else if (result == NATPMP_UNSUPP_OPCODE || !opcode_known(opcode))
		return marshal_echo(request, length, result, epoch_s, out, capacity);

	struct natpmp_message m = {
	    .response = true,
	    .opcode = opcode,
	    .result = (uint16_t)result,
	    .epoch_s = epoch_s,
	    .external_address = codec_from_v4(0),
	    .internal_port = internal_port,
	};
	return natpmp_marshal(&m, out, capacity);
}
