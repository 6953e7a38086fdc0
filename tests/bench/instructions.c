/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine with the memory backend, for callgrind: makes N leases, and then COUNT requests of one kind in rounds of 64
 * inside measured(), which is all that is to be counted: from the bytes of a request to the bytes of its answer and of
 * its journal record. No clock, no random: the same program counts the same every time.
 *
 *   instructions address|create|renew|delete N COUNT
 */
#include "tests/scenario/world.h"

enum kind { KIND_ADDRESS, KIND_CREATE, KIND_RENEW, KIND_DELETE };
enum { ROUND = 64, CLIENTS = 10000, FIRST_PORT = 1024, FIRST_CLIENT = 0xc6120001 };

static const char conf[] = "external \"wan\" { addresses = { \"203.0.113.0/24\" } }\n"
			   "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
			   "rule \"all\" { action = allow clients = { \"198.18.0.0/15\" } }\n"
			   "limits { mappings = 4000000 requests-per-second = 0 }\n";

static struct in6_addr client(uint32_t number)
{
	return codec_from_v4(FIRST_CLIENT + number % CLIENTS);
}

/* Request number, as load.c makes it. */
static size_t build(enum kind kind, uint32_t number, uint8_t *out)
{
	uint32_t turn = number / CLIENTS;
	struct codec_message m;

	memset(&m, 0, sizeof(m));
	if (kind == KIND_ADDRESS) {
		m.protocol = CODEC_VERSION_NATPMP;
		m.natpmp.opcode = NATPMP_ADDRESS;
		return codec_marshal(&m, out, CODEC_MESSAGE_MAX);
	}
	m.protocol = CODEC_VERSION_PCP;
	m.pcp.version = CODEC_VERSION_PCP;
	m.pcp.opcode = PCP_MAP;
	m.pcp.lifetime_s = kind == KIND_DELETE ? 0 : 7200;
	m.pcp.client_address = client(number);
	m.pcp.mapping.protocol = turn % 2 ? IPPROTO_TCP : IPPROTO_UDP;
	m.pcp.mapping.internal_port = (uint16_t)(FIRST_PORT + turn / 2);
	m.pcp.mapping.external_address = codec_from_v4(0);
	memcpy(m.pcp.mapping.nonce.octets, &number, sizeof(number));
	return codec_marshal(&m, out, CODEC_MESSAGE_MAX);
}

/* n requests from first on that are in v already; false if not all were answered well. */
static bool round_of(struct world *w, uint32_t first, uint32_t n, uint8_t v[ROUND][CODEC_MESSAGE_MAX],
		     const size_t *lengths)
{
	const struct round_reply *replies;
	size_t replies_n;
	bool well;

	for (uint32_t i = 0; i < n; i++) {
		struct in6_addr from = client(first + i);

		world_put(w, &from, 5350, v[i], lengths[i]);
	}
	w->journal_length = 0;
	world_settle(w);
	replies = round_replies(w->round, &replies_n);
	well = replies_n == n;
	for (size_t i = 0; i < replies_n; i++)
		well = well && replies[i].data[3] == 0;
	round_clear(w->round);
	return well;
}

/* The name that callgrind is told. */
__attribute__((noinline)) bool measured(struct world *w, uint32_t first, uint32_t n,
					uint8_t v[ROUND][CODEC_MESSAGE_MAX], const size_t *lengths);
bool measured(struct world *w, uint32_t first, uint32_t n, uint8_t v[ROUND][CODEC_MESSAGE_MAX], const size_t *lengths)
{
	return round_of(w, first, n, v, lengths);
}

static bool requests(struct world *w, enum kind kind, uint32_t first, uint32_t count, bool count_them)
{
	static uint8_t v[ROUND][CODEC_MESSAGE_MAX];
	size_t lengths[ROUND];

	for (uint32_t i = 0; i < count; i += ROUND) {
		uint32_t n = count - i < ROUND ? count - i : ROUND;

		for (uint32_t k = 0; k < n; k++)
			lengths[k] = build(kind, first + i + k, v[k]);
		if (!(count_them ? measured : round_of)(w, first + i, n, v, lengths))
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"address", "create", "renew", "delete"};
	struct in6_addr outside = codec_from_v4(0xcb007101);
	struct world w;
	unsigned kind = 0;

	while (argc == 4 && kind < 4 && strcmp(argv[1], names[kind]) != 0)
		kind++;
	if (argc != 4 || kind == 4) {
		fprintf(stderr, "usage: instructions address|create|renew|delete N COUNT\n");
		return 2;
	}
	uint32_t n = (uint32_t)strtoul(argv[2], NULL, 10), count = (uint32_t)strtoul(argv[3], NULL, 10);
	if (!world_open(&w, conf)) {
		fprintf(stderr, "instructions: %s\n", w.why);
		return 1;
	}
	world_start(&w, &outside);
	uint32_t first = kind == KIND_CREATE ? n : 0;
	bool well = requests(&w, KIND_CREATE, 0, n, false) && requests(&w, (enum kind)kind, first, count, true);
	world_close(&w);
	if (!well)
		fprintf(stderr, "instructions: a request was not granted\n");
	return !well;
}
