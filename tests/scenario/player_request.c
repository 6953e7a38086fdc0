/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "in": a datagram to the engine, as a client would write it. */
#include "tests/scenario/player_self.h"

static size_t make_natpmp(struct player *p, char **words, size_t n, uint8_t *out, size_t size)
{
	struct natpmp_message m = {.opcode = NATPMP_ADDRESS};

	if (n == 5 && strcmp(words[0], "map") == 0) {
		m.opcode = strcmp(words[1], "tcp") == 0 ? NATPMP_MAP_TCP : NATPMP_MAP_UDP;
		m.internal_port = (uint16_t)strtoul(words[2], NULL, 10);
		m.external_port = (uint16_t)strtoul(words[3], NULL, 10);
		m.lifetime_s = (uint32_t)strtoul(words[4], NULL, 10);
	} else if (n != 1 || strcmp(words[0], "address") != 0) {
		player_fail(p, "natpmp address | map PROTO INT EXT LIFETIME");
		return 0;
	}
	return natpmp_marshal(&m, out, size);
}

static bool put_option(struct player *p, const char *word, uint16_t internal_port, uint8_t *options, size_t *length,
		       size_t size)
{
	static uint8_t raw[512];
	struct pcp_option o = {.data = raw};
	const char *v;

	if ((v = player_value(word, "third-party"))) {
		o.code = PCP_OPTION_THIRD_PARTY;
		if (!player_read_address(p, v, &o.third_party))
			return false;
	} else if ((v = player_value(word, "ports"))) {
		o.code = PCP_OPTION_PORT_SET;
		o.port_set.size = (uint16_t)strtoul(v, NULL, 10);
		o.port_set.parity = strchr(v, 'p') != NULL;
		o.port_set.first_internal_port = internal_port;
	} else if (strcmp(word, "prefer-failure") == 0) {
		o.code = PCP_OPTION_PREFER_FAILURE;
	} else if ((v = player_value(word, "filter"))) {
		if (!words_read_filter(v, &o))
			return player_fail(p, "no filter: %s", v);
	} else if ((v = player_value(word, "text"))) {
		o = (struct pcp_option){
		    .code = PCP_OPTION_DESCRIPTION, .data = (const uint8_t *)v, .length = (uint16_t)strlen(v)};
	} else if ((v = player_value(word, "option")) && strchr(v, ':')) {
		char *hex = strchr(v, ':') + 1;

		/* as it is, also if the codec would not write it */
		options[*length] = (uint8_t)strtoul(v, NULL, 10);
		o.length = (uint16_t)player_read_hex(&hex, 1, raw, sizeof(raw));
		options[*length + 1] = 0;
		options[*length + 2] = (uint8_t)(o.length >> 8);
		options[*length + 3] = (uint8_t)o.length;
		memcpy(options + *length + 4, raw, o.length);
		*length += (4u + o.length + 3) & ~3u;
		return true;
	} else {
		return player_fail(p, "what is %s?", word);
	}
	return pcp_option_put(&o, options, length, size) || player_fail(p, "%s does not fit", word);
}

/* EXTADDR:PORT:LEFT */
static bool read_flow(struct player *p, const char *text, struct engine_flow *f)
{
	const char *left = strrchr(text, ':');
	char side[64];

	snprintf(side, sizeof(side), "%.*s", left ? (int)(left - text) : 0, text);
	f->known = true;
	f->left_s = left ? (uint32_t)strtoul(left + 1, NULL, 10) : 0;
	return player_read_side(p, side, &f->external_address, &f->external_port);
}

/* What the kernel is said to know of a request's connections, and of where a host is. */
struct known {
	bool misplaced;
	struct engine_flow flow;
	bool left;
	uint32_t left_s;
};

static size_t make_pcp(struct player *p, const struct player_host *h, char **words, size_t n, struct known *known,
		       uint8_t *out, size_t size)
{
	uint8_t options[1024] = {0};
	struct pcp_message m = {
	    .version = CODEC_VERSION_PCP, .opcode = PCP_ANNOUNCE, .client_address = h->address, .options = options};
	size_t at = 1;

	if (n >= 6 && strcmp(words[0], "map") == 0) {
		m.opcode = PCP_MAP;
		if (!player_read_protocol(p, words[1], &m.mapping.protocol) ||
		    !player_read_address(p, words[3], &m.mapping.external_address))
			return 0;
		m.mapping.internal_port = (uint16_t)strtoul(words[2], NULL, 10);
		m.mapping.external_port = (uint16_t)strtoul(words[4], NULL, 10);
		m.lifetime_s = (uint32_t)strtoul(words[5], NULL, 10);
		at = 6;
	} else if (n >= 7 && strcmp(words[0], "peer") == 0) {
		m.opcode = PCP_PEER;
		if (!player_read_protocol(p, words[1], &m.mapping.protocol) ||
		    !player_read_side(p, words[3], &m.mapping.remote_address, &m.mapping.remote_port) ||
		    !player_read_address(p, words[4], &m.mapping.external_address))
			return 0;
		m.mapping.internal_port = (uint16_t)strtoul(words[2], NULL, 10);
		m.mapping.external_port = (uint16_t)strtoul(words[5], NULL, 10);
		m.lifetime_s = (uint32_t)strtoul(words[6], NULL, 10);
		at = 7;
	} else if (n < 1 || strcmp(words[0], "announce") != 0) {
		player_fail(p, "pcp announce | map PROTO INT EXTADDR EXTPORT LIFETIME ...");
		return 0;
	}
	for (; at < n; at++) {
		const char *v;

		if ((v = player_value(words[at], "nonce")))
			memset(&m.mapping.nonce, (int)strtoul(v, NULL, 10), sizeof(m.mapping.nonce));
		else if ((v = player_value(words[at], "left"))) {
			known->left = true;
			known->left_s = strcmp(v, "unknown") ? (uint32_t)strtoul(v, NULL, 10) : UINT32_MAX;
		} else if (strcmp(words[at], "misplaced") == 0) {
			known->misplaced = true;
		} else if ((v = player_value(words[at], "flow")) ? !read_flow(p, v, &known->flow)
			   : (v = player_value(words[at], "client"))
			       ? !player_read_address(p, v, &m.client_address)
			       : !put_option(p, words[at], m.mapping.internal_port, options, &m.options_length,
					     sizeof(options)))
			return 0;
	}
	return pcp_marshal(&m, out, size);
}

bool player_in(struct player *p, char **words, size_t n)
{
	const struct player_host *h = n >= 2 ? player_host(p, words[0]) : NULL;
	struct mapping asked[ENGINE_ASKS_MAX];
	struct known known = {0};
	struct engine_flow_key key;
	struct engine_datagram d;
	struct in6_addr place;
	uint8_t packet[2048];
	size_t length;

	if (!h || !player_begin(p))
		return false;
	if (strcmp(words[1], "natpmp") == 0)
		length = make_natpmp(p, words + 2, n - 2, packet, sizeof(packet));
	else if (strcmp(words[1], "pcp") == 0)
		length = make_pcp(p, h, words + 2, n - 2, &known, packet, sizeof(packet));
	else if (strcmp(words[1], "hex") == 0)
		length = player_read_hex(words + 2, n - 2, packet, sizeof(packet));
	else
		return player_fail(p, "natpmp, pcp or hex?");
	if (*p->why || p->packets_n == ROUND_REQUESTS_MAX)
		return false;
	p->packets[p->packets_n] = malloc(length + 1);
	memcpy(p->packets[p->packets_n], packet, length);
	d = (struct engine_datagram){.data = p->packets[p->packets_n++],
				     .length = length,
				     .source = h->address,
				     .source_port = h->port,
				     .destination =
					 codec_is_v4(&h->address) ? codec_from_v4(0xc0000201) : in6addr_loopback,
				     .ifindex = 1,
				     .interface = h->interface,
				     .listen = h->listen,
				     .crowded = p->crowded};
	if (engine_asks_place(p->world.engine, &d, &place))
		d.misplaced = known.misplaced;
	else if (known.misplaced)
		return player_fail(p, "the engine does not ask where the host is");
	if (engine_asks_flow(p->world.engine, &d, &key))
		d.flow = known.flow;
	else if (known.flow.known)
		return player_fail(p, "the engine does not ask for the flow");
	if (engine_asks_left(p->world.engine, &d, p->world.now_ms, asked) > 0)
		d.flows_left_s = known.left_s;
	else if (known.left)
		return player_fail(p, "the engine does not ask for connections");
	engine_request(p->world.engine, &d, p->world.now_ms, p->world.round);
	return player_done(p);
}
