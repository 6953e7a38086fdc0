/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process that reads packets, taken over: starts the one that changes the packet filter as natpcpd does, and asks it
 * for what natpcpd never asks for. By lines on standard input, each answered with one line on standard output:
 *   start CONF-FILE     "ok PID" of the warden, or "error WHY"
 *   add|renew|remove nat|pin PROTOCOL INSIDE PORT OUTSIDE PORT [KIND EXTERNAL MORE PEER PEER-PORT]
 *                       the name of the verdict, "0" if it was made
 *   raw WHAT N LENGTH   a head that says that, with so many octets of zeros behind: "answered RESULT" or "gone STATUS"
 *   garbage N           N octets of no meaning at all: the same
 *   search N LENGTH     the same on the stream for searches
 *   stop                "ok"
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/wire_socket.h"
#include "codec/codec.h"
#include "server/warden.h"

enum { WAIT_MS = 10000 };

static struct warden warden;
static struct wire_buffer out, in;
static struct wire_head head;

static bool hear(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, WAIT_MS) > 0 && wire_receive(fd, &in, &head) == 0;
}

/* What became of a message that was sent. */
static void outcome(int fd)
{
	int status = 0;

	if (hear(fd)) {
		printf("answered %d\n", head.result);
		return;
	}
	for (int ms = 0; ms < WAIT_MS; ms += 10) {
		if (waitpid(warden.pid, &status, WNOHANG) == warden.pid) {
			printf("gone %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
			warden.pid = 0;
			return;
		}
		poll(NULL, 0, 10);
	}
	puts("silent");
}

static struct conf *conf;

static void stop(void)
{
	if (warden.pid > 0)
		warden_wait(&warden);
	warden.pid = 0;
	conf_free(conf);
	conf = NULL;
}

static void start(const char *file)
{
	const struct settings settings = {.file = file};
	char why[CONF_LOCATION_MAX];
	struct privileges p;

	stop();
	if (settings_read(&settings, &conf, why) ||
	    privileges_find(conf->process.user, conf->process.user_set, &p, why, sizeof(why)) ||
	    warden_start(&warden, &settings, conf, &p)) {
		printf("error %s\n", why);
		return;
	}
	wire_begin(&out, WIRE_OPEN);
	wire_end(&out, 0, 0);
	wire_send(warden.ends.questions, &out);
	if (!hear(warden.ends.questions))
		puts("error gone");
	else if (head.result)
		printf("error %d %.*s\n", head.result, (int)(head.length - sizeof(struct wire_open)),
		       (const char *)wire_body(&in) + sizeof(struct wire_open));
	else
		printf("ok %d\n", (int)warden.pid);
}

static bool address(const char *text, struct in6_addr *a)
{
	return codec_address_parse(text, strlen(text), a);
}

static void change(const char *op, const char *rest)
{
	char kind[8], inside[64], outside[64], peer[64] = "::";
	unsigned protocol, inside_port, outside_port, number = 99, external = 0, more = 0, peer_port = 0;
	struct change c = {.timeout_ms = 3600 * 1000, .group = 1};
	int32_t verdict;

	if (sscanf(rest, "%7s %u %63s %u %63s %u %u %u %u %63s %u", kind, &protocol, inside, &inside_port, outside,
		   &outside_port, &number, &external, &more, peer, &peer_port) < 6 ||
	    !address(inside, &c.mapping.internal_address) || !address(outside, &c.mapping.external_address) ||
	    !address(peer, &c.mapping.remote_address)) {
		puts("error usage");
		return;
	}
	c.op = !strcmp(op, "add") ? CHANGE_ADD : !strcmp(op, "renew") ? CHANGE_RENEW : CHANGE_REMOVE;
	c.mapping.kind = number != 99 ? (uint8_t)number : !strcmp(kind, "nat") ? MAPPING_NAT : MAPPING_PINHOLE;
	c.mapping.protocol = (uint8_t)protocol;
	c.mapping.internal_port = (uint16_t)inside_port;
	c.mapping.external_port = (uint16_t)outside_port;
	c.mapping.external = (uint8_t)external;
	c.mapping.more_ports = (uint16_t)more;
	c.mapping.remote_port = (uint16_t)peer_port;
	wire_begin(&out, WIRE_COMMIT);
	wire_put_changes(&out, &c, 1);
	wire_end(&out, 1, 0);
	wire_send(warden.ends.questions, &out);
	if (!hear(warden.ends.questions) || head.length != sizeof(verdict)) {
		outcome(warden.ends.questions);
		return;
	}
	memcpy(&verdict, wire_body(&in), sizeof(verdict));
	printf("%s\n", verdict ? strerrorname_np(-verdict) : "0");
}

static void octets(int fd, const void *data, size_t n)
{
	/* who does not want them closes the other end */
	while (n > 0) {
		ssize_t sent = send(fd, data, n < 4096 ? n : 4096, MSG_NOSIGNAL);

		if (sent < 0)
			break;
		n -= (size_t)sent;
	}
	outcome(fd);
}

static void raw(int fd, unsigned what, unsigned n, unsigned length)
{
	static const uint8_t zeros[4096];
	const struct wire_head h = {.what = what, .n = n, .length = length};

	if (send(fd, &h, sizeof(h), MSG_NOSIGNAL) < 0) {
		outcome(fd);
		return;
	}
	octets(fd, zeros, length < 1 << 20 ? length : 0);
}

int main(void)
{
	char line[512], word[16];
	unsigned what, n, length;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%15s", word) != 1)
			continue;
		if (!strcmp(word, "start")) {
			start(line + 6);
		} else if (!strcmp(word, "stop")) {
			stop();
			puts("ok");
		} else if (sscanf(line, "raw %u %u %u", &what, &n, &length) == 3) {
			raw(warden.ends.questions, what, n, length);
		} else if (sscanf(line, "search %u %u", &n, &length) == 2) {
			raw(warden.ends.searches, WIRE_SEARCH, n, length);
		} else if (sscanf(line, "garbage %u", &n) == 1) {
			uint8_t v[4096];

			for (size_t i = 0; i < sizeof(v); i++)
				v[i] = (uint8_t)(i * 7 + 13);
			octets(warden.ends.questions, v, n < sizeof(v) ? n : sizeof(v));
		} else {
			change(word, line + strlen(word));
		}
	}
	stop();
	return 0;
}
