/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values as the text that expectations look at. */
#include "tests/scenario/player_self.h"

static const char *protocol_text(uint8_t protocol, char out[8])
{
	if (codec_protocol_name(protocol))
		return codec_protocol_name(protocol);
	snprintf(out, 8, "%u", protocol);
	return out;
}

void player_text_mapping(const struct mapping *m, char *out, size_t size)
{
	char a[CODEC_ADDRESS_TEXT], b[CODEC_ADDRESS_TEXT], n[8];
	int used;

	used = snprintf(out, size, "%s %s:%u %s:%u", protocol_text(m->protocol, n),
			codec_address_text(&m->internal_address, a), m->internal_port,
			codec_address_text(&m->external_address, b), m->external_port);
	if (m->remote_port)
		used += snprintf(out + used, size - (size_t)used, " peer=%s:%u",
				 codec_address_text(&m->remote_address, a), m->remote_port);
	if (m->more_ports)
		used += snprintf(out + used, size - (size_t)used, " ports=%u", m->more_ports + 1u);
	words_filters(m->filters, m->filters_n, out + used, size - (size_t)used);
}

void player_text_hex(const uint8_t *data, size_t length, char *out, size_t size)
{
	size_t at = 0;

	*out = '\0';
	for (size_t i = 0; i < length && at + 4 < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%02x", i ? " " : "", data[i]);
}

static void options_text(const struct pcp_message *m, char *out, size_t size)
{
	struct pcp_option o;
	size_t at = 0, used = 0;

	*out = '\0';
	while (pcp_option_next(m->options, m->options_length, &at, &o, NULL) == CODEC_OK)
		used += words_option(&o, out + used, size - used);
	if (at < m->options_length)
		snprintf(out + used, size - used, " option=bad");
}

static void pcp_text(const struct pcp_message *m, char *out, size_t size)
{
	char address[CODEC_ADDRESS_TEXT], options[3072], n[8];
	int used;

	options_text(m, options, sizeof(options));
	used = snprintf(out, size, "pcp version=%u opcode=%u result=%u lifetime=%u epoch=%u", m->version, m->opcode,
			m->result, m->lifetime_s, m->epoch_s);
	if (m->opcode == PCP_MAP || m->opcode == PCP_PEER)
		used +=
		    snprintf(out + used, size - (size_t)used, " map proto=%s int=%u ext=%u addr=%s nonce=%u",
			     protocol_text(m->mapping.protocol, n), m->mapping.internal_port, m->mapping.external_port,
			     codec_address_text(&m->mapping.external_address, address), m->mapping.nonce.octets[0]);
	if (m->opcode == PCP_PEER)
		used += snprintf(out + used, size - (size_t)used, " peer=%s:%u",
				 codec_address_text(&m->mapping.remote_address, address), m->mapping.remote_port);
	snprintf(out + used, size - (size_t)used, "%s", options);
}

void player_text_message(const uint8_t *data, size_t length, char *out, size_t size)
{
	char address[CODEC_ADDRESS_TEXT];
	struct codec_message m;

	if (codec_parse(data, length, &m, NULL) != CODEC_OK)
		snprintf(out, size, "unreadable");
	else if (m.protocol == CODEC_VERSION_PCP)
		pcp_text(&m.pcp, out, size);
	else if (m.natpmp.opcode == NATPMP_ADDRESS)
		snprintf(out, size, "natpmp address result=%u epoch=%u addr=%s", m.natpmp.result, m.natpmp.epoch_s,
			 codec_address_text(&m.natpmp.external_address, address));
	else
		snprintf(out, size, "natpmp opcode=%u result=%u epoch=%u int=%u ext=%u lifetime=%u", m.natpmp.opcode,
			 m.natpmp.result, m.natpmp.epoch_s, m.natpmp.internal_port, m.natpmp.external_port,
			 m.natpmp.lifetime_s);
}
