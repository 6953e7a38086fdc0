/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flood of one kind of packets for a NAT-PMP / PCP server, put on a wire frame by frame, so that their sources can be
 * any. Nobody waits for answers. Prints how many were sent in how many seconds, as one JSON line.
 *
 *   flood [-r PER_SECOND] INTERFACE ROUTER_MAC SERVER SOURCES KIND COUNT
 *
 * SOURCES is a prefix (198.18.0.0/15, 2001:db8:7::/64), each packet is from a random address and port of it; an address
 * alone is one host. KIND is what is sent:
 *   address   NAT-PMP's request for the external address     map       PCP requests for new mappings
 *   announce  PCP ANNOUNCE                                   version   PCP of version 9
 *   garbage   60 random octets                               short     one octet
 *   response  a PCP response                                 refused   mappings for a host that is not the sender
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "codec/codec.h"

enum { BATCH = 64, FRAME = 256, HEAD4 = 20, HEAD6 = 40, HEAD_UDP = 8, GARBAGE = 60 };

enum kind {
	KIND_ADDRESS,
	KIND_MAP,
	KIND_ANNOUNCE,
	KIND_VERSION,
	KIND_GARBAGE,
	KIND_SHORT,
	KIND_RESPONSE,
	KIND_REFUSED,
	KINDS
};
static const char *const kinds[KINDS] = {"address", "map",   "announce", "version",
					 "garbage", "short", "response", "refused"};

struct flood {
	int fd;
	uint8_t ethernet[ETHER_HDR_LEN];
	struct in6_addr server, first;
	unsigned length; /* of the prefix, of 128 bits */
	enum kind kind;
	double per_second; /* 0 = as fast as it goes */
	uint64_t count, random;
};

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* xorshift64*: the same flood each time */
static uint64_t next_random(struct flood *f)
{
	f->random ^= f->random >> 12;
	f->random ^= f->random << 25;
	f->random ^= f->random >> 27;
	return f->random * 0x2545f4914f6cdd1d;
}

static struct in6_addr source(struct flood *f)
{
	struct in6_addr a = f->first;
	uint8_t noise[16];

	for (unsigned i = 0; i < 2; i++) {
		uint64_t n = next_random(f);

		memcpy(noise + 8 * (size_t)i, &n, 8);
	}
	for (unsigned i = f->length; i < 128; i++)
		a.s6_addr[i / 8] ^= (uint8_t)(noise[i / 8] & 0x80 >> i % 8);
	return a;
}

static size_t message(struct flood *f, const struct in6_addr *from, uint8_t *out)
{
	uint64_t random = next_random(f), more = next_random(f);
	struct codec_message m;

	if (f->kind == KIND_GARBAGE || f->kind == KIND_SHORT) {
		for (size_t i = 0; i < GARBAGE; i++)
			out[i] = (uint8_t)next_random(f);
		return f->kind == KIND_SHORT ? 1 : GARBAGE;
	}
	memset(&m, 0, sizeof(m));
	if (f->kind == KIND_ADDRESS) {
		m.natpmp.opcode = NATPMP_ADDRESS;
		return codec_marshal(&m, out, CODEC_MESSAGE_MAX);
	}
	m.protocol = CODEC_VERSION_PCP;
	m.pcp.version = f->kind == KIND_VERSION ? 9 : CODEC_VERSION_PCP;
	m.pcp.response = f->kind == KIND_RESPONSE;
	m.pcp.opcode = f->kind == KIND_ANNOUNCE ? PCP_ANNOUNCE : PCP_MAP;
	m.pcp.lifetime_s = f->kind == KIND_ANNOUNCE ? 0 : 7200;
	m.pcp.client_address = f->kind == KIND_REFUSED ? f->server : *from;
	m.pcp.mapping.protocol = random % 2 ? IPPROTO_TCP : IPPROTO_UDP;
	m.pcp.mapping.internal_port = (uint16_t)(1024 + (random >> 8) % 64512);
	m.pcp.mapping.external_address = codec_is_v4(from) ? codec_from_v4(0) : in6addr_any;
	memcpy(m.pcp.mapping.nonce.octets, &more, sizeof(more));
	return codec_marshal(&m, out, CODEC_MESSAGE_MAX);
}

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint64_t sum(const uint8_t *p, size_t n, uint64_t so_far)
{
	for (size_t i = 0; i < n; i++)
		so_far += (uint64_t)p[i] << (i % 2 ? 0 : 8);
	return so_far;
}

static uint16_t folded(uint64_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)~total;
}

static size_t frame(struct flood *f, uint8_t *out)
{
	struct in6_addr from = source(f);
	bool v4 = codec_is_v4(&from);
	size_t head = v4 ? HEAD4 : HEAD6, length;
	uint8_t *ip = out + ETHER_HDR_LEN, *udp = ip + head;

	memcpy(out, f->ethernet, ETHER_HDR_LEN);
	put16(out + 12, v4 ? ETHERTYPE_IP : ETHERTYPE_IPV6);
	length = message(f, &from, udp + HEAD_UDP) + HEAD_UDP;
	memset(ip, 0, head + HEAD_UDP);
	put16(udp, 1024 + next_random(f) % 4096);
	put16(udp + 2, CODEC_SERVER_PORT);
	put16(udp + 4, length);
	if (v4) {
		ip[0] = 0x45;
		ip[8] = 64;
		ip[9] = IPPROTO_UDP;
		put16(ip + 2, head + length);
		memcpy(ip + 12, &from.s6_addr[12], 4);
		memcpy(ip + 16, &f->server.s6_addr[12], 4);
		put16(ip + 10, folded(sum(ip, head, 0)));
	} else {
		ip[0] = 0x60;
		put16(ip + 4, length);
		ip[6] = IPPROTO_UDP;
		ip[7] = 64;
		memcpy(ip + 8, &from, 16);
		memcpy(ip + 24, &f->server, 16);
		/* IPv4 may leave it out, IPv6 may not */
		put16(udp + 6, folded(sum(udp, length, sum(ip + 8, 32, IPPROTO_UDP + length))));
	}
	return ETHER_HDR_LEN + head + length;
}

/* Returns how many went out; what a full queue refuses is another packet's turn. */
static uint64_t send_batch(struct flood *f, unsigned n)
{
	static uint8_t data[BATCH][FRAME];
	struct mmsghdr messages[BATCH] = {0};
	struct iovec iov[BATCH];
	int rc;

	for (unsigned i = 0; i < n; i++) {
		iov[i] = (struct iovec){data[i], frame(f, data[i])};
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	rc = sendmmsg(f->fd, messages, n, 0);
	if (rc < 0 && errno != ENOBUFS && errno != EAGAIN) {
		perror("flood: sendmmsg");
		exit(1);
	}
	return rc > 0 ? (uint64_t)rc : 0;
}

static int open_wire(struct flood *f, const char *interface, const char *mac)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET};
	struct ifreq own = {0};
	unsigned v[6];
	int one = 1, size = 4 << 20;

	if (sscanf(mac, "%x:%x:%x:%x:%x:%x", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5]) != 6)
		return -1;
	f->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (f->fd < 0)
		return -1;
	strncpy(own.ifr_name, interface, IFNAMSIZ - 1);
	at.sll_ifindex = (int)if_nametoindex(interface);
	if (ioctl(f->fd, SIOCGIFHWADDR, &own) || bind(f->fd, (struct sockaddr *)&at, sizeof(at)))
		return -1;
	setsockopt(f->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	setsockopt(f->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	for (unsigned i = 0; i < 6; i++)
		f->ethernet[i] = (uint8_t)v[i];
	memcpy(f->ethernet + 6, own.ifr_hwaddr.sa_data, 6);
	return 0;
}

static bool arguments(struct flood *f, char **argv)
{
	char *slash = strchr(argv[3], '/');
	size_t n = slash ? (size_t)(slash - argv[3]) : strlen(argv[3]);

	if (!codec_address_parse(argv[2], strlen(argv[2]), &f->server) || !codec_address_parse(argv[3], n, &f->first))
		return false;
	f->length = 128;
	if (slash)
		f->length = (unsigned)strtoul(slash + 1, NULL, 10) + (codec_is_v4(&f->first) ? 96 : 0);
	while (f->kind < KINDS && strcmp(argv[4], kinds[f->kind]) != 0)
		f->kind++;
	f->count = strtoull(argv[5], NULL, 10);
	return f->kind < KINDS && f->length <= 128 && codec_is_v4(&f->first) == codec_is_v4(&f->server);
}

/* How many may go now; waits if none may. */
static unsigned allowed(const struct flood *f, uint64_t sent, uint64_t begin_ns)
{
	uint64_t left = f->count - sent, due = left;
	double passed;

	if (f->per_second > 0) {
		passed = (double)(clock_ns() - begin_ns) / 1e9;
		due = (uint64_t)(passed * f->per_second) + 1;
		due = due > sent ? due - sent : 0;
	}
	if (due == 0)
		nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
	if (due > left)
		due = left;
	return due < BATCH ? (unsigned)due : BATCH;
}

int main(int argc, char **argv)
{
	static struct flood f = {.random = 0x9e3779b97f4a7c15};
	uint64_t sent = 0, begin_ns;
	double seconds;

	for (int c; (c = getopt(argc, argv, "+r:")) != -1;)
		f.per_second = c == 'r' ? strtod(optarg, NULL) : -1;
	if (argc - optind != 6 || f.per_second < 0 || !arguments(&f, argv + optind)) {
		fprintf(stderr, "usage: flood [-r PER_SECOND] INTERFACE ROUTER_MAC SERVER SOURCES KIND COUNT\n");
		return 2;
	}
	if (open_wire(&f, argv[optind], argv[optind + 1])) {
		perror("flood");
		return 1;
	}
	begin_ns = clock_ns();
	while (sent < f.count)
		sent += send_batch(&f, allowed(&f, sent, begin_ns));
	seconds = (double)(clock_ns() - begin_ns) / 1e9;
	printf("{\"sent\": %llu, \"seconds\": %.3f, \"per_second\": %.0f}\n", (unsigned long long)sent, seconds,
	       (double)sent / seconds);
	return 0;
}
