/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/icmp.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codec/codec.h"

#define HEAD	 8 /* ICMP's, and UDP's */
#define IP4_HEAD 20
#define IP6_HEAD 40
#define HOPS	 64

static void put16(uint8_t *at, size_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

/* RFC 1071 */
static uint16_t checksum(const uint8_t *data, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i += 2)
		sum += (uint32_t)(data[i] << 8 | data[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void udp_head(const struct udp_datagram *d, uint16_t port, uint8_t *out)
{
	put16(out, d->source_port);
	put16(out + 2, port);
	put16(out + 4, HEAD + d->length);
	put16(out + 6, 0); /* nobody looks at it here */
}

static size_t unreachable4(const struct udp_datagram *d, uint16_t port, uint8_t *out)
{
	uint8_t *ip = out + HEAD;

	out[0] = ICMP_DEST_UNREACH;
	out[1] = ICMP_PORT_UNREACH;
	ip[0] = 0x45;
	put16(ip + 2, IP4_HEAD + HEAD + d->length);
	ip[8] = HOPS;
	ip[9] = IPPROTO_UDP;
	memcpy(ip + 12, d->source.s6_addr + 12, 4);
	memcpy(ip + 16, d->destination.s6_addr + 12, 4);
	put16(ip + 10, checksum(ip, IP4_HEAD));
	udp_head(d, port, ip + IP4_HEAD);
	put16(out + 2, checksum(out, HEAD + IP4_HEAD + HEAD));
	return HEAD + IP4_HEAD + HEAD;
}

static size_t unreachable6(const struct udp_datagram *d, uint16_t port, uint8_t *out)
{
	uint8_t *ip = out + HEAD;

	out[0] = ICMP6_DST_UNREACH;
	out[1] = ICMP6_DST_UNREACH_NOPORT;
	ip[0] = 0x60;
	put16(ip + 4, HEAD + d->length);
	ip[6] = IPPROTO_UDP;
	ip[7] = HOPS;
	memcpy(ip + 8, &d->source, 16);
	memcpy(ip + 24, &d->destination, 16);
	udp_head(d, port, ip + IP6_HEAD);
	return HEAD + IP6_HEAD + HEAD;
}

size_t icmp_unreachable(const struct udp_datagram *d, uint16_t port, uint8_t out[ICMP_OCTETS])
{
	memset(out, 0, ICMP_OCTETS);
	return codec_is_v4(&d->source) ? unreachable4(d, port, out) : unreachable6(d, port, out);
}

static socklen_t name_of(const struct in6_addr *a, uint32_t ifindex, struct sockaddr_storage *name)
{
	struct sockaddr_in *in = (struct sockaddr_in *)name;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)name;

	memset(name, 0, sizeof(*name));
	if (codec_is_v4(a)) {
		in->sin_family = AF_INET;
		in->sin_addr.s_addr = htonl(codec_to_v4(a));
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_addr = *a;
	in6->sin6_scope_id = IN6_IS_ADDR_LINKLOCAL(a) ? ifindex : 0;
	return sizeof(*in6);
}

int icmp_send_unreachable(const struct udp_datagram *d, uint16_t port)
{
	bool v4 = codec_is_v4(&d->source);
	uint8_t out[ICMP_OCTETS];
	size_t length = icmp_unreachable(d, port, out);
	struct sockaddr_storage from, to;
	socklen_t n = name_of(&d->destination, d->ifindex, &from);
	int error = 0,
	    fd = socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	if (fd < 0)
		return -errno;
	name_of(&d->source, d->ifindex, &to);
	if (bind(fd, (struct sockaddr *)&from, n) < 0 ||
	    sendto(fd, out, length, MSG_DONTWAIT, (struct sockaddr *)&to, n) < 0)
		error = -errno;
	close(fd);
	return error;
}
