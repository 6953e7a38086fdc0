/* SPDX-License-Identifier: MIT */
#include "codec/natpcpc_session.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#include "codec/natpcpc_options.h"

#define WAIT_MAX_MS 1000000
#define WAITS_MAX   (2 * GATEWAYS_MAX + 1)

static volatile sig_atomic_t stopped;

static void on_stop(int number)
{
	(void)number;
	stopped = 1;
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
}

static void on_child(int number)
{
	(void)number;
}

void session_catch_signals(void)
{
	static const int stops[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction old;
	sigset_t set;

	/* open only while ppoll() waits: none gets lost between a look at the flag and the wait */
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		/* nohup has said that it shall not count */
		if (stops[i] == SIGHUP && sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
			continue;
		sigaddset(&set, stops[i]);
		sigaction(stops[i], &(struct sigaction){.sa_handler = on_stop}, NULL);
	}
	sigaddset(&set, SIGCHLD);
	sigaction(SIGCHLD, &(struct sigaction){.sa_handler = on_child}, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

bool session_stopped(void)
{
	return stopped;
}

uint64_t session_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void session_init(struct session *s)
{
	*s = (struct session){.conn = {.fd = -1}, .news = {.fd = -1}};
}

int session_open(struct session *s, enum client_mode mode)
{
	uint64_t seed = 0;
	int rc = conn_open(&s->conn, &s->server, &s->own, s->ifindex);

	if (rc)
		return rc;
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = session_now();
	client_init(&s->client, mode, &s->server, &s->own, seed);
	return 0;
}

int session_hear(struct session *s)
{
	unsigned int ifindex = s->ifindex ? s->ifindex : session_interface(&s->own);

	return conn_listen(&s->news, codec_is_v4(&s->server.address) ? AF_INET : AF_INET6, ifindex);
}

void session_close(struct session *s)
{
	conn_close(&s->conn);
	conn_close(&s->news);
}

static bool is_icmp(int rc)
{
	return rc == -ECONNREFUSED || rc == -EHOSTUNREACH;
}

static int receive_all(struct session *s, const struct conn *c)
{
	uint8_t data[DATAGRAM_MAX];
	struct client_endpoint from;
	size_t length;
	int rc;

	while ((rc = conn_receive(c, data, sizeof(data), &length, &from)) == 0)
		if (client_deliver(&s->client, data, length, &from, session_now()))
			s->unreachable = false;
	if (is_icmp(rc)) {
		s->unreachable = true;
		client_unreachable(&s->client, session_now());
	}
	return rc == -EAGAIN || is_icmp(rc) ? 0 : rc;
}

static void fail(struct session *s, int rc)
{
	s->error = rc;
	conn_close(&s->conn);
}

/* Sends what is due; returns when to come back. */
static uint64_t send_due(struct session *s)
{
	uint8_t out[CODEC_MESSAGE_MAX];
	struct client_endpoint to;
	uint64_t deadline_ms;
	size_t n;

	while ((n = client_next(&s->client, out, sizeof(out), &to, &deadline_ms, session_now())) > 0) {
		int rc = conn_send(&s->conn, out, n, &to);

		/* that was for an earlier one */
		if (rc == -ECONNREFUSED)
			rc = conn_send(&s->conn, out, n, &to);
		/* a mapping that is kept outlives a network that is away for a while */
		if (rc < 0 && !s->op.request.keep) {
			fail(s, rc);
			break;
		}
	}
	return deadline_ms;
}

static struct timespec *time_until(uint64_t until_ms, struct timespec *t)
{
	uint64_t now_ms = session_now(), ms = until_ms > now_ms ? until_ms - now_ms : 0;

	if (until_ms == CLIENT_NEVER)
		return NULL;
	ms = ms > WAIT_MAX_MS ? WAIT_MAX_MS : ms;
	*t = (struct timespec){(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
	return t;
}

bool session_poll(const struct conn *const *conns, size_t count, uint64_t until_ms)
{
	struct pollfd fds[WAITS_MAX];
	struct timespec t;
	sigset_t open;

	for (size_t i = 0; i < count; i++)
		fds[i] = (struct pollfd){conns[i]->fd, POLLIN, 0};
	sigemptyset(&open);
	return ppoll(fds, (nfds_t)count, time_until(until_ms, &t), &open) > 0;
}

void session_step(struct session *s, size_t count, const struct conn *extra, uint64_t until_ms)
{
	const struct conn *conns[WAITS_MAX] = {NULL};

	for (size_t i = 0; i < count; i++) {
		uint64_t due_ms = s[i].error ? CLIENT_NEVER : send_due(&s[i]);

		/* the caller is to know at once */
		until_ms = s[i].error && due_ms != CLIENT_NEVER ? 0 : due_ms < until_ms ? due_ms : until_ms;
		conns[2 * i] = &s[i].conn;
		conns[2 * i + 1] = &s[i].news;
	}
	conns[2 * count] = extra;
	if (!session_poll(conns, 2 * count + (extra != NULL), until_ms))
		return;
	for (size_t i = 0; i < count; i++) {
		int rc = s[i].conn.fd < 0 ? 0 : receive_all(&s[i], &s[i].conn);

		if (rc && !s[i].op.request.keep)
			fail(&s[i], rc);
		if (s[i].news.fd >= 0)
			receive_all(&s[i], &s[i].news);
	}
}

int session_await(struct session *all, size_t count, struct session *s, const struct client_op *op, uint64_t until_ms)
{
	bool before = stopped;

	while (!s->error && op->result.state == CLIENT_ASKING) {
		if (stopped && !before)
			return -EINTR;
		if (session_now() >= until_ms)
			return -ETIMEDOUT;
		session_step(all, count, NULL, until_ms);
	}
	return s->error;
}

unsigned int session_interface(const struct in6_addr *own)
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
