/* SPDX-License-Identifier: MIT */
/* The default gateway as /proc shows it. Nothing is allocated, so no stdio. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* netinet/in.h, net/route.h */
#endif
#include "codec/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <string.h>
#include <unistd.h>

#define FIELDS	    11
#define FIELD_MAX   33 /* 32 digits of an IPv6 address */
#define LINE_LENGTH 256

/* The first fields of a line, as texts; what is longer than a field may be is cut. Returns how many there are. */
static size_t split(const char *line, char fields[FIELDS][FIELD_MAX])
{
	size_t n = 0, length;

	memset(fields, 0, FIELDS * FIELD_MAX);
	for (; n < FIELDS; n++, line += length) {
		line += strspn(line, " \t\n");
		length = strcspn(line, " \t\n");
		if (length == 0)
			break;
		memcpy(fields[n], line, length < FIELD_MAX ? length : FIELD_MAX - 1);
	}
	return n;
}

/* A number of one or more digits and nothing else. */
static bool number(const char *text, uint32_t base, uint32_t *v)
{
	static const char digits[] = "0123456789abcdef";

	*v = 0;
	for (const char *p = text; *p; p++) {
		char lower = *p >= 'A' && *p <= 'F' ? (char)(*p - 'A' + 'a') : *p;
		const char *digit = strchr(digits, lower);

		if (!digit || (uint32_t)(digit - digits) >= base)
			return false;
		*v = *v * base + (uint32_t)(digit - digits);
	}
	return *text != '\0';
}

static bool is_default(uint32_t flags)
{
	return (flags & RTF_UP) && (flags & RTF_GATEWAY) && !(flags & RTF_REJECT);
}

/* Iface Destination Gateway Flags RefCnt Use Metric Mask ... */
static bool line_v4(char f[FIELDS][FIELD_MAX], size_t n, struct conn_route *r)
{
	uint32_t destination, gateway, flags, mask;

	if (n < 8 || !number(f[1], 16, &destination) || !number(f[2], 16, &gateway) || !number(f[3], 16, &flags) ||
	    !number(f[6], 10, &r->metric) || !number(f[7], 16, &mask))
		return false;
	memcpy(r->interface, f[0], sizeof(r->interface) - 1);
	/* the kernel's network order octets, printed as one number of this host */
	r->gateway = codec_from_v4(ntohl(gateway));
	return destination == 0 && mask == 0 && is_default(flags);
}

static bool address_v6(const char *digits, struct in6_addr *a)
{
	if (strlen(digits) != 32)
		return false;
	for (int i = 0; i < 16; i++) {
		char octet[3] = {digits[2 * i], digits[2 * i + 1]};
		uint32_t v;

		if (!number(octet, 16, &v))
			return false;
		a->s6_addr[i] = (uint8_t)v;
	}
	return true;
}

/* destination, its prefix, source, its prefix, next hop, metric, references, use, flags, interface */
static bool line_v6(char f[FIELDS][FIELD_MAX], size_t n, struct conn_route *r)
{
	uint32_t prefix, flags;

	if (n < 10 || !number(f[1], 16, &prefix) || !address_v6(f[4], &r->gateway) || !number(f[5], 16, &r->metric) ||
	    !number(f[8], 16, &flags))
		return false;
	memcpy(r->interface, f[9], sizeof(r->interface) - 1);
	return prefix == 0 && is_default(flags);
}

bool conn_route_line(int family, const char *line, struct conn_route *r)
{
	char fields[FIELDS][FIELD_MAX];
	size_t n = split(line, fields);

	memset(r, 0, sizeof(*r));
	return family == AF_INET ? line_v4(fields, n, r) : line_v6(fields, n, r);
}

/* A file read line by line through a buffer of its own. */
struct lines {
	int fd;
	size_t begin, end;
	char buffer[512];
};

/* The next line, cut to capacity with its NUL. False at the end. */
static bool next_line(struct lines *l, char *line, size_t capacity)
{
	size_t n = 0;
	bool any = false;

	for (;;) {
		if (l->begin == l->end) {
			ssize_t got;

			do
				got = read(l->fd, l->buffer, sizeof(l->buffer));
			while (got < 0 && errno == EINTR);
			if (got <= 0)
				break;
			l->begin = 0;
			l->end = (size_t)got;
		}
		any = true;
		char c = l->buffer[l->begin++];
		if (c == '\n')
			break;
		if (n < capacity - 1)
			line[n++] = c;
	}
	line[n] = '\0';
	return any;
}

int conn_default_gateway(int family, unsigned int *ifindex, struct client_endpoint *gateway)
{
	const char *path = family == AF_INET ? "/proc/net/route" : "/proc/net/ipv6_route";
	struct lines l = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
	struct conn_route best = {.metric = UINT32_MAX};
	unsigned int best_index = 0;
	char line[LINE_LENGTH];

	if (l.fd < 0)
		return -errno;
	while (next_line(&l, line, sizeof(line))) {
		struct conn_route r;
		unsigned int index;

		if (!conn_route_line(family, line, &r))
			continue;
		index = if_nametoindex(r.interface);
		if (!index || (*ifindex && *ifindex != index) || (best_index && r.metric >= best.metric))
			continue;
		best = r;
		best_index = index;
	}
	close(l.fd);
	if (!best_index)
		return -ENETUNREACH;
	*ifindex = best_index;
	*gateway = (struct client_endpoint){.address = best.gateway, .port = CODEC_SERVER_PORT};
	if (IN6_IS_ADDR_LINKLOCAL(&best.gateway))
		gateway->scope = best_index;
	return 0;
}
