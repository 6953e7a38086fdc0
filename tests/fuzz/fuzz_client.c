/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any sequence of answers, junk, time and wishes: the client never sends without end at one moment, always has a later
 * deadline when it is done, and sends what can be parsed.
 */
#include "codec/client.h"

#include <stdlib.h>
#include <string.h>

#define OPS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

struct input {
	const uint8_t *data;
	size_t left;
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

static void start(struct client *c, struct client_op *op, struct input *in, uint64_t now)
{
	struct client_request r = {.protocol = octet(in) & 1 ? 6 : 17, .internal_port = octet(in), .external_port = 80};
	uint8_t how = octet(in);

	r.nonce.octets[0] = octet(in);
	r.keep = how & 4;
	r.lifetime_s = how & 8 ? 0 : 3600;
	client_forget(c, op);
	if ((how & 3) == 1)
		client_address(c, op, &r.nonce, now);
	else if ((how & 3) == 2)
		client_announce(c, op, now);
	else
		client_map(c, op, &r, now);
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
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	struct input in = {data, length};
	struct client_endpoint server = {.port = CODEC_SERVER_PORT}, to;
	struct in6_addr own = codec_from_v4(0xc000020b);
	static uint8_t out[CODEC_MESSAGE_MAX], reply[CODEC_MESSAGE_MAX];
	struct client_op ops[OPS] = {0};
	uint64_t now = 1000, deadline;
	struct codec_message m;
	struct client c;
	size_t sent = 0;

	server.address = codec_from_v4(0xc0000201);
	client_init(&c, (enum client_mode)(octet(&in) % 3), &server, &own, octet(&in));
	c.schedule.mrc = octet(&in) % 5;
	while (in.left > 0) {
		uint8_t what = octet(&in);
		struct client_op *op = &ops[what >> 4 & 1];
		size_t n;
		int burst = 0;

		switch (what & 7) {
		case 0:
			start(&c, op, &in, now);
			break;
		case 1:
			client_delete(&c, op, now);
			break;
		case 2:
			client_unreachable(&c, now);
			break;
		case 3:
			n = in.left < octet(&in) % 64u ? in.left : octet(&in) % 64u;
			n = n < in.left ? n : in.left;
			client_deliver(&c, in.data, n, &server, now);
			in.data += n;
			in.left -= n;
			break;
		case 4:
			now += (uint64_t)octet(&in) << (what >> 5);
			break;
		default:
			memcpy(reply, out, sizeof(reply));
			n = answer(&in, reply, sent);
			client_deliver(&c, reply, n, &server, now);
		}
		while ((n = client_next(&c, out, sizeof(out), &to, &deadline, now)) > 0) {
			sent = n;
			require(codec_parse(out, n, &m, NULL) == CODEC_OK);
			require(++burst < 4 * OPS);
		}
		require(deadline > now);
		if (deadline != CLIENT_NEVER && what & 8)
			now = deadline;
		while (client_changed(&c))
			;
	}
	return 0;
}
