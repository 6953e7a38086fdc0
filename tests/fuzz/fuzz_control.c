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

/* Some leases, made or renewed. */
static void ask_for_ports(void)
{
	static const uint8_t map[12] = {0, 2, [5] = 80, [7] = 80, [10] = 14, [11] = 16};

	for (unsigned i = 0; i < CLIENTS; i++) {
		struct engine_datagram d = {.data = map,
					    .length = sizeof(map),
					    .source = codec_from_v4(0xc0000202 + i),
					    .destination = codec_from_v4(0xc0000201),
					    .source_port = 5000,
					    .ifindex = 1,
					    .interface = "nosuch0"};

		engine_request(f.s->engine, &d, loop_now_ms(f.s->loop), f.s->round);
		server_round(f.s);
	}
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
	(void)!send(fd, data + 2, cut, MSG_NOSIGNAL);
	turn();
	(void)!send(fd, data + 2 + cut, length - 2 - cut, MSG_NOSIGNAL);
	if (data[0] & 2)
		shutdown(fd, SHUT_WR);
	for (unsigned i = 0; goes_on && i < TURNS; i++) {
		turn();
		if (i == 2)
			ask_for_ports();
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
