/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_selftest_packet.h"

#include <string.h>

#include "codec/codec.h"

enum { IP_HEADER = 20, IP6_HEADER = 40, UDP_HEADER = 8, TCP_HEADER = 20, TTL = 64, TCP_SYN = 2 };

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* RFC 1071, on top of sum */
static uint16_t checksum(uint32_t sum, const uint8_t *p, size_t n)
{
	for (; n > 1; p += 2, n -= 2)
		sum += get16(p);
	if (n)
		sum += (uint32_t)*p << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The sum of the pseudo header: RFC 768 and RFC 8200 8.1 add up the same, since what is zero adds nothing. */
static uint32_t pseudo(const struct packet *p, size_t length)
{
	bool v4 = codec_is_v4(&p->source);
	uint32_t sum = p->protocol + (uint32_t)length;

	for (size_t i = v4 ? 12 : 0; i < 16; i += 2)
		sum += (uint32_t)get16(p->source.s6_addr + i) + get16(p->destination.s6_addr + i);
	return sum;
}

/* Behind the header that is written, length octets follow. */
static size_t header_write(const struct packet *p, size_t length, uint8_t *out)
{
	if (!codec_is_v4(&p->source)) {
		memset(out, 0, IP6_HEADER);
		out[0] = 0x60;
		put16(out + 4, (uint16_t)length);
		out[6] = p->protocol;
		out[7] = TTL;
		memcpy(out + 8, &p->source, 16);
		memcpy(out + 24, &p->destination, 16);
		return IP6_HEADER;
	}
	memset(out, 0, IP_HEADER);
	out[0] = 0x45;
	put16(out + 2, (uint16_t)(IP_HEADER + length));
	out[8] = TTL;
	out[9] = p->protocol;
	memcpy(out + 12, p->source.s6_addr + 12, 4);
	memcpy(out + 16, p->destination.s6_addr + 12, 4);
	put16(out + 10, checksum(0, out, IP_HEADER));
	return IP_HEADER;
}

size_t packet_write(const struct packet *p, uint8_t *out, size_t capacity)
{
	bool udp = p->protocol == IPPROTO_UDP;
	size_t ip = codec_is_v4(&p->source) ? IP_HEADER : IP6_HEADER, header = udp ? UDP_HEADER : TCP_HEADER,
	       length = header + p->payload_length;
	uint8_t *t = out + ip;
	uint16_t sum;

	if (ip + length > capacity || ip + length > PACKET_MAX)
		return 0;
	header_write(p, length, out);
	memset(t, 0, header);
	put16(t, p->source_port);
	put16(t + 2, p->destination_port);
	if (udp) {
		put16(t + 4, (uint16_t)length);
	} else {
		t[12] = TCP_HEADER / 4 << 4;
		t[13] = TCP_SYN;
		put16(t + 14, 65535);
	}
	if (p->payload_length)
		memcpy(t + header, p->payload, p->payload_length);
	sum = checksum(pseudo(p, length), t, length);
	put16(t + (udp ? 6 : 16), udp && !sum ? 0xffff : sum);
	return ip + length;
}

/* The length of the IP header, 0 if it is not one to be read; *whole is that of the packet. */
static size_t header_read(struct packet *p, const uint8_t *data, size_t length, size_t *whole)
{
	if (length >= IP6_HEADER && data[0] >> 4 == 6) {
		*whole = IP6_HEADER + (size_t)get16(data + 4);
		p->protocol = data[6];
		memcpy(&p->source, data + 8, 16);
		memcpy(&p->destination, data + 24, 16);
		return IP6_HEADER;
	}
	if (length < IP_HEADER || data[0] >> 4 != 4 || (data[0] & 15) * 4 < IP_HEADER || (get16(data + 6) & 0x3fff))
		return 0;
	*whole = get16(data + 2);
	p->protocol = data[9];
	p->source = codec_from_v4(get32(data + 12));
	p->destination = codec_from_v4(get32(data + 16));
	return (size_t)(data[0] & 15) * 4;
}

bool packet_read(struct packet *p, const uint8_t *data, size_t length)
{
	size_t whole, header, ip = header_read(p, data, length, &whole);

	if (!ip || whole > length || (p->protocol != IPPROTO_UDP && p->protocol != IPPROTO_TCP))
		return false;
	header = p->protocol == IPPROTO_UDP ? UDP_HEADER : TCP_HEADER;
	if (whole < ip + header)
		return false;
	if (p->protocol == IPPROTO_TCP)
		header = (size_t)(data[ip + 12] >> 4) * 4;
	if (header < (p->protocol == IPPROTO_TCP ? TCP_HEADER : UDP_HEADER) || whole < ip + header)
		return false;
	p->source_port = get16(data + ip);
	p->destination_port = get16(data + ip + 2);
	p->payload = data + ip + header;
	p->payload_length = whole - ip - header;
	return true;
}
