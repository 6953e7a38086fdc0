/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/codec/support.h"

#include "codec/codec.h"
#include "tests/unit/codec/vectors.h"

static const uint8_t *golden(const char *name, size_t *length)
{
	for (size_t i = 0; i < COUNT(vectors); i++) {
		if (strcmp(vectors[i].name, name) == 0) {
			*length = vectors[i].length;
			return vectors[i].octets;
		}
	}
	fail_msg("no vector %s", name);
	return NULL;
}

static void lines(void **state)
{
	(void)state;
	static const struct {
		const char *name, *line;
	} cases[] = {
	    {"natpmp_address_request", "nat-pmp ADDRESS request"},
	    {"natpmp_address_response", "nat-pmp ADDRESS response SUCCESS epoch=16909060 external=203.0.113.5"},
	    {"natpmp_address_failed", "nat-pmp ADDRESS response NETWORK_FAILURE epoch=7"},
	    {"natpmp_map_tcp_request",
	     "nat-pmp MAP_TCP request internal-port=22 external-port=65535 lifetime=4294967295"},
	    {"natpmp_map_tcp_refused",
	     "nat-pmp MAP_TCP response NOT_AUTHORIZED epoch=1 internal-port=5555 external-port=0 lifetime=0"},
	    {"natpmp_unknown_request", "nat-pmp opcode-3 request octets=10"},
	    {"pcp_announce_request", "pcp ANNOUNCE request client=192.0.2.1 lifetime=0"},
	    {"pcp_announce_mismatch", "pcp ANNOUNCE response ADDRESS_MISMATCH lifetime=1800 epoch=3"},
	    {"pcp_map_request", "pcp MAP request client=192.0.2.1 lifetime=7200 tcp internal-port=80 "
				"external=198.51.100.7:8080"},
	    {"pcp_map_request_v6", "pcp MAP request client=2001:db8:1:2:3:4:5:6 lifetime=1 udp internal-port=80 "
				   "external=[::]:0"},
	    {"pcp_map_request_any_v4",
	     "pcp MAP request client=192.0.2.1 lifetime=60 sctp internal-port=80 external=0.0.0.0:8080"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char out[300];
		struct codec_message m;
		size_t n = 0;
		const uint8_t *octets = golden(cases[i].name, &n);

		assert_int_equal(codec_parse(octets, n, &m, NULL), CODEC_OK);
		n = codec_format(&m, out, sizeof(out));
		assert_string_equal(out, cases[i].line);
		assert_int_equal(n, strlen(cases[i].line));
	}
}

static void options(void **state)
{
	(void)state;
	static const uint8_t
	    area[] =
		{
		    1,	 0, 0, 16,   0x20, 1,	0xd,  0xb8, 0,	 0,    0,    0,	   0,	 0, 0,
		    0,	 0, 0, 0,    1, /* THIRD_PARTY */
		    2,	 0, 0, 0,	/* PREFER_FAILURE */
		    3,	 0, 0, 20,   0,	   120, 0,    99,   0,	 0,    0,    0,	   0,	 0, 0,
		    0,	 0, 0, 0xff, 0xff, 203, 0,    113,  0,	 3,    0,    0,	   20,	 0, 0,
		    0,	 0, 0, 0,    0,	   0,	0,    0,    0,	 0,    0,    0,	   0,	 0, 0,
		    0,	 0, 0, 128,  0,	   0,	7,    'a',  '"', '\n', 0xc3, 0xa4, '\\', 0, 0, /* with its padding */
		    130, 0, 0, 5,    0,	   10,	0xc3, 0x50, 1,	 0,    0,    0,		       /* PORT_SET */
		    2,	 0, 0, 4,    0,	   0,	0,    0, /* not empty, but can be walked on */
		    99,	 0, 0, 2,    1,	   2,	0,    0, /* unknown */
		    77,	 0, 0, 9,			 /* runs past the end */
		};
	static const char expected[] =
	    "pcp MAP response MALFORMED_OPTION lifetime=30 epoch=1 protocol-0 internal-port=0 external=[::]:0"
	    " THIRD_PARTY=2001:db8::1 PREFER_FAILURE FILTER=203.0.113.0:99/120 FILTER=none"
	    " DESCRIPTION=\"a\\x22\\x0a\\xc3\\xa4\\x5c\\x00\" PORT_SET=10@50000,parity (PREFER_FAILURE is not empty)"
	    " option-99 octets=2 (PCP option runs past the end)";
	struct codec_message m = {.protocol = CODEC_VERSION_PCP,
				  .pcp = {.response = true,
					  .opcode = PCP_MAP,
					  .result = PCP_MALFORMED_OPTION,
					  .lifetime_s = 30,
					  .epoch_s = 1,
					  .options = area,
					  .options_length = sizeof(area)}};
	char out[500];

	codec_format(&m, out, sizeof(out));
	assert_string_equal(out, expected);
	m.pcp.opcode = PCP_PEER;
	m.pcp.options_length = 0;
	m.pcp.result = 200;
	m.pcp.version = 9;
	codec_format(&m, out, sizeof(out));
	assert_string_equal(out,
			    "pcp PEER response version=9 result-200 lifetime=30 epoch=1 protocol-0 internal-port=0 "
			    "external=[::]:0 remote=[::]:0");
	m.pcp.opcode = 100;
	m.pcp.body_length = 12;
	codec_format(&m, out, sizeof(out));
	assert_string_equal(out, "pcp opcode-100 response version=9 result-200 lifetime=30 epoch=1 octets=12");
}

/* Nothing is written behind capacity, and what is there is a text. */
static void any_room(void **state)
{
	(void)state;
	char whole[300];

	for (size_t i = 0; i < COUNT(vectors); i++) {
		struct codec_message m;

		assert_int_equal(codec_parse(vectors[i].octets, vectors[i].length, &m, NULL), CODEC_OK);
		codec_format(&m, whole, sizeof(whole));
		for (size_t capacity = 0; capacity < sizeof(whole); capacity += 7) {
			char *out = malloc(capacity ? capacity : 1);

			assert_non_null(out);
			size_t n = codec_format(&m, out, capacity);
			assert_true(capacity == 0 ? n == 0 : n < capacity && strlen(out) == n);
			assert_memory_equal(out, whole, n);
			free(out);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines),
	    cmocka_unit_test(options),
	    cmocka_unit_test(any_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
