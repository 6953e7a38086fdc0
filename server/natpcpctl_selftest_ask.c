/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The packets of the self-test: a request as a host inside, and packets from outside. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "server/natpcpctl_say.h"
#include "server/natpcpctl_selftest.h"
#include "server/natpcpctl_selftest_tap.h"

/* 3 s in all: a server on a busy machine may not get to run for one */
enum { TRIES = 10, TRY_MS = 300, LOOK_MS = 50, LIFETIME_S = 120 };

static const uint8_t token[] = "natpcpctl selftest";

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A port of those that systems give to programs that name none. */
static uint16_t some_port(void)
{
	uint16_t v = 0;

	if (getrandom(&v, sizeof(v), GRND_NONBLOCK) < 0)
		v = (uint16_t)now_ms();
	return (uint16_t)(49152 + v % 16384);
}

/* Takes a packet that left for the host; true if it was the one. */
typedef bool taker(struct selftest_step *step, const struct packet *got, const struct packet *sent);

/*
 * Sends the packet some times, until take has what it wants or a chain has dropped it. True if take had it; step->seen
 * is set.
 */
static bool exchange(struct selftest *s, const struct link *l, const struct packet *p, struct selftest_step *step,
		     taker *take)
{
	uint8_t out[PACKET_MAX], in[PACKET_MAX];
	size_t n = packet_write(p, out, sizeof(out));
	struct packet got;
	bool found = false, dropped = false;

	trace_begin(s->trace, &p->source);
	for (int try = 0; try < TRIES && !found && !dropped && !*s->ended; try++) {
		int64_t end = now_ms() + TRY_MS;
		int error = link_send(l, out, n);

		if (error) {
			say(stderr, "natpcpctl: a packet cannot be sent: %s\n", strerror(-error));
			step->end = SELFTEST_STOPPED;
			return false;
		}
		while (!found && !dropped && !*s->ended && now_ms() < end) {
			struct pollfd f = {.fd = s->tap, .events = POLLIN};

			poll(&f, 1, LOOK_MS);
			while (!found && tap_read(s->tap, in, &got))
				found = take(step, &got, p);
			dropped = trace_look(s->trace)->dropped;
		}
	}
	step->seen = *trace_look(s->trace);
	return found;
}

static bool take_answer(struct selftest_step *step, const struct packet *got, const struct packet *sent)
{
	struct codec_message m;
	const struct pcp_mapping *map = &m.pcp.mapping;

	if (got->protocol != IPPROTO_UDP || got->source_port != CODEC_SERVER_PORT ||
	    got->destination_port != sent->source_port ||
	    codec_parse(got->payload, got->payload_length, &m, NULL) != CODEC_OK || m.protocol != CODEC_VERSION_PCP ||
	    !m.pcp.response || m.pcp.opcode != PCP_MAP || map->internal_port != step->internal_port ||
	    map->protocol != step->protocol)
		return false;
	step->result = m.pcp.result;
	step->lifetime_s = m.pcp.lifetime_s;
	step->granted = m.pcp.result == PCP_SUCCESS;
	step->external = map->external_address;
	step->external_port = map->external_port;
	return true;
}

void selftest_ask(struct selftest *s, struct selftest_step *step)
{
	uint8_t request[CODEC_MESSAGE_MAX];
	struct packet p = {.source = s->host,
			   .destination = s->gateway,
			   .protocol = IPPROTO_UDP,
			   .source_port = some_port(),
			   .destination_port = CODEC_SERVER_PORT,
			   .payload = request};
	struct codec_message m = {.protocol = CODEC_VERSION_PCP,
				  .pcp = {.opcode = PCP_MAP,
					  .lifetime_s = LIFETIME_S,
					  .client_address = s->host,
					  .mapping = {.nonce = s->nonce, .protocol = step->protocol}}};

	step->internal_port = some_port();
	m.pcp.mapping.internal_port = step->internal_port;
	/* no wish: any port, and any address of the family */
	if (!s->v6)
		m.pcp.mapping.external_address = codec_from_v4(0);
	p.payload_length = codec_marshal(&m, request, sizeof(request));
	if (exchange(s, &s->in, &p, step, take_answer))
		step->end = step->granted ? SELFTEST_REACHED : SELFTEST_REFUSED;
	else if (step->end != SELFTEST_STOPPED)
		step->end = *s->ended ? SELFTEST_STOPPED : step->seen.dropped ? SELFTEST_DROPPED : SELFTEST_UNANSWERED;
}

static bool take_packet(struct selftest_step *step, const struct packet *got, const struct packet *sent)
{
	return got->protocol == step->protocol && !memcmp(&got->source, &sent->source, 16) &&
	       got->source_port == sent->source_port && got->destination_port == step->internal_port &&
	       got->payload_length == sent->payload_length &&
	       !memcmp(got->payload, sent->payload, sent->payload_length);
}

void selftest_send(struct selftest *s, struct selftest_step *step)
{
	struct packet p = {.source = s->outside,
			   .destination = step->external,
			   .protocol = step->protocol,
			   .source_port = some_port(),
			   .destination_port = step->external_port,
			   .payload = token,
			   .payload_length = step->protocol == IPPROTO_UDP ? sizeof(token) - 1 : 0};

	if (exchange(s, &s->out, &p, step, take_packet))
		step->end = SELFTEST_REACHED;
	else if (step->end != SELFTEST_STOPPED)
		step->end = *s->ended ? SELFTEST_STOPPED : step->seen.dropped ? SELFTEST_DROPPED : SELFTEST_LOST;
}
