/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plays scenarios: scripts of packets and times against the engine and the memory backend. player FILE...
 * Reports each file as "PASS name: n steps" or "FAIL name: line: what", and a closing line.
 *
 *   conf ... end                        the configuration, up to a line "end"; opens the world at time 0
 *   wan [EXTERNAL] ADDRESS... | none    tells the addresses of an external (index, default 0)
 *   start                               engine_start
 *   host NAME ADDRESS [interface=I] [listen=N] [port=P]
 *   at SECONDS                          lets time pass up to then (decimals allowed)
 *   in HOST natpmp address | map tcp|udp INT EXT LIFETIME
 *   in HOST pcp announce | map PROTO INT EXTADDR EXTPORT LIFETIME [nonce=N] [client=ADDRESS] [third-party=ADDRESS]
 *                             [prefer-failure] [filter=ADDRESS/PREFIX[:PORT]|off] [text=WORD] [ports=N[p]]
 *                             [option=CODE:HEX] [left=SECONDS|unknown]
 *                              left: for how long connections of the mappings would go on that it cuts
 *   in HOST pcp peer PROTO INT REMOTE:PORT EXTADDR EXTPORT LIFETIME [the same] [flow=EXTADDR:PORT:LEFT]
 *                              flow: what connection tracking has of it
 *   in HOST hex OCTETS...
 *   round ... commit                    several of these in one round
 *   expect reply WORD...                the next reply, as text, has each of the words
 *   expect hex OCTETS...                the next reply is this; .. stands for any octet
 *   expect silence                      there is no reply
 *   expect change WORD... / no change   the next change of the last round
 *   expect event WORD... / no event     the next event of the last round
 *   expect flows end|reset WORD... / no flows   the next mapping of the last round whose connections do not go on
 *   expect announce WORD... / no announce   the next announcement since the last "at"
 *   expect mapping PROTO INTADDR:PORT EXTADDR:PORT [peer=ADDR:PORT] [ports=N] / no mapping ...  in the packet filter
 *                                       both with filters=ADDRESS/PREFIX:PORT,... or without filters
 *   expect mappings N
 *   expect lease WORD... / no lease WORD...        some lease, as text, has each of the words
 *   refuse N [ERROR]     fail ERROR|off           the packet filter refuses the N-th change from now; all changes
 *   reload ... end   reinstall   flush   revoke ADDRESS|all [PROTO] [EXTPORT]
 *   vanish PROTO INTADDR:PORT EXTADDR:PORT        it is no longer in the packet filter
 *   appear PROTO INTADDR:PORT EXTADDR:PORT SECONDS   it is, without the engine's knowledge; the rest as adopt
 *   blind ... agree                     the packet filter differs from the leases for a while; now it agrees
 *   without PROTO                       the packet filter cannot map it
 *   restart [part|none] [reboot] [after=SECONDS] [list] [natpmp] [pcp]   another engine, with what was remembered and what
 *                                       the packet filter has, asked for or (list) listed at once; part: something is
 *                                       missing, none: there is no journal; reboot: nor is the packet filter; after: so
 *                                       long there was none; natpmp, pcp: their epochs go on. Then come wan and start
 *   adopt PROTO INTADDR:PORT EXTADDR:PORT SECONDS [filters=...] [peer=...] [ports=N]
 *   busy PROTO ADDRESS PORT | none
 */
#include <errno.h>
#include <stdarg.h>

#include "codec/codec.h"
#include "tests/scenario/restart.h"
#include "tests/scenario/words.h"

enum { WORDS_MAX = 64, LINE_MAX_ = 4096, HOSTS_MAX = 32, LINES_MAX = 4096, START_MS = 1000000 };

struct host {
	char name[32], interface[32];
	struct in6_addr address;
	uint16_t port, listen;
};

/* Texts that wait to be expected. */
struct queue {
	char *v[LINES_MAX];
	size_t first, n;
};

struct player {
	struct world world;
	bool open, collecting; /* inside round ... commit */
	bool blind;
	bool started; /* since then all is in the journal */
	struct host hosts[HOSTS_MAX];
	size_t hosts_n;
	struct queue replies, hexes, changes, events, flows, announcements;
	FILE *file;
	unsigned line, steps;
	uint8_t *packets[ROUND_REQUESTS_MAX]; /* borrowed by the round */
	size_t packets_n;
	char why[1024];
};

static bool fail(struct player *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(struct player *p, const char *format, ...)
{
	va_list v;

	va_start(v, format);
	vsnprintf(p->why, sizeof(p->why), format, v);
	va_end(v);
	return false;
}

static void clear(struct queue *q)
{
	for (size_t i = 0; i < q->n; i++)
		free(q->v[i]);
	q->first = q->n = 0;
}

static void push(struct queue *q, const char *text)
{
	if (q->n < LINES_MAX)
		q->v[q->n++] = strdup(text);
}

/* ---- values to text ---- */

static const char *protocol_text(uint8_t protocol, char out[8])
{
	if (codec_protocol_name(protocol))
		return codec_protocol_name(protocol);
	snprintf(out, 8, "%u", protocol);
	return out;
}

static void mapping_text(const struct mapping *m, char *out, size_t size)
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

static void hex_text(const uint8_t *data, size_t length, char *out, size_t size)
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

static void message_text(const uint8_t *data, size_t length, char *out, size_t size)
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

/* ---- a settled round into the queues ---- */

static void note_replies(struct player *p)
{
	char text[4096], hex[4096], address[CODEC_ADDRESS_TEXT];
	size_t n;
	const struct round_reply *replies = round_replies(p->world.round, &n);

	for (size_t i = 0; i < n; i++) {
		const struct round_reply *r = &replies[i];
		int used;

		if (r->length == 0)
			continue;
		if (r->kind == ROUND_ANNOUNCE)
			used = snprintf(text, sizeof(text), "%.1f listen=%u %s ",
					(double)(p->world.now_ms - START_MS) / 1000, r->listen, r->ipv6 ? "v6" : "v4");
		else
			used = snprintf(text, sizeof(text), "to=%s port=%u ",
					codec_address_text(&r->destination, address), r->destination_port);
		message_text(r->data, r->length, text + used, sizeof(text) - (size_t)used);
		push(r->kind == ROUND_ANNOUNCE ? &p->announcements : &p->replies, text);
		hex_text(r->data, r->length, hex, sizeof(hex));
		if (r->kind == ROUND_UNICAST)
			push(&p->hexes, hex);
	}
}

static void note_changes(struct player *p)
{
	static const char *const ops[] = {"add", "renew", "remove"};
	char mapping[1024], text[1280];
	size_t n;
	const struct change *changes = round_changes(p->world.round, &n);

	for (size_t i = 0; i < n; i++) {
		mapping_text(&changes[i].mapping, mapping, sizeof(mapping));
		snprintf(text, sizeof(text), "%s %s timeout=%llu group=%u %s", ops[changes[i].op], mapping,
			 (unsigned long long)changes[i].timeout_ms, changes[i].group,
			 changes[i].verdict ? "refused" : "done");
		push(&p->changes, text);
	}
}

static void note_events(struct player *p)
{
	static const char *const kinds[] = {"made", "renewed", "refused", "ended", "moved", "adopted"};
	char mapping[1024], client[CODEC_ADDRESS_TEXT], text[2048];
	size_t n;
	const struct round_event *events = round_events(p->world.round, &n);

	for (size_t i = 0; i < n; i++) {
		mapping_text(&events[i].mapping, mapping, sizeof(mapping));
		snprintf(text, sizeof(text), "%s %s by %s %s result=%u lifetime=%u rule=%s why=%s",
			 kinds[events[i].kind], mapping, codec_address_text(&events[i].client, client),
			 events[i].pcp ? "pcp" : "natpmp", events[i].result, events[i].lifetime_s,
			 events[i].rule ? events[i].rule : "-", events[i].why ? events[i].why : "-");
		push(&p->events, text);
	}
}

static void note_flows(struct player *p)
{
	static const char *const what[] = {"keep", "end", "reset"};
	char mapping[256], text[512];
	size_t cursor = 0;
	struct mapping m;

	for (enum round_flows f; (f = round_flows_next(p->world.round, &cursor, &m)) != ROUND_FLOWS_KEEP;) {
		mapping_text(&m, mapping, sizeof(mapping));
		snprintf(text, sizeof(text), "%s %s", what[f], mapping);
		push(&p->flows, text);
	}
}

static void note(struct world *w, void *context)
{
	struct player *p = context;

	note_replies(p);
	note_changes(p);
	note_events(p);
	note_flows(p);
	if (!p->blind && !world_agrees(w) && !*p->why)
		fail(p, "the engine's leases are not what the packet filter has");
	if (p->started && !restart_remembers(w) && !*p->why)
		fail(p, "the engine's leases are not what the journal has");
}

/* Settles the round, notes it, and makes way for the next. */
static bool settle(struct player *p)
{
	world_settle(&p->world);
	note(&p->world, p);
	round_clear(p->world.round);
	for (size_t i = 0; i < p->packets_n; i++)
		free(p->packets[i]);
	p->packets_n = 0;
	return !*p->why;
}

static bool begin(struct player *p)
{
	if (p->collecting)
		return true;
	if (p->replies.first < p->replies.n)
		return fail(p, "a reply was not expected: %s", p->replies.v[p->replies.first]);
	clear(&p->replies);
	clear(&p->hexes);
	clear(&p->changes);
	clear(&p->events);
	clear(&p->flows);
	round_clear(p->world.round);
	return true;
}

static bool done(struct player *p)
{
	return p->collecting || settle(p);
}

/* ---- words to values ---- */

static const char *value_of(const char *word, const char *key)
{
	size_t n = strlen(key);

	return strncmp(word, key, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

static bool read_address(struct player *p, const char *text, struct in6_addr *a)
{
	return codec_address_parse(text, strlen(text), a) || fail(p, "no address: %s", text);
}

static bool read_protocol(struct player *p, const char *text, uint8_t *protocol)
{
	for (unsigned i = 0; i < 256; i++) {
		const char *name = codec_protocol_name((uint8_t)i);

		if (name && strcmp(name, text) == 0) {
			*protocol = (uint8_t)i;
			return true;
		}
	}
	*protocol = (uint8_t)strtoul(text, NULL, 10);
	return *text >= '0' && *text <= '9' ? true : fail(p, "no protocol: %s", text);
}

static bool read_side(struct player *p, const char *text, struct in6_addr *a, uint16_t *port)
{
	const char *colon = strrchr(text, ':');

	if (!colon || !codec_address_parse(text, (size_t)(colon - text), a))
		return fail(p, "no ADDRESS:PORT: %s", text);
	*port = (uint16_t)strtoul(colon + 1, NULL, 10);
	return true;
}

static bool read_mapping(struct player *p, char **words, size_t n, struct mapping *m)
{
	static struct mapping_filter filters[32];

	memset(m, 0, sizeof(*m));
	if (n < 3)
		return fail(p, "a mapping is PROTO INTADDR:PORT EXTADDR:PORT [ports=N]");
	if (n > 3 && value_of(words[n - 1], "ports"))
		m->more_ports = (uint16_t)(strtoul(value_of(words[n - 1], "ports"), NULL, 10) - 1);
	if (!read_protocol(p, words[0], &m->protocol) ||
	    !read_side(p, words[1], &m->internal_address, &m->internal_port) ||
	    !read_side(p, words[2], &m->external_address, &m->external_port))
		return false;
	m->kind = memcmp(&m->internal_address, &m->external_address, 16) == 0 ? MAPPING_PINHOLE : MAPPING_NAT;
	for (size_t i = 3; i < n; i++) {
		const char *v = value_of(words[i], "peer");
		size_t found;

		if (v) {
			if (!read_side(p, v, &m->remote_address, &m->remote_port))
				return false;
			continue;
		}
		v = value_of(words[i], "filters");
		found = v ? words_read_filters(v, filters, sizeof(filters) / sizeof(*filters)) : 0;

		if (found == SIZE_MAX)
			return fail(p, "no filters: %s", v);
		m->filters_n = (uint16_t)found;
		m->filters = filters;
	}
	return true;
}

static int read_error(const char *name)
{
	static const struct {
		const char *name;
		int error;
	} errors[] = {{"EEXIST", EEXIST}, {"ENOENT", ENOENT}, {"ENOSPC", ENOSPC}, {"EBUSY", EBUSY}, {"EIO", EIO}};

	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (strcmp(errors[i].name, name) == 0)
			return -errors[i].error;
	return -EINVAL;
}

/* The words are octets, two digits each, with or without blanks between. */
static size_t read_hex(char **words, size_t n, uint8_t *out, size_t size)
{
	size_t length = 0;

	for (size_t i = 0; i < n; i++)
		for (const char *c = words[i]; c[0] && c[1] && length < size; c += 2) {
			char octet[3] = {c[0], c[1], '\0'};

			out[length++] = (uint8_t)strtoul(octet, NULL, 16);
		}
	return length;
}

static const struct host *find_host(struct player *p, const char *name)
{
	for (size_t i = 0; i < p->hosts_n; i++)
		if (strcmp(p->hosts[i].name, name) == 0)
			return &p->hosts[i];
	fail(p, "no such host: %s", name);
	return NULL;
}

/* ---- requests ---- */

static size_t make_natpmp(struct player *p, char **words, size_t n, uint8_t *out, size_t size)
{
	struct natpmp_message m = {.opcode = NATPMP_ADDRESS};

	if (n >= 5 && strcmp(words[0], "map") == 0) {
		m.opcode = strcmp(words[1], "tcp") == 0 ? NATPMP_MAP_TCP : NATPMP_MAP_UDP;
		m.internal_port = (uint16_t)strtoul(words[2], NULL, 10);
		m.external_port = (uint16_t)strtoul(words[3], NULL, 10);
		m.lifetime_s = (uint32_t)strtoul(words[4], NULL, 10);
	} else if (n < 1 || strcmp(words[0], "address") != 0) {
		fail(p, "natpmp address | map PROTO INT EXT LIFETIME");
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

	if ((v = value_of(word, "third-party"))) {
		o.code = PCP_OPTION_THIRD_PARTY;
		if (!read_address(p, v, &o.third_party))
			return false;
	} else if ((v = value_of(word, "ports"))) {
		o.code = PCP_OPTION_PORT_SET;
		o.port_set.size = (uint16_t)strtoul(v, NULL, 10);
		o.port_set.parity = strchr(v, 'p') != NULL;
		o.port_set.first_internal_port = internal_port;
	} else if (strcmp(word, "prefer-failure") == 0) {
		o.code = PCP_OPTION_PREFER_FAILURE;
	} else if ((v = value_of(word, "filter"))) {
		if (!words_read_filter(v, &o))
			return fail(p, "no filter: %s", v);
	} else if ((v = value_of(word, "text"))) {
		o = (struct pcp_option){
		    .code = PCP_OPTION_DESCRIPTION, .data = (const uint8_t *)v, .length = (uint16_t)strlen(v)};
	} else if ((v = value_of(word, "option")) && strchr(v, ':')) {
		char *hex = strchr(v, ':') + 1;

		/* as it is, also if the codec would not write it */
		options[*length] = (uint8_t)strtoul(v, NULL, 10);
		o.length = (uint16_t)read_hex(&hex, 1, raw, sizeof(raw));
		options[*length + 1] = 0;
		options[*length + 2] = (uint8_t)(o.length >> 8);
		options[*length + 3] = (uint8_t)o.length;
		memcpy(options + *length + 4, raw, o.length);
		*length += (4u + o.length + 3) & ~3u;
		return true;
	} else {
		return fail(p, "what is %s?", word);
	}
	return pcp_option_put(&o, options, length, size) || fail(p, "%s does not fit", word);
}

/* EXTADDR:PORT:LEFT */
static bool read_flow(struct player *p, const char *text, struct engine_flow *f)
{
	const char *left = strrchr(text, ':');
	char side[64];

	snprintf(side, sizeof(side), "%.*s", left ? (int)(left - text) : 0, text);
	f->known = true;
	f->left_s = left ? (uint32_t)strtoul(left + 1, NULL, 10) : 0;
	return read_side(p, side, &f->external_address, &f->external_port);
}

/* What the packet filter is said to know of a request's connections. */
struct known {
	struct engine_flow flow;
	bool left;
	uint32_t left_s;
};

static size_t make_pcp(struct player *p, const struct host *h, char **words, size_t n, struct known *known,
		       uint8_t *out, size_t size)
{
	uint8_t options[1024] = {0};
	struct pcp_message m = {
	    .version = CODEC_VERSION_PCP, .opcode = PCP_ANNOUNCE, .client_address = h->address, .options = options};
	size_t at = 1;

	if (n >= 6 && strcmp(words[0], "map") == 0) {
		m.opcode = PCP_MAP;
		if (!read_protocol(p, words[1], &m.mapping.protocol) ||
		    !read_address(p, words[3], &m.mapping.external_address))
			return 0;
		m.mapping.internal_port = (uint16_t)strtoul(words[2], NULL, 10);
		m.mapping.external_port = (uint16_t)strtoul(words[4], NULL, 10);
		m.lifetime_s = (uint32_t)strtoul(words[5], NULL, 10);
		at = 6;
	} else if (n >= 7 && strcmp(words[0], "peer") == 0) {
		m.opcode = PCP_PEER;
		if (!read_protocol(p, words[1], &m.mapping.protocol) ||
		    !read_side(p, words[3], &m.mapping.remote_address, &m.mapping.remote_port) ||
		    !read_address(p, words[4], &m.mapping.external_address))
			return 0;
		m.mapping.internal_port = (uint16_t)strtoul(words[2], NULL, 10);
		m.mapping.external_port = (uint16_t)strtoul(words[5], NULL, 10);
		m.lifetime_s = (uint32_t)strtoul(words[6], NULL, 10);
		at = 7;
	} else if (n < 1 || strcmp(words[0], "announce") != 0) {
		fail(p, "pcp announce | map PROTO INT EXTADDR EXTPORT LIFETIME ...");
		return 0;
	}
	for (; at < n; at++) {
		const char *v;

		if ((v = value_of(words[at], "nonce")))
			memset(&m.mapping.nonce, (int)strtoul(v, NULL, 10), sizeof(m.mapping.nonce));
		else if ((v = value_of(words[at], "left"))) {
			known->left = true;
			known->left_s = strcmp(v, "unknown") ? (uint32_t)strtoul(v, NULL, 10) : UINT32_MAX;
		} else if ((v = value_of(words[at], "flow")) ? !read_flow(p, v, &known->flow)
			   : (v = value_of(words[at], "client"))
			       ? !read_address(p, v, &m.client_address)
			       : !put_option(p, words[at], m.mapping.internal_port, options, &m.options_length,
					     sizeof(options)))
			return 0;
	}
	return pcp_marshal(&m, out, size);
}

static bool do_in(struct player *p, char **words, size_t n)
{
	const struct host *h = n >= 2 ? find_host(p, words[0]) : NULL;
	struct mapping asked[ENGINE_ASKS_MAX];
	struct known known = {0};
	struct engine_flow_key key;
	struct engine_datagram d;
	uint8_t packet[2048];
	size_t length;

	if (!h || !begin(p))
		return false;
	if (strcmp(words[1], "natpmp") == 0)
		length = make_natpmp(p, words + 2, n - 2, packet, sizeof(packet));
	else if (strcmp(words[1], "pcp") == 0)
		length = make_pcp(p, h, words + 2, n - 2, &known, packet, sizeof(packet));
	else
		length = read_hex(words + 2, n - 2, packet, sizeof(packet));
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
				     .listen = h->listen};
	if (engine_asks_flow(p->world.engine, &d, &key))
		d.flow = known.flow;
	else if (known.flow.known)
		return fail(p, "the engine does not ask for the flow");
	if (engine_asks_left(p->world.engine, &d, p->world.now_ms, asked) > 0)
		d.flows_left_s = known.left_s;
	else if (known.left)
		return fail(p, "the engine does not ask for connections");
	engine_request(p->world.engine, &d, p->world.now_ms, p->world.round);
	return done(p);
}

/* ---- expectations ---- */

static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = text; (at = strstr(at, word)); at++)
		if ((at == text || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
			return true;
	return false;
}

static bool expect_next(struct player *p, struct queue *q, const char *what, char **words, size_t n)
{
	const char *text;

	if (q->first == q->n)
		return fail(p, "no %s", what);
	text = q->v[q->first++];
	for (size_t i = 0; i < n; i++)
		if (!has_word(text, words[i]))
			return fail(p, "no %s in the %s: %s", words[i], what, text);
	return true;
}

static bool expect_hex(struct player *p, char **words, size_t n)
{
	char want[4096] = "";
	const char *have, *h, *w;

	if (p->hexes.first == p->hexes.n)
		return fail(p, "no reply");
	have = p->hexes.v[p->hexes.first++];
	p->replies.first++;
	for (size_t i = 0; i < n; i++)
		strncat(want, words[i], sizeof(want) - strlen(want) - 1);
	for (h = have, w = want; *h && *w; h++) {
		if (*h == ' ')
			continue;
		if (*w != '.' && *w != *h)
			break;
		w++;
	}
	return (!*h && !*w) || fail(p, "the reply is %s", have);
}

static bool expect_none(struct player *p, const struct queue *q, const char *what)
{
	return q->first == q->n || fail(p, "there is a %s: %s", what, q->v[q->first]);
}

static void match_mapping(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	struct world_compare *c = context;

	(void)remaining_ms;
	if (c->v->more_ports == m->more_ports && c->v->protocol == m->protocol && c->v->kind == m->kind &&
	    c->v->internal_port == m->internal_port && c->v->external_port == m->external_port &&
	    memcmp(&c->v->internal_address, &m->internal_address, 16) == 0 &&
	    memcmp(&c->v->external_address, &m->external_address, 16) == 0 && c->v->remote_port == m->remote_port &&
	    memcmp(&c->v->remote_address, &m->remote_address, 16) == 0 && words_same_filters(c->v, m))
		c->n++;
}

static bool expect_mapping(struct player *p, char **words, size_t n, bool wanted)
{
	struct mapping m;
	struct world_compare c = {.v = &m};

	if (!read_mapping(p, words, n, &m))
		return false;
	p->world.backend->ops->list(p->world.backend, match_mapping, &c);
	return (c.n == 1) == wanted || fail(p, wanted ? "it is not there" : "it is there");
}

static bool expect_lease(struct player *p, char **words, size_t n, bool wanted)
{
	static const char *const origins[] = {"natpmp", "pcp", "static", "adopted"};
	struct engine_lease l;
	char text[4096];
	size_t found = 0;

	for (uint32_t cursor = 0; engine_lease_next(p->world.engine, &cursor, p->world.now_ms, &l);) {
		bool all = true;
		size_t used;

		mapping_text(&l.mapping, text, sizeof(text));
		used = strlen(text);
		used += (size_t)snprintf(text + used, sizeof(text) - used, " origin=%s", origins[l.origin]);
		if (l.description_length)
			snprintf(text + used, sizeof(text) - used, " text=%.*s", (int)l.description_length,
				 (const char *)l.description);
		for (size_t i = 0; i < n; i++)
			all = all && has_word(text, words[i]);
		found += all;
	}
	return (found == 1) == wanted || fail(p, "there are %zu such leases", found);
}

static bool do_expect(struct player *p, char **words, size_t n)
{
	static const struct {
		const char *name;
		size_t queue;
	} queues[] = {{"change", offsetof(struct player, changes)},
		      {"event", offsetof(struct player, events)},
		      {"flows", offsetof(struct player, flows)},
		      {"announce", offsetof(struct player, announcements)}};
	bool no = n > 1 && strcmp(words[0], "no") == 0;

	words += no;
	n -= no;
	if (n < 1)
		return fail(p, "expect what?");
	if (strcmp(words[0], "silence") == 0)
		return expect_none(p, &p->replies, "reply");
	if (strcmp(words[0], "hex") == 0)
		return expect_hex(p, words + 1, n - 1);
	if (strcmp(words[0], "mapping") == 0)
		return expect_mapping(p, words + 1, n - 1, !no);
	if (strcmp(words[0], "lease") == 0)
		return expect_lease(p, words + 1, n - 1, !no);
	if (strcmp(words[0], "mappings") == 0 && n == 2)
		return backend_memory_count(p->world.backend) == strtoul(words[1], NULL, 10) ||
		       fail(p, "there are %zu", backend_memory_count(p->world.backend));
	if (strcmp(words[0], "reply") == 0) {
		p->hexes.first++;
		return expect_next(p, &p->replies, "reply", words + 1, n - 1);
	}
	for (size_t i = 0; i < sizeof(queues) / sizeof(*queues); i++) {
		struct queue *q = (void *)((char *)p + queues[i].queue);

		if (strcmp(words[0], queues[i].name) == 0)
			return no ? expect_none(p, q, words[0]) : expect_next(p, q, words[0], words + 1, n - 1);
	}
	return fail(p, "expect what?");
}

/* ---- other commands ---- */

static char *read_block(struct player *p)
{
	static char text[64 * 1024];
	char line[LINE_MAX_];
	size_t used = 0;

	*text = '\0';
	while (fgets(line, sizeof(line), p->file)) {
		p->line++;
		if (strcmp(line, "end\n") == 0)
			return text;
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s", line);
	}
	fail(p, "no end");
	return NULL;
}

static bool do_conf(struct player *p)
{
	char *text = read_block(p);

	if (!text || p->open)
		return fail(p, "one conf, ended by end");
	p->open = world_open(&p->world, text);
	return p->open || fail(p, "%s", p->world.why);
}

static bool do_reload(struct player *p)
{
	char *text = read_block(p);
	struct conf *conf = text ? conf_parse(text, strlen(text), "conf", p->world.why) : NULL;

	if (!conf)
		return fail(p, "%s", p->world.why);
	if (!begin(p) || engine_reload(p->world.engine, conf, p->world.now_ms, p->world.round) != 0)
		return false;
	conf_free(p->world.old_conf);
	p->world.old_conf = p->world.conf;
	p->world.conf = conf;
	return settle(p);
}

static bool do_wan(struct player *p, char **words, size_t n)
{
	struct in6_addr addresses[16];
	size_t external = 0, count = 0;

	if (n > 1 && strlen(words[0]) == 1) {
		external = strtoul(words[0], NULL, 10);
		words++;
		n--;
	}
	for (; count < n && count < 16 && strcmp(words[count], "none") != 0; count++)
		if (!read_address(p, words[count], &addresses[count]))
			return false;
	if (!begin(p))
		return false;
	engine_wan(p->world.engine, external, addresses, count, p->world.now_ms, p->world.round);
	return settle(p);
}

static bool do_host(struct player *p, char **words, size_t n)
{
	struct host *h = &p->hosts[p->hosts_n];
	const char *v;

	if (n < 2 || p->hosts_n == HOSTS_MAX)
		return fail(p, "host NAME ADDRESS");
	*h = (struct host){.port = 40000, .interface = "lan0"};
	snprintf(h->name, sizeof(h->name), "%s", words[0]);
	for (size_t i = 2; i < n; i++) {
		if ((v = value_of(words[i], "interface")))
			snprintf(h->interface, sizeof(h->interface), "%s", v);
		else if ((v = value_of(words[i], "listen")))
			h->listen = (uint16_t)strtoul(v, NULL, 10);
		else if ((v = value_of(words[i], "port")))
			h->port = (uint16_t)strtoul(v, NULL, 10);
	}
	p->hosts_n++;
	return read_address(p, words[1], &h->address);
}

static bool do_at(struct player *p, char **words, size_t n)
{
	uint64_t to = START_MS + (n ? (uint64_t)(strtod(words[0], NULL) * 1000 + 0.5) : 0);

	if (!begin(p))
		return false;
	clear(&p->announcements);
	if (to < p->world.now_ms)
		return fail(p, "time goes forward");
	return (world_pass(&p->world, to, note, p) || fail(p, "there is no end of ticks")) && !*p->why;
}

static bool do_refuse(struct player *p, char **words, size_t n)
{
	backend_memory_refuse(p->world.backend, n ? (unsigned)strtoul(words[0], NULL, 10) : 1,
			      n > 1 ? read_error(words[1]) : -EEXIST);
	return true;
}

static bool do_fail(struct player *p, char **words, size_t n)
{
	backend_memory_fail(p->world.backend, n && strcmp(words[0], "off") != 0 ? read_error(words[0]) : 0);
	return true;
}

static void remove_one(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	struct change *c = context;

	(void)remaining_ms;
	c->mapping = *m;
}

/* The packet filter loses everything, as after "nft flush ruleset". */
static bool do_flush(struct player *p)
{
	struct change c = {.op = CHANGE_REMOVE};

	while (backend_memory_count(p->world.backend)) {
		p->world.backend->ops->list(p->world.backend, remove_one, &c);
		p->world.backend->ops->commit(p->world.backend, &c, 1);
	}
	return true;
}

static bool do_vanish(struct player *p, char **words, size_t n)
{
	struct change c = {.op = CHANGE_REMOVE};

	if (!read_mapping(p, words, n, &c.mapping))
		return false;
	p->world.backend->ops->commit(p->world.backend, &c, 1);
	return true;
}

static bool do_blind(struct player *p)
{
	p->blind = true;
	return true;
}

static bool do_agree(struct player *p)
{
	p->blind = false;
	return world_agrees(&p->world) || fail(p, "the engine's leases are not what the packet filter has");
}

static bool do_revoke(struct player *p, char **words, size_t n)
{
	struct in6_addr client;
	bool all = n < 1 || strcmp(words[0], "all") == 0;
	uint8_t protocol = 0;

	if ((!all && !read_address(p, words[0], &client)) || (n > 1 && !read_protocol(p, words[1], &protocol)))
		return false;
	if (!begin(p))
		return false;
	engine_revoke(p->world.engine, all ? NULL : &client, protocol,
		      n > 2 ? (uint16_t)strtoul(words[2], NULL, 10) : 0, p->world.now_ms, p->world.round);
	return settle(p);
}

/* The packet filter has the mapping, and the engine does not know. */
static bool do_appear(struct player *p, char **words, size_t n)
{
	struct change c = {.op = CHANGE_ADD};

	if (!read_mapping(p, words, n, &c.mapping))
		return false;
	c.timeout_ms = n > 3 ? strtoull(words[3], NULL, 10) * 1000 : 0;
	p->world.backend->ops->commit(p->world.backend, &c, 1);
	return c.verdict == 0 || fail(p, "it cannot");
}

/* The packet filter has the mapping already. */
static bool do_adopt(struct player *p, char **words, size_t n)
{
	struct change c = {.op = CHANGE_ADD};

	if (!read_mapping(p, words, n, &c.mapping) || !begin(p))
		return false;
	p->world.backend->ops->commit(p->world.backend, &c, 1);
	engine_adopt(p->world.engine, &c.mapping, n > 3 ? strtoull(words[3], NULL, 10) * 1000 : 0, p->world.now_ms,
		     p->world.round);
	if (p->started) {
		p->started = false;
		return settle(p) && (p->started = restart_snapshot(&p->world));
	}
	return done(p);
}

static bool do_busy(struct player *p, char **words, size_t n)
{
	struct engine_busy busy = {0};

	if (n < 3)
		return engine_busy(p->world.engine, NULL, 0) == 0;
	if (!read_protocol(p, words[0], &busy.protocol) || !read_address(p, words[1], &busy.address))
		return false;
	busy.port = (uint16_t)strtoul(words[2], NULL, 10);
	return engine_busy(p->world.engine, &busy, 1) == 0;
}

static bool do_without(struct player *p, char **words, size_t n)
{
	uint8_t protocol;

	if (n < 1 || !read_protocol(p, words[0], &protocol))
		return fail(p, "without PROTO");
	engine_without(p->world.engine, protocol);
	return true;
}

/* What is in the packet filter without a lease is not known yet. */
static bool settle_start(void *context)
{
	struct player *p = context;
	bool blind = p->blind, done;

	p->blind = true;
	done = settle(p);
	p->blind = blind;
	return done;
}

static bool do_restart(struct player *p, char **words, size_t n)
{
	struct engine_past past = {.whole = true, .same_boot = true};
	size_t part = 3;

	if (!begin(p))
		return false;
	engine_epochs(p->world.engine, &past.natpmp, &past.pcp);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(words[i], "part") == 0 || strcmp(words[i], "none") == 0)
			past.whole = false;
		if (strcmp(words[i], "none") == 0)
			p->world.journal_length = 0;
		else if (strcmp(words[i], "natpmp") == 0)
			past.natpmp_goes_on = true;
		else if (strcmp(words[i], "pcp") == 0)
			past.pcp_goes_on = true;
		else if (strcmp(words[i], "list") == 0)
			part = 0;
		else if (value_of(words[i], "after"))
			p->world.now_ms += strtoull(value_of(words[i], "after"), NULL, 10) * 1000;
		else if (strcmp(words[i], "reboot") == 0)
			past.same_boot = !do_flush(p);
	}
	p->started = false;
	if (!restart_engine(&p->world, &past) || !restart_take(&p->world, part, settle_start, p))
		return *p->why == '\0' && fail(p, "out of memory");
	return settle(p);
}

static bool do_start(struct player *p)
{
	if (!begin(p))
		return false;
	while (engine_walks(p->world.engine)) {
		engine_tick(p->world.engine, p->world.now_ms, p->world.round);
		if (!settle(p) || !begin(p))
			return false;
	}
	engine_start(p->world.engine, p->world.now_ms, p->world.round);
	if (!settle(p))
		return false;
	p->started = restart_snapshot(&p->world);
	return p->started || fail(p, "out of memory");
}

static bool do_reinstall(struct player *p)
{
	if (!begin(p))
		return false;
	engine_reinstall(p->world.engine, p->world.now_ms, p->world.round);
	return settle(p);
}

static bool do_round(struct player *p)
{
	p->collecting = begin(p);
	return p->collecting;
}

static bool do_commit(struct player *p)
{
	p->collecting = false;
	return settle(p);
}

static bool play_line(struct player *p, char **words, size_t n)
{
	static const struct {
		const char *name;
		bool (*with)(struct player *, char **, size_t);
		bool (*without)(struct player *);
	} commands[] = {
	    {"conf", NULL, do_conf},	       {"wan", do_wan, NULL},	      {"start", NULL, do_start},
	    {"host", do_host, NULL},	       {"at", do_at, NULL},	      {"in", do_in, NULL},
	    {"round", NULL, do_round},	       {"commit", NULL, do_commit},   {"expect", do_expect, NULL},
	    {"refuse", do_refuse, NULL},       {"fail", do_fail, NULL},	      {"reload", NULL, do_reload},
	    {"reinstall", NULL, do_reinstall}, {"flush", NULL, do_flush},     {"revoke", do_revoke, NULL},
	    {"vanish", do_vanish, NULL},       {"blind", NULL, do_blind},     {"agree", NULL, do_agree},
	    {"adopt", do_adopt, NULL},	       {"without", do_without, NULL}, {"busy", do_busy, NULL},
	    {"restart", do_restart, NULL},     {"appear", do_appear, NULL},
	};

	if (!p->open && strcmp(words[0], "conf") != 0)
		return fail(p, "conf comes first");
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (strcmp(commands[i].name, words[0]) == 0) {
			p->steps++;
			return commands[i].with ? commands[i].with(p, words + 1, n - 1) : commands[i].without(p);
		}
	return fail(p, "no such command: %s", words[0]);
}

static size_t split(char *line, char **words)
{
	size_t n = 0;
	char *save = NULL;

	for (char *w = strtok_r(line, " \t\r\n", &save); w && *w != '#' && n < WORDS_MAX;
	     w = strtok_r(NULL, " \t\r\n", &save))
		words[n++] = w;
	return n;
}

static bool play(struct player *p)
{
	char line[LINE_MAX_], *words[WORDS_MAX];
	size_t n;

	while (fgets(line, sizeof(line), p->file)) {
		p->line++;
		n = split(line, words);
		if (n && (!play_line(p, words, n) || *p->why))
			return false;
	}
	return p->open ? begin(p) : fail(p, "an empty scenario");
}

static bool play_file(const char *path)
{
	struct player *p = calloc(1, sizeof(*p));
	bool good;

	p->file = fopen(path, "r");
	good = p->file ? play(p) : fail(p, "%s", strerror(errno));
	if (good)
		printf("PASS %s: %u steps\n", path, p->steps);
	else
		printf("FAIL %s: line %u: %s\n", path, p->line, p->why);
	if (p->file)
		fclose(p->file);
	for (size_t i = 0; i < p->packets_n; i++)
		free(p->packets[i]);
	clear(&p->replies);
	clear(&p->hexes);
	clear(&p->changes);
	clear(&p->events);
	clear(&p->flows);
	clear(&p->announcements);
	world_close(&p->world);
	free(p);
	return good;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed += !play_file(argv[i]);
	printf("%d passed, %d failed\n", argc - 1 - failed, failed);
	return failed ? 1 : 0;
}
