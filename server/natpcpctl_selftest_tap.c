/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_selftest_tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "codec/codec.h"

static int packet_socket(int index, uint16_t type, const struct sock_fprog *filter)
{
	struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_protocol = htons(type), .sll_ifindex = index};
	/* protocol 0: nothing arrives before the filter is there */
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error;

	if (fd < 0)
		return -errno;
	if ((!filter || !setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, filter, sizeof(*filter))) &&
	    !bind(fd, (struct sockaddr *)&a, sizeof(a)))
		return fd;
	error = -errno;
	close(fd);
	return error;
}

/* The last of the filter: all right, or not. */
#define END BPF_STMT(BPF_RET | BPF_K, PACKET_MAX), BPF_STMT(BPF_RET | BPF_K, 0)
/* A comparison; to_end instructions to the second of END if it fails. */
#define VERSION(v, to_end)                                                                                             \
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0),                              \
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (v) << 4, 0, to_end)
#define WORD(at, value, to_end)                                                                                        \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, to_end)

int tap_open(int index, const struct in6_addr *address)
{
	/* only a socket for every type is given what leaves: what is not for the address must not even be queued */
	uint32_t w[4];
	struct sock_filter v4[] = {VERSION(4, 3), WORD(16, codec_to_v4(address), 1), END};
	struct sock_filter v6[] = {VERSION(6, 9), WORD(24, 0, 7), WORD(28, 0, 5), WORD(32, 0, 3), WORD(36, 0, 1), END};
	struct sock_fprog filter = {sizeof(v6) / sizeof(*v6), v6};

	if (codec_is_v4(address)) {
		filter = (struct sock_fprog){sizeof(v4) / sizeof(*v4), v4};
	} else {
		memcpy(w, address, sizeof(w));
		for (size_t i = 0; i < 4; i++)
			v6[4 + 2 * i].k = ntohl(w[i]);
	}
	return packet_socket(index, ETH_P_ALL, &filter);
}

bool tap_read(int fd, uint8_t buffer[PACKET_MAX], struct packet *p)
{
	struct sockaddr_ll from = {0};
	socklen_t size = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(fd, buffer, PACKET_MAX, 0, (struct sockaddr *)&from, &size)) >= 0 || errno == EINTR) {
		if (n > 0 && from.sll_pkttype == PACKET_OUTGOING && packet_read(p, buffer, (size_t)n))
			return true;
		size = sizeof(from);
	}
	return false;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* RFC 5227 2.1.1: a probe has no address of its own */
static int probe(int fd, int index, const struct sockaddr_ll *own, uint32_t address)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ARP),
				 .sll_ifindex = index,
				 .sll_halen = 6,
				 .sll_addr = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	struct ether_arp a = {.ea_hdr = {.ar_hrd = htons(ARPHRD_ETHER),
					 .ar_pro = htons(ETHERTYPE_IP),
					 .ar_hln = 6,
					 .ar_pln = 4,
					 .ar_op = htons(ARPOP_REQUEST)}};
	uint32_t wire = htonl(address);

	memcpy(a.arp_sha, own->sll_addr, 6);
	memcpy(a.arp_tpa, &wire, 4);
	return sendto(fd, &a, sizeof(a), 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

int tap_somebody(int index, uint32_t address, int wait_ms, const volatile int *ended)
{
	struct sockaddr_ll own = {0};
	socklen_t size = sizeof(own);
	int fd = packet_socket(index, ETH_P_ARP, NULL), found = 0;
	int64_t end = now_ms() + wait_ms;
	uint32_t wire = htonl(address);
	struct ether_arp a;

	if (fd < 0)
		return fd;
	if (getsockname(fd, (struct sockaddr *)&own, &size))
		found = -errno;
	else if (own.sll_hatype == ARPHRD_ETHER)
		found = probe(fd, index, &own, address);
	else
		end = 0; /* no ARP there */
	while (!found && !*ended && now_ms() < end) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		if (poll(&p, 1, (int)(end - now_ms()) + 1) > 0 && recv(fd, &a, sizeof(a), 0) == sizeof(a))
			found = !memcmp(a.arp_spa, &wire, 4);
	}
	close(fd);
	return found;
}
