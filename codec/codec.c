/* SPDX-License-Identifier: MIT */
#include "codec/codec.h"
#include "codec/message.h"

enum codec_verdict codec_parse(const uint8_t *data, size_t length, struct codec_message *m, struct codec_error *e)
{
	memset(m, 0, sizeof(*m));
	if (length < 2)
		return message_fail(e, CODEC_DROP, 0, length, "shorter than two octets");
	if (data[0] == CODEC_VERSION_NATPMP) {
		m->protocol = CODEC_VERSION_NATPMP;
		return natpmp_parse(data, length, &m->natpmp, e);
	}
	m->protocol = CODEC_VERSION_PCP;
	return pcp_parse(data, length, &m->pcp, e);
}

size_t codec_marshal(const struct codec_message *m, uint8_t *out, size_t capacity)
{
	return m->protocol == CODEC_VERSION_NATPMP ? natpmp_marshal(&m->natpmp, out, capacity)
						   : pcp_marshal(&m->pcp, out, capacity);
}
