/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * New flows for a router: COUNT datagrams to UDP mappings, each from another address and port outside, so that each is a
 * new connection to the router.
 *
 *   flows FILE FIRST_SOURCE SOURCES COUNT OFFSET
 *
 * FILE has the mappings' outsides, as load -s writes them; they are taken in an order that has nothing to do with the
 * one in which they were made. Flow i comes from address FIRST_SOURCE + i mod SOURCES, which must be local, and from the
 * port that belongs to i. Prints how long it took as one JSON line: a veth pair hands a packet through in the time of the
 * one who sends it. How many got through, others count.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/bench/outside.h"

#define BATCH	   64
#define FIRST_PORT 1024
#define STEP	   7919 /* a prime: with it every mapping has its turn */

struct packet {
	struct udphdr udp;
	uint8_t data[4];
};

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Those of UDP, into *v, which is allocated. */
static size_t read_outsides(const char *path, struct outside **v)
{
	FILE *f = fopen(path, "re");
	struct outside o;
	size_t n = 0, room = 0;

	*v = NULL;
	while (f && fread(&o, sizeof(o), 1, f) == 1) {
		if (o.protocol != IPPROTO_UDP)
			continue;
		if (n == room) {
			struct outside *grown = realloc(*v, (room = 2 * room + 1024) * sizeof(**v));

			if (!grown)
				return 0;
			*v = grown;
		}
		(*v)[n++] = o;
	}
	if (f)
		fclose(f);
	return n;
}

int main(int argc, char **argv)
{
	static struct mmsghdr messages[BATCH];
	static struct iovec iov[BATCH];
	static struct packet packets[BATCH];
	static struct sockaddr_in to[BATCH];
	static _Alignas(struct cmsghdr) uint8_t control[BATCH][CMSG_SPACE(sizeof(struct in_pktinfo))];
	struct outside *outsides;
	struct in_addr first;
	int size = 8 << 20;

	if (argc < 6 || inet_pton(AF_INET, argv[2], &first) != 1) {
		fprintf(stderr, "usage: flows FILE FIRST_SOURCE SOURCES COUNT OFFSET\n");
		return 2;
	}
	size_t outsides_n = read_outsides(argv[1], &outsides);
	uint32_t sources = (uint32_t)strtoul(argv[3], NULL, 10);
	uint64_t count = strtoull(argv[4], NULL, 10), offset = strtoull(argv[5], NULL, 10);
	/* raw, for the port is another in each packet */
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP);
	if (outsides_n == 0 || sources == 0 || fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size))) {
		perror("flows");
		return 1;
	}
	shutdown(fd, SHUT_RD);

	uint64_t begin = clock_ns();
	for (uint64_t sent = 0; sent < count;) {
		unsigned n = 0;

		for (; n < BATCH && sent + n < count; n++) {
			uint64_t i = offset + sent + n;
			const struct outside *o = &outsides[i * STEP % outsides_n];
			struct in_pktinfo info = {.ipi_spec_dst.s_addr =
						      htonl(ntohl(first.s_addr) + (uint32_t)(i % sources))};
			/* no checksum is needed over IPv4, and address translation leaves none alone */
			packets[n].udp = (struct udphdr){
			    .source = htons((uint16_t)(FIRST_PORT + i / sources % (65536 - FIRST_PORT))),
			    .dest = htons(o->port),
			    .len = htons(sizeof(*packets))};
			to[n] = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = o->address};
			iov[n] = (struct iovec){&packets[n], sizeof(*packets)};
			messages[n].msg_hdr = (struct msghdr){.msg_name = &to[n],
							      .msg_namelen = sizeof(*to),
							      .msg_iov = &iov[n],
							      .msg_iovlen = 1,
							      .msg_control = control[n],
							      .msg_controllen = sizeof(control[n])};
			struct cmsghdr *c = CMSG_FIRSTHDR(&messages[n].msg_hdr);
			c->cmsg_level = IPPROTO_IP;
			c->cmsg_type = IP_PKTINFO;
			c->cmsg_len = CMSG_LEN(sizeof(info));
			memcpy(CMSG_DATA(c), &info, sizeof(info));
		}
		for (unsigned done = 0; done < n;) {
			int rc = sendmmsg(fd, messages + done, n - done, 0);

			if (rc < 0) {
				perror("flows: sendmmsg");
				return 1;
			}
			done += (unsigned)rc;
		}
		sent += n;
	}
	printf("{\"seconds\": %.6f, \"mappings\": %zu}\n", (double)(clock_ns() - begin) / 1e9, outsides_n);
	free(outsides);
	return 0;
}
