/* SPDX-License-Identifier: MIT */
#include "codec/natpcpc_corner.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/natpcpc_out.h"

#define REMOTE_PORT   9
#define DOCUMENTATION 0xcb007100U /* 203.0.113.0, RFC 5737 */

static bool is(const struct corner *c, const char *id)
{
	return strcmp(c->id, id) == 0;
}

static bool is_version(const struct corner *c)
{
	return c->version == 1 || c->version == 3;
}

const char *corner_verdict_name(enum corner_verdict v)
{
	static const char *const names[] = {
	    [CORNER_UNASKED] = "unasked", [CORNER_OK] = "ok", [CORNER_ABSENT] = "no", [CORNER_ODD] = "odd"};

	return names[v];
}

/* ---- what is asked ---- */

static void put_option(const struct corner *c, const struct corner_bed *bed, uint8_t *area, size_t *length,
		       size_t capacity)
{
	static const uint8_t text[8] = "natpcpc";
	struct pcp_option o = {.code = c->option, .data = text, .length = sizeof(text)};

	/* one option that is padded, so that the others tell of themselves */
	if (c->option == PCP_OPTION_DESCRIPTION)
		o.length--;

	switch (c->option) {
	case 0:
		return;
	case PCP_OPTION_THIRD_PARTY:
		o.third_party = is(c, "pcp-third-party-self") ? bed->own : bed->neighbour;
		break;
	case PCP_OPTION_FILTER:
		o.filter.prefix_length = 96 + 24;
		o.filter.remote_port = 0;
		o.filter.remote_address = codec_from_v4(DOCUMENTATION);
		if (!codec_is_v4(&bed->own)) {
			o.filter.prefix_length = 32;
			o.filter.remote_address = (struct in6_addr){{{0x20, 0x01, 0x0d, 0xb8}}};
		}
		break;
	case PCP_OPTION_PORT_SET:
		o.port_set.size = 2;
		o.port_set.first_internal_port = (uint16_t)(bed->port + c->port);
		o.port_set.parity = false;
		break;
	}
	pcp_option_put(&o, area, length, capacity);
	/* the length that it says, not the one that it has */
	if (c->option == CORNER_BROKEN_OPTION)
		area[3] = 200;
}

static size_t ask_pcp(const struct corner *c, const struct corner_bed *bed, uint32_t lifetime_s, uint8_t *out)
{
	struct pcp_message m = {
	    .version = c->version, .opcode = c->opcode, .lifetime_s = lifetime_s, .client_address = bed->own};
	struct pcp_mapping *p = &m.mapping;
	uint8_t area[64];

	p->nonce = is(c, "pcp-other-nonce") ? bed->other_nonce : bed->nonce;
	/* what only looks must not hit a mapping, whatever the gateway makes of it */
	if (!(c->flags & CORNER_MAKES) && !is(c, "pcp-delete"))
		p->nonce = bed->stranger;
	p->protocol = c->protocol;
	p->internal_port = (uint16_t)(bed->port + c->port);
	p->external_address = codec_is_v4(&bed->own) ? codec_from_v4(0) : (struct in6_addr){0};
	if (lifetime_s)
		p->external_port = p->internal_port;
	if (c->option == PCP_OPTION_PREFER_FAILURE && lifetime_s)
		p->external_port = bed->external_port;
	if (c->opcode == PCP_PEER) {
		p->remote_port = REMOTE_PORT;
		p->remote_address = codec_is_v4(&bed->own) ? codec_from_v4(DOCUMENTATION + 9)
							   : (struct in6_addr){{{0x20, 0x01, 0x0d, 0xb8, [15] = 9}}};
	}
	if (is(c, "pcp-address-mismatch"))
		m.client_address = bed->neighbour;
	m.options = area;
	/* with the others it would delete nothing, or something else */
	if (lifetime_s || c->option == PCP_OPTION_PORT_SET || !(c->flags & CORNER_MAKES))
		put_option(c, bed, area, &m.options_length, sizeof(area));
	return pcp_marshal(&m, out, CORNER_DATAGRAM);
}

static size_t ask_natpmp(const struct corner *c, const struct corner_bed *bed, uint32_t lifetime_s, uint8_t *out)
{
	struct natpmp_message m = {.opcode = c->opcode, .lifetime_s = lifetime_s};

	m.internal_port = (uint16_t)(bed->port + c->port);
	if (lifetime_s)
		m.external_port = m.internal_port;
	return natpmp_marshal(&m, out, CORNER_DATAGRAM);
}

size_t corner_ask(const struct corner *c, const struct corner_bed *bed, uint8_t *out)
{
	size_t n;

	memset(out, 0, CORNER_DATAGRAM);
	n = c->version == 0 ? ask_natpmp(c, bed, c->lifetime_s, out) : ask_pcp(c, bed, c->lifetime_s, out);
	if (is(c, "natpmp-short"))
		return 8;
	if (is(c, "pcp-malformed-length"))
		return n + 2;
	if (is(c, "pcp-too-long"))
		return CORNER_DATAGRAM;
	if (is(c, "pcp-too-short"))
		return 20;
	if (is(c, "pcp-response"))
		out[1] |= 0x80;
	return n;
}

size_t corner_undo(const struct corner *c, const struct corner_bed *bed, uint8_t *out)
{
	return c->version == 0 ? ask_natpmp(c, bed, 0, out) : ask_pcp(c, bed, 0, out);
}

/* ---- what comes back ---- */

static void say(struct corner_result *r, enum corner_verdict v, const char *note)
{
	r->verdict = v;
	r->note = note;
}

static bool echoes(const struct pcp_message *m, uint8_t code, struct pcp_option *o)
{
	size_t offset = 0;

	while (pcp_option_next(m->options, m->options_length, &offset, o, NULL) == CODEC_OK)
		if (o->code == code)
			return true;
	return false;
}

/* A success, seen more closely. */
static void look_closer(const struct corner *c, struct corner_bed *bed, const struct pcp_message *m,
			struct corner_result *r)
{
	struct pcp_option o = {0};
	bool echo = c->option && echoes(m, c->option, &o);

	if (c->lifetime_s && m->lifetime_s == 0) {
		say(r, CORNER_ODD, "of no lifetime");
	} else if (is(c, "pcp-map-udp")) {
		bed->external_port = m->mapping.external_port;
		bed->external_address = m->mapping.external_address;
	} else if (is(c, "pcp-renew") && m->mapping.external_port != bed->external_port) {
		say(r, CORNER_ODD, "another port than before");
	} else if (is(c, "pcp-other-nonce")) {
		/* which is the mapping's from now on */
		bed->nonce = bed->other_nonce;
		say(r, CORNER_ODD, "takes any nonce");
	} else if (is(c, "pcp-peer")) {
		say(r, CORNER_OK, "ends by itself");
	} else if (is(c, "pcp-delete") && m->lifetime_s) {
		say(r, CORNER_OK, "lives on by its traffic");
	} else if (is(c, "pcp-filter") && !echo) {
		say(r, CORNER_ODD, "succeeds without it: open to all");
	} else if ((is(c, "pcp-description") || is(c, "pcp-port-set")) && !echo) {
		say(r, CORNER_ABSENT, "ignored");
	} else if (is(c, "pcp-port-set") && (o.port_set.size < 1 || o.port_set.size > 2)) {
		say(r, CORNER_ODD, "a set of another size");
	} else if (is(c, "pcp-option-optional") && echo) {
		say(r, CORNER_ODD, "says that it has processed it");
	} else if (is(c, "pcp-third-party")) {
		say(r, CORNER_OK, "this host may map for others");
	}
}

static void tell_mapping(struct corner_result *r, const struct in6_addr *a, uint16_t port, uint32_t lifetime_s)
{
	char t[CODEC_ADDRESS_TEXT] = "port ";

	r->lifetime_s = lifetime_s;
	r->external_port = port;
	if (lifetime_s == 0)
		snprintf(r->text, sizeof(r->text), "SUCCESS");
	else
		snprintf(r->text, sizeof(r->text),
			 !a		  ? "%s%u for %" PRIu32 " s"
			 : codec_is_v4(a) ? "%s:%u for %" PRIu32 " s"
					  : "[%s]:%u for %" PRIu32 " s",
			 a ? codec_address_text(a, t) : t, port, lifetime_s);
}

static void judge_code(const struct corner *c, struct corner_result *r, uint16_t code)
{
	uint32_t bit = code < 32 ? 1U << code : 0;

	r->code = code;
	if (bit & c->right)
		say(r, CORNER_OK, NULL);
	else if (bit & c->absent)
		say(r, CORNER_ABSENT, NULL);
	else
		say(r, CORNER_ODD, NULL);
}

static void judge_natpmp(const struct corner *c, struct corner_bed *bed, const struct natpmp_message *m,
			 struct corner_result *r)
{
	uint16_t code = out_natpmp_result(m);
	char t[CODEC_ADDRESS_TEXT];

	judge_code(c, r, code);
	r->name = natpmp_result_name(code);
	r->epoch_s = m->epoch_s;
	if (code) {
		snprintf(r->text, sizeof(r->text), "%s (%u)", r->name, code);
		if (code == NATPMP_UNSUPP_VERSION && !is_version(c))
			say(r, CORNER_ABSENT, NULL);
		else if (code != NATPMP_UNSUPP_VERSION && c->version != 0)
			say(r, CORNER_ODD, "answers in NAT-PMP");
		else if (!is_version(c))
			bed->natpmp = true;
		return;
	}
	if (c->version != 0) {
		say(r, CORNER_ODD, "answers in NAT-PMP");
		return;
	}
	bed->natpmp = true;
	if (m->opcode != c->opcode)
		say(r, CORNER_ODD, "the answer is to something else");
	if (m->opcode == NATPMP_ADDRESS) {
		bed->external_address = m->external_address;
		snprintf(r->text, sizeof(r->text), "%s", codec_address_text(&m->external_address, t));
		return;
	}
	tell_mapping(r, NULL, m->external_port, m->lifetime_s);
	if (m->lifetime_s > c->lifetime_s)
		say(r, CORNER_ODD, "for longer than was asked for");
	if (c->lifetime_s && m->internal_port != bed->port + c->port)
		say(r, CORNER_ODD, "the answer is to something else");
}

static void judge_pcp(const struct corner *c, struct corner_bed *bed, const struct pcp_message *m,
		      struct corner_result *r)
{
	judge_code(c, r, m->result);
	r->name = pcp_result_name(m->result);
	r->epoch_s = m->epoch_s;
	r->lifetime_s = m->lifetime_s;
	if (m->result == PCP_UNSUPP_VERSION) {
		snprintf(r->text, sizeof(r->text), "%s (1), knows %u", r->name, m->version);
		if (!is_version(c))
			say(r, CORNER_ABSENT, NULL);
		else if (m->version != CODEC_VERSION_PCP && bed->pcp)
			say(r, CORNER_ODD, "names another version than 2");
		return;
	}
	bed->pcp = bed->pcp || c->version == CODEC_VERSION_PCP;
	if (m->result) {
		snprintf(r->text, sizeof(r->text), "%s (%u)", r->name, m->result);
		return;
	}
	if (c->version != CODEC_VERSION_PCP) {
		say(r, CORNER_ODD, "answers in PCP");
		return;
	}
	if (m->opcode == PCP_ANNOUNCE)
		snprintf(r->text, sizeof(r->text), "epoch %" PRIu32, m->epoch_s);
	else
		tell_mapping(r, &m->mapping.external_address, m->mapping.external_port, m->lifetime_s);
	if (m->opcode != c->opcode)
		say(r, CORNER_ODD, "the answer is to something else");
	else
		look_closer(c, bed, m, r);
}

void corner_judge(const struct corner *c, struct corner_bed *bed, const uint8_t *data, size_t length,
		  struct corner_result *r)
{
	struct codec_message m;

	*r = (struct corner_result){.name = "", .answered = length > 0};
	if (length == 0) {
		snprintf(r->text, sizeof(r->text), "no answer");
		say(r, c->flags & CORNER_SILENT ? CORNER_OK : CORNER_ODD, NULL);
		/* who does not speak a protocol need not say so */
		if (!(c->flags & (CORNER_NATPMP | CORNER_PCP | CORNER_SILENT)))
			say(r, CORNER_ABSENT, NULL);
		return;
	}
	if (c->version == 1 && length >= 4 && data[0] == 1 && (data[1] & 0x80)) {
		snprintf(r->text, sizeof(r->text), "speaks it, too: result %u", data[3]);
		say(r, CORNER_OK, NULL);
		return;
	}
	if (codec_parse(data, length, &m, NULL) != CODEC_OK ||
	    !(m.protocol == CODEC_VERSION_PCP ? m.pcp.response : m.natpmp.response)) {
		snprintf(r->text, sizeof(r->text), "%zu octets that are no answer", length);
		say(r, CORNER_ODD, NULL);
		return;
	}
	if (m.protocol == CODEC_VERSION_PCP)
		judge_pcp(c, bed, &m.pcp, r);
	else
		judge_natpmp(c, bed, &m.natpmp, r);
	if (c->flags & CORNER_SILENT)
		say(r, CORNER_ODD, "silence is right");
}
