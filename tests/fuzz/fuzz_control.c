/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any octets at the control socket, or at the loopback address, of a whole server with leases. It answers in HTTP, what it
 * calls JSON is JSON, and where there is nothing but to look at nothing changes.
 */
#include "server/server_self.h"

#include <errno.h>
#include <event2/event.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "codec/codec.h"
#include "server/io/loop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

enum { TURNS = 64, CLIENTS = 3, PORTS = 64 };

static struct {
	struct settings settings;
	struct server *s;
	char directory[64], path[96], file[96];
	uint16_t port;
	char answer[1 << 20];
	size_t n;
} f;

/* What stands in the input for the port of the loopback address. */
static const char port_in_input[] = "00000";

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void clean_up(void)
{
	server_close(f.s);
	unlink(f.file);
	rmdir(f.directory);
}

static void write_conf(void)
{
	FILE *out = fopen(f.file, "w");

	require(out != NULL);
	fprintf(out,
		"external \"wan\" { addresses = { \"198.51.100.8/30\" } }\n"
		"listen \"lan\" { interfaces = { \"nosuch0\" } external = \"wan\" }\n"
		"rule \"not that one\" { action = deny clients = { \"192.0.2.66\" } }\n"
		"rule \"all\" { action = allow }\n"
		"static \"web\" { protocol = \"tcp\" external-port = 443 to = \"192.0.2.9:443\" }\n"
		"limits { requests-per-second = 0 }\n"
		"backend { type = \"memory\" }\n"
		"journal { path = \"\" }\n"
		"process { user = \"\" sandbox = false }\n"
		"log { level = \"error\" }\n"
		"control { socket = \"%s\" http = \"127.0.0.1:%u\" }\n",
		f.path, f.port);
	require(fclose(out) == 0);
}

/* A port that nobody has: others may run beside us. */
static void start(void)
{
	char why[SERVER_WHY_MAX] = "";
	struct conf *conf;
	int end = SERVER_FAILED;

	signal(SIGPIPE, SIG_IGN);
	strcpy(f.directory, "/tmp/natpcpd-fuzz-XXXXXX");
	require(mkdtemp(f.directory) != NULL);
	snprintf(f.path, sizeof(f.path), "%s/sock", f.directory);
	snprintf(f.file, sizeof(f.file), "%s/conf", f.directory);
	f.settings.file = f.file;
	for (unsigned i = 0; end && i < PORTS; i++) {
		f.port = (uint16_t)(20000 + ((unsigned)getpid() * 7 + i * 61) % 10000);
		write_conf();
		require(settings_read(&f.settings, &conf, why) == 0);
		end = server_open(&f.s, &f.settings, conf, why);
	}
	if (end)
		fprintf(stderr, "%s\n", why);
	require(end == SERVER_DONE);
	atexit(clean_up);
}

static void request(const void *data, size_t length, uint32_t client)
{
	struct engine_datagram d = {.data = data,
				    .length = length,
				    .source = codec_from_v4(client),
				    .destination = codec_from_v4(0xc0000201),
				    .source_port = 5000,
				    .ifindex = 1,
				    .interface = "nosuch0"};

	engine_request(f.s->engine, &d, loop_now_ms(f.s->loop), f.s->round);
	server_round(f.s);
}

static void pcp_request(struct pcp_message *m, const uint8_t *options, size_t n)
{
	struct codec_message message = {.protocol = CODEC_VERSION_PCP};
	uint8_t out[CODEC_MESSAGE_MAX];
	size_t length;

	m->version = CODEC_VERSION_PCP;
	m->lifetime_s = 3600;
	m->client_address = codec_from_v4(0xc0000207);
	m->options = options;
	m->options_length = n;
	message.pcp = *m;
	length = codec_marshal(&message, out, sizeof(out));
	require(length > 0);
	request(out, length, 0xc0000207);
}

/* Mappings of all kinds with a hostile description, made or renewed, and some that are refused. */
static void ask_for_ports(void)
{
	static const uint8_t map[12] = {0, 2, [5] = 80, [7] = 80, [10] = 14, [11] = 16};
	static const uint8_t text[] = "<b>\"\\\0\x1b[31m\xc2\x9b\xe2\x80\xae\n";
	const struct pcp_option options[] = {
	    {.code = PCP_OPTION_FILTER, .filter = {120, 0, codec_from_v4(0xcb007100)}},
	    {.code = PCP_OPTION_FILTER, .filter = {128, 53, codec_from_v4(0xcb007209)}},
	    {.code = PCP_OPTION_DESCRIPTION, .data = text, .length = sizeof(text) - 1},
	};
	const struct pcp_option set = {.code = PCP_OPTION_PORT_SET, .port_set = {4, 7000, false}};
	struct pcp_message m = {.opcode = PCP_MAP, .mapping = {.protocol = 17, .internal_port = 5060}};
	uint8_t area[512];
	size_t n = 0;

	for (unsigned i = 0; i < CLIENTS; i++)
		request(map, sizeof(map), 0xc0000202 + i);
	request(map, sizeof(map), 0xc0000242);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		require(pcp_option_put(&options[i], area, &n, sizeof(area)));
	pcp_request(&m, area, n);
	m.mapping.internal_port = 7000;
	n = 0;
	require(pcp_option_put(&set, area, &n, sizeof(area)));
	pcp_request(&m, area, n);
	m.opcode = PCP_PEER;
	m.mapping.internal_port = 9000;
	m.mapping.remote_port = 53;
	m.mapping.remote_address = codec_from_v4(0xcb007109);
	pcp_request(&m, NULL, 0);
}

/* What else readers are told of. */
static void tell(void)
{
	events_reload(f.s->events, false, "line 1: \xff");
	events_backend(f.s->events, "failed", "no \"table\"");
	server_tell_external(f.s, 0);
}

static int connect_to(bool http)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	struct sockaddr_in in = {
	    .sin_family = AF_INET, .sin_port = htons(f.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(http ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const struct linger at_once = {.l_onoff = 1};

	require(fd >= 0);
	strcpy(local.sun_path, f.path);
	if (http) {
		/* no address stays taken for a minute */
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		require(connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0 || errno == EINPROGRESS);
	} else {
		require(connect(fd, (struct sockaddr *)&local, sizeof(local)) == 0);
	}
	return fd;
}

static void turn(void)
{
	loop_worked(f.s->loop);
	event_base_loop(loop_base(f.s->loop), EVLOOP_NONBLOCK | EVLOOP_ONCE);
}

/* Sends a part of the input, with the port in its place. */
static void say(int fd, const uint8_t *data, size_t length)
{
	char *copy = malloc(length + 1), port[8], *at;

	require(copy != NULL);
	memcpy(copy, data, length);
	copy[length] = '\0';
	snprintf(port, sizeof(port), "%u", f.port);
	for (at = copy; (at = memmem(at, (size_t)(copy + length - at), port_in_input, sizeof(port_in_input) - 1)); at++)
		memcpy(at, port, sizeof(port_in_input) - 1);
	(void)!send(fd, copy, length, MSG_NOSIGNAL);
	free(copy);
}

/* False: the other end has said all. */
static bool take(int fd)
{
	ssize_t n = recv(fd, f.answer + f.n, sizeof(f.answer) - 1 - f.n, MSG_DONTWAIT);

	if (n > 0)
		f.n += (size_t)n;
	f.answer[f.n] = '\0';
	return n > 0 || (n < 0 && errno == EAGAIN);
}

/* An answer that tells its length is as long; a body that is to be JSON is. */
static void look_at_answer(bool head)
{
	char *body = strstr(f.answer, "\r\n\r\n"), *at;
	unsigned long length;

	require(f.n == 0 || strncmp(f.answer, "HTTP/", 5) == 0);
	if (!body || head)
		return;
	*body = '\0';
	at = strstr(f.answer, "Content-Length: ");
	if (!at || !strstr(f.answer, "application/json"))
		return;
	length = strtoul(at + 16, NULL, 10);
	body += 4;
	if ((size_t)(f.answer + f.n - body) >= length) {
		json_t *o = json_loadb(body, length, 0, NULL);

		require(json_is_object(o));
		json_decref(o);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	struct engine_stats before, after;
	bool http, goes_on = true;
	size_t cut;
	int fd;

	if (length < 2)
		return 0;
	if (!f.s)
		start();
	http = data[0] & 1;
	cut = data[1] < length - 2 ? data[1] : length - 2;
	ask_for_ports();
	engine_stats(f.s->engine, loop_now_ms(f.s->loop), &before);
	fd = connect_to(http);
	f.n = 0;
	turn();
	say(fd, data + 2, cut);
	turn();
	say(fd, data + 2 + cut, length - 2 - cut);
	if (data[0] & 2)
		shutdown(fd, SHUT_WR);
	for (unsigned i = 0; goes_on && i < TURNS; i++) {
		turn();
		if (i == 2)
			ask_for_ports();
		if (i == 3)
			tell();
		goes_on = take(fd);
		if (i > 6 && f.n > 0 && data[0] & 4)
			break;
	}
	look_at_answer(length >= 6 && memcmp(data + 2, "HEAD", 4) == 0);
	close(fd);
	turn();
	turn();
	engine_stats(f.s->engine, loop_now_ms(f.s->loop), &after);
	require(!http || (after.leases == before.leases && f.s->status.reloads == 0));
	f.s->status.reloads = 0;
	return 0;
}
