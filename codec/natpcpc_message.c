/* SPDX-License-Identifier: MIT */
/* Messages in words. */
#include <stdio.h>

#include "codec/natpcpc_out.h"

const char *out_meaning(enum codec_version v, uint16_t code)
{
	static const char *const natpmp[] = {
	    [NATPMP_SUCCESS] = "done",
	    [NATPMP_UNSUPP_VERSION] = "the gateway speaks another version",
	    [NATPMP_NOT_AUTHORIZED] = "the gateway's rules do not let this host have it",
	    [NATPMP_NETWORK_FAILURE] = "the gateway itself has no address outside at the moment",
	    [NATPMP_NO_RESOURCES] = "the gateway has no room left, or this host has too many mappings",
	    [NATPMP_UNSUPP_OPCODE] = "the gateway does not know this kind of request",
	};
	static const char *const pcp[] = {
	    [PCP_SUCCESS] = "done",
	    [PCP_UNSUPP_VERSION] = "the gateway speaks another version",
	    [PCP_NOT_AUTHORIZED] = "the gateway's rules do not let this host have it, or the mapping has another nonce",
	    [PCP_MALFORMED_REQUEST] = "the gateway could not read the request",
	    [PCP_UNSUPP_OPCODE] = "the gateway does not know this kind of request",
	    [PCP_UNSUPP_OPTION] = "the gateway does not do, or not for this host, what an option asks for",
	    [PCP_MALFORMED_OPTION] = "the gateway could not read an option",
	    [PCP_NETWORK_FAILURE] = "the gateway itself has no address outside at the moment",
	    [PCP_NO_RESOURCES] = "the gateway has no room left",
	    [PCP_UNSUPP_PROTOCOL] = "the gateway cannot map this protocol",
	    [PCP_USER_EX_QUOTA] = "this host has as many mappings as it may have",
	    [PCP_CANNOT_PROVIDE_EXTERNAL] = "the port or address outside is not to be had",
	    [PCP_ADDRESS_MISMATCH] = "there is a NAT between this host and the gateway that answers",
	    [PCP_EXCESSIVE_REMOTE_PEERS] = "more filters than the gateway can keep",
	};

	if (v == CODEC_VERSION_PCP)
		return code < sizeof(pcp) / sizeof(pcp[0]) ? pcp[code] : "a code that is not in RFC 6887";
	return code < sizeof(natpmp) / sizeof(natpmp[0]) ? natpmp[code] : "a code that is not in RFC 6886";
}

uint16_t out_natpmp_result(const struct natpmp_message *m)
{
	if (m->response && m->opcode > NATPMP_MAP_TCP && m->rest_length >= 2)
		return (uint16_t)(m->rest[0] << 8 | m->rest[1]);
	return m->result;
}

static void out_natpmp(struct line *l, const struct natpmp_message *m)
{
	out_text(l, "opcode", natpmp_opcode_name(m->opcode));
	if (m->response) {
		out_text(l, "result", natpmp_result_name(out_natpmp_result(m)));
		out_number(l, "code", out_natpmp_result(m));
		out_number(l, "epoch_s", m->epoch_s);
	}
	if (m->opcode == NATPMP_ADDRESS && m->response)
		out_address(l, "external_address", &m->external_address);
	if (m->opcode == NATPMP_MAP_UDP || m->opcode == NATPMP_MAP_TCP) {
		out_number(l, "internal_port", m->internal_port);
		out_number(l, "external_port", m->external_port);
		out_number(l, "lifetime_s", m->lifetime_s);
	}
}

static void out_pcp(struct line *l, const struct pcp_message *m)
{
	const struct pcp_mapping *p = &m->mapping;
	struct pcp_option o;
	size_t offset = 0;

	out_text(l, "opcode", pcp_opcode_name(m->opcode));
	if (m->response) {
		out_text(l, "result", pcp_result_name(m->result));
		out_number(l, "code", m->result);
		out_number(l, "epoch_s", m->epoch_s);
	}
	out_number(l, "lifetime_s", m->lifetime_s);
	if (m->opcode == PCP_MAP || m->opcode == PCP_PEER) {
		out_hex(l, "nonce", p->nonce.octets, sizeof(p->nonce.octets));
		out_protocol(l, "protocol", p->protocol);
		out_number(l, "internal_port", p->internal_port);
		out_number(l, "external_port", p->external_port);
		out_address(l, "external_address", &p->external_address);
	}
	if (m->opcode == PCP_PEER) {
		out_number(l, "remote_port", p->remote_port);
		out_address(l, "remote_address", &p->remote_address);
	}
	while (pcp_option_next(m->options, m->options_length, &offset, &o, NULL) == CODEC_OK) {
		char name[32];

		snprintf(name, sizeof(name), "option_%u", o.code);
		out_hex(l, name, o.data, o.length);
	}
}

void out_message(struct line *l, const struct codec_message *m)
{
	bool response = m->protocol == CODEC_VERSION_PCP ? m->pcp.response : m->natpmp.response;

	out_text(l, "version", out_version(m->protocol));
	out_text(l, "kind", response ? "response" : "request");
	if (m->protocol == CODEC_VERSION_PCP)
		out_pcp(l, &m->pcp);
	else
		out_natpmp(l, &m->natpmp);
}
