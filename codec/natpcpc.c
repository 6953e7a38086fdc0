/* SPDX-License-Identifier: MIT */
/* natpcpc: asks a NAT-PMP or PCP server for mappings, from the command line. */
#include "codec/natpcpc.h"

#include <errno.h>
#include <getopt.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#define TIMEOUT_MS 15000
#define GOODBYE_MS 3000 /* for the deletion when --keep ends */

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
	/* the second one ends us at once */
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
}

static uint64_t now(void)
{
	struct timespec t;

	/* goes on while the machine sleeps, as the gateway's lifetimes do */
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int timeout_until(uint64_t until_ms)
{
	uint64_t n = now();

	if (until_ms == CLIENT_NEVER)
		return -1;
	if (until_ms <= n)
		return 0;
	return until_ms - n > 1000000 ? 1000000 : (int)(until_ms - n);
}

static int receive_all(struct app *a, const struct conn *c)
{
	uint8_t data[DATAGRAM_MAX];
	struct client_endpoint from;
	size_t length;
	int rc;

	while ((rc = conn_receive(c, data, sizeof(data), &length, &from)) == 0)
		client_deliver(&a->client, data, length, &from, now());
	if (rc == -ECONNREFUSED || rc == -EHOSTUNREACH)
		client_unreachable(&a->client, now());
	return rc == -EAGAIN || rc == -ECONNREFUSED || rc == -EHOSTUNREACH ? 0 : rc;
}

/* Sends what is due, then waits for datagrams, a deadline, until_ms or a signal, whatever comes first. */
static int step(struct app *a, uint64_t until_ms)
{
	struct pollfd fds[3] = {{a->conn.fd, POLLIN, 0}, {a->news[0].fd, POLLIN, 0}, {a->news[1].fd, POLLIN, 0}};
	uint8_t out[CODEC_MESSAGE_MAX];
	struct client_endpoint to;
	uint64_t deadline;
	sigset_t open;
	size_t n;
	int timeout_ms, rc = 0;
	struct timespec t;

	while ((n = client_next(&a->client, out, sizeof(out), &to, &deadline, now())) > 0) {
		rc = conn_send(&a->conn, out, n, &to);
		if (rc == -ECONNREFUSED)
			rc = conn_send(&a->conn, out, n, &to);
		/* a mapping that is kept outlives a network that is away for a while */
		if (rc < 0 && !a->op.request.keep)
			return rc;
	}
	timeout_ms = timeout_until(deadline < until_ms ? deadline : until_ms);
	t = (struct timespec){timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
	sigemptyset(&open);
	if (ppoll(fds, 3, timeout_ms < 0 ? NULL : &t, &open) < 0)
		return errno == EINTR ? 0 : -errno;
	rc = receive_all(a, &a->conn);
	for (int i = 0; i < 2; i++)
		if (a->news[i].fd >= 0)
			receive_all(a, &a->news[i]);
	return rc;
}

/* Until the operation has an answer. Returns 0, -ETIMEDOUT, -EINTR for a signal, or another -errno. */
static int await(struct app *a, const struct client_op *op, uint64_t until_ms)
{
	bool stopped = stop;
	int rc = 0;

	while (rc == 0 && op->result.state == CLIENT_ASKING) {
		if (stop && !stopped)
			return -EINTR;
		if (now() >= until_ms)
			return -ETIMEDOUT;
		rc = step(a, until_ms);
	}
	return rc;
}

static uint64_t deadline(const struct app *a, uint64_t default_ms)
{
	uint64_t ms = a->o.timeout_ms ? a->o.timeout_ms : default_ms;

	return ms == CLIENT_NEVER ? ms : now() + ms;
}

/* ---- where to ask ---- */

/* The interface that has an address; 0 if none. */
static unsigned int interface_of(const struct in6_addr *own)
{
	struct ifaddrs *all, *i;
	unsigned int index = 0;

	if (getifaddrs(&all))
		return 0;
	for (i = all; i && !index; i = i->ifa_next) {
		struct in6_addr a;

		if (!i->ifa_addr)
			continue;
		if (i->ifa_addr->sa_family == AF_INET)
			a = codec_from_v4(
			    ntohl(((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr.s_addr));
		else if (i->ifa_addr->sa_family == AF_INET6)
			a = ((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr;
		else
			continue;
		if (memcmp(&a, own, sizeof(a)) == 0)
			index = if_nametoindex(i->ifa_name);
	}
	freeifaddrs(all);
	return index;
}

static bool parse_server(const char *s, struct client_endpoint *e)
{
	const char *scope = strchr(s, '%');

	memset(e, 0, sizeof(*e));
	if (scope)
		e->scope = if_nametoindex(scope + 1);
	if (scope && !e->scope)
		return false;
	return codec_address_parse(s, scope ? (size_t)(scope - s) : strlen(s), &e->address);
}

/* Finds the server, and the interface if it is given or follows. Returns 0 or an exit code. */
static int locate(struct app *a)
{
	const struct options *o = &a->o;
	int rc = 0;

	if (o->interface) {
		a->ifindex = if_nametoindex(o->interface);
		if (!a->ifindex)
			return out_usage("no interface %s", o->interface);
	}
	if (o->server) {
		if (!parse_server(o->server, &a->server))
			return out_usage("-s: not an address: %s", o->server);
		if (!a->server.scope && IN6_IS_ADDR_LINKLOCAL(&a->server.address))
			a->server.scope = a->ifindex;
	} else {
		unsigned int through = a->ifindex;

		rc = conn_default_gateway(o->family == AF_INET6 ? AF_INET6 : AF_INET, &through, &a->server);
		if (rc == -ENETUNREACH && o->family == 0)
			rc = conn_default_gateway(AF_INET6, &through, &a->server);
		if (rc) {
			fprintf(stderr, "natpcpc: no default gateway: use -s ADDR\n");
			return EXIT_REFUSED;
		}
	}
	a->server.port = o->port;
	return 0;
}

/* Locates the server, opens the socket and the client. Returns 0 or an exit code. */
static int connect_client(struct app *a)
{
	char t[CODEC_ADDRESS_TEXT];
	uint64_t seed = 0;
	int rc = locate(a);

	if (rc)
		return rc;
	rc = conn_source(&a->server, a->ifindex, &a->own);
	if (rc == 0)
		rc = conn_open(&a->conn, &a->server, &a->own, a->ifindex);
	if (rc) {
		fprintf(stderr, "natpcpc: %s: %s\n", codec_address_text(&a->server.address, t), strerror(-rc));
		return EXIT_REFUSED;
	}
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = now();
	client_init(&a->client, a->o.mode, &a->server, &a->own, seed);
	return 0;
}

/* ---- commands ---- */

static bool put_options(struct app *a, struct client_request *r, bool deleting)
{
	const struct options *o = &a->o;
	struct pcp_option third = {.code = PCP_OPTION_THIRD_PARTY, .third_party = o->third_party};
	struct pcp_option prefer = {.code = PCP_OPTION_PREFER_FAILURE};
	struct pcp_option description = {.code = PCP_OPTION_DESCRIPTION};
	bool fits = true;

	if (o->third)
		fits = pcp_option_put(&third, a->area, &r->options_length, sizeof(a->area));
	if (o->prefer_failure && !deleting)
		fits = fits && pcp_option_put(&prefer, a->area, &r->options_length, sizeof(a->area));
	for (size_t i = 0; i < o->filters_count && !deleting; i++)
		fits = fits && pcp_option_put(&o->filters[i], a->area, &r->options_length, sizeof(a->area));
	if (o->description && !deleting) {
		description.data = (const uint8_t *)o->description;
		description.length = (uint16_t)strlen(o->description);
		fits = fits && strlen(o->description) <= CODEC_DESCRIPTION_MAX &&
		       pcp_option_put(&description, a->area, &r->options_length, sizeof(a->area));
	}
	r->options = a->area;
	return fits;
}

static int start_map(struct app *a, struct client_request *r)
{
	nonce_choose(a, r->protocol, r->internal_port, &r->nonce);
	if (!put_options(a, r, r->lifetime_s == 0))
		return out_usage("the options do not fit into one message");
	if (!(r->remote_port ? client_peer : client_map)(&a->client, &a->op, r, now()))
		return out_usage("NAT-PMP cannot express that");
	return 0;
}

/* NAT-PMP tells the address apart from the port. */
static void learn_address(struct app *a)
{
	struct client_result *r = &a->op.result;
	struct client_op question;
	struct codec_nonce none = {{0}};

	if (r->state != CLIENT_GRANTED || r->protocol != CODEC_VERSION_NATPMP ||
	    !codec_is_unspecified(&r->external_address) || !client_address(&a->client, &question, &none, now()))
		return;
	await(a, &question, now() + GOODBYE_MS);
	client_forget(&a->client, &question);
}

static bool is_news(const struct client_result *old, const struct client_result *r)
{
	return old->state != r->state || old->code != r->code || old->protocol != r->protocol ||
	       old->external_port != r->external_port ||
	       memcmp(&old->external_address, &r->external_address, sizeof(r->external_address)) != 0;
}

/* Renews until a signal comes, with a line for each change, then deletes. */
static int keep(struct app *a, const char *operation)
{
	unsigned int ifindex = a->ifindex ? a->ifindex : interface_of(&a->own);
	struct client_result last = a->op.result;
	int rc = 0;

	/* without the listener news come with the next renewal */
	conn_listen(&a->news[0], codec_is_v4(&a->server.address) ? AF_INET : AF_INET6, ifindex);
	while (!stop && rc == 0) {
		rc = step(a, CLIENT_NEVER);
		if (is_news(&last, &a->op.result) && !stop) {
			learn_address(a);
			out_result(a, operation);
			last = a->op.result;
		}
	}
	if (rc)
		return out_failure(a, operation, rc);
	/* what PEER made cannot be deleted */
	if (a->op.result.expires_ms == 0 || a->op.request.remote_port)
		return EXIT_DONE;
	client_delete(&a->client, &a->op, now());
	rc = await(a, &a->op, deadline(a, GOODBYE_MS));
	return rc ? out_failure(a, "unmap", rc) : out_result(a, "unmap");
}

/* Maps, and stays if that is wanted. */
static int obtain(struct app *a, struct client_request *r, const char *operation)
{
	int rc;

	if (r->lifetime_s == 0)
		return out_usage("%s: a lifetime of 0 is unmap", operation);
	rc = connect_client(a);
	if (rc == 0)
		rc = start_map(a, r);
	if (rc)
		return rc;
	rc = await(a, &a->op, deadline(a, r->keep ? CLIENT_NEVER : TIMEOUT_MS));
	if (rc == -EINTR) {
		client_delete(&a->client, &a->op, now());
		await(a, &a->op, now() + GOODBYE_MS);
		return EXIT_REFUSED;
	}
	if (rc)
		return out_failure(a, operation, rc);
	learn_address(a);
	rc = out_result(a, operation);
	return r->keep && rc == EXIT_DONE ? keep(a, operation) : rc;
}

static struct client_request wanted(const struct app *a)
{
	return (struct client_request){
	    .lifetime_s = a->o.lifetime_s, .keep = a->o.keep, .external_address = a->o.external};
}

static int map(struct app *a, int argc, char **argv)
{
	struct client_request r = wanted(a);

	if (!options_protocol(argv[1], &r.protocol) || !options_port(argv[2], &r.internal_port))
		return out_usage("map: not a protocol and a port: %s %s", argv[1], argv[2]);
	r.external_port = r.internal_port;
	if (argc > 3 && !options_port(argv[3], &r.external_port))
		return out_usage("map: not a port: %s", argv[3]);
	return obtain(a, &r, "map");
}

static int peer(struct app *a, int argc, char **argv)
{
	struct client_request r = wanted(a);

	if (!options_protocol(argv[1], &r.protocol) || !options_port(argv[2], &r.internal_port))
		return out_usage("peer: not a protocol and a port: %s %s", argv[1], argv[2]);
	if (!options_peer(argv[3], &r.remote_address, &r.remote_port))
		return out_usage("peer: not an address and a port: %s", argv[3]);
	if (argc > 4 && !options_port(argv[4], &r.external_port))
		return out_usage("peer: not a port: %s", argv[4]);
	return obtain(a, &r, "peer");
}

static int finish(struct app *a, const char *operation)
{
	int rc = await(a, &a->op, deadline(a, TIMEOUT_MS));

	return rc ? out_failure(a, operation, rc) : out_result(a, operation);
}

static int unmap(struct app *a, int argc, char **argv)
{
	struct client_request r = {0};
	int rc;

	(void)argc;
	if (!options_protocol(argv[1], &r.protocol) || !options_port(argv[2], &r.internal_port))
		return out_usage("unmap: not a protocol and a port: %s %s", argv[1], argv[2]);
	rc = connect_client(a);
	if (rc == 0)
		rc = start_map(a, &r);
	return rc ? rc : finish(a, "unmap");
}

static int unmap_all(struct app *a, int argc, char **argv)
{
	struct client_request r = {0};
	int rc;

	(void)argc;
	if (!options_protocol(argv[1], &r.protocol) || (r.protocol != IPPROTO_TCP && r.protocol != IPPROTO_UDP))
		return out_usage("unmap-all: tcp or udp, not %s", argv[1]);
	if (a->o.mode == CLIENT_PCP)
		return out_usage("unmap-all is NAT-PMP's");
	a->o.mode = CLIENT_NATPMP;
	rc = connect_client(a);
	if (rc == 0)
		rc = start_map(a, &r);
	return rc ? rc : finish(a, "unmap-all");
}

static int show_address(struct app *a, int argc, char **argv)
{
	struct codec_nonce nonce;
	int rc = connect_client(a);

	(void)argc;
	(void)argv;
	if (rc)
		return rc;
	nonce_choose(a, 0, 0, &nonce);
	if (!client_address(&a->client, &a->op, &nonce, now()))
		return out_usage("NAT-PMP is for IPv4 only");
	return finish(a, "address");
}

static int announce(struct app *a, int argc, char **argv)
{
	int rc = connect_client(a);

	(void)argc;
	(void)argv;
	if (rc)
		return rc;
	if (!client_announce(&a->client, &a->op, now()))
		return out_usage("NAT-PMP is for IPv4 only");
	return finish(a, "announce");
}

static bool is_announcement(const struct codec_message *m)
{
	if (m->protocol == CODEC_VERSION_PCP)
		return m->pcp.response && m->pcp.opcode == PCP_ANNOUNCE;
	return m->natpmp.response && m->natpmp.opcode == NATPMP_ADDRESS;
}

static void show_announcement(const struct app *a, const struct codec_message *m, const struct client_endpoint *from)
{
	struct line l = {.json = a->o.json};
	struct timespec t;
	struct tm tm;
	char when[40];
	size_t n;

	clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &tm);
	n = strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(when + n, sizeof(when) - n, ".%03ldZ", t.tv_nsec / 1000000);
	out_text(&l, "time", when);
	out_address(&l, "from", &from->address);
	out_message(&l, m);
	out_end(&l);
}

static int listen_news(struct app *a, int argc, char **argv)
{
	uint64_t until = deadline(a, CLIENT_NEVER);
	unsigned long heard = 0;
	char name[IF_NAMESIZE] = "";
	int rc = locate(a), rc6;

	(void)argc;
	(void)argv;
	if (rc)
		return rc;
	if (!a->ifindex && conn_source(&a->server, 0, &a->own) == 0)
		a->ifindex = interface_of(&a->own);
	rc = conn_listen(&a->news[0], AF_INET, a->ifindex);
	rc6 = conn_listen(&a->news[1], AF_INET6, a->ifindex);
	if (rc && rc6) {
		fprintf(stderr, "natpcpc: cannot listen: %s\n", strerror(-rc));
		return EXIT_REFUSED;
	}
	fprintf(stderr, "listening on %s port %d\n", if_indextoname(a->ifindex, name), CODEC_ANNOUNCE_PORT);
	while (!stop && (a->o.count == 0 || heard < a->o.count) && (until == CLIENT_NEVER || now() < until)) {
		struct pollfd fds[2] = {{a->news[0].fd, POLLIN, 0}, {a->news[1].fd, POLLIN, 0}};
		uint8_t data[DATAGRAM_MAX];
		struct client_endpoint from;
		struct codec_message m;
		sigset_t open;
		struct timespec t;
		int ms = timeout_until(until);

		t = (struct timespec){ms / 1000, ms % 1000 * 1000000L};
		sigemptyset(&open);
		ppoll(fds, 2, ms < 0 ? NULL : &t, &open);
		for (int i = 0; i < 2; i++) {
			if (a->news[i].fd < 0 ||
			    conn_receive_message(&a->news[i], data, sizeof(data), &m, &from) != 0 ||
			    !is_announcement(&m))
				continue;
			if (a->o.server && memcmp(&from.address, &a->server.address, sizeof(from.address)) != 0)
				continue;
			show_announcement(a, &m, &from);
			heard++;
		}
	}
	return heard >= a->o.count && heard > 0 ? EXIT_DONE : EXIT_REFUSED;
}

static int raw(struct app *a, int argc, char **argv)
{
	uint8_t data[DATAGRAM_MAX];
	struct client_endpoint from;
	struct codec_message m;
	struct line l = {.json = a->o.json};
	uint64_t until;
	size_t n;
	int rc;

	(void)argc;
	if (!hex_parse(argv[1], data, sizeof(data), &n))
		return out_usage("raw: not hex, or too long: %s", argv[1]);
	rc = connect_client(a);
	if (rc)
		return rc;
	until = deadline(a, TIMEOUT_MS);
	rc = conn_send(&a->conn, data, n, &a->server);
	while (rc == 0) {
		struct pollfd p = {a->conn.fd, POLLIN, 0};

		if (poll(&p, 1, timeout_until(until)) < 0)
			rc = -errno;
		else
			rc = conn_receive(&a->conn, data, sizeof(data), &n, &from);
		if (rc == 0)
			break;
		if (rc == -EAGAIN)
			rc = now() < until ? 0 : -ETIMEDOUT;
	}
	if (rc)
		return out_failure(a, "raw", rc);
	out_hex(&l, "received", data, n);
	if (codec_parse(data, n, &m, NULL) == CODEC_OK)
		out_message(&l, &m);
	out_end(&l);
	return EXIT_DONE;
}

static const struct command {
	const char *name;
	int min, max;
	int (*run)(struct app *, int, char **);
} commands[] = {
    {"map", 2, 3, map},
    {"peer", 3, 4, peer},
    {"unmap", 2, 2, unmap},
    {"unmap-all", 1, 1, unmap_all},
    {"address", 0, 0, show_address},
    {"announce", 0, 0, announce},
    {"listen", 0, 0, listen_news},
    {"raw", 1, 1, raw},
};

static void catch_signals(void)
{
	struct sigaction s = {.sa_handler = on_signal};
	sigset_t both;

	/* open only while ppoll() waits: none gets lost between a look at the flag and the wait */
	sigemptyset(&both);
	sigaddset(&both, SIGINT);
	sigaddset(&both, SIGTERM);
	sigprocmask(SIG_BLOCK, &both, NULL);
	sigaction(SIGINT, &s, NULL);
	sigaction(SIGTERM, &s, NULL);
}

int main(int argc, char **argv)
{
	struct app a = {.conn = {.fd = -1}, .news = {{.fd = -1}, {.fd = -1}}};
	int rc;

	rc = options_read(&a.o, argc, argv);
	if (rc >= 0)
		return rc;
	argc -= optind;
	argv += optind;
	if (argc == 0)
		return out_usage("no command");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *c = &commands[i];

		if (strcmp(argv[0], c->name) != 0)
			continue;
		if (argc - 1 < c->min || argc - 1 > c->max)
			return out_usage("%s: wrong number of arguments", c->name);
		if (a.o.keep || c->run == listen_news)
			catch_signals();
		rc = c->run(&a, argc, argv);
		conn_close(&a.conn);
		conn_close(&a.news[0]);
		conn_close(&a.news[1]);
		return rc;
	}
	return out_usage("no such command: %s", argv[0]);
}
