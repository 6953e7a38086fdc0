/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Load for a NAT-PMP / PCP server: keeps WINDOW requests under way from many client addresses, counts the answers and
 * prints rate and latency as one JSON line.
 *
 *   load SERVER FIRST_CLIENT CLIENTS address|map|delete WINDOW COUNT [OFFSET]
 *
 * address asks for the external address by NAT-PMP, map for a PCP mapping, delete takes that back. Request i comes from
 * client address FIRST_CLIENT + i mod CLIENTS and names the internal port that belongs to i, where i runs from OFFSET
 * to OFFSET + COUNT - 1: the same range again renews. The client addresses must be local (ip route add local PREFIX dev
 * lo). Each request is sent once: what is not answered within two seconds counts as lost.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "codec/codec.h"

#define BATCH	   64
#define SLOTS	   4096
#define LOST_NS	   2000000000ull
#define FIRST_PORT 1024

enum kind { KIND_ADDRESS, KIND_MAP, KIND_DELETE };

struct slot {
	uint64_t sent_ns; /* 0 = free */
	uint64_t number;
};

struct load {
	int fd;
	struct sockaddr_in server;
	enum kind kind;
	uint32_t first_client, clients;
	uint64_t next, end;
	unsigned window, outstanding;
	struct slot slots[SLOTS];
	uint32_t *latency_us;
	size_t answered, refused, lost;
	unsigned last_result;
};

/* What recvmmsg and sendmmsg need for a batch. */
struct batch {
	struct mmsghdr messages[BATCH];
	struct iovec iov[BATCH];
	uint8_t data[BATCH][CODEC_MESSAGE_MAX];
	_Alignas(struct cmsghdr) uint8_t control[BATCH][CMSG_SPACE(sizeof(struct in_pktinfo))];
};

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void batch_init(struct batch *b, unsigned i, size_t length)
{
	b->iov[i] = (struct iovec){b->data[i], length};
	b->messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &b->iov[i],
						      .msg_iovlen = 1,
						      .msg_control = b->control[i],
						      .msg_controllen = sizeof(b->control[i])}};
}

/* The request's number stands in the nonce, so that an answer finds it. */
static size_t build(const struct load *l, uint64_t number, uint32_t client, uint8_t *out)
{
	struct codec_message m;
	uint64_t turn = number / l->clients;

	memset(&m, 0, sizeof(m));
	if (l->kind == KIND_ADDRESS) {
		m.protocol = CODEC_VERSION_NATPMP;
		m.natpmp.opcode = NATPMP_ADDRESS;
		return codec_marshal(&m, out, CODEC_MESSAGE_MAX);
	}
	m.protocol = CODEC_VERSION_PCP;
	m.pcp.version = CODEC_VERSION_PCP;
	m.pcp.opcode = PCP_MAP;
	m.pcp.lifetime_s = l->kind == KIND_MAP ? 7200 : 0;
	m.pcp.client_address = codec_from_v4(client);
	m.pcp.mapping.protocol = turn % 2 ? IPPROTO_TCP : IPPROTO_UDP;
	m.pcp.mapping.internal_port = (uint16_t)(FIRST_PORT + turn / 2 % (65536 - FIRST_PORT));
	m.pcp.mapping.external_address = codec_from_v4(0);
	memcpy(m.pcp.mapping.nonce.octets, &number, sizeof(number));
	return codec_marshal(&m, out, CODEC_MESSAGE_MAX);
}

static void send_some(struct load *l)
{
	static struct batch b;
	unsigned n = 0;
	uint64_t now = clock_ns();

	while (n < BATCH && l->outstanding + n < l->window && l->next + n < l->end) {
		uint64_t number = l->next + n;
		uint32_t client = l->first_client + (uint32_t)(number % l->clients);
		struct slot *s = &l->slots[number % SLOTS];
		struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(client)};

		if (s->sent_ns)
			break; /* an older request still has this slot */
		*s = (struct slot){now, number};
		batch_init(&b, n, build(l, number, client, b.data[n]));
		b.messages[n].msg_hdr.msg_name = &l->server;
		b.messages[n].msg_hdr.msg_namelen = sizeof(l->server);
		struct cmsghdr *c = CMSG_FIRSTHDR(&b.messages[n].msg_hdr);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		n++;
	}
	for (unsigned done = 0; done < n;) {
		int rc = sendmmsg(l->fd, b.messages + done, n - done, 0);

		if (rc < 0) {
			perror("load: sendmmsg");
			exit(1);
		}
		done += (unsigned)rc;
	}
	l->next += n;
	l->outstanding += n;
}

/* Which request an answer to client belongs to. NAT-PMP has nothing to tell by, so there is one a client at a time. */
static uint64_t number_of(const struct load *l, const struct codec_message *m, uint32_t client)
{
	uint64_t number;

	if (m->protocol == CODEC_VERSION_NATPMP)
		return l->next - 1 - (l->next - 1 - (client - l->first_client)) % l->clients;
	memcpy(&number, m->pcp.mapping.nonce.octets, sizeof(number));
	return number;
}

static void answer(struct load *l, const uint8_t *data, size_t length, uint32_t client, uint64_t now)
{
	struct codec_message m;

	if (codec_parse(data, length, &m, NULL) != CODEC_OK)
		return;
	uint64_t number = number_of(l, &m, client);
	struct slot *s = &l->slots[number % SLOTS];
	unsigned result = m.protocol == CODEC_VERSION_NATPMP ? m.natpmp.result : m.pcp.result;

	if (!s->sent_ns || s->number != number)
		return;
	l->latency_us[l->answered++] = (uint32_t)((now - s->sent_ns) / 1000);
	s->sent_ns = 0;
	l->outstanding--;
	if (result) {
		l->refused++;
		l->last_result = result;
	}
}

static void receive_some(struct load *l)
{
	static struct batch b;

	for (unsigned i = 0; i < BATCH; i++)
		batch_init(&b, i, sizeof(b.data[i]));
	int n = recvmmsg(l->fd, b.messages, BATCH, MSG_DONTWAIT, NULL);
	uint64_t now = clock_ns();

	for (int i = 0; i < n; i++) {
		struct cmsghdr *c = CMSG_FIRSTHDR(&b.messages[i].msg_hdr);
		struct in_pktinfo info;

		if (!c || c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_PKTINFO)
			continue;
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		answer(l, b.data[i], b.messages[i].msg_len, ntohl(info.ipi_addr.s_addr), now);
	}
}

static void give_up_old(struct load *l)
{
	uint64_t now = clock_ns();

	for (unsigned i = 0; i < SLOTS; i++) {
		if (!l->slots[i].sent_ns || now - l->slots[i].sent_ns < LOST_NS)
			continue;
		l->slots[i].sent_ns = 0;
		l->outstanding--;
		l->lost++;
	}
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint32_t quantile(const struct load *l, unsigned per_thousand)
{
	return l->answered ? l->latency_us[(l->answered - 1) * per_thousand / 1000] : 0;
}

static int open_socket(struct load *l)
{
	int one = 1, size = 4 << 20;
	struct sockaddr_in any = {.sin_family = AF_INET};

	l->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return -1;
	setsockopt(l->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(l->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (setsockopt(l->fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)))
		return -1;
	return bind(l->fd, (struct sockaddr *)&any, sizeof(any));
}

int main(int argc, char **argv)
{
	static struct load l;
	struct in_addr first;

	l.server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(CODEC_SERVER_PORT)};
	if (argc < 7 || inet_pton(AF_INET, argv[1], &l.server.sin_addr) != 1 ||
	    inet_pton(AF_INET, argv[2], &first) != 1) {
		fprintf(stderr, "usage: load SERVER FIRST_CLIENT CLIENTS address|map|delete WINDOW COUNT [OFFSET]\n");
		return 2;
	}
	l.first_client = ntohl(first.s_addr);
	l.clients = (uint32_t)strtoul(argv[3], NULL, 10);
	l.kind = !strcmp(argv[4], "address") ? KIND_ADDRESS : !strcmp(argv[4], "delete") ? KIND_DELETE : KIND_MAP;
	l.window = (unsigned)strtoul(argv[5], NULL, 10);
	l.next = argc > 7 ? strtoull(argv[7], NULL, 10) : 0;
	size_t count = strtoull(argv[6], NULL, 10);
	l.end = l.next + count;
	if (!l.clients || !count || !l.window || l.window > SLOTS / 2 ||
	    (l.kind == KIND_ADDRESS && l.window > l.clients)) {
		fprintf(stderr, "load: these numbers do not go together\n");
		return 2;
	}
	l.latency_us = calloc(count, sizeof(*l.latency_us));
	if (!l.latency_us || open_socket(&l)) {
		perror("load");
		return 1;
	}

	uint64_t begin = clock_ns();
	while (l.next < l.end || l.outstanding) {
		struct pollfd p = {.fd = l.fd, .events = POLLIN};

		send_some(&l);
		if (poll(&p, 1, 100) > 0)
			receive_some(&l);
		else
			give_up_old(&l);
	}
	double seconds = (double)(clock_ns() - begin) / 1e9;

	qsort(l.latency_us, l.answered, sizeof(*l.latency_us), by_value);
	printf("{\"per_second\": %.0f, \"answered\": %zu, \"refused\": %zu, \"last_result\": %u, \"lost\": %zu, "
	       "\"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u}\n",
	       (double)l.answered / seconds, l.answered, l.refused, l.last_result, l.lost, quantile(&l, 500),
	       quantile(&l, 990), quantile(&l, 1000));
	return 0;
}
