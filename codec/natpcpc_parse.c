/* SPDX-License-Identifier: MIT */
#include "codec/natpcpc_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IN_TEXT_MAX 80 /* the longest address with brackets, a prefix and a port is shorter */

bool parse_number(const char *s, uint64_t max, uint64_t *out)
{
	char *rest;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	*out = strtoull(s, &rest, 10);
	return !errno && *rest == 0 && *out <= max;
}

bool parse_port(const char *s, uint16_t *port)
{
	uint64_t v;

	if (!parse_number(s, UINT16_MAX, &v))
		return false;
	*port = (uint16_t)v;
	return true;
}

bool parse_ports(const char *s, uint16_t *first, uint16_t *count)
{
	const char *dash = strchr(s, '-');
	char begin[8] = "";
	uint16_t last;

	*count = 1;
	if (strcmp(s, "all") == 0) {
		*first = 0;
		return true;
	}
	if (!dash)
		return parse_port(s, first);
	if ((size_t)(dash - s) >= sizeof(begin))
		return false;
	memcpy(begin, s, (size_t)(dash - s));
	if (!parse_port(begin, first) || !parse_port(dash + 1, &last) || *first == 0 || last < *first)
		return false;
	*count = (uint16_t)(last - *first + 1);
	return true;
}

bool parse_protocol(const char *s, uint8_t *protocol)
{
	uint64_t v;

	if (strcmp(s, "all") == 0) {
		*protocol = 0;
		return true;
	}
	for (unsigned int i = 0; i <= UINT8_MAX; i++) {
		const char *name = codec_protocol_name((uint8_t)i);

		if (name && strcmp(name, s) == 0) {
			*protocol = (uint8_t)i;
			return true;
		}
	}
	if (!parse_number(s, UINT8_MAX, &v))
		return false;
	*protocol = (uint8_t)v;
	return true;
}

bool parse_lifetime(const char *s, uint32_t *out)
{
	static const struct {
		char unit;
		uint32_t seconds;
	} units[] = {{0, 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	char *rest;
	unsigned long long v;

	if (strcmp(s, "forever") == 0) {
		*out = CODEC_LIFETIME_FOREVER;
		return true;
	}
	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	v = strtoull(s, &rest, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (*rest == units[i].unit && (*rest == 0 || rest[1] == 0)) {
			*out = (uint32_t)(v * units[i].seconds);
			return !errno && v <= UINT32_MAX / units[i].seconds;
		}
	return false;
}

bool parse_timeout(const char *s, uint64_t *out_ms)
{
	char *rest;
	double v = strtod(s, &rest);

	if (rest == s || *rest || !(v > 0) || v > 1e9)
		return false;
	*out_ms = (uint64_t)(v * 1000) ? (uint64_t)(v * 1000) : 1;
	return true;
}

/* Cuts "[ADDR]:PORT" or "ADDR:PORT" in two, in place; *port stays NULL where there is none. False for a bracket that is
 * not closed. */
static bool cut_port(char *s, char **address, char **port)
{
	char *colon = strchr(s, ':');

	*address = s;
	*port = NULL;
	if (*s == '[') {
		*address = s + 1;
		s = strchr(s, ']');
		if (!s || (s[1] != ':' && s[1] != 0))
			return false;
		*port = s[1] ? s + 2 : NULL;
		*s = 0;
	} else if (colon && colon == strrchr(s, ':')) {
		*port = colon + 1;
		*colon = 0;
	}
	return true;
}

bool parse_filter(const char *s, struct pcp_option *f)
{
	char copy[IN_TEXT_MAX], *address, *port, *length;
	uint64_t n = 128;

	*f = (struct pcp_option){.code = PCP_OPTION_FILTER};
	if (strlen(s) >= sizeof(copy))
		return false;
	strcpy(copy, s);
	if (!cut_port(copy, &address, &port))
		return false;
	length = strchr(address, '/');
	if (length)
		*length++ = 0;
	if (!codec_address_parse(address, strlen(address), &f->filter.remote_address))
		return false;
	if (length && !parse_number(length, codec_is_v4(&f->filter.remote_address) ? 32 : 128, &n))
		return false;
	if (length && codec_is_v4(&f->filter.remote_address))
		n += 96;
	f->filter.prefix_length = (uint8_t)n;
	return !port || parse_port(port, &f->filter.remote_port);
}

bool parse_place(const char *s, struct in6_addr *address, uint16_t *port)
{
	struct pcp_option f;

	if (strchr(s, '/') || !parse_filter(s, &f) || f.filter.remote_port == 0)
		return false;
	*address = f.filter.remote_address;
	*port = f.filter.remote_port;
	return true;
}

bool parse_outside(const char *s, struct in6_addr *address, uint16_t *port, bool *has_port)
{
	char copy[IN_TEXT_MAX], *host, *number;
	struct in6_addr a;
	uint16_t p = 0;

	if (strcmp(s, "any") == 0)
		s = "0";
	if (parse_port(s, port)) {
		*has_port = true;
		return true;
	}
	if (strlen(s) >= sizeof(copy))
		return false;
	strcpy(copy, s);
	if (!cut_port(copy, &host, &number) || !codec_address_parse(host, strlen(host), &a) ||
	    (number && !parse_port(number, &p)))
		return false;
	*address = a;
	if (number) {
		*port = p;
		*has_port = true;
	}
	return true;
}

bool parse_hex(const char *s, uint8_t *out, size_t capacity, size_t *length)
{
	size_t n = strlen(s);

	if (n % 2 || n / 2 > capacity || strspn(s, "0123456789abcdefABCDEF") != n)
		return false;
	for (size_t i = 0; i < n / 2; i++) {
		char pair[3] = {s[2 * i], s[2 * i + 1], 0};

		out[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	*length = n / 2;
	return true;
}

bool parse_nonce(const char *s, struct codec_nonce *nonce)
{
	size_t n = 0;

	return parse_hex(s, nonce->octets, sizeof(nonce->octets), &n) && n == sizeof(nonce->octets);
}
