/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_import_rule.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool import_network(const char *text, uint32_t *address, unsigned *length)
{
	char host[32];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	struct in_addr a;
	uint32_t mask;
	char *end;

	if (n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	if (inet_pton(AF_INET, host, &a) != 1)
		return false;
	*address = ntohl(a.s_addr);
	*length = 32;
	if (!slash)
		return true;
	if (inet_pton(AF_INET, slash + 1, &a) == 1) {
		mask = ntohl(a.s_addr);
		/* ones, then zeros */
		if (~mask & (~mask + 1))
			return false;
		*length = (unsigned)__builtin_popcount(mask);
		return true;
	}
	if (slash[1] < '0' || slash[1] > '9')
		return false;
	*length = (unsigned)strtoul(slash + 1, &end, 10);
	return !*end && *length <= 32;
}

/* "N" or "N-M"; port 0, which a request can name but not have, is left out. */
static const char *ports(const char *text, uint16_t *first, uint16_t *last)
{
	unsigned a, b;
	int n = 0;

	if (strspn(text, "0123456789-") != strlen(text) || strlen(text) > 11)
		return "is no range of ports";
	if (sscanf(text, "%u-%u%n", &a, &b, &n) != 2 || text[n]) {
		n = 0;
		if (sscanf(text, "%u%n", &a, &n) != 1 || text[n])
			return "is no range of ports";
		b = a;
	}
	if (a > b || b > 65535)
		return "is no range of ports";
	if (b == 0)
		return "names port 0 alone, which no mapping has";
	*first = (uint16_t)(a ? a : 1);
	*last = (uint16_t)b;
	return NULL;
}

const char *import_rule_read(struct import_rule *r, const char *text)
{
	char action[16], external[32], network[64], internal[32];
	const char *why;
	int n = 0;

	if (sscanf(text, "%15s %31s %63s %31s %n", action, external, network, internal, &n) != 4)
		return "is no rule: action, outside ports, address and inside ports are needed";
	if (strcmp(action, "allow") != 0 && strcmp(action, "deny") != 0)
		return "neither allows nor denies";
	r->allow = action[0] == 'a';
	why = ports(external, &r->external_first, &r->external_last);
	if (!why)
		why = ports(internal, &r->internal_first, &r->internal_last);
	if (why)
		return why;
	if (!import_network(network, &r->network, &r->length))
		return "has no IPv4 address with an optional mask";
	if (text[n] && text[n] != '#')
		return r->allow ? "allows by a description, which is what a client says of itself; left out, so that"
				  " more may be refused"
				: "denies by a description, which is what a client says of itself; left out, so that"
				  " more may be allowed: add a rule by address or macs";
	r->network &= r->length ? ~UINT32_C(0) << (32 - r->length) : 0;
	return NULL;
}

bool import_rule_is_all(const struct import_rule *r)
{
	return !r->length && r->external_first == 1 && r->external_last == 65535 && r->internal_first == 1 &&
	       r->internal_last == 65535;
}
