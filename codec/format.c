/* SPDX-License-Identifier: MIT */
#include "codec/message.h"

/* What was written so far. What does not fit is left out, and so is all that follows. */
struct text {
	char *out;
	size_t room; /* without the NUL */
	size_t length;
};

static void put_char(struct text *t, char c)
{
	if (t->length < t->room)
		t->out[t->length++] = c;
}

static void put(struct text *t, const char *s)
{
	while (*s)
		put_char(t, *s++);
}

static void put_number(struct text *t, size_t v)
{
	char digits[20];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	while (n > 0)
		put_char(t, digits[--n]);
}

static void put_value(struct text *t, const char *key, size_t v)
{
	put(t, key);
	put_number(t, v);
}

static void put_address(struct text *t, const struct in6_addr *a)
{
	char address[CODEC_ADDRESS_TEXT];

	put(t, codec_address_text(a, address));
}

/* "192.0.2.1:80", "[2001:db8::1]:80" */
static void put_endpoint(struct text *t, const char *key, const struct in6_addr *a, uint16_t port)
{
	bool v4 = codec_is_v4(a);

	put(t, key);
	put(t, v4 ? "" : "[");
	put_address(t, a);
	put(t, v4 ? ":" : "]:");
	put_number(t, port);
}

/* Between quotes, only what prints; the rest is \xNN. */
static void put_quoted(struct text *t, const uint8_t *data, size_t length)
{
	static const char digits[] = "0123456789abcdef";

	put_char(t, '"');
	for (size_t i = 0; i < length; i++) {
		if (data[i] >= 0x20 && data[i] < 0x7f && data[i] != '"' && data[i] != '\\') {
			put_char(t, (char)data[i]);
			continue;
		}
		put(t, "\\x");
		put_char(t, digits[data[i] >> 4]);
		put_char(t, digits[data[i] & 15]);
	}
	put_char(t, '"');
}

/* A name, or "opcode-7" for a number that has none. */
static void put_name(struct text *t, const char *name, const char *kind, unsigned number)
{
	if (name && strcmp(name, "?") != 0) {
		put(t, name);
		return;
	}
	put(t, kind);
	put_char(t, '-');
	put_number(t, number);
}

static void put_natpmp(struct text *t, const struct natpmp_message *m)
{
	bool known = m->opcode <= NATPMP_MAP_TCP, mapping = known && m->opcode != NATPMP_ADDRESS;

	put(t, "nat-pmp ");
	put_name(t, natpmp_opcode_name(m->opcode), "opcode", m->opcode);
	put(t, m->response ? " response" : " request");
	if (!known) {
		put_value(t, " octets=", m->rest_length);
		return;
	}
	if (m->response) {
		put_char(t, ' ');
		put_name(t, natpmp_result_name(m->result), "result", m->result);
		put_value(t, " epoch=", m->epoch_s);
	}
	if (mapping) {
		put_value(t, " internal-port=", m->internal_port);
		put_value(t, " external-port=", m->external_port);
		put_value(t, " lifetime=", m->lifetime_s);
	} else if (m->response && m->result == NATPMP_SUCCESS) {
		put(t, " external=");
		put_address(t, &m->external_address);
	}
}

static void put_option(struct text *t, const struct pcp_option *o)
{
	put_char(t, ' ');
	put_name(t, pcp_option_name(o->code), "option", o->code);
	switch (o->code) {
	case PCP_OPTION_THIRD_PARTY:
		put_char(t, '=');
		put_address(t, &o->third_party);
		break;
	case PCP_OPTION_PREFER_FAILURE:
		break;
	case PCP_OPTION_FILTER:
		if (o->filter.prefix_length == 0) {
			put(t, "=none");
			break;
		}
		put_endpoint(t, "=", &o->filter.remote_address, o->filter.remote_port);
		put_value(t, "/", o->filter.prefix_length);
		break;
	case PCP_OPTION_DESCRIPTION:
		put_char(t, '=');
		put_quoted(t, o->data, o->length);
		break;
	case PCP_OPTION_PORT_SET:
		put_value(t, "=", o->port_set.size);
		put_value(t, "@", o->port_set.first_internal_port);
		put(t, o->port_set.parity ? ",parity" : "");
		break;
	default:
		put_value(t, " octets=", o->length);
		break;
	}
}

static void put_options(struct text *t, const struct pcp_message *m)
{
	size_t at = 0;

	for (;;) {
		size_t before = at;
		struct codec_error e;
		struct pcp_option o;

		switch (pcp_option_next(m->options, m->options_length, &at, &o, &e)) {
		case CODEC_OK:
			put_option(t, &o);
			break;
		case CODEC_REFUSE:
			put(t, " (");
			put(t, e.why);
			put_char(t, ')');
			if (at == before)
				return;
			break;
		default:
			return;
		}
	}
}

static void put_mapping(struct text *t, const struct pcp_mapping *mapping, uint8_t opcode)
{
	put_char(t, ' ');
	put_name(t, codec_protocol_name(mapping->protocol), "protocol", mapping->protocol);
	put_value(t, " internal-port=", mapping->internal_port);
	put_endpoint(t, " external=", &mapping->external_address, mapping->external_port);
	if (opcode == PCP_PEER)
		put_endpoint(t, " remote=", &mapping->remote_address, mapping->remote_port);
}

static void put_pcp(struct text *t, const struct pcp_message *m)
{
	put(t, "pcp ");
	put_name(t, pcp_opcode_name(m->opcode), "opcode", m->opcode);
	put(t, m->response ? " response" : " request");
	if (m->version != 0 && m->version != CODEC_VERSION_PCP)
		put_value(t, " version=", m->version);
	if (m->response) {
		put_char(t, ' ');
		put_name(t, pcp_result_name(m->result), "result", m->result);
	} else {
		put(t, " client=");
		put_address(t, &m->client_address);
	}
	put_value(t, " lifetime=", m->lifetime_s);
	if (m->response)
		put_value(t, " epoch=", m->epoch_s);
	if (!pcp_opcode_known(m->opcode)) {
		put_value(t, " octets=", m->body_length);
		return;
	}
	if (m->opcode != PCP_ANNOUNCE)
		put_mapping(t, &m->mapping, m->opcode);
	put_options(t, m);
}

size_t codec_format(const struct codec_message *m, char *out, size_t capacity)
{
	struct text t = {.out = out, .room = capacity ? capacity - 1 : 0};

	if (m->protocol == CODEC_VERSION_NATPMP)
		put_natpmp(&t, &m->natpmp);
	else
		put_pcp(&t, &m->pcp);
	if (capacity)
		out[t.length] = '\0';
	return t.length;
}
