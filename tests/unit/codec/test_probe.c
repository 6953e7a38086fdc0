/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/codec/support.h"

#include "tests/unit/codec/vectors.h"

static enum codec_kind kind_of(const struct codec_message *m)
{
	if (m->protocol == CODEC_VERSION_NATPMP)
		return m->natpmp.response ? CODEC_KIND_NATPMP_RESPONSE : CODEC_KIND_NATPMP_REQUEST;
	return m->pcp.response ? CODEC_KIND_PCP_RESPONSE : CODEC_KIND_PCP_REQUEST;
}

static bool known(const struct codec_message *m)
{
	return m->protocol == CODEC_VERSION_NATPMP ? m->natpmp.opcode <= NATPMP_MAP_TCP
						   : m->pcp.version == CODEC_VERSION_PCP && m->pcp.opcode <= PCP_PEER;
}

/* What codec_parse() takes has the kind that the message says, on a buffer of exactly that length. */
static void check(const uint8_t *data, size_t length)
{
	uint8_t *copy = exact_copy(data, length);
	struct codec_message m;
	enum codec_kind kind = codec_probe(copy, length);

	if (codec_parse(copy, length, &m, NULL) == CODEC_OK && known(&m))
		assert_int_equal(kind, kind_of(&m));
	else if (length < 2)
		assert_int_equal(kind, CODEC_KIND_OTHER);
	free(copy);
}

static void golden_messages_have_their_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		const struct vector *v = &vectors[i];
		enum codec_kind expected = known(&v->message) ? kind_of(&v->message) : CODEC_KIND_OTHER;

		if (codec_probe(v->octets, v->length) != expected)
			fail_msg("%s is taken for another kind", v->name);
		for (size_t n = 0; n <= v->length; n++)
			check(v->octets, n);
	}
}

/* All that the probe looks at, one by one: the first four octets and the length. */
static void probe_agrees_with_parse(void **state)
{
	(void)state;
	static const uint8_t firsts[] = {0, 1, 2, 3, 255};
	static const uint8_t lengths[] = {0,  1,  2,  3,  4,  7,  8,  9,  11, 12, 15,
					  16, 20, 23, 24, 25, 59, 60, 64, 76, 80, 84};
	uint8_t data[84] = {0};

	for (size_t v = 0; v < COUNT(firsts); v++) {
		for (unsigned opcode = 0; opcode < 256; opcode++) {
			for (unsigned result = 0; result < 512; result++) {
				data[0] = firsts[v];
				data[1] = (uint8_t)opcode;
				data[2] = (uint8_t)(result >> 8);
				data[3] = (uint8_t)result;
				for (size_t n = 0; n < COUNT(lengths); n++) {
					struct codec_message m;
					if (codec_parse(data, lengths[n], &m, NULL) == CODEC_OK && known(&m))
						assert_int_equal(codec_probe(data, lengths[n]), kind_of(&m));
				}
			}
		}
	}
}

static void random_datagrams(void **state)
{
	(void)state;
	uint64_t seed = 5351;
	uint8_t data[1200];

	for (int i = 0; i < 200000; i++) {
		size_t length = i % 8 ? random_below(&seed, 100) : random_below(&seed, sizeof(data));
		random_fill(&seed, data, length < 100 ? 100 : length);
		data[0] &= 3;
		data[1] &= 0x83;
		check(data, length);
	}
}

/* Neighbours on a shared socket. */
static void other_protocols(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		size_t length;
		uint8_t octets[32];
	} cases[] = {
	    {"STUN binding request", 20, {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}},
	    {"STUN binding request with attributes", 28, {0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42}},
	    {"STUN binding success", 32, {1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42}},
	    {"TURN channel data", 32, {0x40, 0, 0, 28}},
	    {"WireGuard initiation", 148, {1, 0, 0, 0}},
	    {"WireGuard data", 32, {4, 0, 0, 0}},
	    {"DTLS client hello", 32, {0x16, 0xfe, 0xfd}},
	    {"RTP", 32, {0x80, 0x60}},
	    {"RTCP", 32, {0x80, 0xc8}},
	    {"QUIC initial", 32, {0xc0, 0, 0, 0, 1}},
	    {"BitTorrent DHT", 32, {'d', '1', ':', 'a', 'd', '2', ':'}},
	    {"uTP", 20, {0x41, 0, 0x12, 0x34}},
	    {"DNS query", 32, {0x12, 0x34, 1, 0, 0, 1}},
	    {"PCP of version 1", 32, {1, 1}},
	    {"PCP header cut", 20, {2, 0}},
	    {"PCP MAP cut", 56, {2, 1}},
	    {"PCP, not whole words", 25, {2, 0}},
	    {"unknown opcode", 32, {2, 3}},
	    {"NAT-PMP mapping cut", 11, {0, 1}},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t data[148] = {0};
		memcpy(data, cases[i].octets, sizeof(cases[i].octets));
		if (codec_probe(data, cases[i].length) != CODEC_KIND_OTHER)
			fail_msg("%s is taken for ours", cases[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(golden_messages_have_their_kind),
	    cmocka_unit_test(probe_agrees_with_parse),
	    cmocka_unit_test(random_datagrams),
	    cmocka_unit_test(other_protocols),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
