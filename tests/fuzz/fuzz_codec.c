/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any datagram: what is taken can be written and is then read as the same; the probe agrees with the parser; the walk
 * over options ends and what it yields can be put back; the error answers to it are responses that we take.
 */
#include "codec/codec.h"
#include "tests/unit/codec/same.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static bool is_response(const struct codec_message *m)
{
	return m->protocol == CODEC_VERSION_NATPMP ? m->natpmp.response : m->pcp.response;
}

static void check_probe(const uint8_t *data, size_t length, const struct codec_message *m, bool taken)
{
	enum codec_kind kind = codec_probe(data, length);

	if (!taken)
		return;
	if (m->protocol == CODEC_VERSION_NATPMP && m->natpmp.opcode <= NATPMP_MAP_TCP)
		require(kind == (m->natpmp.response ? CODEC_KIND_NATPMP_RESPONSE : CODEC_KIND_NATPMP_REQUEST));
	else if (m->protocol == CODEC_VERSION_PCP && m->pcp.version == CODEC_VERSION_PCP && m->pcp.opcode <= PCP_PEER)
		require(kind == (m->pcp.response ? CODEC_KIND_PCP_RESPONSE : CODEC_KIND_PCP_REQUEST));
	else
		require(kind == CODEC_KIND_OTHER);
}

/* A line for a log: printable ASCII, whatever came, and as long as it says. */
static void check_line(const struct codec_message *m)
{
	static char line[512];
	size_t n = codec_format(m, line, sizeof(line));

	require(n < sizeof(line) && line[n] == '\0');
	for (size_t i = 0; i < n; i++)
		require(line[i] >= ' ' && line[i] < 0x7f);
}

static void check_round_trip(const struct codec_message *m, size_t length)
{
	static uint8_t out[CODEC_MESSAGE_MAX];
	struct codec_message back;
	size_t n = codec_marshal(m, out, sizeof(out));

	/* only an unknown NAT-PMP opcode has a body of any length */
	require(n > 0 || (m->protocol == CODEC_VERSION_NATPMP && length > CODEC_MESSAGE_MAX));
	if (n == 0)
		return;
	require(codec_parse(out, n, &back, NULL) == CODEC_OK);
	require(same_message(m, &back));
	require(n == 1 || codec_marshal(m, out, n - 1) == 0);
}

static void check_option(const struct pcp_option *o)
{
	static uint8_t area[CODEC_MESSAGE_MAX];
	struct pcp_option back;
	size_t length = 0, offset = 0;

	if (!pcp_option_put(o, area, &length, sizeof(area))) {
		bool bad_text = o->code == PCP_OPTION_DESCRIPTION && !codec_utf8_valid(o->data, o->length);
		require(bad_text || (o->code == PCP_OPTION_PORT_SET && o->port_set.size == 0));
		return;
	}
	require(length % 4 == 0);
	require(pcp_option_next(area, length, &offset, &back, NULL) == CODEC_OK && offset == length);
	require(same_option(o, &back));
}

static void check_options(const struct pcp_message *m, bool walkable)
{
	size_t offset = 0, before;
	struct pcp_option o;
	enum codec_verdict verdict;

	do {
		before = offset;
		verdict = pcp_option_next(m->options, m->options_length, &offset, &o, NULL);
		require(offset <= m->options_length && (verdict != CODEC_OK || offset >= before + 4));
		if (verdict == CODEC_OK)
			check_option(&o);
	} while (offset > before);
	if (walkable)
		require(offset == m->options_length);
}

static void check_answers(const uint8_t *data, size_t length)
{
	static uint8_t out[UINT16_MAX];
	struct codec_message m;
	size_t n;

	if (data[0] == CODEC_VERSION_NATPMP) {
		for (unsigned result = 1; result <= NATPMP_UNSUPP_OPCODE; result++) {
			n = natpmp_marshal_error(data, length, result, 5, out, sizeof(out));
			require(n >= 4 && codec_parse(out, n, &m, NULL) == CODEC_OK && is_response(&m));
		}
	}
	n = pcp_marshal_error(data, length, length % 2, PCP_MALFORMED_REQUEST, 30, 5, out, sizeof(out));
	require(n >= 24 && n <= CODEC_MESSAGE_MAX && n % 4 == 0);
	require(codec_parse(out, n, &m, NULL) == CODEC_OK && is_response(&m));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	struct codec_message m;
	struct codec_error e = {.why = NULL};

	if (length > UINT16_MAX - 8)
		return 0;
	enum codec_verdict verdict = codec_parse(data, length, &m, &e);

	require((verdict == CODEC_OK) == (e.why == NULL) && e.offset <= length);
	check_probe(data, length, &m, verdict == CODEC_OK);
	check_line(&m);
	if (verdict == CODEC_REFUSE)
		require(m.protocol == CODEC_VERSION_PCP && !m.pcp.response && e.result != PCP_SUCCESS);
	if (verdict == CODEC_OK)
		check_round_trip(&m, length);
	if (verdict != CODEC_DROP && m.protocol == CODEC_VERSION_PCP)
		check_options(&m.pcp, verdict == CODEC_OK && m.pcp.result == PCP_SUCCESS);
	if (length >= 2 && !(data[1] & 0x80))
		check_answers(data, length);
	return 0;
}
