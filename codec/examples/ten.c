/* SPDX-License-Identifier: MIT */
/*
 * ten PORT [SERVER [INTERFACE]]   an event loop that keeps ten mappings, TCP PORT to PORT + 9, hears the gateway's news
 * on INTERFACE, and deletes the mappings when it is told to end (SIGTERM, SIGINT).
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <natpcp/conn.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define MAPPINGS 10
#define END_MS	 3000 /* how long the end waits for answers */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool watch(int loop, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data = {.fd = fd}};

	return epoll_ctl(loop, EPOLL_CTL_ADD, fd, &e) == 0;
}

static int end_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* All that came, from the gateway itself or as its news to everybody. */
static void receive(struct client *client, const struct conn *conn)
{
	uint8_t data[CODEC_MESSAGE_MAX + 1];
	struct client_endpoint from;
	size_t n;
	int rc;

	while ((rc = conn_receive(conn, data, sizeof(data), &n, &from)) != -EAGAIN) {
		if (rc == 0)
			client_deliver(client, data, n, &from, now_ms());
		else if (rc == -ECONNREFUSED)
			client_unreachable(client, now_ms());
		else
			break;
	}
}

/* Sends what is due. Returns how long nothing will be, in ms for epoll_wait(). */
static int send_due(struct client *client, const struct conn *conn)
{
	uint8_t data[CODEC_MESSAGE_MAX];
	struct client_endpoint to;
	uint64_t deadline, now;
	size_t n;

	while ((n = client_next(client, data, sizeof(data), &to, &deadline, now_ms())) > 0)
		conn_send(conn, data, n, &to);
	now = now_ms();
	return deadline <= now ? 0 : deadline - now > 60000 ? 60000 : (int)(deadline - now);
}

static void tell(struct client *client)
{
	char address[CODEC_ADDRESS_TEXT];
	struct client_op *op;

	while ((op = client_changed(client)) != NULL) {
		const struct client_result *r = &op->result;

		if (r->state == CLIENT_GRANTED)
			printf("%u -> %s:%u for %u s\n", op->request.internal_port,
			       codec_address_text(&r->external_address, address), r->external_port, r->lifetime_s);
		else if (r->state == CLIENT_REFUSED)
			printf("%u: %s\n", op->request.internal_port, client_code_name(r));
		else
			printf("%u: %s\n", op->request.internal_port, r->state == CLIENT_DELETED ? "deleted" : "none");
		fflush(stdout);
	}
}

static bool any_left(const struct client_op ops[MAPPINGS])
{
	for (int i = 0; i < MAPPINGS; i++)
		if (ops[i].result.state == CLIENT_ASKING)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	struct client_request request = {.protocol = IPPROTO_TCP, .lifetime_s = CLIENT_LIFETIME, .keep = true};
	struct client_endpoint server = {.port = CODEC_SERVER_PORT};
	unsigned int interface = argc > 3 ? if_nametoindex(argv[3]) : 0;
	int loop = epoll_create1(EPOLL_CLOEXEC), signals = end_signals();
	struct client_op ops[MAPPINGS];
	struct conn conn, news = {.fd = -1};
	struct epoll_event event;
	struct in6_addr own;
	struct client client;
	long port = argc > 1 ? strtol(argv[1], NULL, 10) : 0; /* 0 would be all ports */
	uint64_t end = 0;

	if (port < 1 || port > 65536 - MAPPINGS ||
	    (argc > 2 ? !codec_address_parse(argv[2], strlen(argv[2]), &server.address)
		      : conn_default_gateway(AF_INET, &interface, &server) < 0) ||
	    conn_source(&server, interface, &own) < 0 || conn_open(&conn, &server, &own, interface) < 0) {
		fputs("usage: ten PORT [SERVER [INTERFACE]]; there may be no way to a gateway\n", stderr);
		return 2;
	}
	if (!watch(loop, conn.fd) || !watch(loop, signals) ||
	    (interface && (conn_listen(&news, conn.family, interface) < 0 || !watch(loop, news.fd)))) {
		perror("ten");
		return 1;
	}
	client_init(&client, CLIENT_AUTO, &server, &own, now_ms());
	for (int i = 0; i < MAPPINGS; i++) {
		request.internal_port = request.external_port = (uint16_t)(port + i);
		if (getrandom(&request.nonce, sizeof(request.nonce), 0) != sizeof(request.nonce))
			return 1;
		if (!client_map(&client, &ops[i], &request, now_ms()))
			return 1;
	}
	for (;;) {
		int wait_ms = send_due(&client, &conn);

		tell(&client);
		if (end && (now_ms() >= end || !any_left(ops)))
			break;
		if (end && wait_ms > 100)
			wait_ms = 100;
		if (epoll_wait(loop, &event, 1, wait_ms) <= 0)
			continue;
		if (event.data.fd == conn.fd) {
			receive(&client, &conn);
		} else if (event.data.fd == news.fd) {
			receive(&client, &news);
		} else if (!end) {
			end = now_ms() + END_MS;
			for (int i = 0; i < MAPPINGS; i++)
				client_delete(&client, &ops[i], now_ms());
		}
	}
	conn_close(&news);
	conn_close(&conn);
	close(signals);
	close(loop);
	return 0;
}
