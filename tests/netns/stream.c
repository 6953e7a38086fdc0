/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flow that runs while something happens, and how long it was broken, counted in packets.
 *
 *   stream NSIN NSOUT udp|tcp LANIP LANPORT EXTIP EXTPORT [fresh|oneway]
 *       from NSOUT a packet every millisecond to EXTIP:EXTPORT, each answered by LANIP:LANPORT in NSIN, until standard input
 *       ends and some more have been sent; then one line of JSON. fresh: each datagram is a flow of its own. oneway: nobody answers.
 *
 *   sent      packets
 *   lost      those of them that did not arrive, or whose answer did not (TCP: those that were sent again, and not in vain)
 *   after     how many came through in a row at the end (TCP: all that were answered)
 *   gap_ms    from the last one before the longest row of lost ones to the first one after it, by the times when they were
 *             sent; 0 if none was lost: what delays this process does not count (TCP: the slowest answer)
 *   broken    TCP: somebody ended the connection
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVERY_NS = 1000000, FIRST = 20000, LAST = 59999, STRAGGLERS_MS = 300, SOON_S = 20 };
/* packets after the end of standard input, so that there is something to be seen of how it is then */
enum { MORE = 60 };

struct packet {
	int64_t at_ns;
	bool came;
};

static struct {
	bool tcp, fresh, oneway, broken;
	int server, client;
	struct addrinfo *target;
	struct packet *packets;
	size_t sent, room, came;
	/* fresh: the next port; TCP: the slowest answer, and octets of one that is not whole */
	uint16_t port;
	int64_t slowest_ns;
	unsigned char rest[4];
	size_t has;
	/* TCP: what the inner host has still to say again */
	unsigned char echo[65536];
	size_t echo_at, echo_n;
} flow;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "stream: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int must(int rc, const char *what)
{
	if (rc < 0)
		fail(what);
	return rc;
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void enter(const char *namespace)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", namespace);
	fd = must(open(path, O_RDONLY | O_CLOEXEC), path);
	must(setns(fd, CLONE_NEWNET), path);
	close(fd);
}

static struct addrinfo *resolve(const char *address, const char *port)
{
	struct addrinfo hints = {.ai_socktype = flow.tcp ? SOCK_STREAM : SOCK_DGRAM,
				 .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV},
			*a;

	if (getaddrinfo(address, port, &hints, &a)) {
		fprintf(stderr, "stream: what is %s %s?\n", address, port);
		exit(2);
	}
	return a;
}

static int make(int family)
{
	int s = must(socket(family, (flow.tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0), "socket");

	must(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), "SO_REUSEADDR");
	must(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = SOON_S}, sizeof(struct timeval)),
	     "SO_RCVTIMEO");
	must(setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){.tv_sec = SOON_S}, sizeof(struct timeval)),
	     "SO_SNDTIMEO");
	return s;
}

static void begin(const char *inner, const char *outer, const struct addrinfo *local)
{
	int listener;

	enter(inner);
	/* a test's own server may be there */
	listener = make(local->ai_family);
	if (flow.tcp)
		must(setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int)), "SO_REUSEPORT");
	must(bind(listener, local->ai_addr, local->ai_addrlen), "bind");
	/* where it stays: fresh makes its sockets there */
	enter(outer);
	flow.client = make(flow.target->ai_family);
	flow.server = listener;
	flow.port = FIRST;
	if (!flow.tcp)
		return;
	must(listen(listener, 1), "listen");
	must(connect(flow.client, flow.target->ai_addr, flow.target->ai_addrlen), "connect");
	flow.server = must(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept");
	close(listener);
	must(setsockopt(flow.server, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)), "TCP_NODELAY");
	must(setsockopt(flow.client, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)), "TCP_NODELAY");
}

static void note(int64_t at_ns)
{
	if (flow.sent == flow.room) {
		flow.room = flow.room ? 2 * flow.room : 4096;
		flow.packets = realloc(flow.packets, flow.room * sizeof(*flow.packets));
		if (!flow.packets)
			fail("realloc");
	}
	flow.packets[flow.sent++] = (struct packet){.at_ns = at_ns};
}

static void send_fresh(uint32_t number)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(flow.port)};
	struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(flow.port)};
	bool v4 = flow.target->ai_family == AF_INET;
	int s = make(flow.target->ai_family);

	if (bind(s, v4 ? (struct sockaddr *)&any4 : (struct sockaddr *)&any, v4 ? sizeof(any4) : sizeof(any)) == 0)
		sendto(s, &number, sizeof(number), MSG_DONTWAIT, flow.target->ai_addr, flow.target->ai_addrlen);
	close(s);
	flow.port = flow.port < LAST ? flow.port + 1 : FIRST;
}

static void send_one(int64_t at_ns)
{
	uint32_t number = htonl((uint32_t)flow.sent);
	ssize_t n;

	if (flow.tcp) {
		if (flow.broken)
			return;
		n = send(flow.client, &number, sizeof(number), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == sizeof(number))
			note(at_ns);
		else
			flow.broken = n >= 0 || errno != EAGAIN;
		return;
	}
	note(at_ns);
	/* an error that came back for an earlier one, or no way out: this one is lost */
	if (flow.fresh)
		send_fresh(number);
	else
		sendto(flow.client, &number, sizeof(number), MSG_DONTWAIT, flow.target->ai_addr,
		       flow.target->ai_addrlen);
}

static void read_datagrams(int s)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);
	uint32_t number;

	while (recvfrom(s, &number, sizeof(number), MSG_DONTWAIT, (struct sockaddr *)&peer, &length) ==
	       sizeof(number)) {
		if (s == flow.server && !flow.fresh && !flow.oneway) {
			sendto(s, &number, sizeof(number), MSG_DONTWAIT, (struct sockaddr *)&peer, length);
		} else if (ntohl(number) < flow.sent) {
			struct packet *p = &flow.packets[ntohl(number)];

			flow.came += !p->came;
			p->came = true;
		}
		length = sizeof(peer);
	}
}

/* An answer is as slow as it is read. */
static void answered(int64_t at_ns)
{
	int64_t ns = at_ns - flow.packets[flow.came].at_ns;
	uint32_t number;

	memcpy(&number, flow.rest, sizeof(number));
	if (ntohl(number) != flow.came) {
		fprintf(stderr, "stream: %u for %zu\n", ntohl(number), flow.came);
		exit(1);
	}
	flow.slowest_ns = ns > flow.slowest_ns ? ns : flow.slowest_ns;
	flow.came++;
	flow.has = 0;
}

/* True if a call came to nothing: not now, or because somebody has ended the connection. */
static bool nothing(ssize_t n)
{
	flow.broken |= n == 0 || (n < 0 && errno != EAGAIN);
	return n <= 0;
}

/* Says again what it hears; nothing more is heard until that is said. */
static void echo(void)
{
	ssize_t n;

	if (flow.echo_at == flow.echo_n) {
		n = recv(flow.server, flow.echo, sizeof(flow.echo), MSG_DONTWAIT);
		if (nothing(n))
			return;
		flow.echo_at = 0;
		flow.echo_n = (size_t)n;
	}
	n = send(flow.server, flow.echo + flow.echo_at, flow.echo_n - flow.echo_at, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (!nothing(n))
		flow.echo_at += (size_t)n;
}

static void read_answers(void)
{
	unsigned char data[4096];
	ssize_t n = recv(flow.client, data, sizeof(data), MSG_DONTWAIT);

	if (nothing(n))
		return;
	for (ssize_t i = 0; i < n; i++) {
		flow.rest[flow.has++] = data[i];
		if (flow.has == sizeof(flow.rest))
			answered(now_ns());
	}
}

static void read_connection(int s)
{
	if (s == flow.server)
		echo();
	else
		read_answers();
}

/* Reads what is there, or comes in that time; 0 if nothing did. *input: standard input, until it ends. */
static int hear(int64_t ns, int *input)
{
	struct timespec t = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
	struct pollfd p[] = {
	    {.fd = *input, .events = POLLIN},
	    {.fd = flow.broken ? -1 : flow.server, .events = flow.echo_at < flow.echo_n ? POLLOUT : POLLIN},
	    {.fd = flow.broken ? -1 : flow.client, .events = POLLIN}};
	int n = ppoll(p, 3, &t, NULL);

	for (int i = 1; i < 3 && n > 0; i++)
		if (p[i].revents)
			(flow.tcp ? read_connection : read_datagrams)(p[i].fd);
	if (n > 0 && p[0].revents)
		*input = -1;
	return n;
}

static void run(void)
{
	int64_t due_ns = now_ns(), left_ns;
	int input = STDIN_FILENO, none = -1;

	for (int more = MORE; more > 0;) {
		int64_t ns = now_ns();

		if (ns >= due_ns) {
			send_one(ns);
			due_ns = due_ns + EVERY_NS > ns ? due_ns + EVERY_NS : ns;
			more -= input < 0;
		}
		left_ns = due_ns - now_ns();
		hear(left_ns > 0 ? left_ns : 0, &input);
	}
	/* what is on its way comes, or nothing does while somebody listens */
	while (!flow.broken && flow.came < flow.sent && hear((int64_t)STRAGGLERS_MS * 1000000, &none) > 0)
		continue;
}

/* What was sent again for it was lost, but not what its receiver says that it has twice: that was late. */
static size_t again(int s)
{
	struct tcp_info info = {0};
	socklen_t length = sizeof(info);

	must(getsockopt(s, IPPROTO_TCP, TCP_INFO, &info, &length), "TCP_INFO");
	return info.tcpi_total_retrans > info.tcpi_dsack_dups ? info.tcpi_total_retrans - info.tcpi_dsack_dups : 0;
}

static void tell(size_t lost, size_t after, int64_t gap_ns)
{
	printf("{\"sent\": %zu, \"lost\": %zu, \"after\": %zu, \"gap_ms\": %.1f, \"broken\": %s}\n", flow.sent, lost,
	       after, (double)gap_ns / 1e6, flow.broken ? "true" : "false");
}

static void tell_connection(void)
{
	int64_t waits_ns = flow.came < flow.sent ? now_ns() - flow.packets[flow.came].at_ns : 0;

	tell(again(flow.client) + again(flow.server) + flow.sent - flow.came, flow.came,
	     waits_ns > flow.slowest_ns ? waits_ns : flow.slowest_ns);
}

static void tell_datagrams(void)
{
	/* the last one that came, and what is the next one after the last of all */
	size_t last = 0, after = 0;
	int64_t gap_ns = 0;
	bool any = false;

	note(now_ns());
	flow.packets[--flow.sent].came = true;
	for (size_t i = 0; i <= flow.sent; i++) {
		if (!flow.packets[i].came)
			continue;
		if (any ? i - last > 1 : i > 0) {
			int64_t ns = flow.packets[i].at_ns - flow.packets[last].at_ns;

			gap_ns = ns > gap_ns ? ns : gap_ns;
		}
		last = i;
		any = true;
	}
	while (after < flow.sent && flow.packets[flow.sent - 1 - after].came)
		after++;
	tell(flow.sent - flow.came, after, gap_ns);
}

int main(int argc, char **argv)
{
	struct addrinfo *local;

	if (argc < 8 || argc > 9 || (strcmp(argv[3], "udp") != 0 && strcmp(argv[3], "tcp") != 0)) {
		fprintf(stderr, "usage: %s NSIN NSOUT udp|tcp LANIP LANPORT EXTIP EXTPORT [fresh|oneway]\n", argv[0]);
		return 2;
	}
	flow.tcp = strcmp(argv[3], "tcp") == 0;
	flow.fresh = argc == 9 && strcmp(argv[8], "fresh") == 0;
	flow.oneway = argc == 9 && strcmp(argv[8], "oneway") == 0;
	local = resolve(argv[4], argv[5]);
	flow.target = resolve(argv[6], argv[7]);
	begin(argv[1], argv[2], local);
	puts("running");
	fflush(stdout);
	run();
	if (flow.tcp)
		tell_connection();
	else
		tell_datagrams();
	freeaddrinfo(local);
	freeaddrinfo(flow.target);
	free(flow.packets);
	return 0;
}
