/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/codec/support.h"

#include "tests/unit/codec/neighbours.h"
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

/* What natpcp_codec(3) says of others on a shared socket; and no more than eight octets are looked at. */
static void other_protocols(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(neighbours); i++) {
		const struct neighbour *n = &neighbours[i];
		uint8_t *copy = exact_copy(n->octets, n->length < 8 ? n->length : 8);

		if (codec_probe(copy, n->length) != n->kind)
			fail_msg("%s is taken for kind %d", n->what, codec_probe(copy, n->length));
		free(copy);
	}
}

/* What comes near to ours, and is not. */
static void not_quite_ours(void **state)
{
	(void)state;
	static const struct neighbour cases[] = {
	    {"PCP of version 1", CODEC_KIND_OTHER, 60, {1, 1}},
	    {"PCP header cut", CODEC_KIND_OTHER, 20, {2, 0}},
	    {"PCP MAP cut", CODEC_KIND_OTHER, 56, {2, 1}},
	    {"PCP, not whole words", CODEC_KIND_OTHER, 25, {2, 0}},
	    {"PCP, too long", CODEC_KIND_OTHER, 1104, {2, 1}},
	    {"unknown opcode", CODEC_KIND_OTHER, 32, {2, 3}},
	    {"NAT-PMP mapping cut", CODEC_KIND_OTHER, 11, {0, 1}},
	    {"NAT-PMP success cut", CODEC_KIND_OTHER, 11, {0, 128}},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		if (codec_probe(cases[i].octets, cases[i].length) != cases[i].kind)
			fail_msg("%s is taken for ours", cases[i].what);
	}
}

/* How many of all 2^32 first four octets the probe takes at this length, for any kind and for a response. */
static void count(size_t length, uint64_t *any, uint64_t *responses)
{
	/* of the third and fourth it asks only whether they are 0 and 1 */
	static const struct {
		uint8_t third, fourth;
		uint64_t weight;
	} classes[] = {{0, 0, 1}, {0, 1, 1}, {0, 9, 254}, {9, 0, 255}, {9, 1, 255}, {9, 9, 255 * 254}};

	*any = *responses = 0;
	for (unsigned first = 0; first < 65536; first++) {
		for (size_t c = 0; c < COUNT(classes); c++) {
			uint8_t data[8] = {(uint8_t)(first >> 8), (uint8_t)first, classes[c].third, classes[c].fourth};
			enum codec_kind kind = codec_probe(data, length);

			if (kind != CODEC_KIND_OTHER)
				*any += classes[c].weight;
			if (kind == CODEC_KIND_NATPMP_RESPONSE || kind == CODEC_KIND_PCP_RESPONSE)
				*responses += classes[c].weight;
		}
	}
}

/* The table in natpcp_codec(3): one in so many random datagrams is taken for ours. */
static void random_octets(void **state)
{
	(void)state;
	static const struct {
		size_t from, to, step;
		uint64_t one_in, responses_one_in;
	} cases[] = {
	    {80, 1100, 204, 5461, 10922}, {60, 76, 4, 5959, 10929},	   {24, 56, 8, 6558, 10936},
	    {17, 23, 2, 10901, 21760},	  {1101, 1500, 133, 10901, 21760}, {12, 15, 1, 10901, 21760},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t length = cases[i].from; length <= cases[i].to; length += cases[i].step) {
			uint64_t any, responses;

			count(length, &any, &responses);
			assert_int_equal((UINT64_C(1) << 32) / any, cases[i].one_in);
			assert_int_equal((UINT64_C(1) << 32) / responses, cases[i].responses_one_in);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(golden_messages_have_their_kind),
	    cmocka_unit_test(probe_agrees_with_parse),
	    cmocka_unit_test(random_datagrams),
	    cmocka_unit_test(other_protocols),
	    cmocka_unit_test(not_quite_ours),
	    cmocka_unit_test(random_octets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
