/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Load for a NAT-PMP / PCP server: keeps WINDOW requests under way from many client addresses, counts the answers and
 * prints rate and latency as one JSON line.
 *
 *   load [OPTIONS] SERVER FIRST_CLIENT CLIENTS address|map|delete WINDOW COUNT [OFFSET]
 *     -r PER_SECOND  sends at this rate whatever is answered; WINDOW does not count
 *     -l SECONDS     lifetime of mappings, 7200 unless given
 *     -s FILE        writes the outside of each mapping there, as flows.c reads them
 *
 * address asks for the external address by NAT-PMP, map for a PCP mapping, delete takes that back. Request i comes from
 * client address FIRST_CLIENT + i mod CLIENTS and names the internal port that belongs to i, where i runs from OFFSET
 * to OFFSET + COUNT - 1: the same range again renews. The client addresses must be local (ip route add local PREFIX dev
 * lo). Each request is sent once: what is not answered within two seconds counts as lost.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "codec/codec.h"
#include "tests/bench/outside.h"

#define BATCH	   64
#define SLOTS	   4096
#define LOST_NS	   2000000000ull
#define LOOK_NS	   100000000ull /* so often for what is lost */
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
	double per_second; /* 0 = as WINDOW allows */
	uint32_t lifetime_s;
	FILE *save;
	uint32_t first_client, clients;
	uint64_t begin_ns, first, next, end;
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
	m.pcp.lifetime_s = l->kind == KIND_MAP ? l->lifetime_s : 0;
	m.pcp.client_address = codec_from_v4(client);
	m.pcp.mapping.protocol = turn % 2 ? IPPROTO_TCP : IPPROTO_UDP;
	m.pcp.mapping.internal_port = (uint16_t)(FIRST_PORT + turn / 2 % (65536 - FIRST_PORT));
	m.pcp.mapping.external_address = codec_from_v4(0);
	memcpy(m.pcp.mapping.nonce.octets, &number, sizeof(number));
	return codec_marshal(&m, out, CODEC_MESSAGE_MAX);
}

/* When request number is to be sent, if there is a rate. */
static uint64_t due_ns(const struct load *l, uint64_t number)
{
	return l->begin_ns + (uint64_t)((double)(number - l->first) * 1e9 / l->per_second);
}

static void lose(struct load *l, struct slot *s)
{
	s->sent_ns = 0;
	l->outstanding--;
	l->lost++;
}

static bool may_send(const struct load *l, unsigned n, uint64_t now)
{
	if (n == BATCH || l->next + n >= l->end)
		return false;
	return l->per_second > 0 ? due_ns(l, l->next + n) <= now : l->outstanding + n < l->window;
}

static void send_some(struct load *l)
{
	static struct batch b;
	unsigned n = 0;
	uint64_t now = clock_ns();

	while (may_send(l, n, now)) {
		uint64_t number = l->next + n;
		uint32_t client = l->first_client + (uint32_t)(number % l->clients);
		struct slot *s = &l->slots[number % SLOTS];
		struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(client)};

		if (s->sent_ns && l->per_second > 0)
			lose(l, s);
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
	} else if (l->save && m.protocol == CODEC_VERSION_PCP) {
		struct outside o = {.port = m.pcp.mapping.external_port, .protocol = m.pcp.mapping.protocol};

		memcpy(&o.address, &m.pcp.mapping.external_address.s6_addr[12], sizeof(o.address));
		fwrite(&o, sizeof(o), 1, l->save);
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
		if (l->slots[i].sent_ns && now - l->slots[i].sent_ns >= LOST_NS)
			lose(l, &l->slots[i]);
	}
}

/* Until something can be read or sent, LOOK_NS at most. */
static bool wait_for_answers(const struct load *l)
{
	struct pollfd p = {.fd = l->fd, .events = POLLIN};
	uint64_t wait = LOOK_NS;

	if (l->per_second > 0 && l->next < l->end) {
		uint64_t now = clock_ns(), due = due_ns(l, l->next);

		wait = due <= now ? 0 : due - now < LOOK_NS ? due - now : LOOK_NS;
	}
	struct timespec timeout = {.tv_nsec = (long)wait};
	return ppoll(&p, 1, &timeout, NULL) > 0;
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

static int usage(void)
{
	fprintf(stderr, "usage: load [-r PER_SECOND] [-l SECONDS] [-s FILE] SERVER FIRST_CLIENT CLIENTS "
			"address|map|delete WINDOW COUNT [OFFSET]\n");
	return 2;
}

static bool options(struct load *l, int argc, char **argv)
{
	for (int c; (c = getopt(argc, argv, "+r:l:s:")) != -1;) {
		switch (c) {
		case 'r':
			l->per_second = strtod(optarg, NULL);
			break;
		case 'l':
			l->lifetime_s = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 's':
			l->save = fopen(optarg, "we");
			if (!l->save) {
				perror("load: -s");
				return false;
			}
			break;
		default:
			return false;
		}
	}
	return true;
}

/* False: these words or numbers do not go together. */
static bool arguments(struct load *l, int argc, char **argv)
{
	struct in_addr first;

	if (argc < 6 || inet_pton(AF_INET, argv[0], &l->server.sin_addr) != 1 ||
	    inet_pton(AF_INET, argv[1], &first) != 1)
		return false;
	l->first_client = ntohl(first.s_addr);
	l->clients = (uint32_t)strtoul(argv[2], NULL, 10);
	l->kind = !strcmp(argv[3], "address") ? KIND_ADDRESS : !strcmp(argv[3], "delete") ? KIND_DELETE : KIND_MAP;
	l->window = (unsigned)strtoul(argv[4], NULL, 10);
	l->first = l->next = argc > 6 ? strtoull(argv[6], NULL, 10) : 0;
	l->end = l->first + strtoull(argv[5], NULL, 10);
	return l->clients && l->end > l->first && l->window && l->window <= SLOTS / 2 &&
	       (l->kind != KIND_ADDRESS || l->window <= l->clients);
}

int main(int argc, char **argv)
{
	static struct load l = {.lifetime_s = 7200};
	uint64_t looked;

	l.server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(CODEC_SERVER_PORT)};
	if (!options(&l, argc, argv) || !arguments(&l, argc - optind, argv + optind))
		return usage();
	l.latency_us = calloc(l.end - l.first, sizeof(*l.latency_us));
	if (!l.latency_us || open_socket(&l)) {
		perror("load");
		return 1;
	}
	prctl(PR_SET_TIMERSLACK, 1);

	looked = l.begin_ns = clock_ns();
	while (l.next < l.end || l.outstanding) {
		send_some(&l);
		if (wait_for_answers(&l))
			receive_some(&l);
		if (clock_ns() - looked >= LOOK_NS) {
			give_up_old(&l);
			looked = clock_ns();
		}
	}
	double seconds = (double)(clock_ns() - l.begin_ns) / 1e9;

	if (l.save && fclose(l.save)) {
		perror("load: -s");
		return 1;
	}
	qsort(l.latency_us, l.answered, sizeof(*l.latency_us), by_value);
	printf("{\"per_second\": %.0f, \"answered\": %zu, \"refused\": %zu, \"last_result\": %u, \"lost\": %zu, "
	       "\"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u}\n",
	       (double)l.answered / seconds, l.answered, l.refused, l.last_result, l.lost, quantile(&l, 500),
	       quantile(&l, 990), quantile(&l, 1000));
	return 0;
}
