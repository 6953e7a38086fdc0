/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any sequence of answers, junk, time and wishes. The client sends only what is asked for, to an address of the server;
 * nothing before the deadline that it told, nothing faster than the RFCs allow, and not without end at one moment; what
 * changed is an operation that it has.
 */
#include "codec/client.h"

#include <stdlib.h>
#include <string.h>

#define OPS   4
#define PORT  8080 /* of the first operation; the others follow */
#define SENDS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

struct input {
	const uint8_t *data;
	size_t left;
};

/* What was sent last of one kind for one operation. */
struct sent {
	bool seen;
	uint64_t at_ms;
};

struct bed {
	struct input in;
	struct client c;
	struct client_op ops[OPS];
	uint8_t options[OPS][128];
	bool used[OPS], plain[OPS]; /* plain: a mapping or a peer, which has a port of its own */
	uint64_t now_ms, deadline_ms;
	struct client_path path;  /* that was used last */
	struct sent sent[2][OPS]; /* PCP, NAT-PMP; since the last event */
	uint8_t out[CODEC_MESSAGE_MAX];
	size_t length;
};

static uint8_t octet(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->data++;
}

static void require(bool holds)
{
	if (!holds)
		abort();
}

static struct client_path path(uint8_t which)
{
	struct client_path p = {{codec_from_v4(0xc0000201u + which), CODEC_SERVER_PORT, which},
				codec_from_v4(0xc000020b)};

	if (which == 2) {
		p.server.address = (struct in6_addr){{{0x20, 0x01, 0x0d, 0xb8, [15] = 1}}};
		p.own = (struct in6_addr){{{0x20, 0x01, 0x0d, 0xb8, [15] = 11}}};
	}
	return p;
}

static void put(struct client_request *r, uint8_t *area, const struct pcp_option *o)
{
	pcp_option_put(o, area, &r->options_length, 128);
	r->options = area;
}

static void put_options(struct input *in, struct client_request *r, uint8_t *area)
{
	uint8_t which = octet(in);

	if (which & 1)
		put(r, area, &(struct pcp_option){.code = PCP_OPTION_PREFER_FAILURE});
	if (which & 2)
		put(r, area,
		    &(struct pcp_option){.code = PCP_OPTION_FILTER, .filter = {128, 0, codec_from_v4(octet(in))}});
	if (which & 4)
		put(r, area,
		    &(struct pcp_option){.code = PCP_OPTION_PORT_SET,
					 .port_set = {octet(in), r->internal_port, which & 8}});
	if (which & 16)
		put(r, area,
		    &(struct pcp_option){.code = PCP_OPTION_DESCRIPTION, .data = (const uint8_t *)"web", .length = 3});
	if (which & 32)
		r->internal_address = codec_from_v4(0xc0000200u | octet(in));
	if (which & 64)
		put(r, area, &(struct pcp_option){.code = 200});
}

static void start(struct bed *b, unsigned int i)
{
	uint8_t how = octet(&b->in);
	struct client_request r = {.protocol = how & 1 ? 6 : 17, .internal_port = (uint16_t)(PORT + i)};
	unsigned int kind = how >> 1 & 3;

	r.nonce.octets[0] = octet(&b->in);
	r.external_port = octet(&b->in);
	r.keep = how & 8;
	r.lifetime_s = how & 16 ? 0 : 3600;
	if (how & 32)
		put_options(&b->in, &r, b->options[i]);
	client_forget(&b->c, &b->ops[i]);
	b->plain[i] = kind != 1 && kind != 2;
	if (kind == 1) {
		b->used[i] = client_address(&b->c, &b->ops[i], &r.nonce, b->now_ms);
	} else if (kind == 2) {
		b->used[i] = client_announce(&b->c, &b->ops[i], b->now_ms);
	} else if (kind == 3) {
		r.remote_port = 53;
		r.remote_address = codec_from_v4(0xc6336402);
		b->used[i] = client_peer(&b->c, &b->ops[i], &r, b->now_ms);
	} else {
		b->used[i] = client_map(&b->c, &b->ops[i], &r, b->now_ms);
	}
}

/* Makes an answer out of the request that was sent last. */
static size_t answer(struct input *in, uint8_t *d, size_t n)
{
	uint8_t how = octet(in);

	if (n < 2)
		return n;
	d[1] |= 0x80;
	if (d[0] == 0 && d[1] == 0x80)
		n = 12;
	else if (d[0] == 0)
		n = 16;
	d[3] = how & 1 ? octet(in) % 14 : 0;
	if (d[0] == 0 && n == 16) { /* internal port, external port, lifetime move behind the epoch */
		memmove(d + 8, d + 4, 8);
		d[15] = octet(in);
	}
	if (how & 2 && n >= 24) {
		d[4] = d[5] = 0;
		d[6] = octet(in);
		d[7] = octet(in);
	}
	for (size_t i = d[0] ? 8 : 4, end = i + 4; i < end; i++)
		d[i] = how & 4 && i == end - 1 ? octet(in) : 0;
	if (how & 8)
		d[octet(in) % n] ^= octet(in);
	if (how & 16)
		d[0] = octet(in) % 4;
	return n;
}

static void deliver_something(struct bed *b, bool junk)
{
	uint8_t data[CODEC_MESSAGE_MAX];
	struct client_endpoint from = client_path_now(&b->c)->server;
	size_t n = b->length;

	memset(data, 0, sizeof(data));
	if (junk) {
		n = octet(&b->in) % 64;
		for (size_t i = 0; i < n; i++)
			data[i] = octet(&b->in);
		from = path(data[0] >> 6 & 1).server;
	} else {
		memcpy(data, b->out, n);
		n = answer(&b->in, data, n);
	}
	client_deliver(&b->c, data, n, &from, b->now_ms);
}

static void set_paths(struct bed *b)
{
	uint8_t which = octet(&b->in);
	struct client_path paths[3];
	size_t n = which & 3;

	for (size_t i = 0; i < n; i++)
		paths[i] = path((uint8_t)((which >> 2) + i) % 3);
	client_paths_sort(paths, n, NULL, 0);
	client_paths(&b->c, paths, n, b->now_ms);
}

/* What is new for the client: it may send at once for it. Returns false for nothing but time. */
static bool event(struct bed *b, uint8_t what)
{
	unsigned int i = what >> 4 & 3;
	struct client_op *op = &b->ops[i];

	switch (what & 15) {
	case 0:
	case 1:
		start(b, i);
		return true;
	case 2:
		if (b->used[i])
			client_delete(&b->c, op, b->now_ms);
		return true;
	case 3:
		client_unreachable(&b->c, b->now_ms);
		return true;
	case 4:
		deliver_something(b, true);
		return true;
	case 5:
		set_paths(b);
		return true;
	case 6:
		if (b->used[i])
			client_check(&b->c, op, b->now_ms);
		return true;
	case 7:
		client_retry(&b->c, b->now_ms);
		return true;
	case 8:
		client_forget(&b->c, op);
		b->used[i] = false;
		return true;
	case 9:
	case 10:
		b->now_ms += (uint64_t)octet(&b->in) << (what >> 5);
		return false;
	case 11:
		if (b->deadline_ms != CLIENT_NEVER && b->deadline_ms > b->now_ms)
			b->now_ms = b->deadline_ms;
		return false;
	default:
		deliver_something(b, false);
		return true;
	}
}

static bool same_path(const struct client_path *a, const struct client_path *b)
{
	return memcmp(&a->server.address, &b->server.address, 16) == 0 && memcmp(&a->own, &b->own, 16) == 0;
}

/* Of which plain operation the datagram is, or OPS. */
static unsigned int whose(const struct bed *b, const struct codec_message *m)
{
	bool pcp = m->protocol == CODEC_VERSION_PCP;
	uint16_t port = pcp ? m->pcp.mapping.internal_port : m->natpmp.internal_port;

	if ((pcp ? m->pcp.opcode : m->natpmp.opcode) == 0)
		return OPS;
	if (port < PORT || port >= PORT + OPS) {
		require(pcp && port == 9);
		return OPS;
	}
	require(b->used[port - PORT] && b->plain[port - PORT]);
	return port - PORT;
}

static void look_at(struct bed *b, const struct client_endpoint *to)
{
	const struct client_path *p = client_path_now(&b->c);
	struct codec_message m;
	unsigned int i;

	require(codec_parse(b->out, b->length, &m, NULL) == CODEC_OK);
	require(memcmp(&to->address, &p->server.address, 16) == 0 && to->port == CODEC_SERVER_PORT);
	if (m.protocol == CODEC_VERSION_PCP) {
		require(!m.pcp.response && m.pcp.opcode <= PCP_PEER);
		require(memcmp(&m.pcp.client_address, &p->own, 16) == 0);
	} else {
		require(!m.natpmp.response && m.natpmp.opcode <= NATPMP_MAP_TCP && codec_is_v4(&to->address));
	}
	if (!same_path(p, &b->path))
		memset(b->sent, 0, sizeof(b->sent));
	b->path = *p;
	i = whose(b, &m);
	if (i == OPS)
		return;
	struct sent *s = &b->sent[m.protocol == CODEC_VERSION_NATPMP][i];

	/* RFC 6887 8.1.1: 3 s less a tenth; RFC 6886 3.1: 250 ms, with a server that once was found to speak NAT-PMP
	 * also for what is tried by PCP first */
	require(!s->seen || b->now_ms - s->at_ms >= (b->c.mode == CLIENT_PCP ? 2700 : 250));
	*s = (struct sent){true, b->now_ms};
}

static void send_all(struct bed *b, bool early)
{
	struct client_endpoint to;
	unsigned int n = 0;

	for (;;) {
		size_t length = client_next(&b->c, b->out, sizeof(b->out), &to, &b->deadline_ms, b->now_ms);

		if (length == 0)
			break;
		require(!early);
		b->length = length;
		look_at(b, &to);
		require(++n < SENDS);
	}
	require(b->deadline_ms > b->now_ms);
}

/* A call before the deadline sends nothing and tells the same deadline. */
static void ask_early(struct bed *b, uint8_t share)
{
	uint64_t told = b->deadline_ms, now_ms = b->now_ms;

	if (told == CLIENT_NEVER)
		return;
	b->now_ms += (told - now_ms - 1) * share / 255;
	send_all(b, true);
	require(b->deadline_ms == told);
	b->now_ms = now_ms;
}

static void look_at_changes(struct bed *b)
{
	struct client_op *op;
	unsigned int n = 0;

	while ((op = client_changed(&b->c)) != NULL) {
		require(op >= b->ops && op < b->ops + OPS && b->used[op - b->ops]);
		require(op->result.state != CLIENT_IDLE && ++n <= OPS);
		if (b->plain[op - b->ops] && op->result.state == CLIENT_GRANTED)
			require(op->result.expires_ms > 0 && op->result.port_set_size > 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	static struct bed b;
	uint8_t how;

	memset(&b, 0, sizeof(b));
	b.in = (struct input){data, length};
	b.now_ms = 1000;
	b.path = path(0);
	how = octet(&b.in);
	client_init(&b.c, (enum client_mode)(how % 3), &b.path.server, &b.path.own, octet(&b.in));
	b.c.schedule.mrc = how >> 2 & 3;
	send_all(&b, false);
	while (b.in.left > 0) {
		uint8_t what = octet(&b.in);

		if (event(&b, what))
			memset(b.sent, 0, sizeof(b.sent));
		send_all(&b, false);
		look_at_changes(&b);
		if (what & 64)
			ask_early(&b, what);
	}
	return 0;
}
