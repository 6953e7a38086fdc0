/* SPDX-License-Identifier: MIT */
#include "codec/codec.h"

#include <arpa/inet.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *name_in(const char *const *names, size_t count, size_t value)
{
	return value < count && names[value] ? names[value] : "?";
}

const char *natpmp_opcode_name(uint8_t opcode)
{
	static const char *const names[] = {
	    [NATPMP_ADDRESS] = "ADDRESS",
	    [NATPMP_MAP_UDP] = "MAP_UDP",
	    [NATPMP_MAP_TCP] = "MAP_TCP",
	};
	return name_in(names, COUNT(names), opcode);
}

const char *natpmp_result_name(uint16_t result)
{
	static const char *const names[] = {
	    [NATPMP_SUCCESS] = "SUCCESS",
	    [NATPMP_UNSUPP_VERSION] = "UNSUPP_VERSION",
	    [NATPMP_NOT_AUTHORIZED] = "NOT_AUTHORIZED",
	    [NATPMP_NETWORK_FAILURE] = "NETWORK_FAILURE",
	    [NATPMP_NO_RESOURCES] = "NO_RESOURCES",
	    [NATPMP_UNSUPP_OPCODE] = "UNSUPP_OPCODE",
	};
	return name_in(names, COUNT(names), result);
}

const char *pcp_opcode_name(uint8_t opcode)
{
	static const char *const names[] = {
	    [PCP_ANNOUNCE] = "ANNOUNCE",
	    [PCP_MAP] = "MAP",
	    [PCP_PEER] = "PEER",
	};
	return name_in(names, COUNT(names), opcode);
}

const char *pcp_result_name(uint8_t result)
{
	static const char *const names[] = {
	    [PCP_SUCCESS] = "SUCCESS",
	    [PCP_UNSUPP_VERSION] = "UNSUPP_VERSION",
	    [PCP_NOT_AUTHORIZED] = "NOT_AUTHORIZED",
	    [PCP_MALFORMED_REQUEST] = "MALFORMED_REQUEST",
	    [PCP_UNSUPP_OPCODE] = "UNSUPP_OPCODE",
	    [PCP_UNSUPP_OPTION] = "UNSUPP_OPTION",
	    [PCP_MALFORMED_OPTION] = "MALFORMED_OPTION",
	    [PCP_NETWORK_FAILURE] = "NETWORK_FAILURE",
	    [PCP_NO_RESOURCES] = "NO_RESOURCES",
	    [PCP_UNSUPP_PROTOCOL] = "UNSUPP_PROTOCOL",
	    [PCP_USER_EX_QUOTA] = "USER_EX_QUOTA",
	    [PCP_CANNOT_PROVIDE_EXTERNAL] = "CANNOT_PROVIDE_EXTERNAL",
	    [PCP_ADDRESS_MISMATCH] = "ADDRESS_MISMATCH",
	    [PCP_EXCESSIVE_REMOTE_PEERS] = "EXCESSIVE_REMOTE_PEERS",
	};
	return name_in(names, COUNT(names), result);
}

const char *pcp_option_name(uint8_t code)
{
	switch (code) {
	case PCP_OPTION_THIRD_PARTY:
		return "THIRD_PARTY";
	case PCP_OPTION_PREFER_FAILURE:
		return "PREFER_FAILURE";
	case PCP_OPTION_FILTER:
		return "FILTER";
	case PCP_OPTION_DESCRIPTION:
		return "DESCRIPTION";
	case PCP_OPTION_PORT_SET:
		return "PORT_SET";
	default:
		return "?";
	}
}

const char *codec_protocol_name(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_DCCP:
		return "dccp";
	case IPPROTO_SCTP:
		return "sctp";
	case IPPROTO_UDPLITE:
		return "udplite";
	default:
		return NULL;
	}
}

static const struct in6_addr v4_unspecified = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

bool codec_is_v4(const struct in6_addr *a)
{
	return memcmp(a, &v4_unspecified, 12) == 0;
}

struct in6_addr codec_from_v4(uint32_t v4)
{
	struct in6_addr a = v4_unspecified;
	a.s6_addr[12] = (uint8_t)(v4 >> 24);
	a.s6_addr[13] = (uint8_t)(v4 >> 16);
	a.s6_addr[14] = (uint8_t)(v4 >> 8);
	a.s6_addr[15] = (uint8_t)v4;
	return a;
}

uint32_t codec_to_v4(const struct in6_addr *a)
{
	const uint8_t *o = a->s6_addr + 12;
	return (uint32_t)o[0] << 24 | (uint32_t)o[1] << 16 | (uint32_t)o[2] << 8 | o[3];
}

bool codec_is_unspecified(const struct in6_addr *a)
{
	static const struct in6_addr v6_unspecified;
	return memcmp(a, &v6_unspecified, sizeof(*a)) == 0 || memcmp(a, &v4_unspecified, sizeof(*a)) == 0;
}

static char *put_decimal(char *p, uint8_t v)
{
	if (v >= 100)
		*p++ = (char)('0' + v / 100);
	if (v >= 10)
		*p++ = (char)('0' + v / 10 % 10);
	*p++ = (char)('0' + v % 10);
	return p;
}

static char *put_hex(char *p, uint16_t v)
{
	for (int shift = 12; shift >= 0; shift -= 4) {
		if (v >> shift || shift == 0)
			*p++ = "0123456789abcdef"[v >> shift & 15];
	}
	return p;
}

static char *put_v4(char *p, const uint8_t *octets)
{
	for (int i = 0; i < 4; i++) {
		if (i > 0)
			*p++ = '.';
		p = put_decimal(p, octets[i]);
	}
	return p;
}

/* RFC 5952 4.2: "::" stands for the longest run of two or more zero groups, the first of equals. */
static void longest_zeros(const uint16_t groups[8], int *start, int *count)
{
	*start = -1;
	*count = 1;
	for (int i = 0; i < 8; i++) {
		int n = 0;
		while (i + n < 8 && groups[i + n] == 0)
			n++;
		if (n > *count) {
			*start = i;
			*count = n;
		}
		i += n;
	}
}

static char *put_v6(char *p, const struct in6_addr *a)
{
	uint16_t groups[8];
	int start, count;

	for (int i = 0; i < 8; i++)
		groups[i] = (uint16_t)(a->s6_addr[2 * i] << 8 | a->s6_addr[2 * i + 1]);
	longest_zeros(groups, &start, &count);
	for (int i = 0; i < 8; i++) {
		if (i == start) {
			*p++ = ':';
			*p++ = ':';
			i += count - 1;
			continue;
		}
		if (i > 0 && i != start + count)
			*p++ = ':';
		p = put_hex(p, groups[i]);
	}
	return p;
}

const char *codec_address_text(const struct in6_addr *a, char out[CODEC_ADDRESS_TEXT])
{
	char *end = codec_is_v4(a) ? put_v4(out, a->s6_addr + 12) : put_v6(out, a);
	*end = '\0';
	return out;
}

bool codec_address_parse(const char *text, size_t length, struct in6_addr *a)
{
	char copy[CODEC_ADDRESS_TEXT];
	struct in_addr v4;

	if (length >= sizeof(copy) || memchr(text, '\0', length))
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (inet_pton(AF_INET6, copy, a) == 1)
		return true;
	if (inet_pton(AF_INET, copy, &v4) != 1)
		return false;
	*a = codec_from_v4(ntohl(v4.s_addr));
	return true;
}

/* The octets of the code point that text begins with, or 0 if it begins with none (RFC 3629 section 4). */
static size_t utf8_step(const uint8_t *text, size_t length)
{
	uint8_t lead = text[0], low = 0x80, high = 0xbf;
	size_t n;

	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	n = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	/* no overlong forms, no surrogates, nothing above U+10FFFF: the second octet decides */
	if (lead == 0xe0)
		low = 0xa0;
	else if (lead == 0xed)
		high = 0x9f;
	else if (lead == 0xf0)
		low = 0x90;
	else if (lead == 0xf4)
		high = 0x8f;
	if (n > length || text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

size_t codec_utf8_cut(const uint8_t *text, size_t length, size_t limit)
{
	size_t end = 0;

	if (limit > length)
		limit = length;
	while (end < limit) {
		size_t n = utf8_step(text + end, limit - end);
		if (n == 0)
			break;
		end += n;
	}
	return end;
}

bool codec_utf8_valid(const uint8_t *text, size_t length)
{
	return codec_utf8_cut(text, length, length) == length;
}
