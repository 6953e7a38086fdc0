/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "server/natpcpctl_say.h"
#include "server/natpcpctl_selftest.h"
#include "server/natpcpctl_selftest_tap.h"

enum { TRIES = 16, PROBE_MS = 250 };

/* Of networks for documentation, which no host on the internet has. */
static const uint32_t nobodys[] = {0xcb00714d, 0xc633644d}; /* 203.0.113.77, 198.51.100.77 */
static const struct in6_addr nobodys6 = {{{0x20, 0x01, 0x0d, 0xb8, 0x7f, [15] = 0x77}}};

static bool address(const char *text, struct in6_addr *a)
{
	return text && codec_address_parse(text, strlen(text), a);
}

static const char *member(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* The first inside interface that the server names. */
static const char *first_interface(const json_t *status)
{
	const json_t *listens = json_object_get(status, "listens");

	for (size_t i = 0; i < json_array_size(listens); i++) {
		const json_t *list = json_object_get(json_array_get(listens, i), "interfaces");

		for (size_t j = 0; j < json_array_size(list); j++)
			if (json_string_length(json_object_get(json_array_get(list, j), "name")))
				return member(json_array_get(list, j), "name");
	}
	return NULL;
}

/* An address of the family, with its mask as an address of the same form; of IPv6 a global one. */
static bool read_address(const struct ifaddrs *i, bool v6, struct in6_addr *v, struct in6_addr *mask)
{
	if (!i->ifa_addr || !i->ifa_netmask || i->ifa_addr->sa_family != (v6 ? AF_INET6 : AF_INET))
		return false;
	if (!v6) {
		*v = codec_from_v4(ntohl(((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr.s_addr));
		*mask =
		    codec_from_v4(ntohl(((const struct sockaddr_in *)(const void *)i->ifa_netmask)->sin_addr.s_addr));
		return true;
	}
	*v = ((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr;
	*mask = ((const struct sockaddr_in6 *)(const void *)i->ifa_netmask)->sin6_addr;
	return v->s6_addr[0] >> 5 == 1;
}

/* The first address of the interface. */
static bool network(const char *interface, bool v6, struct in6_addr *v, struct in6_addr *mask)
{
	struct ifaddrs *all, *i;
	bool found = false;

	if (getifaddrs(&all))
		return false;
	for (i = all; i && !found; i = i->ifa_next)
		found = !strcmp(i->ifa_name, interface) && read_address(i, v6, v, mask);
	freeifaddrs(all);
	return found;
}

/* True if this machine has spoken to the IPv4 address of late: then it is not free. */
static bool is_neighbour(uint32_t v)
{
	FILE *f = fopen("/proc/net/arp", "re");
	char line[256], text[64];
	bool found = false;
	struct in6_addr a;

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%63s", text) == 1 && address(text, &a) && codec_to_v4(&a) == v;
	if (f)
		fclose(f);
	return found;
}

static int free_address(struct selftest *s, uint32_t own, uint32_t mask)
{
	uint32_t first = own & mask, last = own | ~mask;
	int tries = 0;

	/* from the end, where few networks give addresses to hosts */
	for (uint32_t v = last - 1; v > first && v < last && tries < TRIES; v--) {
		int somebody;

		if (*s->ended)
			return CTL_FAILED;
		if (v == own || is_neighbour(v))
			continue;
		tries++;
		somebody = tap_somebody(s->lan_index, v, PROBE_MS, s->ended);
		if (somebody < 0) {
			say(stderr, "natpcpctl: %s: %s\n", s->lan, strerror(-somebody));
			return CTL_FAILED;
		}
		if (!somebody) {
			s->host = codec_from_v4(v);
			return CTL_DONE;
		}
	}
	say(stderr, "natpcpctl: no free address was found on %s: name one by --host\n", s->lan);
	return CTL_FAILED;
}

/* In IPv6 nobody has what was thrown with 64 dice or so. */
static int random_address(struct selftest *s, const struct in6_addr *mask)
{
	struct in6_addr v;

	if (getrandom(&v, sizeof(v), 0) < 0)
		return CTL_FAILED;
	v.s6_addr[8] &= 0xfd; /* not made of a hardware address */
	for (size_t i = 0; i < 16; i++)
		s->host.s6_addr[i] =
		    (uint8_t)((s->gateway.s6_addr[i] & mask->s6_addr[i]) | (v.s6_addr[i] & ~mask->s6_addr[i]));
	return CTL_DONE;
}

static bool is_inside(const struct selftest *s, const struct in6_addr *mask, const struct in6_addr *a)
{
	for (size_t i = 0; i < 16; i++)
		if ((a->s6_addr[i] ^ s->gateway.s6_addr[i]) & mask->s6_addr[i])
			return false;
	return memcmp(a, &s->gateway, 16) != 0;
}

static int host(struct selftest *s, const struct in6_addr *mask)
{
	const char *text = given_get(&s->tool->given, 'H');
	struct in6_addr a;

	if (!text || !address(text, &a) || codec_is_v4(&a) == s->v6)
		return s->v6 ? random_address(s, mask) : free_address(s, codec_to_v4(&s->gateway), codec_to_v4(mask));
	s->host = a;
	if (!is_inside(s, mask, &a) || (!s->v6 && (is_neighbour(codec_to_v4(&a)) ||
						   tap_somebody(s->lan_index, codec_to_v4(&a), PROBE_MS, s->ended)))) {
		say(stderr, "natpcpctl: %s is not free, or not in the network of %s\n", text, s->lan);
		return CTL_FAILED;
	}
	return CTL_DONE;
}

/* True if an outside address of ours is in the same network of 256. */
static bool is_near(const json_t *status, uint32_t v)
{
	const json_t *list = json_object_get(status, "externals");
	struct in6_addr a;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *addresses = json_object_get(json_array_get(list, i), "addresses");

		for (size_t j = 0; j < json_array_size(addresses); j++)
			if (address(json_string_value(json_array_get(addresses, j)), &a) && codec_is_v4(&a) &&
			    (codec_to_v4(&a) ^ v) < 256)
				return true;
	}
	return false;
}

static void source(struct selftest *s)
{
	struct in6_addr a;

	if (address(given_get(&s->tool->given, 'F'), &a) && codec_is_v4(&a) != s->v6)
		s->outside = a;
	else
		s->outside = s->v6 ? nobodys6 : codec_from_v4(nobodys[is_near(s->status, nobodys[0])]);
}

int selftest_place(struct selftest *s)
{
	const char *lan = given_get(&s->tool->given, 'i');
	struct in6_addr mask;

	if (!lan)
		lan = first_interface(s->status);
	if (!lan) {
		fputs("natpcpctl: the server names no inside interface: say which one by --interface\n", stderr);
		return CTL_FAILED;
	}
	snprintf(s->lan, sizeof(s->lan), "%s", lan);
	s->lan_index = (int)if_nametoindex(s->lan);
	if (!s->lan_index) {
		say(stderr, "natpcpctl: inside interface %s is not there\n", s->lan);
		return CTL_FAILED;
	}
	source(s);
	s->absent = !network(s->lan, s->v6, &s->gateway, &mask);
	return s->absent ? CTL_DONE : host(s, &mask);
}

bool selftest_outside(struct selftest *s, const struct in6_addr *external)
{
	const json_t *list = json_object_get(s->status, "externals");
	const char *first = NULL, *found = NULL;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *x = json_array_get(list, i), *addresses = json_object_get(x, "addresses");
		const char *name = member(x, "interface");

		if (!name || !*name)
			continue;
		if (!first)
			first = name;
		for (size_t j = 0; j < json_array_size(addresses) && !found; j++) {
			struct in6_addr v;

			if (address(json_string_value(json_array_get(addresses, j)), &v) && !memcmp(&v, external, 16))
				found = name;
		}
	}
	/* where nothing is translated, the external address is the host's */
	if (!found)
		found = first;
	if (!found)
		return false;
	snprintf(s->wan, sizeof(s->wan), "%s", found);
	s->wan_index = (int)if_nametoindex(s->wan);
	return s->wan_index != 0;
}
