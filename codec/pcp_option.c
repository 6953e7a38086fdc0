/* SPDX-License-Identifier: MIT */
#include "codec/message.h"
#include "codec/wire.h"

#define THIRD_PARTY_LENGTH 16
#define FILTER_LENGTH	   20
#define PORT_SET_LENGTH	   5
#define PORT_SET_PARITY	   1
#define V4_PREFIX_BASE	   96

#define LENGTH_AT	 2 /* in the header of an option */
#define FILTER_PREFIX_AT (PCP_OPTION_HEADER + 1)

/* Reads header, contents and padding of one option. Returns what lacks, with its offset, or NULL. */
static const char *get_raw(struct wire_reader *r, struct pcp_option *o, size_t *offset)
{
	size_t start = r->offset;

	o->code = wire_get_u8(r);
	wire_skip(r, 1); /* reserved */
	o->length = wire_get_u16(r);
	*offset = r->length;
	if (r->bad)
		return "PCP option header is cut";
	o->data = wire_take(r, o->length);
	wire_skip(r, pcp_option_padding(o->length));
	*offset = start + LENGTH_AT;
	return r->bad ? "PCP option runs past the end" : NULL;
}

const char *pcp_options_walk(const uint8_t *options, size_t length, size_t *offset)
{
	struct wire_reader r = wire_reader_init(options, length);
	const char *why = NULL;
	struct pcp_option o;

	while (!why && wire_left(&r) > 0)
		why = get_raw(&r, &o, offset);
	return why;
}

/* RFC 6887 13.3; 0 comes first, since it is a command whatever the address is. 96 is taken though erratum 3891 drops
 * it: clients of the RFC as printed send it for "any IPv4 address". */
static bool prefix_in_range(uint8_t prefix_length, const struct in6_addr *a)
{
	return prefix_length == 0 || (prefix_length <= 128 && (prefix_length >= V4_PREFIX_BASE || !codec_is_v4(a)));
}

/* Reads what is in o->data into the members. Returns what is wrong, with the offset in the option, or NULL. */
static const char *get_members(struct pcp_option *o, size_t *offset)
{
	struct wire_reader r = wire_reader_init(o->data, o->length);

	*offset = LENGTH_AT;
	switch (o->code) {
	case PCP_OPTION_THIRD_PARTY:
		if (o->length != THIRD_PARTY_LENGTH)
			return "THIRD_PARTY is not 16 octets long";
		o->third_party = wire_get_address(&r);
		return NULL;
	case PCP_OPTION_PREFER_FAILURE:
		return o->length == 0 ? NULL : "PREFER_FAILURE is not empty";
	case PCP_OPTION_FILTER:
		if (o->length != FILTER_LENGTH)
			return "FILTER is not 20 octets long";
		wire_skip(&r, 1); /* reserved */
		o->filter.prefix_length = wire_get_u8(&r);
		if (o->filter.prefix_length == 0)
			return NULL; /* erratum 3891: port and address are ignored */
		o->filter.remote_port = wire_get_u16(&r);
		o->filter.remote_address = wire_get_address(&r);
		*offset = FILTER_PREFIX_AT;
		if (!prefix_in_range(o->filter.prefix_length, &o->filter.remote_address))
			return "FILTER prefix length out of range";
		return NULL;
	case PCP_OPTION_DESCRIPTION:
		return o->length <= CODEC_DESCRIPTION_MAX ? NULL : "DESCRIPTION longer than 1016 octets";
	case PCP_OPTION_PORT_SET:
		if (o->length != PORT_SET_LENGTH)
			return "PORT_SET is not 5 octets long";
		o->port_set.size = wire_get_u16(&r);
		o->port_set.first_internal_port = wire_get_u16(&r);
		o->port_set.parity = wire_get_u8(&r) & PORT_SET_PARITY;
		return NULL;
	default:
		return NULL;
	}
}

enum codec_verdict pcp_option_next(const uint8_t *options, size_t length, size_t *offset, struct pcp_option *o,
				   struct codec_error *e)
{
	size_t start = *offset, wrong;
	const char *why;

	memset(o, 0, sizeof(*o));
	if (start >= length)
		return CODEC_DROP;

	struct wire_reader r = wire_reader_init(options + start, length - start);
	why = get_raw(&r, o, &wrong);
	if (!why) {
		*offset = start + r.offset;
		why = get_members(o, &wrong);
	}
	return why ? message_fail(e, CODEC_REFUSE, PCP_MALFORMED_OPTION, start + wrong, why) : CODEC_OK;
}

static void put_filter(struct wire_writer *w, const struct pcp_option *o)
{
	wire_put_u8(w, 0);
	wire_put_u8(w, o->filter.prefix_length);
	if (o->filter.prefix_length == 0) {
		wire_put_zeros(w, FILTER_LENGTH - 2); /* erratum 3891 */
		return;
	}
	wire_put_u16(w, o->filter.remote_port);
	wire_put_address(w, &o->filter.remote_address);
}

static bool representable(const struct pcp_option *o)
{
	switch (o->code) {
	case PCP_OPTION_FILTER:
		return prefix_in_range(o->filter.prefix_length, &o->filter.remote_address);
	case PCP_OPTION_DESCRIPTION:
		return o->length <= CODEC_DESCRIPTION_MAX && codec_utf8_valid(o->data, o->length);
	case PCP_OPTION_PORT_SET:
		return o->port_set.size != 0; /* RFC 7753 section 4 */
	default:
		return true;
	}
}

static uint16_t length_on_wire(const struct pcp_option *o)
{
	switch (o->code) {
	case PCP_OPTION_THIRD_PARTY:
		return THIRD_PARTY_LENGTH;
	case PCP_OPTION_PREFER_FAILURE:
		return 0;
	case PCP_OPTION_FILTER:
		return FILTER_LENGTH;
	case PCP_OPTION_PORT_SET:
		return PORT_SET_LENGTH;
	default:
		return o->length;
	}
}

bool pcp_option_put(const struct pcp_option *o, uint8_t *options, size_t *length, size_t capacity)
{
	if (*length > capacity || *length % 4 != 0 || !representable(o))
		return false;

	uint16_t data_length = length_on_wire(o);
	size_t padding = pcp_option_padding(data_length);
	size_t whole = PCP_OPTION_HEADER + data_length + padding;
	if (whole > capacity - *length)
		return false;

	struct wire_writer w = wire_writer_init(options + *length, whole);
	wire_put_u8(&w, o->code);
	wire_put_u8(&w, 0);
	wire_put_u16(&w, data_length);
	switch (o->code) {
	case PCP_OPTION_THIRD_PARTY:
		wire_put_address(&w, &o->third_party);
		break;
	case PCP_OPTION_PREFER_FAILURE:
		break;
	case PCP_OPTION_FILTER:
		put_filter(&w, o);
		break;
	case PCP_OPTION_PORT_SET:
		wire_put_u16(&w, o->port_set.size);
		wire_put_u16(&w, o->port_set.first_internal_port);
		wire_put_u8(&w, o->port_set.parity ? PORT_SET_PARITY : 0);
		break;
	default:
		wire_put_octets(&w, o->data, data_length);
		break;
	}
	wire_put_zeros(&w, padding);
	*length += whole;
	return true;
}
