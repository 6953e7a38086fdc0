/* SPDX-License-Identifier: MIT */
/* listen: what gateways announce, on the interfaces of the gateways that were found, over IPv4 and IPv6. */
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "codec/epoch.h"
#include "codec/natpcpc.h"
#include "codec/natpcpc_out.h"

#define SENDERS_MAX 32

/* Whoever announces, with the counter of each protocol: one that does not fit what was heard before tells of a restart. */
struct sender {
	struct client_endpoint from;
	struct epoch_check pcp, natpmp;
};

struct ears {
	struct conn conns[2 * GATEWAYS_MAX];
	size_t count;
	struct sender senders[SENDERS_MAX];
	size_t senders_count;
};

static bool is_announcement(const struct codec_message *m)
{
	if (m->protocol == CODEC_VERSION_PCP)
		return m->pcp.response && m->pcp.opcode == PCP_ANNOUNCE;
	return m->natpmp.response && m->natpmp.opcode == NATPMP_ADDRESS;
}

static bool is_wanted(const struct app *a, const struct client_endpoint *from)
{
	for (size_t i = 0; i < a->count; i++)
		if (memcmp(&a->sessions[i].server.address, &from->address, sizeof(from->address)) == 0)
			return true;
	return a->o.servers_count == 0;
}

/* True if the sender's counter says that it has lost its state since it was last heard. */
static bool lost_state(struct ears *e, const struct codec_message *m, const struct client_endpoint *from)
{
	struct sender *s = NULL;

	for (size_t i = 0; i < e->senders_count && !s; i++)
		if (memcmp(&e->senders[i].from.address, &from->address, sizeof(from->address)) == 0 &&
		    e->senders[i].from.scope == from->scope)
			s = &e->senders[i];
	if (!s && e->senders_count == SENDERS_MAX)
		return false;
	if (!s) {
		s = &e->senders[e->senders_count++];
		*s = (struct sender){.from = *from};
	}
	if (m->protocol == CODEC_VERSION_PCP)
		return !epoch_check_pcp(&s->pcp, m->pcp.epoch_s, session_now());
	return !epoch_check_natpmp(&s->natpmp, m->natpmp.epoch_s, session_now());
}

static void show_json(const struct codec_message *m, const struct client_endpoint *from, bool lost)
{
	struct line l = {.json = true};
	char t[OUT_TIME], name[IF_NAMESIZE] = "";

	out_number(&l, "schema", OUT_SCHEMA);
	out_text(&l, "operation", "listen");
	out_text(&l, "time", out_time(true, t));
	out_address(&l, "from", &from->address);
	if (from->scope && if_indextoname(from->scope, name))
		out_text(&l, "interface", name);
	out_message(&l, m);
	out_bool(&l, "state_lost", lost);
	out_end(&l);
}

static void show_plain(const struct codec_message *m, const struct client_endpoint *from, bool lost)
{
	char when[OUT_TIME], t[CODEC_ADDRESS_TEXT];
	bool natpmp = m->protocol == CODEC_VERSION_NATPMP;

	printf("%s %s announces", out_time(false, when), codec_address_text(&from->address, t));
	if (natpmp && m->natpmp.result)
		printf(" %s (%u): %s", natpmp_result_name(m->natpmp.result), m->natpmp.result,
		       out_meaning(CODEC_VERSION_NATPMP, m->natpmp.result));
	else if (natpmp)
		printf(" address %s", codec_address_text(&m->natpmp.external_address, t));
	else if (m->pcp.result)
		printf(" %s (%u)", pcp_result_name(m->pcp.result), m->pcp.result);
	else
		printf(" itself");
	printf(" (%s, epoch %" PRIu32 ")%s\n", out_version(m->protocol), natpmp ? m->natpmp.epoch_s : m->pcp.epoch_s,
	       lost ? ": it has lost its mappings, or restarted" : "");
	fflush(stdout);
}

/* Takes one announcement from a socket, if there is one. */
static bool hear(const struct app *a, struct ears *e, const struct conn *c)
{
	uint8_t data[DATAGRAM_MAX];
	struct client_endpoint from;
	struct codec_message m;
	bool lost;

	if (conn_receive_message(c, data, sizeof(data), &m, &from) != 0 || !is_announcement(&m) || !is_wanted(a, &from))
		return false;
	lost = lost_state(e, &m, &from);
	(a->o.json ? show_json : show_plain)(&m, &from, lost);
	return true;
}

/* Both families on one interface; what there is already is left out. */
static int open_ears(struct ears *e, unsigned int ifindex)
{
	static const int families[] = {AF_INET, AF_INET6};
	char name[IF_NAMESIZE] = "?";
	int rc, error = 0, opened = 0;

	for (size_t i = 0; i < e->count; i++)
		if (e->conns[i].ifindex == ifindex)
			return 0;
	for (size_t i = 0; i < 2 && e->count < 2 * GATEWAYS_MAX; i++) {
		rc = conn_listen(&e->conns[e->count], families[i], ifindex);
		if (rc) {
			error = error ? error : rc;
			continue;
		}
		e->count++;
		opened++;
	}
	if (!opened)
		return error;
	fprintf(stderr, "listening on %s port %d\n", if_indextoname(ifindex, name) ? name : "?", CODEC_ANNOUNCE_PORT);
	return 0;
}

int natpcpc_listen(struct app *a, int argc, char **argv)
{
	uint64_t until_ms = app_deadline(a, CLIENT_NEVER);
	const struct conn *conns[2 * GATEWAYS_MAX] = {NULL};
	static struct ears e;
	unsigned long heard = 0;
	int rc = gateway_find(a), error = 0;

	(void)argc;
	(void)argv;
	if (rc)
		return rc;
	for (size_t i = 0; i < a->count; i++) {
		const struct session *s = &a->sessions[i];

		rc = open_ears(&e, s->ifindex ? s->ifindex : session_interface(&s->own));
		error = error ? error : rc;
	}
	if (e.count == 0) {
		fprintf(stderr, "natpcpc: cannot listen: %s\n", strerror(-error));
		return EXIT_SILENCE;
	}
	for (size_t i = 0; i < e.count; i++)
		conns[i] = &e.conns[i];
	while (!session_stopped() && (a->o.count == 0 || heard < a->o.count) && session_now() < until_ms) {
		session_poll(conns, e.count, until_ms);
		for (size_t i = 0; i < e.count && (a->o.count == 0 || heard < a->o.count); i++)
			heard += hear(a, &e, &e.conns[i]);
	}
	for (size_t i = 0; i < e.count; i++)
		conn_close(&e.conns[i]);
	return heard > 0 && heard >= a->o.count ? EXIT_DONE : EXIT_SILENCE;
}
